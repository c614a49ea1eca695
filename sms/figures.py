"""Figures about texts for people: what went, what arrived, what waits, what it cost. Numbers of things, never whose."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from sms.messages import LANES
from sms.repeats import SAME_AS
from sms.store import Store
from sms.tables import message


@dataclass(frozen=True, slots=True)
class Went:
    """How many texts of one lane have this status at one provider (empty: none has had them)."""

    lane: str
    provider: str
    status: str
    texts: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits in one lane. `due`: a worker could take it now; `oldest_seconds`: for how long already."""

    lane: str
    queued: int
    due: int
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class Cost:
    """What one client's texts of one template cost, in fen, as estimated when they were queued."""

    client: str
    template: str
    texts: int
    parts: int
    cost: int


@dataclass(frozen=True, slots=True)
class Figures:
    """The whole picture of the texts created since `since`; what waits and is dead is so now, whenever created."""

    since: datetime
    until: datetime
    went: Sequence[Went]
    waiting: Sequence[Waiting]
    dead: int
    costs: Sequence[Cost]

    @property
    def delivery_rates(self) -> Mapping[str, float]:
        """By provider: the share of texts it took and reported on that arrived. None reported on: not in it."""
        arrived, told = Counter[str](), Counter[str]()
        for each in self.went:
            if each.provider and each.status in ("delivered", "failed"):
                told[each.provider] += each.texts
                arrived[each.provider] += each.texts if each.status == "delivered" else 0
        return {provider: arrived[provider] / many for provider, many in told.items()}


async def figures(store: Store, since: datetime, now: datetime) -> Figures:
    """Count. Reads every text created since `since`, and every open one."""
    recent = message.c.created_at >= since
    by = (message.c.lane, message.c.provider, message.c.status)
    texts = ~message.c.reason.startswith(SAME_AS)  # and no keys of repeats, which were never to go
    went = select(*by, func.count()).where(recent, texts).group_by(*by).order_by(*by)
    who = (message.c.client, message.c.template)
    sums = (func.count(), func.sum(message.c.parts), func.sum(message.c.cost))
    billed = (recent, message.c.status.in_(("sent", "delivered", "unknown")))
    costs = select(*who, *sums).where(*billed).group_by(*who).order_by(*who)
    dead = select(func.count()).where(message.c.dead_at.is_not(None))
    async with store.read() as connection:
        return Figures(
            since=since,
            until=now,
            went=[Went(lane, provider or "", *rest) for lane, provider, *rest in await connection.execute(went)],
            waiting=_in_order((await connection.execute(_waiting(now))).all(), now),
            dead=(await connection.execute(dead)).scalar_one(),
            costs=[Cost(*row) for row in await connection.execute(costs)],
        )


def _waiting(now: datetime) -> Any:
    due = message.c.due_at <= now
    counts = (func.count(), func.count().filter(due), func.min(message.c.due_at).filter(due))
    return select(message.c.lane, *counts).where(message.c.due_at.is_not(None)).group_by(message.c.lane)


def _in_order(rows: Sequence[Any], now: datetime) -> list[Waiting]:
    known = {lane: rest for lane, *rest in rows}
    found = []
    for lane in LANES:
        queued, due, oldest = known.get(lane, (0, 0, None))
        found.append(Waiting(lane, queued, due, round((now - oldest).total_seconds(), 1) if oldest else 0.0))
    return found
