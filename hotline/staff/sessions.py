"""Sessions: begun by signing in, ended by signing out, by rest, by age, or by an administrator."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from hotline.staff.roles import Role
from hotline.staff.tables import staff, staff_sessions
from hotline.staff.tokens import hashed, new_token

TOUCH = timedelta(minutes=1)  # `seen_at` is written no oftener


@dataclass(frozen=True, slots=True)
class Session:
    """Who is signed in, as they are now: a role taken away is gone with the next click."""

    staff_id: int
    name: str
    role: Role
    seat: str
    language: str


class Sessions:
    """The `staff_sessions` table. `idle`: how long without a click; `life`: how long at most."""

    def __init__(self, engine: AsyncEngine, idle: timedelta, life: timedelta) -> None:
        self._engine, self._idle, self._life = engine, idle, life

    async def begin(self, staff_id: int, language: str, at: datetime) -> str:
        """A session with a token of its own, whatever token the browser had before."""
        token = new_token()
        row = {"token_hash": hashed(token), "staff_id": staff_id, "language": language}
        async with self._engine.begin() as connection:
            await connection.execute(insert(staff_sessions).values(row | {"created_at": at, "seen_at": at}))
        return token

    async def find(self, token: str, at: datetime, *, touch: bool = True) -> Session | None:
        """Whose session this is; None when there is none, or it is over. `touch` counts this look as a sign of life."""
        query = (
            select(staff, staff_sessions.c.language, staff_sessions.c.seen_at)
            .join_from(staff_sessions, staff, staff.c.id == staff_sessions.c.staff_id)
            .where(staff_sessions.c.token_hash == hashed(token), staff.c.disabled_at.is_(None))
            .where(staff_sessions.c.seen_at > at - self._idle, staff_sessions.c.created_at > at - self._life)
        )
        async with self._engine.connect() as connection:
            row = (await connection.execute(query)).first()
        if row is None:
            return None
        if touch and at - row.seen_at > TOUCH:
            await self._set(token, seen_at=at)
        return Session(row.id, row.name, row.role, row.seat, row.language)

    async def speak(self, token: str, language: str) -> None:
        """Show this session's pages in another language."""
        await self._set(token, language=language)

    async def end(self, token: str) -> None:
        """Sign out."""
        async with self._engine.begin() as connection:
            await connection.execute(delete(staff_sessions).where(staff_sessions.c.token_hash == hashed(token)))

    async def tidy(self, at: datetime) -> None:
        """Remove sessions that are over."""
        over = (staff_sessions.c.seen_at <= at - self._idle) | (staff_sessions.c.created_at <= at - self._life)
        async with self._engine.begin() as connection:
            await connection.execute(delete(staff_sessions).where(over))

    async def _set(self, token: str, **values: Any) -> None:
        row = update(staff_sessions).where(staff_sessions.c.token_hash == hashed(token))
        async with self._engine.begin() as connection:
            await connection.execute(row.values(values))
