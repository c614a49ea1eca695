"""The kept connections of SQLite: all or nothing, given up at once, and never waited for where calls are led."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from fund.lanes import GLANCE_SECONDS, NOTES, Lanes, NotNow, lanes_of
from hotline.database import open_database

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
ADD = "INSERT INTO things VALUES (?)"
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


async def test_what_was_slow_once_is_glanced_at_again(lanes: Lanes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fund.lanes.SLOW_SECONDS", 0.2)
    await lanes.glance(SLOW, ())
    await asyncio.sleep(0.25)
    began = time.perf_counter()
    reading = asyncio.create_task(lanes.glance(SLOW, ()))
    await asyncio.sleep(0)
    assert reading.done() and time.perf_counter() - began > GLANCE_SECONDS, "read where we are"


async def test_they_close_with_their_engine_and_open_anew(engine: AsyncEngine, lanes: Lanes) -> None:
    await lanes.write(lambda connection: connection.execute("INSERT INTO things VALUES ('a')"))
    await engine.dispose()
    assert lanes_of(engine) is not lanes
    assert await names(lanes_of(engine)) == ["a"]


def adds(*things: str) -> Callable[[sqlite3.Connection], object]:
    return lambda connection: connection.executemany(ADD, [[name] for name in things])


@pytest.fixture
async def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Lanes]:
    """Where a change need not wait for the disk, on a machine that is never too busy."""
    monkeypatch.setattr("fund.lanes.GLANCE_SECONDS", 10.0)
    engine = open_database(f"sqlite+aiosqlite:///{tmp_path / 'lanes.db'}", flush=False)
    lanes = lanes_of(engine)
    await lanes.write(lambda connection: connection.execute("CREATE TABLE things (name TEXT UNIQUE)"))
    await lanes.note(adds("first"))
    yield lanes
    await engine.dispose()


async def test_a_change_is_made_in_place_and_whole(quick: Lanes, tmp_path: Path) -> None:
    quick.note_now(adds("a"))
    with pytest.raises(sqlite3.IntegrityError):
        quick.note_now(adds("b", "a"))
    with closing(sqlite3.connect(tmp_path / "lanes.db")) as other:
        assert other.execute("SELECT name FROM things").fetchall() == [("first",), ("a",)]


async def test_no_change_is_made_in_place_where_it_waits_for_the_disk(lanes: Lanes) -> None:
    await lanes.note(adds("a"))
    with pytest.raises(NotNow):
        lanes.note_now(adds("b"))
    assert await names(lanes) == ["a"]


async def test_no_change_overtakes_one_that_waits(quick: Lanes) -> None:
    first = asyncio.create_task(quick.write(lambda c: (time.sleep(0.1), c.execute(ADD, ["b"]))))
    await asyncio.sleep(0)
    with pytest.raises(NotNow):
        quick.note_now(adds("a"))
    await quick.note(adds("b2"))
    assert first.done()


async def test_while_somebody_else_writes_a_thread_waits(quick: Lanes, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "lanes.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        noting = asyncio.create_task(quick.note(adds("a")))
        await asyncio.sleep(0.1)
        assert not noting.done()
        other.execute("COMMIT")
    async with asyncio.timeout(10):
        await noting
    assert await names(quick) == ["a", "first"]


async def test_after_a_slow_change_threads_make_the_next(quick: Lanes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fund.lanes.SULK_SECONDS", 0.2)
    monkeypatch.setattr("fund.lanes.GLANCE_SECONDS", GLANCE_SECONDS)
    quick.note_now(lambda connection: (time.sleep(2 * GLANCE_SECONDS), connection.execute(ADD, ["a"])))
    with pytest.raises(NotNow):
        quick.note_now(adds("b"))
    await asyncio.sleep(0.25)
    quick.note_now(adds("b"))


async def test_the_log_of_what_is_noted_does_not_grow_for_ever(quick: Lanes, tmp_path: Path) -> None:
    for n in range(20 * NOTES):
        await quick.note(adds(f"{n:0500}"))
        await asyncio.sleep(0)
    pages = (tmp_path / "lanes.db-wal").stat().st_size // 4096
    assert pages < 20 * NOTES, "a note takes nearly four, and a busy machine is late to begin it anew"
    assert (tmp_path / "lanes.db").stat().st_size > 20 * NOTES * 500


async def test_the_log_is_begun_anew_in_the_thread(
    quick: Lanes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fund.lanes.GLANCE_SECONDS", 10.0)

    def salt() -> bytes:
        return (tmp_path / "lanes.db-wal").read_bytes()[16:24]

    for n in range(NOTES):
        await quick.note(adds(str(n)))
    before = salt()
    while quick._writing.waiting or not quick._checkpoint:
        await asyncio.sleep(0.01)
    await quick._checkpoint
    begun = salt()
    await quick.note(adds("after it"))
    assert before != begun == salt()
