"""Whoever hears of new work hears of it for ever, whatever happens to the connection."""

import asyncio
from collections.abc import Callable

import pytest
from asyncpg import InterfaceError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from sms import wake


async def test_after_any_fault_it_listens_again(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server may go between the connection and the LISTEN: the driver's own fault, which nobody wraps."""
    listens, faults, heard = wake._listen_once, [InterfaceError("closed"), OSError("away")], asyncio.Event()

    async def once(engine: AsyncEngine, tell: Callable[[str], None]) -> None:
        if faults:
            raise faults.pop()
        await listens(engine, tell)

    monkeypatch.setattr(wake, "RECONNECT_SECONDS", 0.01)
    monkeypatch.setattr(wake, "_listen_once", once)
    engine = create_async_engine(postgres_url)
    listening = asyncio.create_task(wake.listen(engine, lambda lane: heard.set() if lane == "code" else None))
    async with asyncio.timeout(20):
        while not heard.is_set():
            async with engine.begin() as connection:
                await connection.execute(text("NOTIFY outbox, 'code'"))
            await asyncio.sleep(0.05)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    await engine.dispose()
