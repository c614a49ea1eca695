"""SQLite without a detour: one change of threads for a whole transaction, on connections that are kept.

SQLAlchemy opens the connections and says how (its events set the pragmas); then they leave its pool for good, because
taking one from there and giving it back costs more than most statements. Writers take turns in SQLite anyway, so all
of them share one connection; readers have a few, so that a long page of one look-up holds no other up. What takes no
time is done in place, for a tenth of what changing threads costs: a row is found by its key, or a few rows are changed
where SQLite does not wait for the disk. Where it has to wait after all, for a lock or a disk, a thread does.
"""

import sqlite3
import time
from asyncio import CancelledError, Lock, Task, create_task
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Engine, event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import await_only, greenlet_spawn

from fund.turns import turn_of

READERS = 3
GLANCE_SECONDS = 0.01
SLOW_SECONDS = 60.0  # a statement that took longer is read in a thread: an index is missing, or the machine was busy
SULK_SECONDS = 1.0  # after a change that took longer than a glance, others are made in a thread for so long
NOTES = 200  # changes in place between two checkpoints, which wait for the disk; a few pages each
LOOK_EVERY = 10_000  # SQLite's instructions between two looks whether somebody still waits
NORMAL = 1  # PRAGMA synchronous: only a checkpoint waits for the disk, and the first change after it

_Result = TypeVar("_Result")
_Work = Callable[[sqlite3.Connection], _Result]


class NotNow(Exception):
    """It cannot be done in place this moment."""


class _Job(Generic[_Result]):
    """Work on its way through a connection's thread; what it left open is undone if it fails."""

    def __init__(self, work: _Work[_Result], connection: sqlite3.Connection) -> None:
        self._work, self._connection = work, connection
        self._given_up = False

    def __call__(self) -> _Result:
        if self._given_up:
            raise CancelledError
        # Not `interrupt`: that reaches only a statement that has begun already.
        self._connection.set_progress_handler(lambda: self._given_up, LOOK_EVERY)
        try:
            result = self._work(self._connection)
            if self._connection.in_transaction:
                self._connection.commit()
            return result
        except BaseException:
            self._connection.rollback()
            raise
        finally:
            self._connection.set_progress_handler(None, 0)

    def give_up(self) -> None:
        """Nobody waits any more: its thread is wanted for others."""
        self._given_up = True


class _Lane:
    """One connection and its thread: what is handed over runs in order."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._driver: Any = None  # an aiosqlite.Connection
        self._opening = Lock()
        self.waiting = 0

    async def run(self, work: _Work[_Result]) -> _Result:
        self.waiting += 1
        try:
            driver = self._driver or await self._open()
            job = _Job(work, driver._conn)
            try:
                result: _Result = await driver._execute(job)
                return result
            except CancelledError:
                job.give_up()
                raise
            except BaseException:
                await self._drop(driver)  # nobody knows what state it is in
                raise
        finally:
            self.waiting -= 1

    async def _open(self) -> Any:
        async with self._opening:
            if self._driver is None:
                self._driver = await greenlet_spawn(self._detached)
            return self._driver

    def _detached(self) -> Any:
        connection = self._engine.raw_connection()
        driver = connection.driver_connection
        connection.detach()
        return driver

    async def close(self) -> None:
        """When what was handed over is done; the next work opens it anew."""
        await self._drop(self._driver)

    async def _drop(self, driver: Any) -> None:
        if driver is not None and driver is self._driver:
            self._driver = None
            await driver.close()


@dataclass
class _Here:
    """The connection for what is done in place."""

    connection: sqlite3.Connection
    changes: bool  # whether anything may be changed there
    until_checkpoint: int = NOTES
    sulks_until: float = 0.0


def _impatient(connection: sqlite3.Connection) -> _Here:
    connection.execute("PRAGMA busy_timeout=0")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    (synchronous,) = connection.execute("PRAGMA synchronous").fetchone()
    (queries,) = connection.execute("PRAGMA query_only").fetchone()
    return _Here(connection, changes=synchronous <= NORMAL and not queries)


def _bring_in(connection: sqlite3.Connection) -> None:
    """What the log holds, into the file. Others write meanwhile."""
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def _begin_anew(connection: sqlite3.Connection) -> None:
    """The rest of the log while nobody writes; then a change of nothing, as the first one waits for the disk too."""
    _bring_in(connection)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    connection.execute(f"PRAGMA user_version={version}")


class Lanes:
    """The kept connections of one database."""

    def __init__(self, engine: Engine) -> None:
        self._writing = _Lane(engine)
        self._checkpointing = _Lane(engine)
        self._turn = turn_of(engine)
        self._reading = [_Lane(engine) for _ in range(READERS)]
        self._lane_here = _Lane(engine)
        self._here: _Here | None = None
        self._checkpoint: Task[None] | None = None
        self._slow: dict[str, float] = {}  # until when statements are read in a thread that took longer than a glance
        event.listen(engine, "engine_disposed", self._close, once=True)

    async def read(self, work: _Work[_Result]) -> _Result:
        """Work that changes nothing. Raises whatever SQLite raises."""
        return await min(self._reading, key=lambda lane: lane.waiting).run(work)

    async def glance(self, sql: str, arguments: Sequence[Any]) -> list[Any]:
        """The rows of a statement that takes no time, read where we are; in a thread if it does, or has to wait.

        Raises whatever SQLite raises.
        """
        if time.perf_counter() >= self._slow.get(sql, 0.0):
            here = self._here or await self._open_here()
            began = time.perf_counter()
            try:
                rows: list[Any] = here.connection.execute(sql, arguments).fetchall()
                return rows
            except sqlite3.OperationalError:
                pass
            finally:
                if time.perf_counter() - began > GLANCE_SECONDS:
                    self._slow[sql] = time.perf_counter() + SLOW_SECONDS
        return await self.read(lambda connection: connection.execute(sql, arguments).fetchall())

    async def write(self, work: _Work[_Result]) -> _Result:
        """Work that is committed at its end, all of it or nothing. Raises whatever SQLite raises."""
        async with self._turn.taken():
            return await self._writing.run(work)

    async def note(self, work: _Work[_Result]) -> _Result:
        """The same for a change of a few rows, found by their keys: made in place where that takes no time."""
        if self._here is None:
            await self._open_here()
        try:
            return self.note_now(work)
        except NotNow:
            return await self.write(work)

    def note_now(self, work: _Work[_Result]) -> _Result:
        """The same without a wait. Raises `NotNow`, and then nothing was changed."""
        here = self._here
        if here is None or not here.changes or self._busy or time.perf_counter() < here.sulks_until:
            raise NotNow
        began = time.perf_counter()
        try:
            result = work(here.connection)
            here.connection.commit()
        except sqlite3.OperationalError as fault:  # somebody else writes, or worse: a thread has the time to find out
            here.connection.rollback()
            raise NotNow from fault
        except BaseException:
            here.connection.rollback()
            raise
        self._count(here, time.perf_counter() - began)
        return result

    @property
    def _busy(self) -> bool:
        """Whether a thread is at it; also during a checkpoint, as the first change after one waits for the disk."""
        return bool(self._writing.waiting or (self._checkpoint and not self._checkpoint.done()))

    def _count(self, here: _Here, seconds: float) -> None:
        if seconds > GLANCE_SECONDS:
            here.sulks_until = time.perf_counter() + SULK_SECONDS
        here.until_checkpoint -= 1
        if here.until_checkpoint <= 0:
            here.until_checkpoint = NOTES
            self._checkpoint = create_task(self._move_on())

    async def _move_on(self) -> None:
        with suppress(sqlite3.Error):  # the next one tries again
            await self._checkpointing.run(_bring_in)
            await self.write(_begin_anew)

    async def _open_here(self) -> _Here:
        self._here = await self._lane_here.run(_impatient)
        return self._here

    def _close(self, engine: Engine) -> None:
        _lanes.pop(engine, None)
        self._here = None
        for lane in (self._lane_here, self._writing, self._checkpointing, *self._reading):
            await_only(lane.close())  # `AsyncEngine.dispose` runs this in a greenlet


_lanes: dict[Engine, Lanes] = {}


def lanes_of(engine: AsyncEngine) -> Lanes:
    """Those of an engine for SQLite, opened as they are needed and closed with it."""
    lanes = _lanes.get(engine.sync_engine)
    if lanes is None:
        lanes = _lanes[engine.sync_engine] = Lanes(engine.sync_engine)
    return lanes
