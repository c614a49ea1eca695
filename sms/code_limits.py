"""Rolling limits on verification codes: at most so many events of a kind, by somebody, in a span of time.

They are counted in `code_event`, where a new code resets nothing.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sms.tables import code_event


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` events of `what` by `who` in `span`."""

    what: str
    who: bytes
    most: int
    span: timedelta
    reason: str


Counted = Collection[tuple[str, bytes]]  # events, each of something by somebody


async def waits(connection: AsyncConnection, limits: Sequence[Limit], now: datetime) -> list[float]:
    """Seconds until one more is allowed by each limit; 0: now."""
    row = (await connection.execute(select(*(_last_that_counts(limit, now) for limit in limits)))).one()
    return [
        max(0.0, (oldest + limit.span - now).total_seconds()) if oldest else 0.0
        for oldest, limit in zip(row, limits, strict=True)
    ]


async def count(connection: AsyncConnection, events: Counted, now: datetime) -> None:
    """One more of each."""
    await connection.execute(insert(code_event), [{"what": what, "who": who, "at": now} for what, who in events])


async def take_back(connection: AsyncConnection, events: Counted) -> None:
    """The newest of each is none after all."""
    for what, who in events:
        newest = select(func.max(code_event.c.id)).where(code_event.c.what == what, code_event.c.who == who)
        await connection.execute(delete(code_event).where(code_event.c.id == newest.scalar_subquery()))


def _last_that_counts(limit: Limit, now: datetime) -> Any:
    """When the event was that must leave the span before one more is allowed."""
    recent = (code_event.c.what == limit.what, code_event.c.who == limit.who, code_event.c.at > now - limit.span)
    newest_first = select(code_event.c.at).where(*recent).order_by(code_event.c.at.desc())
    return newest_first.offset(limit.most - 1).limit(1).scalar_subquery()
