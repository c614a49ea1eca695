"""Who the staff are: invited by a link that works once, signed in by name and password, disabled, never deleted."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from fund.privacy import Privacy
from hotline.staff.passwords import Passwords, weakness
from hotline.staff.roles import ROLES, Role
from hotline.staff.tables import staff, staff_links, staff_sessions
from hotline.staff.tokens import hashed, new_token
from hotline.staff.tries import Tries

LINK_HOURS = 24
LONGEST_NAME = 40

Outcome = Literal[
    "ok",  # this is their password
    "wrong",  # it is not, or there is nobody of that name, or they are disabled
    "locked",  # not even compared: too many tries under this name or from this address
]


class NotPossible(Exception):
    """What was asked cannot be done; the message is a word of `words.FAULTS`."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What signing in came to; `staff_id`: who has this name, 0 for nobody."""

    outcome: Outcome
    staff_id: int = 0


def tidy_name(name: str) -> str:
    """A name as it is kept: `  Ｗang ` -> `wang`. Raises `NotPossible`."""
    name = unicodedata.normalize("NFKC", name).strip().casefold()
    if not 0 < len(name) <= LONGEST_NAME or not all(letter.isalnum() or letter in "-_." for letter in name):
        raise NotPossible("bad_name")
    return name


class Accounts:
    """The `staff` table and the links into it."""

    def __init__(self, engine: AsyncEngine, privacy: Privacy, passwords: Passwords) -> None:
        self._engine, self._passwords = engine, passwords
        self._tries = Tries(engine, privacy)

    async def invite(self, name: str, role: str, at: datetime, seat: str | None = None) -> str:
        """A link's token for a new member, or for a known one who needs a new password; links before it are void.

        A known member is enabled again, and keeps the role (empty) and the seat (None) that are not named; a new one is
        an agent then, without a seat. Raises `NotPossible`.
        """
        name, token = tidy_name(name), new_token()
        values = _given(role, seat) | {"disabled_at": None}
        try:
            async with self._engine.begin() as connection:
                id = await _known(connection, name)
                if id is None:
                    id = await _added(
                        connection, {"role": "agent", "seat": "", "name": name, "created_at": at} | values
                    )
                else:
                    await _change(connection, id, values)
                await connection.execute(delete(staff_links).where(staff_links.c.staff_id == id))
                row = {"token_hash": hashed(token), "staff_id": id, "expires_at": at + timedelta(hours=LINK_HOURS)}
                await connection.execute(insert(staff_links).values(row))
        except IntegrityError:
            raise NotPossible("name_taken") from None  # invited twice in the same moment
        return token

    async def invited(self, token: str, at: datetime) -> str | None:
        """Whose link this is, while it is good; looking does not use it up."""
        query = (
            select(staff.c.name)
            .join_from(staff_links, staff, staff.c.id == staff_links.c.staff_id)
            .where(staff_links.c.token_hash == hashed(token), *_good(at))
        )
        async with self._engine.connect() as connection:
            return (await connection.execute(query)).scalar_one_or_none()

    async def accept(self, token: str, password: str, at: datetime) -> str:
        """Use a link up: its owner's name. Sessions of before end. Raises `NotPossible`; then the link stays good."""
        name = await self.invited(token, at)
        if name is None:
            raise NotPossible("link_over")
        if fault := weakness(password, name):
            raise NotPossible(fault)
        kept = await self._passwords.hash(password)
        link = update(staff_links).where(staff_links.c.token_hash == hashed(token), *_good(at))
        async with self._engine.begin() as connection:
            id = (await connection.execute(link.values(used_at=at).returning(staff_links.c.staff_id))).scalar()
            if id is None:
                raise NotPossible("link_over")
            await connection.execute(update(staff).where(staff.c.id == id).values(password_hash=kept))
            await connection.execute(delete(staff_sessions).where(staff_sessions.c.staff_id == id))
        await self._tries.forget(name)  # whoever forgot a password has guessed at it
        return name

    async def sign_in(self, name: str, password: str, address: str, at: datetime) -> SignedIn:
        """Compare a password. Every try is counted first, for the name and for the address."""
        try:
            name = tidy_name(name)
        except NotPossible:
            name = "?"
        spent = await self._tries.count(name, address, at)
        query = select(staff.c.id, staff.c.password_hash).where(staff.c.name == name, staff.c.disabled_at.is_(None))
        async with self._engine.connect() as connection:
            row = (await connection.execute(query)).first()
        if spent is None:
            return SignedIn("locked", row.id if row else 0)
        if not await self._passwords.matches(row.password_hash if row else None, password) or row is None:
            return SignedIn("wrong", row.id if row else 0)
        await self._tries.forgive(name, address, spent)
        return SignedIn("ok", row.id)

    async def change(self, name: str, *, role: str = "", seat: str | None = None) -> None:
        """Give a member another role or seat. Raises `NotPossible`."""
        values = _given(role, seat)
        async with self._engine.begin() as connection:
            await self._update(connection, name, values)

    async def disable(self, name: str, at: datetime) -> None:
        """Shut a member out: sessions and links end now. Raises `NotPossible`."""
        async with self._engine.begin() as connection:
            id = await self._update(connection, name, {"disabled_at": at})
            for table in (staff_sessions, staff_links):
                await connection.execute(delete(table).where(table.c.staff_id == id))

    async def rows(self) -> Sequence[Any]:
        """Everybody, by name, without their hashes."""
        wanted = [column for column in staff.c if column.name != "password_hash"]
        query = select(*wanted, staff.c.password_hash.is_not(None).label("ready")).order_by(staff.c.name)
        async with self._engine.connect() as connection:
            return (await connection.execute(query)).all()

    async def any_administrator(self) -> bool:
        """Whether somebody could sign in and invite the others."""
        async with self._engine.connect() as connection:
            return bool(await _administrators(connection))

    async def tidy(self, at: datetime) -> None:
        """Remove what is over: tries and links."""
        await self._tries.tidy(at)
        async with self._engine.begin() as connection:
            await connection.execute(delete(staff_links).where(staff_links.c.expires_at <= at))

    async def _update(self, connection: AsyncConnection, name: str, values: dict[str, Any]) -> int:
        id = await _known(connection, tidy_name(name))
        if id is None:
            raise NotPossible("no_such_staff")
        await _change(connection, id, values)
        return id

    def close(self) -> None:
        self._passwords.close()


def _given(role: str, seat: str | None) -> dict[str, Any]:
    """What is to be changed. Raises `NotPossible`."""
    if role and role not in ROLES:
        raise NotPossible("bad_role")
    return ({"role": role} if role else {}) | ({} if seat is None else {"seat": seat})


async def _known(connection: AsyncConnection, name: str) -> int | None:
    """Who has this name, whom nobody else changes before the transaction ends."""
    known = await connection.execute(select(staff.c.id).where(staff.c.name == name).with_for_update())
    return known.scalar_one_or_none()


async def _added(connection: AsyncConnection, values: dict[str, Any]) -> int:
    return int((await connection.execute(insert(staff).values(values).returning(staff.c.id))).scalar_one())


async def _change(connection: AsyncConnection, id: int, values: dict[str, Any]) -> None:
    """Raises `NotPossible` when nobody would be left to say who the staff are."""
    before = await _administrators(connection)
    if values:
        await connection.execute(update(staff).where(staff.c.id == id).values(values))
    if before and not await _administrators(connection):
        raise NotPossible("last_administrator")


async def _administrators(connection: AsyncConnection) -> list[int]:
    """Those who could sign in now; locked for the length of the transaction, so two cannot disable each other."""
    administrator: Role = "administrator"
    query = select(staff.c.id).where(
        staff.c.role == administrator, staff.c.disabled_at.is_(None), staff.c.password_hash.is_not(None)
    )
    return list((await connection.execute(query.with_for_update())).scalars())


def _good(at: datetime) -> tuple[Any, Any]:
    return staff_links.c.used_at.is_(None), staff_links.c.expires_at > at
