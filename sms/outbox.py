"""The outbox: the one table that is the truth about every text, from `add` to the provider's answer.

    add -> queued -> claim (`sending`, written before the wire) -> record (sent, failed, unknown, or queued again)

A row is `sending` only while a living worker holds its lease; after a crash it becomes `unknown`, never `queued`.
"""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

import structlog
from pydantic_core import to_json
from sqlalchemy import (
    Boolean,
    Case,
    Column,
    Connection,
    Integer,
    and_,
    bindparam,
    case,
    delete,
    exists,
    false,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from fund.inserts import put_into
from fund.privacy import Unreadable, mask_number
from fund.statements import Rows, Statement
from sms.callbacks import Listeners
from sms.group import GroupCommit
from sms.holds import bounced
from sms.messages import LANES, Lane, Message, Quiet, Status
from sms.numbers import operator_of
from sms.store import Clock, Store, utc_now
from sms.tables import REF, message, message_part, number, opt_out

log = structlog.get_logger(__name__)

_Item = TypeVar("_Item")
DEFAULT_LIFE = timedelta(days=2)
AT_ONCE = 25  # texts composed or sealed while everybody else waits
TOGETHER = 1000  # texts added in one transaction: few enough that the next ones are being made meanwhile
TOGETHER_NEAR_CODES = 200  # while codes are about: the next one waits behind fewer
ONCE_BYTES = 8  # of a digest that is compared only within one number
RECORDED_TOGETHER = 400  # answers of providers written down in one transaction
RECORD_SECONDS = 0.01  # for which they gather, while there are fewer


@dataclass(frozen=True, slots=True)
class Added:
    """What became of `add`: the row's id, its status, and whether it was there before (by its key, or as a repeat)."""

    id: str
    status: Status
    duplicate: bool = False


@dataclass(slots=True)  # not frozen, as Message
class Claimed:
    """A message in a worker's hands. Its row says `sending` (or still `unknown`, for a code on its second way)."""

    id: str
    lane: Lane
    to: str
    text: str
    signature: str
    params: Mapping[str, str]
    template: str
    quiet: Quiet
    operator: str
    client: str
    parts: int
    attempt: int
    tried: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    declined: bool = False  # they turned this kind of notice off, perhaps after it was queued


@dataclass(slots=True)  # not frozen, as Message
class Outcome:
    """What a worker has to say about a claimed message."""

    id: str
    status: Status
    provider: str = ""
    refs: tuple[str, ...] = ()
    reason: str = ""
    due_at: datetime | None = None  # when a worker should look at it again
    tried: tuple[str, ...] = ()
    dead: bool = False  # a person must decide
    counts: bool = True  # a try that a provider saw; waiting for room or for the morning is none


Accepted = Callable[[Sequence[Outcome]], Awaitable[None]]  # told of outcomes with refs, after their commit


class Outbox:
    """Adds, claims and records, in group commits. Safe with any number of workers and processes."""

    def __init__(self, store: Store, clock: Clock = utc_now) -> None:
        self.store = store
        self.clock = clock
        self.listeners = Listeners(store, clock)
        self.added: list[Callable[[Lane], None]] = []  # told which lane has work; wakes this process's workers
        self.accepted: list[Accepted] = []
        self._adding = GroupCommit(self._store_rows, lambda: TOGETHER_NEAR_CODES if store.codes_about else TOGETHER)
        self.record = GroupCommit(
            self._record_many, lambda: RECORDED_TOGETHER, lambda: 0.0 if store.codes_about else RECORD_SECONDS
        )
        self._insert = Rows(store.insert_new(message), _INSERTED)
        # A centre that counts its texts from one again means the newest.
        self._put_parts = put_into(store.engine, message_part, ["provider", "ref"])

    async def add(self, message: Message) -> Added:
        """Store a message. Two with one client and key (or one `once`) are one message."""
        return (await self.add_all([message]))[0]

    async def add_all(self, messages: Sequence[Message]) -> Sequence[Added]:
        """Store messages together, or none of them. Sealed here: meanwhile others are being written."""
        rows: list[dict[str, Any]] = []
        for some in batched(messages, AT_ONCE):
            rows += self._rows(some)
            if len(rows) < len(messages):
                await asyncio.sleep(0)  # others get their turn: what has been written wants to be told
        return await self._adding.all(rows)

    async def add_within(self, connection: AsyncConnection, messages: Sequence[Message]) -> list[Added]:
        """`add_all` as part of a larger transaction; call `announce` after its commit."""
        return await connection.run_sync(self._add, self._rows(messages))

    @property
    def rush(self) -> bool:
        """Whether more texts than fit into one transaction were waiting to be stored just now."""
        return self._adding.rush

    async def _store_rows(self, rows: Sequence[dict[str, Any]]) -> list[Added]:
        added = await self.store.transact(self._add, rows)
        self._wake({row["lane"] for row in rows})
        return added

    def _add(self, connection: Connection, rows: Sequence[dict[str, Any]]) -> list[Added]:
        there = {} if self._insert.run(connection, rows) == len(rows) else _already_there(connection, rows)
        if not self.store.sqlite:
            for lane in {row["lane"] for row in rows}:
                connection.exec_driver_sql(f"NOTIFY outbox, '{lane}'")
        return [_added(row, there) for row in rows]

    def announce(self, messages: Sequence[Message]) -> None:
        """Wake this process's workers for the lanes of `messages`."""
        self._wake({each.lane for each in messages})

    def _wake(self, lanes: Iterable[Lane]) -> None:
        for lane in lanes:
            for told in self.added:
                told(lane)

    def _rows(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        now = self.clock()
        return [self.row(each, now) for each in messages]

    def row(self, each: Message, now: datetime) -> dict[str, Any]:
        """A message as the table holds it, sealed."""
        body = {"to": each.to, "text": each.text, "signature": each.signature, "params": dict(each.params)}
        return {
            "id": each.id,
            "lane": each.lane,
            "status": "queued",
            "due_at": each.not_before or now,
            "body": self.store.privacy.seal_bytes(to_json(body)),
            "to_hash": self.store.phone(each.to),
            "to_masked": mask_number(each.to),
            "account_hash": self.store.digest("account", each.account) if each.account else None,
            "key_hash": key_hash(each.client, each.key),
            "once_hash": self.store.digest("once", each.once)[:ONCE_BYTES] if each.once else None,
            "client": each.client,
            "template": each.template,
            "kind": each.kind,
            "quiet": each.quiet,
            "campaign": each.campaign,
            "operator": operator_of(each.to),
            "parts": each.parts,
            "cost": each.cost,
            "created_at": now,
            "expires_at": each.expires_at or (each.not_before or now) + DEFAULT_LIFE,
            "attempt": 0,
            "tried": "",
            "reason": "",
        }

    async def due(self) -> set[Lane]:
        """The lanes that have something to claim now: a glance, which costs next to nothing."""
        (row,) = await _DUE_LANES.fetch(self.store.engine, now=self.clock())
        return {lane for lane in LANES if row[lane]}

    async def claim(self, lanes: Sequence[Lane], most: int, lease_seconds: float) -> list[Claimed]:
        """Up to `most` due messages, of the first lanes first, marked `sending` until the lease runs out."""
        rows, learned, declined = await self.store.transact(_claim, lanes, most, self.clock(), lease_seconds)
        claimed = [self._open(row, learned.get(row.to_hash, row.operator), row.id in declined) for row in rows]
        for row, opened in zip(rows, claimed, strict=True):
            if opened is None:
                await self.record(Outcome(row.id, "failed", reason="unreadable", dead=True))
        return [each for each in claimed if each is not None]

    def _open(self, row: Any, operator: str, declined: bool) -> Claimed | None:
        try:
            body = json.loads(self.store.privacy.open(row.body))
        except Unreadable:
            return None
        return Claimed(
            id=row.id,
            lane=row.lane,
            to=body["to"],
            text=body["text"],
            signature=body["signature"],
            params=body["params"],
            template=row.template,
            quiet=row.quiet,
            operator=operator,
            declined=declined,
            client=row.client,
            parts=row.parts,
            attempt=row.attempt,
            tried=tuple(row.tried.split()),
            created_at=row.created_at,
            expires_at=row.expires_at,
        )

    async def _record_many(self, outcomes: Sequence[Outcome]) -> list[None]:
        news = await self.store.transact(self._write_down, outcomes, self.clock())
        if news:
            self.listeners.wake.set()
        with_refs = [each for each in outcomes if each.refs]
        for hear in self.accepted if with_refs else ():
            try:
                await hear(with_refs)
            except Exception as fault:  # it is written down, and must not be again: the sweep finds what waits
                log.warning("texts.receipts_wait", fault=type(fault).__name__)
        return [None] * len(outcomes)

    def _write_down(self, connection: Connection, outcomes: Sequence[Outcome], now: datetime) -> bool:
        outcomes = bounced(connection, outcomes)
        _RECORD.run(connection, [_changes(each, now) for each in sorted(outcomes, key=lambda each: each.id)])
        parts = [row for each in outcomes if len(each.refs) > 1 for row in _part_rows(each)]
        if parts:
            again = message_part.c.message.in_({row["message"] for row in parts})
            connection.execute(delete(message_part).where(again))  # of a try before a person sent it on its way again
            connection.execute(self._put_parts, parts)
        return self.listeners.note(connection, {each.id: each.status for each in outcomes if each.status != "queued"})

    async def strand(self) -> int:
        """Rows whose worker died become `unknown`; a code may then take its second way. Returns how many."""
        now = self.clock()
        if not await _STRANDED.fetch(self.store.engine, now=now):
            return 0
        async with self.store.write() as connection:
            result = await connection.execute(
                update(message)
                .where(message.c.status == "sending", message.c.lease_until < now)
                .values(
                    status="unknown",
                    reason="worker_lost",
                    lease_until=None,
                    sent_at=now,
                    due_at=case((message.c.lane == "code", now), else_=None),
                )
                .returning(message.c.id)
            )
            ids = result.scalars().all()
            news = await connection.run_sync(self.listeners.note, dict.fromkeys(ids, "unknown"))
        if news:
            self.listeners.wake.set()
        return len(ids)


def _claim(
    connection: Connection, lanes: Sequence[Lane], most: int, now: datetime, lease_seconds: float
) -> tuple[list[Any], dict[bytes, str], set[str]]:
    """Rows in the order to send them, what receipts taught us of their numbers, and the ids of those declined."""
    rows: list[Any] = []
    until = now + timedelta(seconds=lease_seconds)
    for lane in lanes:
        if len(rows) < most:
            found = connection.execute(_CLAIM, {"of": lane, "most": most - len(rows), "now": now, "until": until}).all()
            rows += sorted(found, key=lambda row: str(row.id))
    return rows, _learned(connection, rows), _declined(connection, rows)


def _learned(connection: Connection, rows: Sequence[Any]) -> dict[bytes, str]:
    """The operators that receipts taught us, of the numbers in `rows`: people take their number with them."""
    if not rows:
        return {}
    found = connection.execute(_LEARNED, {"who": list({row.to_hash for row in rows})})
    return {to_hash: operator for to_hash, operator in found}


def _declined(connection: Connection, rows: Sequence[Any]) -> set[str]:
    """The ids of `rows` whose recipients turned their kind of notice off."""
    kinds = {row.to_hash: row for row in rows if row.kind}
    if not kinds:
        return set()
    found = connection.execute(_OFF, {"who": list(kinds)})
    off = {(to_hash, kind) for to_hash, kind in found}
    return {row.id for row in rows if row.kind and off & {(row.to_hash, row.kind), (row.to_hash, "*")}}


_CLAIMED = (
    message.c.id,
    message.c.lane,
    message.c.body,
    message.c.to_hash,
    message.c.template,
    message.c.kind,
    message.c.quiet,
    message.c.operator,
    message.c.client,
    message.c.parts,
    message.c.attempt,
    message.c.tried,
    message.c.created_at,
    message.c.expires_at,
)

_INSERTED = (
    *("id", "lane", "status", "due_at", "body", "to_hash", "to_masked", "account_hash", "key_hash", "once_hash"),
    *("client", "template", "kind", "quiet", "campaign", "operator", "parts", "cost", "created_at", "expires_at"),
    *("attempt", "tried", "reason"),
)

# Made once: building a statement costs more than running it.
_DUE_LANES = Statement(
    "due lanes",
    select(
        *(exists().where(message.c.lane == lane, message.c.due_at <= bindparam("now")).label(lane) for lane in LANES)
    ),
    by_key=True,
)
_STRANDED = Statement(
    "stranded",
    select(message.c.id).where(message.c.status == "sending", message.c.lease_until < bindparam("now")).limit(1),
    by_key=True,
)
_LEARNED = select(number.c.to_hash, number.c.operator).where(number.c.to_hash.in_(bindparam("who", expanding=True)))
_OFF = select(opt_out.c.to_hash, opt_out.c.kind).where(opt_out.c.to_hash.in_(bindparam("who", expanding=True)))
_DUE = (
    select(message.c.id)
    .where(message.c.lane == bindparam("of"), message.c.due_at <= bindparam("now"))
    .order_by(message.c.due_at)
    .limit(bindparam("most", type_=Integer()))
    .with_for_update(skip_locked=True)
)
_CLAIM = (
    update(message)
    .where(message.c.id.in_(_DUE.scalar_subquery()))
    .values(
        status=case((message.c.status == "queued", "sending"), else_=message.c.status),
        due_at=None,
        lease_until=bindparam("until"),
    )
    .returning(*_CLAIMED)
)

# The climbing rule in SQL: `sending` takes any outcome; `unknown` only what is known better; receipts stay on top.
_HELD = or_(message.c.status == "sending", message.c.status == "unknown")
_OPEN = or_(
    message.c.status == "sending", and_(message.c.status == "unknown", bindparam("from_unknown", type_=Boolean()))
)


def _if_open(column: Column[Any], name: str) -> Case[Any]:
    return case((_OPEN, bindparam(name, type_=column.type)), else_=column)


_RECORD = Rows(
    update(message)
    .where(message.c.id == bindparam("row_id"))
    .values(
        status=_if_open(message.c.status, "new_status"),
        due_at=case((_HELD, bindparam("new_due", type_=message.c.due_at.type)), else_=None),
        provider=bindparam("new_provider"),
        provider_ref=bindparam("new_ref"),
        reason=_if_open(message.c.reason, "new_reason"),
        tried=bindparam("new_tried"),
        attempt=message.c.attempt + bindparam("tries", type_=Integer()),
        lease_until=None,
        sent_at=func.coalesce(bindparam("new_sent", type_=message.c.sent_at.type), message.c.sent_at),
        done_at=_if_open(message.c.done_at, "new_done"),
        dead_at=_if_open(message.c.dead_at, "new_dead"),
    )
)


def _changes(each: Outcome, now: datetime) -> dict[str, Any]:
    return {
        "row_id": each.id,
        "new_status": each.status,
        "from_unknown": each.status == "sent",
        "new_due": each.due_at,
        "new_provider": each.provider or None,
        "new_ref": each.refs[0][:REF] if len(each.refs) == 1 else None,
        "new_reason": each.reason,
        "new_tried": " ".join(each.tried),
        "tries": int(each.counts),
        "new_sent": now if each.status in ("sent", "unknown") else None,
        "new_done": now if each.status == "failed" else None,
        "new_dead": now if each.dead else None,
    }


def _part_rows(each: Outcome) -> list[dict[str, Any]]:
    return [
        {"provider": each.provider, "ref": ref[:REF], "message": each.id, "part": part, "status": "sent"}
        for part, ref in enumerate(each.refs, 1)
    ]


def batched(items: Sequence[_Item], most: int) -> Iterator[Sequence[_Item]]:
    """`items` in their order, `most` at a time."""
    return (items[at : at + most] for at in range(0, len(items), most))


def key_hash(client: str, key: str | None) -> bytes | None:
    """What stands for a client's key in the outbox."""
    return None if key is None else hashlib.sha256(f"{client}\0{key}".encode()).digest()[:16]


def _already_there(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> dict[bytes, Any]:
    """The stored message (id, status) under each mark of `rows`."""
    keys = [row["key_hash"] for row in rows if row["key_hash"]]
    numbers = [row["to_hash"] for row in rows if row["once_hash"]]
    onces = [row["once_hash"] for row in rows if row["once_hash"]]
    found = connection.execute(
        select(message.c.id, message.c.status, message.c.key_hash, message.c.to_hash, message.c.once_hash).where(
            or_(
                message.c.key_hash.in_(keys) if keys else false(),
                and_(message.c.to_hash.in_(numbers), message.c.once_hash.in_(onces)) if onces else false(),
            )
        )
    )
    return {mark: row for row in found.mappings() for mark in _marks(row)}


def _marks(row: Mapping[Any, Any]) -> list[bytes]:
    """By which a message is known to be there already: its client's key; its number with what it says."""
    said = row["to_hash"] + row["once_hash"] if row["once_hash"] else None
    return [mark for mark in (row["key_hash"], said) if mark]


def _added(row: Mapping[str, Any], there: Mapping[bytes, Any]) -> Added:
    stored = next((there[mark] for mark in _marks(row) if mark in there), None)
    if stored is None or stored["id"] == row["id"]:
        return Added(row["id"], "queued")
    return Added(stored["id"], stored["status"], duplicate=True)
