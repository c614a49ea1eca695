"""Receipts: what became of texts, in whatever order, number and lateness the providers tell it.

A receipt whose message is not known yet waits in the `receipt` table and is matched when the provider's answer is
recorded. Whoever comes second finds the first: receipts are written before they look for their message, answers
before they look for waiting receipts.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Case,
    ColumnElement,
    Connection,
    Table,
    bindparam,
    case,
    delete,
    exists,
    insert,
    or_,
    select,
    update,
)

from fund.statements import Rows, Statement
from sms import metrics
from sms.callbacks import Listeners
from sms.group import GroupCommit
from sms.messages import FINAL, STATUSES, Status, climb, is_id, of_parts
from sms.outbox import Outcome
from sms.providers.base import Receipt
from sms.routing import Router
from sms.store import Clock, Store, utc_now
from sms.tables import REF, message, message_part, number, receipt

KEEP_WAITING = timedelta(days=4)  # carriers report for up to 48 hours


@dataclass(frozen=True, slots=True)
class Heard:
    """A receipt and the provider it came from; `row` once it is in the table of those that wait."""

    provider: str
    receipt: Receipt
    row: int | None = None


class Receipts:
    """Takes receipts and moves statuses up."""

    def __init__(
        self, store: Store, router: Router, clock: Clock = utc_now, listeners: Listeners | None = None
    ) -> None:
        self.store = store
        self.listeners = listeners or Listeners(store, clock)
        self.router = router
        self.clock = clock
        self._take = GroupCommit(self._take_many)

    async def take(self, provider: str, receipts: Sequence[Receipt]) -> None:
        """Receipts of one webhook or pull; back when they are on the disk."""
        for each in receipts:
            metrics.of(metrics.RECEIPTS, provider, each.status).inc()
        await self._take.all([Heard(provider, _ours(each)) for each in receipts])

    async def accepted(self, outcomes: Sequence[Outcome]) -> None:
        """Answers have been recorded: receipts that came before them can be matched now."""
        await self.match([ref for each in outcomes for ref in each.refs])

    async def match(self, refs: Sequence[str]) -> None:
        """Apply the waiting receipts of these provider references, and forget them."""
        if not refs or not await _ANY_WAITING.fetch(self.store.engine) or not await self._waits(refs):
            return
        async with self.store.write() as connection:
            applied = await connection.run_sync(self._match, refs)
        self._tell(applied)

    async def _waits(self, refs: Sequence[str]) -> bool:
        """Hardly ever. But those of texts whose id never came wait for days, and must take nobody's turn to write."""
        async with self.store.read() as connection:
            return (await connection.execute(_WAITING, {"refs": list(refs)})).first() is not None

    async def sweep(self) -> None:
        """Match whatever still waits, and drop what has waited too long; for the housekeeper."""
        async with self.store.read() as connection:
            refs = (await connection.execute(_MATCHING)).scalars().all()
        await self.match(refs)
        async with self.store.write() as connection:
            await connection.execute(delete(receipt).where(receipt.c.received_at < self.clock() - KEEP_WAITING))

    async def _take_many(self, heard: Sequence[Heard]) -> list[None]:
        await self.store.calm()
        async with self.store.write() as connection:
            applied = await connection.run_sync(self._apply, heard)
            done = {id(each) for each, _ in applied.matched}
            early = [each for each in heard if id(each) not in done]
            if early:
                await connection.execute(insert(receipt), [_row(each, self.clock()) for each in early])
        self._tell(applied)
        if early:
            await self.match([each.receipt.ref for each in early])
        return [None] * len(heard)

    def _tell(self, applied: "_Applied") -> None:
        """After the commit: feed the breakers, and wake whoever tells others."""
        for each, row in applied.matched:
            told = each.receipt
            if told.status in FINAL:
                self.router.receipt(each.provider, told.operator or row.operator, told.status == "delivered")
                metrics.of(metrics.OUTCOMES, row.lane, each.provider, told.status).inc()
        if applied.news:
            self.listeners.wake.set()

    # within a transaction

    def _match(self, connection: Connection, refs: Sequence[str]) -> "_Applied":
        rows = connection.execute(_WAITING, {"refs": list(refs)}).all()
        if not rows:
            return _Applied([], False)
        applied = self._apply(connection, [_waiting(row) for row in rows])
        done = [each.row for each, _ in applied.matched]
        connection.execute(delete(receipt).where(receipt.c.id.in_(done)))
        return applied

    def _apply(self, connection: Connection, heard: Sequence[Heard]) -> "_Applied":
        """Move up the messages of those receipts whose message is known."""
        found = _messages_of(connection, heard)
        parts = _parts_of(connection, heard)
        known = [(each, found.get(_key(each)) or parts.get(_key(each))) for each in heard]
        matched = [(each, row) for each, row in known if row is not None]
        news = [(each, row) for each, row in matched if not _of_an_earlier_try(each.receipt, row)]
        changes = [_change(row.id, each.receipt, self.clock()) for each, row in news if row.part is None]
        changes += self._settle_parts(connection, [(each, row) for each, row in news if row.part is not None])
        if changes:
            _CLIMB.run(connection, sorted(changes, key=lambda change: change["row_id"]))
        self._learn(connection, matched)
        return _Applied(matched, self._note(connection, changes, {row.id: row.status for _, row in matched}))

    def _note(self, connection: Connection, changes: Sequence[Mapping[str, Any]], before: Mapping[str, Status]) -> bool:
        """Let those know who want to be told of a text's new status."""
        climbed = dict(before)
        for each in changes:
            climbed[each["row_id"]] = climb(climbed[each["row_id"]], each["news"])
        told = {id: status for id, status in climbed.items() if status != before[id]}
        return self.listeners.note(connection, told)

    def _settle_parts(self, connection: Connection, heard: Sequence[tuple[Heard, Any]]) -> list[dict[str, Any]]:
        """Move parts up, and say what that makes of their messages."""
        if not heard:
            return []
        changes = [
            {
                "the_provider": each.provider,
                "the_ref": each.receipt.ref,
                "news": each.receipt.status,
                "news_rank": STATUSES.index(each.receipt.status),
            }
            for each, _ in heard
        ]
        # Two processes with a receipt of one part each: the second waits here, then sees what the first has written.
        whole = select(message.c.id).where(message.c.id.in_({row.id for _, row in heard})).order_by(message.c.id)
        connection.execute(whole.with_for_update())
        _CLIMB_PART.run(connection, changes)
        last = {row.id: each.receipt for each, row in heard}
        wanted = select(message_part).where(message_part.c.message.in_(list(last)))
        parts: dict[str, dict[int, Status]] = {}
        for row in connection.execute(wanted):
            parts.setdefault(row.message, {})[row.part] = row.status
        return [
            _change(id, last[id], self.clock(), of_parts(len(statuses), statuses)) for id, statuses in parts.items()
        ]

    def _learn(self, connection: Connection, matched: Sequence[tuple[Heard, Any]]) -> None:
        """Remember which operator a number turned out to be with."""
        for each, row in matched:
            operator = each.receipt.operator
            if operator and operator != row.operator:
                values = {"to_hash": row.to_hash, "operator": operator, "learned_at": self.clock()}
                connection.execute(self.store.upsert(number, ["to_hash"], **values))


@dataclass(frozen=True, slots=True)
class _Applied:
    """What came of receipts: those whose message was known, with its row, and whether anybody wants to hear of it."""

    matched: Sequence[tuple[Heard, Any]]
    news: bool


def _rank(table: Table) -> Case[int]:
    return case({status: rank for rank, status in enumerate(STATUSES)}, value=table.c.status, else_=0)


# The climbing rule, in the database, so that two processes with two receipts of one message cannot undo each other.
_CLIMB = Rows(
    update(message)
    .where(message.c.id == bindparam("row_id"), _rank(message) < bindparam("news_rank"))
    .values(
        status=bindparam("news"),
        reason=bindparam("why"),
        due_at=None,
        dead_at=None,
        done_at=bindparam("done"),
        operator=case((bindparam("moved") != "", bindparam("moved")), else_=message.c.operator),
    )
)
_CLIMB_PART = Rows(
    update(message_part)
    .where(
        message_part.c.provider == bindparam("the_provider"),
        message_part.c.ref == bindparam("the_ref"),
        _rank(message_part) < bindparam("news_rank"),
    )
    .values(status=bindparam("news"))
)
_ANY_WAITING = Statement("receipts that wait", select(receipt.c.id).limit(1), by_key=True)
_WAITING = select(receipt).where(receipt.c.ref.in_(bindparam("refs", expanding=True)))
_MATCHING = (
    select(receipt.c.ref)
    .where(
        or_(
            exists().where(message.c.id == receipt.c.message),
            exists().where(message.c.provider_ref == receipt.c.ref, message.c.provider == receipt.c.provider),
            exists().where(message_part.c.ref == receipt.c.ref, message_part.c.provider == receipt.c.provider),
        )
    )
    .limit(1000)
)
_FACTS = (message.c.id, message.c.lane, message.c.operator, message.c.to_hash, message.c.status)


def _ours(told: Receipt) -> Receipt:
    """Without the id that others gave a text of theirs: an account at a provider may be shared."""
    return replace(told, ref=told.ref[:REF], id=told.id if is_id(told.id) else "")


def _of_an_earlier_try(told: Receipt, row: Any) -> bool:
    """A text that a person sent on its way again waits for its turn: that it once failed is known."""
    return row.status == "queued" and told.status != "delivered"


def _key(heard: Heard) -> tuple[str, str]:
    """What a receipt finds its message by: our own id where it was echoed, else the provider's."""
    return ("", heard.receipt.id) if heard.receipt.id else (heard.provider, heard.receipt.ref)


def _messages_of(connection: Connection, heard: Iterable[Heard]) -> dict[tuple[str, str], Any]:
    ids = [each.receipt.id for each in heard if each.receipt.id]
    refs = [each.receipt.ref for each in heard if not each.receipt.id]
    which: list[ColumnElement[bool]] = [message.c.id.in_(ids)] if ids else []
    which += [message.c.provider_ref.in_(refs)] if refs else []
    wanted = select(*_FACTS, message.c.provider, message.c.provider_ref, _NO_PART).where(or_(*which))
    wanted = wanted.order_by(message.c.id)  # a centre may count from one again: the newest text is meant
    rows = connection.execute(wanted).all()
    by_id = {("", row.id): row for row in rows}
    return by_id | {(row.provider, row.provider_ref): row for row in rows if row.provider_ref}


def _parts_of(connection: Connection, heard: Iterable[Heard]) -> dict[tuple[str, str], Any]:
    refs = [each.receipt.ref for each in heard if each.receipt.ref and not each.receipt.id]
    if not refs:
        return {}
    joined = message_part.join(message, message.c.id == message_part.c.message)
    wanted = select(*_FACTS, message_part.c.provider, message_part.c.ref, message_part.c.part).select_from(joined)
    rows = connection.execute(wanted.where(message_part.c.ref.in_(refs)))
    return {(row.provider, row.ref): row for row in rows}


_NO_PART = case((message.c.id.is_(None), 0), else_=None).label("part")


def _change(id: str, told: Receipt, now: datetime, status: Status | None = None) -> dict[str, Any]:
    status = status or told.status
    return {
        "row_id": id,
        "news": status,
        "news_rank": STATUSES.index(status),
        "why": told.reason[:64],
        "done": (told.at or now) if status in FINAL else None,
        "moved": told.operator,
    }


def _row(each: Heard, now: datetime) -> Mapping[str, Any]:
    told = each.receipt
    return {
        "provider": each.provider,
        "ref": told.ref,
        "message": told.id,
        "status": told.status,
        "reason": told.reason[:64],
        "operator": told.operator,
        "at": told.at or now,
        "received_at": now,
    }


def _waiting(row: Any) -> Heard:
    told = Receipt(row.status, row.ref, row.message, row.reason, row.at, row.operator)
    return Heard(row.provider, told, row.id)
