"""Who is calling and why, for the people who pick up: before the first word, from the records, the ledger and the desk.

Figures of the ledger are never in it: which reports were heard is told, not what they said. `Context.shown(full=False)`
masks whatever names a person; whoever asks for the rest must be allowed to, and is kept in a trail by the asker.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from desk.order import UNDONE, Wanted
from desk.orders import Orders
from desk.tables import queue_visits
from fund.fields import REPORTS
from fund.ledger import Ledger, LedgerAway
from fund.person import Person
from fund.privacy import Privacy, Unreadable, mask_name, mask_number
from hotline.world import SENIOR_YEARS
from ivr.call import Flows
from ivr.state import State
from ivr.tables import audit, call_steps, calls
from ivr.way import Stop, way

MOST_EARLIER = 10
AROUND_HOURS = 24  # who was handed over twice within so long was sent around

Identified = Literal[
    "no",  # nobody knows who this is
    "bound",  # the calling number is bound to an account; nothing was proven
    "phone",  # the calling number is bound, and the PIN was right
    "number",  # an account or ID number was keyed, and the PIN was right
]


@dataclass(frozen=True, slots=True)
class Earlier:
    """A call of the same number before this one."""

    id: str
    started_at: datetime
    outcome: str
    last: str  # the last thing chosen, in the menu's words


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """A work order of this caller that is not answered yet."""

    number: str
    kind: str
    state: str
    opened_at: datetime
    late: bool


@dataclass(frozen=True, slots=True)
class Context:
    """See above. `known` is True while the full number and account can still be read."""

    call: str
    line: str
    language: str
    started_at: datetime
    ended_at: datetime | None
    outcome: str
    caller: str
    identified: Identified
    kind: str
    name: str
    account: str
    senior: bool
    sent_around: bool
    queue: str
    way: Sequence[Stop]
    heard: Sequence[str]
    orders: Sequence[OpenOrder]
    earlier: Sequence[Earlier]

    def shown(self, *, full: bool) -> "Context":
        """The same, for eyes that may see everything, or masked."""
        if full:
            return self
        return replace(
            self, caller=mask_number(self.caller), name=mask_name(self.name), account=mask_number(self.account)
        )

    def as_json(self) -> dict[str, Any]:
        """Plain data; moments in ISO 8601."""
        plain = asdict(self)
        return json.loads(json.dumps(plain, default=lambda value: value.isoformat()))  # type: ignore[no-any-return]


class Contexts:
    """Gathers contexts."""

    def __init__(
        self,
        engine: AsyncEngine,
        privacy: Privacy,
        ledger: Ledger,
        flows: Flows,
        orders: Orders,
        clock: Callable[[], datetime],
    ) -> None:
        self._engine, self._privacy, self._ledger = engine, privacy, ledger
        self._flows, self._orders, self._clock = flows, orders, clock

    async def of(self, call_id: str) -> Context | None:
        """Everything known of a call, unmasked; None when there is no such call."""
        async with self._engine.connect() as connection:
            row = (await connection.execute(select(calls).where(calls.c.id == call_id))).first()
            if row is None:
                return None
            who = self._who(row)
            nodes = await _nodes(connection, [call_id])
            looks = (
                await connection.execute(select(audit).where(audit.c.call_id == call_id).order_by(audit.c.id))
            ).all()
            earlier = await self._earlier(connection, row)
            around = await self._handed_over(connection, row, waits=who.get("waiting") == "transfer")
            queue = await _queue(connection, call_id)
        person, unproven = await self._person(who), not who.get("account")
        stops = await self._way(row.flow_version, nodes.get(call_id, []))
        return Context(
            call=row.id,
            line=row.line,
            language=row.language,
            started_at=row.started_at,
            ended_at=row.ended_at,
            outcome=row.outcome,
            caller=who.get("caller") or row.caller_masked,
            identified=_identified(looks, person is not None, unproven),
            kind=row.person_kind or (person.kind if person else ""),
            name=person.name if person else "",
            account=who.get("account") or row.person_masked or (person.account if person else ""),
            senior=person is not None and (person.age(self._clock().date()) or 0) >= SENIOR_YEARS,
            sent_around=around >= 2,
            queue=queue or next((stop.words for stop in reversed(stops) if stop.kind == "transfer"), ""),
            way=stops,
            heard=_heard(looks),
            orders=await self._open_orders(row),
            earlier=earlier,
        )

    def _who(self, row: Any) -> dict[str, str]:
        """Number and account: from the state while the call lasts, kept sealed for some days after."""
        try:
            if row.state:
                state = State.from_json(self._privacy.open(row.state))
                return {"caller": state.caller, "waiting": state.waiting, **(state.person or {})}
            return dict(json.loads(self._privacy.open(row.who))) if row.who else {}
        except Unreadable:
            return {}

    async def _person(self, who: dict[str, str]) -> Person | None:
        """Who was identified, else whose bound phone this is."""
        try:
            if account := who.get("account"):
                return await self._ledger.by_number(who["kind"], account)  # type: ignore[arg-type]
            return await self._ledger.by_phone(who["caller"]) if who.get("caller") else None
        except LedgerAway:
            return None

    async def _way(self, version: str, nodes: Sequence[str]) -> list[Stop]:
        flow = await self._flows.version(version)
        return way(flow or self._flows.current, nodes)

    async def _earlier(self, connection: AsyncConnection, row: Any) -> list[Earlier]:
        if not row.caller_masked:
            return []
        mine = calls.c.caller_digest == row.caller_digest
        before = select(calls).where(mine, calls.c.started_at < row.started_at, calls.c.id != row.id)
        rows = (await connection.execute(before.order_by(calls.c.started_at.desc()).limit(MOST_EARLIER))).all()
        nodes = await _nodes(connection, [each.id for each in rows])
        found = []
        for each in rows:
            chosen = [stop.words for stop in await self._way(each.flow_version, nodes.get(each.id, [])) if stop.words]
            found.append(Earlier(each.id, each.started_at, each.outcome, chosen[-1] if chosen else ""))
        return found

    async def _handed_over(self, connection: AsyncConnection, row: Any, *, waits: bool) -> int:
        """How often this caller went to people lately, this time included, though the exchange may not tell of it."""
        since = row.started_at - timedelta(hours=AROUND_HOURS)
        same = calls.c.caller_digest == row.caller_digest if row.caller_masked else calls.c.id == row.id
        lately = select(calls.c.id, calls.c.outcome).where(
            same, calls.c.started_at >= since, calls.c.started_at <= row.started_at
        )
        outcomes = dict(map(tuple, await connection.execute(lately)))
        visits = select(queue_visits.c.call_id).where(
            queue_visits.c.call_id.in_(outcomes), queue_visits.c.how != "moved"
        )
        visited = list((await connection.execute(visits)).scalars())
        over = {id for id, outcome in outcomes.items() if outcome in ("transferred", "rescued")}
        return len(visited) + len((over | ({row.id} if waits else set())) - set(visited))

    async def _open_orders(self, row: Any) -> list[OpenOrder]:
        found = {}
        for name, digest in (
            ("caller_digest", row.caller_masked and row.caller_digest),
            ("account_digest", row.person_digest),
        ):
            for order in await self._orders.list(Wanted(states=UNDONE, **{name: digest})) if digest else ():
                found[order.number] = order
        now = self._clock()
        return [
            OpenOrder(each.number, each.kind, each.state, each.opened_at, each.late(now)) for each in found.values()
        ]


async def _nodes(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, list[str]]:
    """The nodes each call went through."""
    query = select(call_steps.c.call_id, call_steps.c.node).where(call_steps.c.call_id.in_(ids))
    found: dict[str, list[str]] = {}
    for id, node in await connection.execute(query.order_by(call_steps.c.call_id, call_steps.c.n)):
        found.setdefault(id, []).append(node)
    return found


async def _queue(connection: AsyncConnection, call_id: str) -> str:
    visit = queue_visits.c
    query = select(visit.queue).where(visit.call_id == call_id).order_by(visit.entered_at.desc()).limit(1)
    return (await connection.execute(query)).scalar_one_or_none() or ""


def _identified(looks: Sequence[Any], known: bool, unproven: bool) -> Identified:
    for look in reversed(looks):
        if look.outcome == "ok" and look.action in ("identify", "identify:number"):
            return "number"
        if look.outcome == "ok" and look.action == "identify:phone":
            return "phone"
    return "bound" if known and unproven else "no"


def _heard(looks: Sequence[Any]) -> list[str]:
    """The titles of what was told, each once, in order."""
    names = [
        look.action.partition(":")[2] for look in looks if look.outcome == "ok" and look.action.startswith("report:")
    ]
    return list(dict.fromkeys(REPORTS[name].title for name in names if name in REPORTS))
