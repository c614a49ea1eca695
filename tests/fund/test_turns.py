"""Who writes to one SQLite file takes turns: nobody waits for long, whatever others have to store."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from fund.lanes import Lanes, lanes_of
from fund.turns import turn_of
from hotline.database import open_database
from sms.writer import Writer


@pytest.fixture
async def engines(tmp_path: Path) -> AsyncIterator[tuple[AsyncEngine, AsyncEngine]]:
    """Two for the same file, as the voice side and the text side have them."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'both.db'}"
    made = open_database(url, autocommit=True, flush=False), open_database(url)
    async with made[1].begin() as connection:
        await connection.execute(text("CREATE TABLE kept (name TEXT)"))
    yield made
    for engine in made:
        await engine.dispose()


@pytest.fixture
def lanes(engines: tuple[AsyncEngine, AsyncEngine]) -> Lanes:
    return lanes_of(engines[0])


@pytest.fixture
def writer(engines: tuple[AsyncEngine, AsyncEngine]) -> Writer:
    return Writer(engines[1])


def test_engines_of_one_file_share_its_turns(engines: tuple[AsyncEngine, AsyncEngine]) -> None:
    voice, texts = engines
    assert turn_of(voice.sync_engine) is (turn := turn_of(texts.sync_engine))
    assert turn is not turn_of(open_database("sqlite+aiosqlite:///:memory:").sync_engine)


async def store(writer: Writer, name: str) -> None:
    async with writer.transaction() as transaction:
        await transaction.execute(text("INSERT INTO kept VALUES (:name)"), {"name": name})
        await asyncio.sleep(0.02)


async def test_a_caller_waits_for_those_before_and_not_for_all(lanes: Lanes, writer: Writer) -> None:
    await lanes.note(lambda connection: connection.execute("SELECT 1"))
    before = [asyncio.create_task(store(writer, "before")) for _ in range(5)]
    await asyncio.sleep(0.01)
    caller = asyncio.create_task(lanes.note(lambda connection: connection.execute("INSERT INTO kept VALUES ('pin')")))
    await asyncio.sleep(0)
    after = [asyncio.create_task(store(writer, "after")) for _ in range(20)]
    await asyncio.gather(*before, caller, *after)
    names = [name for (name,) in await lanes.glance("SELECT name FROM kept", [])]
    assert names == ["before"] * 5 + ["pin"] + ["after"] * 20


async def test_what_was_left_open_is_committed_before_others_write(lanes: Lanes, writer: Writer) -> None:
    """The first leaves its flush to the second, which comes after a caller, or never."""
    async with asyncio.timeout(8):  # SQLite itself would wait for ten seconds, and then give up
        first = asyncio.create_task(store(writer, "first"))
        await asyncio.sleep(0)
        caller = asyncio.create_task(
            lanes.write(lambda connection: connection.execute("INSERT INTO kept VALUES ('pin')"))
        )
        second = asyncio.create_task(store(writer, "second"))
        await asyncio.sleep(0.01)
        await asyncio.gather(first, caller, second)
    assert await lanes.glance("SELECT name FROM kept", []) == [("first",), ("pin",), ("second",)]


async def test_two_writers_of_one_file_do_not_lock_each_other_out(
    engines: tuple[AsyncEngine, AsyncEngine], writer: Writer
) -> None:
    other = Writer(engines[1])
    async with asyncio.timeout(8):
        await asyncio.gather(*(store(each, str(n)) for n in range(5) for each in (writer, other)))


async def test_who_gives_up_waiting_takes_no_turn_along(lanes: Lanes, writer: Writer) -> None:
    async with asyncio.timeout(8):
        first = asyncio.create_task(store(writer, "first"))
        await asyncio.sleep(0)
        for start in (store(writer, "never"), lanes.write(lambda connection: connection.execute("SELECT 1"))):
            waiting = asyncio.ensure_future(start)
            await asyncio.sleep(0.005)
            waiting.cancel()
        await first
        await store(writer, "second")
        await lanes.write(lambda connection: connection.execute("INSERT INTO kept VALUES ('third')"))
    names = await lanes.glance("SELECT name FROM kept", [])
    assert names == [("first",), ("second",), ("third",)]
