"""What must be done now and then: rows of dead workers, outcomes nobody will tell, news to pull, figures to take."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import func, select, update

from sms import metrics
from sms.callbacks import TRIES
from sms.messages import LANES
from sms.store import Clock, Store, utc_now
from sms.tables import callback, message

log = structlog.get_logger(__name__)


async def ended(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended: a driver may swallow a cancellation that comes just as it is done."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=1)
    await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class Chore:
    """Something done every `seconds`, by every process; each is safe to be done by several at once."""

    name: str
    seconds: float
    run: Callable[[], Awaitable[Any]]


class Housekeeper:
    """Does chores until stopped. A chore that fails is logged and done again next time."""

    def __init__(self, chores: Sequence[Chore]) -> None:
        self.chores = chores
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._every(chore), name=chore.name) for chore in self.chores]

    async def stop(self) -> None:
        await ended(self._tasks)

    async def _every(self, chore: Chore) -> None:
        while True:
            try:
                await chore.run()
            except Exception as fault:
                log.exception("chore_failed", chore=chore.name, fault=type(fault).__name__)
            await asyncio.sleep(chore.seconds)


async def give_up_waiting(store: Store, hours: float, clock: Clock = utc_now) -> None:
    """Outcomes unknown for so long are for a person to decide."""
    waited = clock() - timedelta(hours=hours)
    old = (message.c.status == "unknown", message.c.dead_at.is_(None), message.c.due_at.is_(None))
    async with store.write() as connection:
        await connection.execute(update(message).where(*old, message.c.sent_at < waited).values(dead_at=clock()))


async def measure(store: Store, clock: Clock = utc_now) -> None:
    """Queue depth and age for the metrics, and what clients' systems did not take."""
    now = clock()
    waiting = select(message.c.lane, func.count(), func.min(message.c.due_at)).where(message.c.due_at.is_not(None))
    async with store.read() as connection:
        rows = {
            lane: (depth, since) for lane, depth, since in await connection.execute(waiting.group_by(message.c.lane))
        }
        given_up = select(callback.c.client, func.count()).where(callback.c.attempt >= TRIES)
        untold = dict(map(tuple, await connection.execute(given_up.group_by(callback.c.client))))
    for lane in LANES:
        depth, since = rows.get(lane, (0, None))
        metrics.DEPTH.labels(lane).set(depth)
        metrics.AGE.labels(lane).set(max(0.0, (now - since).total_seconds()) if since else 0.0)
    metrics.UNTOLD.clear()
    for client, count in untold.items():
        metrics.UNTOLD.labels(client).set(count)
