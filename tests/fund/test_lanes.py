"""The kept connections of SQLite: all or nothing, given up at once, and never waited for where calls are led."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from fund.lanes import Lanes, lanes_of
from hotline.database import open_database

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
SLOW = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 300000) SELECT max(x) FROM n"


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    engine = open_database(f"sqlite+aiosqlite:///{tmp_path / 'lanes.db'}")
    yield engine
    await engine.dispose()


@pytest.fixture
async def lanes(engine: AsyncEngine) -> Lanes:
    lanes = lanes_of(engine)
    await lanes.write(lambda connection: connection.execute("CREATE TABLE things (name TEXT UNIQUE)"))
    return lanes


async def names(lanes: Lanes) -> list[str]:
    return [name for (name,) in await lanes.glance("SELECT name FROM things ORDER BY name", ())]


async def test_work_is_committed_or_undone(lanes: Lanes) -> None:
    def twice(connection: sqlite3.Connection) -> None:
        connection.executemany("INSERT INTO things VALUES (?)", [["a"], ["a"]])

    with pytest.raises(sqlite3.IntegrityError):
        await lanes.write(twice)
    assert await names(lanes) == []
    await lanes.write(lambda connection: connection.execute("INSERT INTO things VALUES ('a')"))
    assert await names(lanes) == ["a"]


async def test_work_given_up_frees_its_thread_for_the_next(lanes: Lanes) -> None:
    waiting = [asyncio.create_task(lanes.write(lambda c: c.execute(ENDLESS).fetchall())) for _ in range(3)]
    await asyncio.sleep(0.05)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    async with asyncio.timeout(10):
        await lanes.write(lambda connection: connection.execute("INSERT INTO things VALUES ('a')"))


async def test_a_long_read_holds_no_other_up(lanes: Lanes) -> None:
    long = asyncio.create_task(lanes.read(lambda connection: connection.execute(ENDLESS).fetchall()))
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        assert await lanes.read(lambda connection: connection.execute("SELECT 1").fetchall()) == [(1,)]
    long.cancel()


async def test_a_lock_is_waited_for_in_a_thread(lanes: Lanes, engine: AsyncEngine, tmp_path: Path) -> None:
    await engine.dispose()
    other = sqlite3.connect(tmp_path / "lanes.db", isolation_level=None)
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("PRAGMA journal_mode=DELETE")  # in WAL mode a reader waits for nobody
    lanes = lanes_of(engine)
    other.execute("BEGIN EXCLUSIVE")
    reading = asyncio.create_task(names(lanes))
    await asyncio.sleep(0.2)
    assert not reading.done()
    other.execute("ROLLBACK")
    other.close()
    async with asyncio.timeout(10):
        assert await reading == []


async def test_what_takes_long_is_read_in_a_thread_from_then_on(lanes: Lanes) -> None:
    await lanes.glance(SLOW, ())
    reading = asyncio.create_task(lanes.glance(SLOW, ()))
    await asyncio.sleep(0)
    assert not reading.done()
    assert await reading == [(300_000,)]


async def test_they_close_with_their_engine_and_open_anew(engine: AsyncEngine, lanes: Lanes) -> None:
    await lanes.write(lambda connection: connection.execute("INSERT INTO things VALUES ('a')"))
    await engine.dispose()
    assert lanes_of(engine) is not lanes
    assert await names(lanes_of(engine)) == ["a"]
