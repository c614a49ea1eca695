"""What must be done now and then: rows of dead workers, outcomes nobody will tell, news to pull, records to remove."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import delete, func, select, update

from sms import metrics
from sms.messages import LANES
from sms.store import Clock, Store, utc_now
from sms.tables import audit, inbound, inbound_part, message, reminder_run

log = structlog.get_logger(__name__)

_AT_ONCE = 2000  # rows of one removing transaction, so that a code never waits long behind it


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
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

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


async def remove_old(store: Store, keep_days: int, keep_text_days: int, clock: Clock = utc_now) -> int:
    """Empty the sealed bodies of finished texts after `keep_text_days`, remove records after `keep_days`.

    Codes lose their body as soon as they cannot be used any more. Returns how many rows were touched.
    """
    now = clock()
    finished = (message.c.due_at.is_(None), message.c.dead_at.is_(None), message.c.body != b"")
    codes = (message.c.lane == "code", message.c.expires_at < now - timedelta(hours=1), *finished)
    texts = (message.c.created_at < now - timedelta(days=keep_text_days), *finished)
    oldest = now - timedelta(days=keep_days)
    touched = await _in_steps(store, codes, empty=True) + await _in_steps(store, texts, empty=True)
    touched += await _in_steps(store, (message.c.created_at < oldest,), empty=False)
    read = (
        inbound.c.received_at < now - timedelta(days=keep_text_days),
        inbound.c.state != "new",
        inbound.c.body != b"",
    )
    async with store.write() as connection:
        await connection.execute(update(inbound).where(*read).values(body=b""))
        await connection.execute(delete(reminder_run).where(reminder_run.c.day < oldest.date()))
        for table, at in ((inbound, inbound.c.received_at), (audit, audit.c.at)):
            await connection.execute(delete(table).where(at < oldest))
        await connection.execute(delete(inbound_part).where(inbound_part.c.received_at < now - timedelta(days=1)))
    return touched


async def _in_steps(store: Store, which: Sequence[Any], *, empty: bool) -> int:
    touched = 0
    while True:
        some = select(message.c.id).where(*which).limit(_AT_ONCE)
        async with store.write() as connection:
            ids = (await connection.execute(some)).scalars().all()
            change = update(message).values(body=b"") if empty else delete(message)
            if ids:
                await connection.execute(change.where(message.c.id.in_(ids)))
        touched += len(ids)
        if len(ids) < _AT_ONCE:
            return touched


async def measure(store: Store, clock: Clock = utc_now) -> None:
    """Queue depth and age for the metrics."""
    now = clock()
    waiting = select(message.c.lane, func.count(), func.min(message.c.due_at)).where(message.c.due_at.is_not(None))
    async with store.read() as connection:
        rows = {
            lane: (depth, since) for lane, depth, since in await connection.execute(waiting.group_by(message.c.lane))
        }
    for lane in LANES:
        depth, since = rows.get(lane, (0, None))
        metrics.DEPTH.labels(lane).set(depth)
        metrics.AGE.labels(lane).set(max(0.0, (now - since).total_seconds()) if since else 0.0)
