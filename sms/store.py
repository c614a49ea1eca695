"""How the text side writes to its database: one writer at a time on SQLite, as many as there are on PostgreSQL."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from fund.inserts import insert_into, insert_new
from fund.privacy import Privacy
from sms.writer import Writer

Clock = Callable[[], datetime]
_Result = TypeVar("_Result")
_ABOUT_SECONDS = 5.0
PATIENCE_SECONDS = 0.1  # how long a campaign waits behind codes at each step


def utc_now() -> datetime:
    """Now, aware."""
    return datetime.now(UTC)


class Store:
    """The database of the text side, and the keys its personal columns are kept under."""

    def __init__(self, engine: AsyncEngine, privacy: Privacy) -> None:
        self.engine = engine
        self.privacy = privacy
        self.sqlite = engine.dialect.name == "sqlite"
        self._insert_new: dict[str, Any] = {}
        self._in_a_hurry = 0
        self._hurried_at = float("-inf")
        self._writer = Writer(engine, lambda: self.codes_about) if self.sqlite else None
        self._calm = asyncio.Event()

    @contextmanager
    def hurry(self) -> Iterator[None]:
        """Somebody waits for a code: what has time lets it go first, by `calm`."""
        self.code_came()
        with self.first():
            yield

    @contextmanager
    def first(self) -> Iterator[None]:
        """What has time waits, by `calm`, as for a code; but perhaps there is none."""
        self._hurrying(1)
        try:
            yield
        finally:
            self._hurrying(-1)

    def code_came(self) -> None:
        """Remember it: another may follow."""
        self._hurried_at = time.monotonic()

    def _hurrying(self, more: int) -> None:
        self._in_a_hurry += more
        if self._writer is not None:
            self._writer.in_a_hurry = self._in_a_hurry > 0
        if self._in_a_hurry:
            self._calm.clear()
        else:
            self._calm.set()

    @property
    def codes_about(self) -> bool:
        """Whether codes came in the last seconds: the next one should find short work before it."""
        return time.monotonic() - self._hurried_at < _ABOUT_SECONDS

    async def calm(self) -> None:
        """Wait while codes are on their way, but not for long: one process does both, and must not stop at either."""
        if self._in_a_hurry:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._calm.wait(), PATIENCE_SECONDS)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection to read from."""
        async with self.engine.connect() as connection:
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction: committed at the end, rolled back on any exception.

        SQLite has one writer: waiting for the turn here is fair and free, where its own busy-waiting is neither.
        """
        if self._writer is not None:
            async with self._writer.transaction() as transaction:
                yield cast(AsyncConnection, transaction)
            return
        async with self.engine.begin() as connection:
            yield connection

    async def transact(self, work: Callable[..., _Result], *given: Any) -> _Result:
        """`work(connection, *given)`, a whole transaction by itself: on SQLite one trip to the writer's thread."""
        if self._writer is not None:
            async with self._writer.transaction() as transaction:
                return await transaction.finish(work, *given)
        async with self.engine.begin() as connection:
            return await connection.run_sync(work, *given)

    def insert_new(self, table: Table) -> Any:
        """`INSERT` that leaves alone what is already there."""
        if table.name not in self._insert_new:
            self._insert_new[table.name] = insert_new(self.engine, table)
        return self._insert_new[table.name]

    def upsert(self, table: Table, keys: list[str], **columns: Any) -> Any:
        """`INSERT` that overwrites the row with the same `keys`."""
        changed = {name: value for name, value in columns.items() if name not in keys}
        insert = insert_into(self.engine, table).values(**columns)
        return insert.on_conflict_do_update(index_elements=keys, set_=changed)

    def digest(self, purpose: str, value: str) -> bytes:
        """16 bytes that stand for `value` in a look-up column."""
        return self.privacy.digest_bytes(purpose, value)[:16]

    def phone(self, number: str) -> bytes:
        """The look-up digest of a normalised phone number."""
        return self.digest("phone", number)
