"""Whose turn it is: one row a call in our database, so that several nodes take each turn once and answer it alike.

The row holds the turn under way and, when there is one, its answer, sealed, until the next turn or the end.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar

import structlog
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from fund.inserts import insert_into
from fund.privacy import Privacy, Unreadable
from fund.statements import NO_DATABASE
from ivr.tables import twilio_turns

log = structlog.get_logger()
LIMIT_SECONDS = 1.0  # the database's time for one question: then it counts as away
ABANDONED = timedelta(seconds=10)  # a turn without an answer for so long belongs to a node that died
KEPT = timedelta(days=1)
T = TypeVar("T")


class Away(Exception):
    """The database does not answer: go by what this node remembers."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The TwiML of a turn. A slow one has first words, words while it lasts, and last words that are not known yet."""

    first: str
    more: str = ""  # empty: the first words are all
    last: str = ""
    left_by: str = ""  # the key by which a caller has left the queue that this answer led to

    @property
    def done(self) -> bool:
        """Whether all of it is known."""
        return bool(self.last) or not self.more


@dataclass(frozen=True, slots=True)
class Claim:
    """What a turn is to this node: `ours` to take, `adopted` from a node that died, `taken` by another (with its
    answer, if there is one), `stale` (the call is in turn `n`), or of a call that is `over`."""

    is_: Literal["ours", "adopted", "taken", "stale", "over"]
    n: int = 0
    answer: Answer | None = None


class Turns:
    """The `twilio_turns` table. Every method raises `Away`."""

    def __init__(self, engine: AsyncEngine, privacy: Privacy) -> None:
        self._engine, self._privacy = engine, privacy
        self._insert = insert_into(engine, twilio_turns)

    async def claim(self, call_id: str, n: int, now: datetime) -> Claim:
        """Take a turn, or learn what became of it."""
        row = twilio_turns.c
        onward = update(twilio_turns).where(row.call_id == call_id, row.n < n, ~row.over)
        fresh = {"call_id": call_id, "n": n, "claimed_at": now, "over": False, "done": False}
        orphan = update(twilio_turns).where(row.call_id == call_id, row.n == n, ~row.done, ~row.over)
        orphan = orphan.where(row.claimed_at < now - ABANDONED)

        async def take(connection: AsyncConnection) -> Claim:
            if n and await _changed(connection, onward.values(n=n, claimed_at=now, answer=None, done=False)):
                return Claim("ours")
            if await _changed(connection, self._insert.values(fresh).on_conflict_do_nothing()):
                if not n:
                    await connection.execute(delete(twilio_turns).where(row.claimed_at < now - KEPT, row.over))
                return Claim("ours")
            if await _changed(connection, orphan.values(claimed_at=now)):
                return Claim("adopted")
            found = (await connection.execute(select(twilio_turns).where(row.call_id == call_id))).one()
            return self._seen(found, n)

        return await self._asked(take)

    def _seen(self, row: Any, n: int) -> Claim:
        if row.over and not (row.n == n and row.answer):
            return Claim("over")
        return Claim("taken", n, self._opened(row.answer)) if row.n == n else Claim("stale", row.n)

    async def answer(self, call_id: str, n: int, answer: Answer, now: datetime, *, over: bool = False) -> bool:
        """Keep the answer of a turn of ours, `over` if it is the last. False when the call has ended meanwhile.

        The turn need not stand in the row: the database may have been away when it was taken. Of a call that is
        further already, as another node had adopted the turn, there is nothing to keep.
        """
        row, sealed = twilio_turns.c, self._privacy.seal(json.dumps(asdict(answer)))
        put = self._insert.values(call_id=call_id, n=n, claimed_at=now, answer=sealed, done=answer.done, over=over)
        put = put.on_conflict_do_update(
            index_elements=["call_id"],
            set_={name: put.excluded[name] for name in ("n", "claimed_at", "answer", "done", "over")},
            where=(row.n <= n) & ~row.over,
        )

        async def keep(connection: AsyncConnection) -> bool:
            if await _changed(connection, put):
                return True
            ended = select(row.over).where(row.call_id == call_id)
            return not (await connection.execute(ended)).scalar_one()

        return await self._asked(keep)

    async def latest(self, call_id: str) -> Answer | None:
        """The answer of the call's present turn."""
        query = select(twilio_turns.c.answer).where(twilio_turns.c.call_id == call_id)

        async def find(connection: AsyncConnection) -> Answer | None:
            return self._opened((await connection.execute(query)).scalar_one_or_none())

        return await self._asked(find)

    async def forgotten(self, since: datetime) -> list[str]:
        """Calls that have not ended, and of which nothing was heard since."""
        query = select(twilio_turns.c.call_id).where(twilio_turns.c.claimed_at < since, ~twilio_turns.c.over)

        async def find(connection: AsyncConnection) -> list[str]:
            return list((await connection.execute(query)).scalars())

        return await self._asked(find)

    async def close(self, call_id: str, now: datetime) -> None:
        """Nothing happens to the call any more, were it heard of or not."""
        put = self._insert.values(call_id=call_id, n=0, claimed_at=now, done=True, over=True)
        put = put.on_conflict_do_update(index_elements=["call_id"], set_={"done": True, "over": True, "answer": None})
        await self._asked(lambda connection: _changed(connection, put))

    def _opened(self, sealed: bytes | None) -> Answer | None:
        try:
            return Answer(**json.loads(self._privacy.open(sealed))) if sealed else None
        except Unreadable:
            return None

    async def _asked(self, do: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(LIMIT_SECONDS), self._engine.begin() as connection:
                return await do(connection)
        except NO_DATABASE as fault:
            log.error("twilio_turns_away", fault=type(fault).__name__)
            raise Away from None


async def _changed(connection: AsyncConnection, statement: Any) -> bool:
    return bool((await connection.execute(statement)).rowcount == 1)
