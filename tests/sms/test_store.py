"""How the text side shares its database: codes go first, and the one-hop SQLite driver is a driver like any other."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text

from hotline.database import open_database
from sms.housekeeping import ended
from sms.store import Store


async def test_who_has_time_lets_a_code_go_first(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sms.store.PATIENCE_SECONDS", 20)
    order = []

    async def campaign() -> None:
        await store.calm()
        order.append("campaign")

    with store.hurry():
        waiting = asyncio.create_task(campaign())
        async with store.write():
            order.append("code")
    await waiting
    assert order == ["code", "campaign"]


async def test_an_endless_stream_of_codes_does_not_stop_a_campaign(store: Store) -> None:
    with store.hurry():
        await store.calm()


async def test_what_is_not_in_a_hurry_does_not_wait(store: Store) -> None:
    with store.hurry(), store.hurry():
        pass
    calm = asyncio.create_task(store.calm())
    await asyncio.sleep(0)
    assert calm.done()


async def test_the_driver_streams_rolls_back_and_raises(tmp_path: Path) -> None:
    engine = open_database(f"sqlite+aiosqlite:///{tmp_path / 'x.db'}")
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE t (n INTEGER UNIQUE)"))
        await connection.execute(text("INSERT INTO t VALUES (:n)"), [{"n": n} for n in range(300)])
    async with engine.connect() as connection:
        streamed = [n async for (n,) in await connection.stream(text("SELECT n FROM t ORDER BY n"))]
        assert streamed == list(range(300))
        assert (await connection.execute(text("SELECT count(*) FROM t"))).scalar_one() == 300
    with pytest.raises(Exception, match="UNIQUE"):
        async with engine.begin() as connection:
            await connection.execute(text("INSERT INTO t VALUES (300)"))
            await connection.execute(text("INSERT INTO t VALUES (1)"))
    async with engine.begin() as connection:
        returned = await connection.execute(text("INSERT INTO t VALUES (301), (302) RETURNING n"))
        assert [n for (n,) in returned] == [301, 302]
        assert (await connection.execute(text("DELETE FROM t WHERE n < 10"))).rowcount == 10
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT max(n), count(*) FROM t"))).one() == (302, 292)
    await engine.dispose()


async def test_a_task_ends_though_a_cancellation_was_swallowed() -> None:
    swallowed = 0

    async def deaf_once() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed == 2:
                    raise

    task = asyncio.create_task(deaf_once())
    await asyncio.sleep(0)
    await ended([task])
    assert task.cancelled() and swallowed == 2
