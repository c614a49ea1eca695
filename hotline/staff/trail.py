"""The trail: every change, every sign-in and every look at somebody's data, with who, when and from where."""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from hotline.staff.tables import staff_audit

SAME_LOOK_SECONDS = 300.0  # a page that refreshes itself is one look
MOST_REMEMBERED = 10_000


class Trail:
    """Writes and reads `staff_audit`. A look is written before what is looked at is shown."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._looked: dict[tuple[str, str, str, str], float] = {}

    async def write(
        self, at: datetime, name: str, action: str, subject: str = "", detail: str = "", address: str = ""
    ) -> None:
        """One line. `subject` and `detail` must hold no full number, name or text of a caller."""
        row = {"at": at, "name": name, "action": action, "subject": subject[:80], "detail": detail[:200]}
        async with self._engine.begin() as connection:
            await connection.execute(insert(staff_audit).values(row | {"address": address[:45]}))

    async def look(self, at: datetime, name: str, action: str, subject: str, address: str) -> None:
        """A look at personal data; the same eyes on the same thing within five minutes are one look."""
        key, now = (name, action, subject, address), time.monotonic()
        if now - self._looked.get(key, float("-inf")) < SAME_LOOK_SECONDS:
            return
        await self.write(at, name, action, subject, address=address)
        if len(self._looked) >= MOST_REMEMBERED:
            self._looked.clear()
        self._looked[key] = now

    async def remove_old(self, before: datetime) -> None:
        """Forget what happened before a moment."""
        async with self._engine.begin() as connection:
            await connection.execute(delete(staff_audit).where(staff_audit.c.at < before))

    async def rows(
        self, *, before: int | None = None, name: str = "", subject: str = "", limit: int = 100
    ) -> Sequence[Any]:
        """Newest first; `before` is the id to go on from."""
        query = select(staff_audit).order_by(staff_audit.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(staff_audit.c.id < before)
        if name:
            query = query.where(staff_audit.c.name == name)
        if subject:
            query = query.where(staff_audit.c.subject == subject)
        async with self._engine.connect() as connection:
            return (await connection.execute(query)).all()
