"""PostgreSQL tells other processes of new work (NOTIFY); this hears it and wakes their workers."""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

log = structlog.get_logger(__name__)

RECONNECT_SECONDS = 2.0  # meanwhile the workers poll


async def listen(engine: AsyncEngine, heard: Callable[[str], None]) -> None:
    """Call `heard(lane)` at every `NOTIFY outbox`, for ever; connects again by itself. Cancel to end."""
    while True:
        try:
            await _listen_once(engine, heard)
        except Exception as fault:  # the driver has faults of its own that nobody wraps
            log.warning("texts.listen_lost", fault=type(fault).__name__)
        await asyncio.sleep(RECONNECT_SECONDS)


async def _listen_once(engine: AsyncEngine, heard: Callable[[str], None]) -> None:
    lost = asyncio.Event()

    def told(_connection: Any, _pid: int, _channel: str, lane: str) -> None:
        heard(lane)

    async with engine.connect() as connection:
        raw = await connection.get_raw_connection()
        driver: Any = raw.driver_connection
        await driver.add_listener("outbox", told)
        driver.add_termination_listener(lambda _: lost.set())
        try:
            await lost.wait()
        finally:
            if not driver.is_closed():
                await driver.remove_listener("outbox", told)
