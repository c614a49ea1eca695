"""The work orders as they are kept: what an order is, and where it may go, is in `desk.order`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, Literal

import structlog
from sqlalchemy import ColumnElement, and_, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from desk.database import writing
from desk.order import (
    KINDS,
    MOVES,
    STAMPS,
    UNDONE,
    AddWorkingDays,
    Change,
    Kind,
    News,
    Order,
    OrderRefused,
    Personal,
    Priority,
    State,
    Terms,
    Wanted,
    evening,
    new_number,
)
from desk.tables import work_order_changes, work_orders
from fund.clock import CHINA
from fund.inserts import insert_new
from fund.privacy import Privacy, Unreadable, mask_number

log = structlog.get_logger()
LONGEST_TEXT = 2000
Clock = Callable[[], datetime]

_SHOWN = [work_orders.c[each.name] for each in fields(Order)]
_SEALED = [work_orders.c[name] for name in ("caller_sealed", "text_sealed", "outcome_sealed")]


class Orders:
    """Opens, shows and changes work orders. What changes one says who did it."""

    def __init__(
        self,
        engine: AsyncEngine,
        privacy: Privacy,
        add_working_days: AddWorkingDays,
        terms: Terms | None = None,
        clock: Clock = lambda: datetime.now(UTC),
    ) -> None:
        self._engine, self._privacy, self._clock = engine, privacy, clock
        self._add_working_days, self._terms = add_working_days, terms or Terms()

    # opening

    async def open(
        self, kind: Kind, *, topic: str = "", call_id: str = "", caller: str = "", account: str = "",
        recording: str = "", text: str = "", priority: Priority = "normal", channel: str = "voice",
        who: str = "hotline",
    ) -> Order:  # fmt: skip
        """A new order, due from now on. Raises `OrderRefused`."""
        about = self._about(kind, topic, call_id, caller, account, channel)
        more = {"recording": recording, "text_sealed": self._sealed(text), "priority": priority}
        number = await self._insert(about | more | {"state": "open"}, who)
        return await self._one(number)

    async def draft(
        self, kind: Kind, *, topic: str = "", call_id: str = "", caller: str = "", account: str = ""
    ) -> str:
        """The number under which a message is being recorded; nobody is shown it before `keep`."""
        return await self._insert(self._about(kind, topic, call_id, caller, account, "voice") | {"state": "draft"}, "")

    async def keep(self, number: str, recording: str, who: str = "hotline") -> Order:
        """A draft becomes an order; one that is an order already stays as it is, so this may be repeated."""
        now = self._clock()
        kept = update(work_orders).where(work_orders.c.number == number, work_orders.c.state == "draft")
        values = {"state": "open", "recording": recording, "opened_at": now, "changed_at": now} | self._due(now)
        async with writing(self._engine) as connection:
            if (await connection.execute(kept.values(**values))).rowcount:
                await self._note(connection, number, who, "opened", "", "open")
        return await self._one(number)

    async def part(self, number: str, recording: str) -> None:
        """The caller of a draft has hung up while recording: it is settled as soon as the file is complete."""
        draft = update(work_orders).where(work_orders.c.number == number, work_orders.c.state == "draft")
        async with writing(self._engine) as connection:
            await connection.execute(draft.values(recording=recording))

    async def drafts(self, older_than: datetime) -> Sequence[Order]:
        """Drafts begun before a moment: their service may be gone, or their caller (then `recording` is named)."""
        wanted = select(*_SHOWN).where(work_orders.c.state == "draft", work_orders.c.opened_at < older_than)
        return await self._fetch(wanted)

    async def drop(self, number: str) -> None:
        """Forget a draft in which nothing was said."""
        gone = delete(work_orders).where(work_orders.c.number == number, work_orders.c.state == "draft")
        async with writing(self._engine) as connection:
            await connection.execute(gone)

    # looking

    async def find(self, number: str) -> Order | None:
        """The order of that number; drafts are not orders yet."""
        found = await self._fetch(_by(number).where(work_orders.c.state != "draft"))
        return found[0] if found else None

    async def list(self, wanted: Wanted) -> Sequence[Order]:
        """Newest first."""
        query = select(*_SHOWN).where(*_conditions(wanted)).order_by(work_orders.c.opened_at.desc())
        return await self._fetch(query.limit(wanted.limit))

    async def counts(self) -> dict[str, int]:
        """How many orders there are in each state."""
        query = select(work_orders.c.state, func.count()).where(work_orders.c.state != "draft")
        async with self._engine.connect() as connection:
            return {state: count for state, count in await connection.execute(query.group_by(work_orders.c.state))}

    async def trail(self, number: str) -> Sequence[Change]:
        """Everything that was done with an order, oldest first."""
        change = work_order_changes.c
        query = select(work_order_changes).where(change.number == number).order_by(change.id)
        async with self._engine.connect() as connection:
            rows = (await connection.execute(query)).all()
        return [Change(row.at, row.who, row.what, row.before, row.after, self._opened(row.note_sealed)) for row in rows]

    async def look(self, number: str, who: str) -> Personal:
        """The caller's number, their words and the outcome; that `who` looked is kept. Raises `OrderRefused`."""
        async with writing(self._engine) as connection:
            personal = await self._personal(connection, number)
            await self._note(connection, number, who, "looked")
        return personal

    async def listened(self, number: str, who: str) -> None:
        """Keep that somebody listened to the recording."""
        async with writing(self._engine) as connection:
            await self._note(connection, number, who, "listened")

    async def told(self, number: str, *, phone: str = "", account: str = "") -> tuple[Order, str] | None:
        """An order and its outcome, for whoever calls from the number that left it or is its account; else None."""
        order = await self.find(number) if number.isascii() and number.isdigit() else None
        if order is None:
            return None
        theirs = (phone and order.caller_digest == self.digest(phone)) or (
            account and order.account_digest == self._privacy.digest("account", account)
        )
        if not theirs:
            return None
        async with self._engine.connect() as connection:
            return order, (await self._personal(connection, number)).outcome

    def digest(self, phone: str) -> str:
        """What `caller_digest` is for a number."""
        return self._privacy.digest("caller", phone)

    # changing

    async def assign(self, number: str, to: str, who: str, *, if_free: bool = False) -> Order:
        """Give it to somebody (`if_free`: if nobody has it); an open one is `assigned` then. Raises `OrderRefused`."""
        async with writing(self._engine) as connection:
            order = await self._locked(connection, number)
            if if_free and order.assigned_to not in ("", to):
                raise OrderRefused("not_yours")
            state = "assigned" if order.state in ("open", "reopened") else order.state
            if order.state in ("answered", "closed"):
                raise OrderRefused("not_from_here")
            await self._change(connection, number, assigned_to=to, state=state)
            await self._note(connection, number, who, "assigned", order.assigned_to, to)
        return await self._one(number)

    async def prioritise(self, number: str, priority: Priority, who: str) -> Order:
        """Make it urgent, or normal again."""
        async with writing(self._engine) as connection:
            order = await self._locked(connection, number)
            await self._change(connection, number, priority=priority)
            await self._note(connection, number, who, "priority", order.priority, priority)
        return await self._one(number)

    async def note(self, number: str, who: str, text: str) -> None:
        """Write something down."""
        async with writing(self._engine) as connection:
            await self._locked(connection, number)
            await self._change(connection, number)
            await self._note(connection, number, who, "note", note=text)

    async def move(self, number: str, to: State, who: str, *, outcome: str = "") -> Order:
        """Along MOVES. Answering needs an outcome, which the caller is told; so does closing without an answer.

        A reopened order is due anew. Raises `OrderRefused`.
        """
        now = self._clock()
        async with writing(self._engine) as connection:
            order = await self._locked(connection, number)
            if to not in MOVES[order.state]:
                raise OrderRefused("not_from_here")
            if not outcome.strip() and (to == "answered" or (to == "closed" and order.state != "answered")):
                raise OrderRefused("outcome_needed")
            await self._change(connection, number, state=to, **self._moved(to, outcome, now))
            await self._note(connection, number, who, "state", order.state, to, note=outcome)
        return await self._one(number)

    def _moved(self, to: State, outcome: str, now: datetime) -> dict[str, Any]:
        """What a move changes besides the state."""
        changed: dict[str, Any] = {STAMPS[to]: now} if to in STAMPS else {}
        if outcome and to in ("answered", "closed"):
            changed["outcome_sealed"] = self._sealed(outcome)
        if to == "answered":
            changed["answered_told_at"] = None
        if to == "reopened":
            again = ("forwarded_at", "answered_at", "closed_at", "forward_reminded_at", "answer_reminded_at")
            changed |= dict.fromkeys(again) | self._due(now)
        return changed

    # telling and reminding

    async def news(self, since: datetime) -> Sequence[News]:
        """What callers have not been told of what happened since then: their order's number, its outcome."""
        found: Sequence[News] = ()
        for what in ("opened", "answered"):
            told, at = work_orders.c[f"{what}_told_at"], work_orders.c[f"{what}_at"]
            untold = (
                work_orders.c.state != "draft",
                told.is_(None),
                at > since,
                work_orders.c.caller_sealed.is_not(None),
            )
            query = select(*_SHOWN, *_SEALED).where(*untold).order_by(at).limit(200)
            async with self._engine.connect() as connection:
                rows = (await connection.execute(query)).all()
            found = [*found, *(News(what, _order(row), each) for row in rows if (each := self._legible(row)))]
        return found

    def _legible(self, row: Any) -> Personal | None:
        """None for what no key opens: it waits until the key is back in the settings, and the others do not."""
        try:
            return self._personal_of(row)
        except Unreadable:
            log.error("order_unreadable", order=row.number)
            return None

    async def mark_told(self, number: str, what: Literal["opened", "answered"]) -> None:
        """The caller has been told, or cannot be."""
        await self._stamp(number, f"{what}_told_at")

    async def reminded(self, number: str, what: Literal["forward", "answer"]) -> bool:
        """Staff have been reminded; True for the first who says so."""
        return await self._stamp(number, f"{what}_reminded_at")

    async def _stamp(self, number: str, column: str) -> bool:
        free = update(work_orders).where(work_orders.c.number == number, work_orders.c[column].is_(None))
        async with writing(self._engine) as connection:
            return (await connection.execute(free.values({column: self._clock()}))).rowcount > 0

    async def remove_old(self, before: datetime) -> int:
        """Remove what has been closed since before that moment, with its trail: how many orders."""
        old = select(work_orders.c.number).where(work_orders.c.state == "closed", work_orders.c.changed_at < before)
        async with writing(self._engine) as connection:
            await connection.execute(delete(work_order_changes).where(work_order_changes.c.number.in_(old)))
            return (await connection.execute(delete(work_orders).where(work_orders.c.number.in_(old)))).rowcount

    # rows

    def _about(self, kind: Kind, topic: str, call_id: str, caller: str, account: str, channel: str) -> dict[str, Any]:
        if kind not in KINDS:
            raise OrderRefused("unknown_kind")
        return {
            "kind": kind, "topic": topic[:40], "call_id": call_id, "channel": channel,
            "caller_masked": mask_number(caller), "caller_digest": self.digest(caller) if caller else "",
            "caller_sealed": self._sealed(caller), "account_masked": mask_number(account),
            "account_digest": self._privacy.digest("account", account) if account else "",
        }  # fmt: skip

    def _due(self, now: datetime) -> dict[str, datetime]:
        today = now.astimezone(CHINA).date()
        return {
            "forward_by": evening(self._add_working_days(today, self._terms.forward_days)),
            "answer_by": evening(self._add_working_days(today, self._terms.answer_days)),
        }

    async def _insert(self, values: Mapping[str, Any], who: str) -> str:
        now = self._clock()
        blank = {"recording": "", "text_sealed": None, "priority": "normal", "assigned_to": ""}
        whole = blank | dict(values) | {"opened_at": now, "changed_at": now} | self._due(now)
        async with writing(self._engine) as connection:
            for _ in range(50):  # ten thousand numbers a day: two tries are rare
                number = new_number(now)
                row = insert_new(self._engine, work_orders).values(number=number, **whole)
                if (await connection.execute(row)).rowcount:
                    if who:
                        await self._note(connection, number, who, "opened", "", str(values["state"]))
                    return number
        raise OrderRefused("too_many_orders")

    async def _locked(self, connection: AsyncConnection, number: str) -> Order:
        """The order, which nobody else changes before this transaction ends. Raises `OrderRefused`."""
        row = (await connection.execute(_by(number).where(work_orders.c.state != "draft").with_for_update())).first()
        if row is None:
            raise OrderRefused("no_such_order")
        return _order(row)

    async def _change(self, connection: AsyncConnection, number: str, **values: Any) -> None:
        changed = update(work_orders).where(work_orders.c.number == number)
        await connection.execute(changed.values(changed_at=self._clock(), **values))

    async def _note(
        self, connection: AsyncConnection, number: str, who: str, what: str, before: str = "", after: str = "",
        note: str = "",
    ) -> None:  # fmt: skip
        row = {"number": number, "at": self._clock(), "who": who, "what": what, "before": before, "after": after}
        await connection.execute(insert(work_order_changes).values(**row, note_sealed=self._sealed(note)))

    async def _personal(self, connection: AsyncConnection, number: str) -> Personal:
        row = (await connection.execute(select(*_SEALED).where(work_orders.c.number == number))).first()
        if row is None:
            raise OrderRefused("no_such_order")
        return self._personal_of(row)

    def _personal_of(self, row: Any) -> Personal:
        return Personal(*(self._opened(sealed) for sealed in (row.caller_sealed, row.text_sealed, row.outcome_sealed)))

    async def _one(self, number: str) -> Order:
        found = await self._fetch(_by(number))
        if not found:
            raise OrderRefused("no_such_order")
        return found[0]

    async def _fetch(self, query: Any) -> Sequence[Order]:
        async with self._engine.connect() as connection:
            return [_order(row) for row in (await connection.execute(query)).all()]

    def _sealed(self, text: str) -> bytes | None:
        if len(text) > LONGEST_TEXT:
            raise OrderRefused("too_long")
        return self._privacy.seal(text) if text else None

    def _opened(self, sealed: bytes | None) -> str:
        return self._privacy.open(sealed) if sealed else ""


def _by(number: str) -> Any:
    return select(*_SHOWN).where(work_orders.c.number == number)


def _order(row: Any) -> Order:
    return Order(**{each.name: getattr(row, each.name) for each in fields(Order)})


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    order = work_orders.c
    found: list[ColumnElement[bool]] = [order.state != "draft"]
    found += [order.state.in_(wanted.states)] if wanted.states else []
    for name in ("kind", "topic", "assigned_to", "caller_digest", "account_digest"):
        found += [order[name] == getattr(wanted, name)] if getattr(wanted, name) else []
    if wanted.before:
        found.append(order.opened_at < wanted.before)
    if wanted.late_at:
        to_pass_on = and_(order.state.in_(("open", "assigned")), order.forwarded_at.is_(None))
        late = or_(order.answer_by < wanted.late_at, and_(to_pass_on, order.forward_by < wanted.late_at))
        found.append(and_(order.state.in_(UNDONE), late))
    return found
