"""SQLite's writer: transactions apart, flushes together, and nobody told before it is on the disk."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, event, insert, select, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from hotline.database import open_database
from sms.writer import Writer

metadata = MetaData()
THING = Table("thing", metadata, Column("id", Integer, primary_key=True), Column("name", String))


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    engine = open_database(f"sqlite+aiosqlite:///{tmp_path / 'x.db'}")
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield engine
    await engine.dispose()


@pytest.fixture
def writer(opened: AsyncEngine) -> Writer:
    return Writer(opened)


def on_disk(engine: AsyncEngine) -> list[int]:
    """What another process sees."""
    with sqlite3.connect(str(engine.url.database)) as other:
        return [row[0] for row in other.execute("SELECT id FROM thing ORDER BY id")]


async def add(writer: Writer, *ids: int) -> None:
    async with writer.transaction() as transaction:
        for id in ids:
            await transaction.execute(insert(THING).values(id=id, name="x"))


async def test_done_means_on_the_disk(writer: Writer, opened: AsyncEngine) -> None:
    async with writer.transaction() as transaction:
        await transaction.execute(insert(THING).values(id=1, name="x"))
        assert on_disk(opened) == []
        assert [row.id for row in await transaction.execute(select(THING))] == [1]
    assert on_disk(opened) == [1]


async def test_one_that_fails_takes_nobody_down_with_it(writer: Writer, opened: AsyncEngine) -> None:
    done = await asyncio.gather(*(add(writer, n, 7) for n in range(5)), add(writer, 100), return_exceptions=True)
    assert [type(each) for each in done[1:5]] == [IntegrityError] * 4
    assert on_disk(opened) == [0, 7, 100]
    await add(writer, 101)
    assert on_disk(opened) == [0, 7, 100, 101]


async def whole(writer: Writer, *ids: int) -> None:
    async with writer.transaction() as transaction:
        await transaction.finish(lambda connection: [connection.execute(insert(THING).values(id=id)) for id in ids])


async def test_one_that_is_a_single_piece_of_work_is_on_the_disk_or_not_at_all(
    writer: Writer, opened: AsyncEngine
) -> None:
    each = [
        whole(writer, 0),
        add(writer, 1),
        whole(writer, 2, 0),
        whole(writer, 3),
        add(writer, 4, 3),
        whole(writer, 5),
    ]
    done = await asyncio.gather(*each, return_exceptions=True)
    assert [type(fault) for fault in done if fault] == [IntegrityError] * 2
    assert on_disk(opened) == [0, 1, 3, 5]
    await whole(writer, 6)
    assert on_disk(opened) == [0, 1, 3, 5, 6]


async def test_a_flush_that_fails_is_told_to_all_who_shared_it(writer: Writer, opened: AsyncEngine) -> None:
    await whole(writer, 0)

    def refuse(_: object) -> None:
        raise OSError("the disk is full")

    event.listen(writer._engine, "commit", refuse)
    done = await asyncio.gather(add(writer, 1), whole(writer, 2), whole(writer, 3), return_exceptions=True)
    assert [type(fault) for fault in done] == [OSError] * 3
    assert on_disk(opened) == [0]
    event.remove(writer._engine, "commit", refuse)
    await whole(writer, 4)
    assert on_disk(opened) == [0, 4]


async def test_what_sqlite_undoes_by_itself_is_told_to_all_who_waited_for_its_flush(
    writer: Writer, opened: AsyncEngine
) -> None:
    async def undo_all() -> None:  # as a disk does that is full before the flush
        async with writer.transaction() as transaction:
            await transaction.execute(text("INSERT OR ROLLBACK INTO thing VALUES (1, 'again')"))

    done = await asyncio.gather(add(writer, 1), undo_all(), add(writer, 3), return_exceptions=True)
    assert [type(fault) for fault in done] == [OperationalError, IntegrityError, type(None)]
    assert on_disk(opened) == [3]


async def test_many_at_once_share_a_flush(writer: Writer, opened: AsyncEngine) -> None:
    flushes = 0

    @event.listens_for(writer._engine, "commit")
    def count(_: object) -> None:
        nonlocal flushes
        flushes += 1

    await asyncio.gather(*(add(writer, n) for n in range(160)))
    assert on_disk(opened) == list(range(160))
    assert flushes < 40


async def test_one_given_up_in_the_middle_leaves_nothing(writer: Writer, opened: AsyncEngine) -> None:
    begun, never = asyncio.Event(), asyncio.Event()

    async def stuck() -> None:
        async with writer.transaction() as transaction:
            await transaction.execute(insert(THING).values(id=1, name="x"))
            begun.set()
            await never.wait()

    task = asyncio.create_task(stuck())
    await begun.wait()
    others = asyncio.gather(add(writer, 2), add(writer, 3))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await others
    assert on_disk(opened) == [2, 3]


async def test_another_process_that_writes_is_waited_for(writer: Writer, opened: AsyncEngine) -> None:
    other = sqlite3.connect(str(opened.url.database), isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    other.execute("INSERT INTO thing VALUES (50, 'other')")
    mine = asyncio.create_task(add(writer, 51))
    await asyncio.sleep(0.05)
    assert not mine.done()
    other.execute("COMMIT")
    other.close()
    await mine
    assert on_disk(opened) == [50, 51]


async def test_what_was_undone_keeps_nobody_out(writer: Writer, opened: AsyncEngine) -> None:
    with pytest.raises(IntegrityError):
        await add(writer, 1, 1)
    with sqlite3.connect(str(opened.url.database), timeout=0) as other:
        other.execute("INSERT INTO thing VALUES (2, 'another process')")
    assert on_disk(opened) == [2]


async def test_one_cancelled_while_it_waits_leaves_nobody_hanging(writer: Writer, opened: AsyncEngine) -> None:
    inside, go = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with writer.transaction() as transaction:
            await transaction.execute(insert(THING).values(id=1, name="x"))
            inside.set()
            await go.wait()

    one = asyncio.create_task(first())
    await inside.wait()
    two = asyncio.create_task(add(writer, 2))
    await asyncio.sleep(0)  # it waits for its turn, so the first one leaves the flush to it
    go.set()
    while not writer._unflushed:
        await asyncio.sleep(0)
    two.cancel()
    await asyncio.wait([one, two])
    assert (one.exception(), two.cancelled(), on_disk(opened)) == (None, True, [1])


async def test_a_code_does_not_wait_for_the_flush_of_others(writer: Writer, opened: AsyncEngine) -> None:
    writer.in_a_hurry = True
    go = asyncio.Event()

    async def slow() -> None:
        async with writer.transaction():
            await go.wait()

    async with writer.transaction() as transaction:
        others = asyncio.create_task(slow())
        await asyncio.sleep(0)
        await transaction.execute(insert(THING).values(id=1, name="x"))
    assert (on_disk(opened), others.done()) == ([1], False)
    go.set()
    await others
