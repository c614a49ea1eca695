"""What becomes of a campaign's messages in the outbox when it is paused, goes on or is cancelled.

What is on the wire then finishes; what comes back from it untaken is treated like the rest (`bounced`).
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sms.tables import campaign, campaign_chunk, message

if TYPE_CHECKING:
    from sms.outbox import Outcome


async def pause(connection: AsyncConnection, id: str) -> None:
    """Held: no worker takes them."""
    await connection.execute(_queued(id).values(due_at=None))


async def resume(connection: AsyncConnection, id: str, now: datetime, life: timedelta) -> None:
    """They go at once, and have a whole life before them like the rows that are not messages yet."""
    await connection.execute(_queued(id).values(due_at=now, expires_at=now + life))


async def cancel(connection: AsyncConnection, id: str, now: datetime) -> None:
    """They never go, nor do the rows that are not messages yet."""
    await connection.execute(_queued(id).values(status="failed", reason="cancelled", due_at=None, done_at=now))
    await connection.execute(update(campaign_chunk).where(campaign_chunk.c.campaign == id).values(body=None))


def bounced(connection: Connection, outcomes: "Sequence[Outcome]") -> "Sequence[Outcome]":
    """`outcomes`, where those that would be queued again are held or failed with their campaigns."""
    again = [each.id for each in outcomes if each.status == "queued"]
    if not again:
        return outcomes
    states = {id: status for id, status in connection.execute(_STATES, {"ids": again})}
    return [_as_campaign(each, states.get(each.id)) for each in outcomes]


def _as_campaign(each: "Outcome", status: str | None) -> "Outcome":
    if status == "paused":
        return replace(each, due_at=None)
    if status == "cancelled":
        return replace(each, status="failed", reason="cancelled", due_at=None)
    return each


def _queued(id: str) -> Any:
    return update(message).where(message.c.campaign == id, message.c.status == "queued")


# Made once: building a statement costs more than running it. Locks out whoever wants to pause or cancel one of them
# (`FOR UPDATE`), or waits for it; but nobody who feeds (`FOR NO KEY UPDATE`).
_STATES = (
    select(message.c.id, campaign.c.status)
    .join(campaign, campaign.c.id == message.c.campaign)
    .where(message.c.id.in_(bindparam("ids", expanding=True)))
    .with_for_update(read=True, key_share=True, of=campaign)
)
