"""What is removed when: the content of texts and numbers after weeks, the records of them after months."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, update

from sms import holds
from sms.store import Clock, Store, utc_now
from sms.tables import audit, callback, campaign, campaign_chunk, inbound, inbound_part, message, reminder_run

_AT_ONCE = 500  # rows of one removing transaction, so that a code never waits long behind it


async def remove_old(store: Store, keep_days: int, keep_text_days: int, clock: Clock = utc_now) -> int:
    """Empty the sealed bodies of finished texts after `keep_text_days`, remove records after `keep_days`,
    but of a text that is still to go.

    Codes lose their body as soon as they cannot be used any more, the rows of a broken upload at once. A campaign
    nobody went on with for `keep_text_days` is cancelled. Returns how many texts and inbound texts were touched.
    """
    now = clock()
    weeks, months = now - timedelta(days=keep_text_days), now - timedelta(days=keep_days)
    await _campaigns(store, now, weeks, months)
    at_rest = (message.c.due_at.is_(None), message.c.status != "sending")
    full = (*at_rest, message.c.body != b"")
    codes = (message.c.lane == "code", message.c.expires_at < now - timedelta(hours=1), *full)
    texts = (message.c.created_at < weeks, message.c.dead_at.is_(None), *full)
    touched = await _in_steps(store, message, codes, empty=True) + await _in_steps(store, message, texts, empty=True)
    read = (inbound.c.received_at < weeks, inbound.c.state != "new", inbound.c.body != b"")
    touched += await _in_steps(store, inbound, read, empty=True)
    touched += await _in_steps(store, message, (message.c.created_at < months, *at_rest), empty=False)
    for table, at in ((inbound, inbound.c.received_at), (audit, audit.c.at)):
        touched += await _in_steps(store, table, (at < months,), empty=False)
    await _in_steps(store, callback, (callback.c.at < weeks,), empty=False)
    async with store.write() as connection:
        await connection.execute(delete(inbound_part).where(inbound_part.c.received_at < now - timedelta(days=1)))
        await connection.execute(delete(reminder_run).where(reminder_run.c.day < months.date()))
    return touched


async def _campaigns(store: Store, now: datetime, weeks: datetime, months: datetime) -> None:
    forgotten = (campaign.c.status.in_(("ready", "paused", "checking")), campaign.c.created_at < weeks)
    over = select(campaign.c.id).where(campaign.c.status.in_(("broken", "cancelled")))
    async with store.write() as connection:
        cancelled = update(campaign).where(*forgotten).values(status="cancelled", ended_at=now)
        for id in (await connection.execute(cancelled.returning(campaign.c.id))).scalars().all():
            await holds.cancel(connection, id, now)
        rows = update(campaign_chunk).where(campaign_chunk.c.campaign.in_(over), campaign_chunk.c.body.is_not(None))
        await connection.execute(rows.values(body=None))
        await connection.execute(delete(campaign).where(campaign.c.created_at < months))


async def _in_steps(store: Store, table: Any, which: Sequence[Any], *, empty: bool) -> int:
    """Empty the bodies of rows, or delete them, a few hundred at a time, when no code is on its way."""
    touched = 0
    while True:
        some = select(table.c.id).where(*which).limit(_AT_ONCE)
        await store.calm()
        async with store.write() as connection:
            ids = (await connection.execute(some)).scalars().all()
            change = update(table).values(body=b"") if empty else delete(table)
            if ids:
                await connection.execute(change.where(table.c.id.in_(ids)))
        touched += len(ids)
        if len(ids) < _AT_ONCE:
            return touched
