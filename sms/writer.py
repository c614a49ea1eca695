"""SQLite's one writer: a connection with a thread of its own, and one flush to the disk for all who wrote together.

The usual asynchronous driver makes four or five trips to its thread a statement; here it is one. And a transaction does
not flush for itself: while others wait for their turn it only sets a savepoint, and whoever comes last commits for all.
Nobody is told that a transaction is done before it is on the disk.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Executable, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import StaticPool

from fund.turns import turn_of

Result = TypeVar("Result")

MOST_TOGETHER = 16  # transactions that share a flush, so that the first of them does not wait long for the last
# WAL is a property of the file, which `hotline.database` gave it; these are properties of a connection. Each text
# changes pages all over the indexes of digests: they are kept in memory (32 MB), and brought from the log into the
# file when there are many; while codes are about sooner, which takes no longer than a code may wait.
_PRAGMAS = ("synchronous=FULL", "busy_timeout=10000", "foreign_keys=ON", "cache_size=-32768")
LOG_PAGES, LOG_PAGES_NEAR_CODES = 24000, 2000


class Writer:
    """The writing end of an SQLite database. Transactions take turns, first come, first served."""

    def __init__(self, engine: AsyncEngine, codes_about: Callable[[], bool] = lambda: False) -> None:
        self._codes_about = codes_about
        self._log_pages = 0
        self._engine = create_engine(
            engine.url.set(drivername="sqlite"),
            poolclass=StaticPool,
            hide_parameters=True,
            connect_args={"check_same_thread": False, "isolation_level": None},
        )
        self._connection: Connection | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite-writer")
        self._turn = turn_of(engine.sync_engine)
        self._coming = 0  # transactions that wait for their turn
        self.in_a_hurry = False  # a code is on its way: no transaction waits for the flush of the next one
        self._left: asyncio.Future[None] | None = None
        self._unflushed: list[asyncio.Future[None]] = []  # transactions written but not yet on the disk
        event.listen(engine.sync_engine, "engine_disposed", lambda _: self._thread.submit(self._close))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["Transaction"]:
        """Begun with the write lock taken, so what was read is still true when it is written."""
        await self._take_turn()
        flushed = asyncio.get_running_loop().create_future()
        try:
            transaction = Transaction(self)
            try:
                yield transaction
            except BaseException:
                await asyncio.shield(self.in_thread(transaction.undo))
                raise
            else:
                self._unflushed.append(flushed)
            finally:
                await asyncio.shield(self._flush_if_last(transaction))
        finally:
            self._turn.lock.release()
        await flushed

    async def _take_turn(self) -> None:
        self._coming += 1
        try:
            await self._turn.take(self._finish)
        except BaseException:  # cancelled: whoever left the flush to this one must not wait for ever
            self._left = asyncio.ensure_future(self._flush_for_others())
            raise
        finally:
            self._coming -= 1

    async def _flush_for_others(self) -> None:
        async with self._turn.taken():
            pass  # what was left open is committed by now

    def in_thread(self, work: Callable[[], Result]) -> asyncio.Future[Result]:
        """`work`, in the writer's thread, after whatever it is doing."""
        return asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _flush_if_last(self, transaction: "Transaction") -> None:
        if transaction.flushed:
            self._tell(transaction.fault)
        elif self.flushes_now:
            await self._finish()

    async def _finish(self) -> None:
        """Flush, even for nobody: what was undone still holds SQLite's lock."""
        self._tell(await self.in_thread(self.commit) if self._open else None)

    @property
    def _open(self) -> bool:
        return self._connection is not None and bool(_driver(self._connection).in_transaction)

    def _tell(self, fault: Exception | None) -> None:
        waiting, self._unflushed = self._unflushed, []
        for each in waiting:
            if not each.done():
                each.set_exception(fault) if fault else each.set_result(None)

    @property
    def flushes_now(self) -> bool:
        """Else the next one's turn comes at once, and then it is the next one's business."""
        return not self._coming or self.in_a_hurry or len(self._unflushed) >= MOST_TOGETHER

    # in the thread

    def begin(self) -> Connection:
        """The connection, in a transaction on the disk and at a savepoint of its own."""
        if self._connection is None:
            self._connection = self._engine.connect()
            for pragma in _PRAGMAS:
                self._connection.exec_driver_sql(f"PRAGMA {pragma}")
        if not self._open:
            self._choose_log_pages(self._connection)
            self._connection.exec_driver_sql("BEGIN IMMEDIATE")
        self._connection.exec_driver_sql("SAVEPOINT transaction_of_one")
        return self._connection

    def _choose_log_pages(self, connection: Connection) -> None:
        pages = LOG_PAGES_NEAR_CODES if self._codes_about() else LOG_PAGES
        if pages != self._log_pages:
            connection.exec_driver_sql(f"PRAGMA wal_autocheckpoint={pages}")
            self._log_pages = pages

    def commit(self) -> Exception | None:
        """All that was written since the last time, onto the disk; or why none of it is there."""
        if self._connection is not None and self._connection.in_transaction():
            try:
                self._connection.commit()
            except Exception as fault:
                self.undo_all(self._connection)
                return fault
        return None

    def undo_all(self, connection: Connection) -> None:
        """What was written since the last flush, whoever wrote it."""
        connection.rollback()
        connection.connection.rollback()  # SQLAlchemy may believe that there is nothing left to undo

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection, self._log_pages = None, 0
        self._engine.dispose()


class Transaction:
    """What a transaction is written with: the part of SQLAlchemy's `AsyncConnection` that the text side uses."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._connection: Connection | None = None  # once the first statement has begun it
        self.flushed = False  # or was tried to be: `fault`
        self.fault: Exception | None = None

    async def execute(self, statement: Executable, values: Any = None) -> Any:
        """As SQLAlchemy's, with all rows fetched."""
        return await self.run_sync(_execute, statement, values)

    async def run_sync(self, work: Callable[..., Result], *given: Any) -> Result:
        """As SQLAlchemy's: any number of statements in one trip to the thread."""
        return await self._writer.in_thread(lambda: work(self._begun(), *given))

    async def finish(self, work: Callable[..., Result], *given: Any) -> Result:
        """`run_sync` of what is the end of it, and perhaps the beginning: the flush is part of the same trip."""
        return await self._writer.in_thread(lambda: self._finish(work, *given))

    def _finish(self, work: Callable[..., Result], *given: Any) -> Result:
        result = work(self._begun(), *given)
        if self._writer.flushes_now:
            self.flushed, self.fault = True, self._writer.commit()
        return result

    def _begun(self) -> Connection:
        if self._connection is None:
            self._connection = self._writer.begin()
        return self._connection

    def undo(self) -> None:
        """In the thread: back to where it began, and nobody else's work with it, unless SQLite undid that already."""
        if self._connection is not None and not self.flushed:
            try:
                self._connection.exec_driver_sql("ROLLBACK TO transaction_of_one")
            except DBAPIError as fault:  # the disk was full before the flush: all who would have shared it hear so
                self._writer.undo_all(self._connection)
                self.flushed, self.fault = True, fault


def _driver(connection: Connection) -> Any:
    return connection.connection.dbapi_connection


def _execute(connection: Connection, statement: Executable, values: Any) -> Any:
    result = connection.execute(statement, values)
    return result.freeze()() if result.returns_rows else result
