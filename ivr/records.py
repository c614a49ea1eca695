"""Calls as they are kept: one writer gathers what many calls want saved and commits it in one transaction; where a
transaction takes no time (`fund.lanes`), it is made at once.

`save` waits for the commit, but no longer than `PATIENCE_SECONDS`: a caller does not wait for a database. What could
not be written stays in memory and is written when the database is back.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any

import structlog
from sqlalchemy import ColumnElement, String, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from fund.columns import Moment
from fund.inserts import put_into
from fund.privacy import Privacy, Unreadable, mask_number
from fund.statements import Rows, Statement, write, write_now
from ivr.call import Call
from ivr.metrics import UNWRITTEN
from ivr.state import State
from ivr.tables import audit, call_steps, calls

log = structlog.get_logger()
PATIENCE_SECONDS = 0.25
RETRY_SECONDS = 2.0
AT_ONCE = 500  # calls removed in one transaction, so that a new call never waits long behind it
_FIXED = ("line", "caller_masked", "caller_digest", "started_at")  # of a call, from its first moment
_COUNTS = {"silence": "silences", "wrong": "wrongs"}
MOST_WAITING = 20_000  # calls kept in memory while the database is away; beyond, the oldest are let go

_STATE = Statement(
    "call state",
    select(calls.c.state).where(calls.c.id == bindparam("id", type_=String), calls.c.ended_at.is_(None)),
    by_key=True,
)


class CallRecords:
    """The `calls`, `call_steps` and `call_audit` tables, written behind. `start` before use, `stop` to flush."""

    def __init__(self, engine: AsyncEngine, privacy: Privacy) -> None:
        self._engine, self._privacy = engine, privacy
        self._digest = lru_cache(maxsize=4096)(privacy.digest)  # a call asks for the same two at every step
        self._put_call = Rows(put_into(engine, calls, ("id",), fixed=_FIXED, where=_goes_on), calls.c.keys())
        self._put_step = Rows(put_into(engine, call_steps, ("call_id", "n")), call_steps.c.keys())
        self._put_note = Rows(insert(audit), [column.name for column in audit.c if column.name != "id"])
        self._calls: dict[str, dict[str, Any]] = {}
        self._under_way: dict[str, dict[str, Any]] = {}  # what is being written this moment
        self._open: dict[str, bytes] = {}  # the sealed state of each unended call, as this node saved it last
        self._steps: dict[tuple[str, int], dict[str, Any]] = {}
        self._audit: list[dict[str, Any]] = []
        self._last_step: dict[str, dict[str, Any]] = {}  # the row of the node each call is in
        self.written: list[Callable[[], None]] = []  # who wants to hear that something was written
        self._batch: asyncio.Future[None] | None = None
        self._wanted = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin writing."""
        self._writer = asyncio.create_task(self._write_forever())

    async def stop(self) -> None:
        """Write what is left, once, and stop."""
        if self._writer:
            self._writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._writer
        if self._calls or self._audit:
            with contextlib.suppress(Exception):
                await self._write()

    async def save(self, call: Call) -> None:
        """Keep the call as it is now; returns when it is safe, or after `PATIENCE_SECONDS` in memory only."""
        self._calls[call.id] = row = self._row(call)
        self._open.pop(call.id, None)
        if row["state"]:
            self._open[call.id] = row["state"]
        self._take_steps(call)
        for kept in (self._calls, self._open, self._last_step):
            while len(kept) > MOST_WAITING:
                kept.pop(next(iter(kept)))
        if not self._written_now():
            await self._written()

    async def resume(self, call_id: str) -> State | None:
        """The state of an unended call, or None; what this node knows of it if the database does not answer in time."""
        if unwritten := self._calls.get(call_id) or self._under_way.get(call_id):
            return self._opened(call_id, unwritten["state"])
        try:
            async with asyncio.timeout(PATIENCE_SECONDS * 4):
                found = await _STATE.fetch(self._engine, id=call_id)
                sealed = found[0]["state"] if found else None
                if sealed:
                    await self._recall_last_step(call_id)
        except Exception as fault:  # whatever the driver raises: the call goes on with what this node knows
            log.error("call_state_unreadable", call=call_id, fault=type(fault).__name__)
            sealed = self._open.get(call_id)
        return self._opened(call_id, sealed)

    async def _recall_last_step(self, call_id: str) -> None:
        step = call_steps.c
        last = select(call_steps).where(step.call_id == call_id).order_by(step.n.desc()).limit(1)
        async with self._engine.connect() as connection:
            if row := (await connection.execute(last)).first():
                self._last_step[call_id] = dict(row._mapping)

    def _opened(self, call_id: str, sealed: bytes | None) -> State | None:
        try:
            return State.from_json(self._privacy.open(sealed)) if sealed else None
        except Unreadable:
            log.error("call_state_unreadable", call=call_id, fault="Unreadable")
            return None

    def note(self, call_id: str, action: str, outcome: str, account: str, at: datetime) -> None:
        """Who looked at what: one line of the audit, written with the call before its caller hears it."""
        row = {"at": at, "call_id": call_id, "action": action, "outcome": outcome}
        self._audit.append(row | {"person_masked": mask_number(account), "person_digest": self._person(account)})

    def _row(self, call: Call) -> dict[str, Any]:
        state, person = call.state, call.state.person
        account = person["account"] if person else ""
        return {
            "id": call.id,
            "line": call.line,
            "flow_version": state.version,
            "language": state.language,
            "caller_masked": mask_number(state.caller),
            "caller_digest": self._digest("caller", state.caller),
            "person_kind": person["kind"] if person else None,
            "person_masked": mask_number(account) if account else None,
            "person_digest": self._person(account) if account else None,
            "node": state.node,
            "outcome": state.outcome,
            "started_at": state.began(),
            "ended_at": call.ended_at,
            "state": None if call.ended_at else self._privacy.seal(state.to_json()),
            "who": self._privacy.seal(_who(state)) if call.ended_at else None,
        }

    def _person(self, account: str) -> str:
        return self._digest("account", account)

    def _take_steps(self, call: Call) -> None:
        for how in call.missed:
            self._count_missed(call.id, _COUNTS[how])
        call.missed.clear()
        for node, at in call.steps:
            n = self._close_step(call.id, at)
            row = {"call_id": call.id, "n": n, "node": node, "entered_at": at, "seconds": None}
            self._last_step[call.id] = self._steps[call.id, n] = row | {"silences": 0, "wrongs": 0}
        call.steps.clear()
        if call.ended_at:
            self._close_step(call.id, call.ended_at)
            self._last_step.pop(call.id, None)

    def _close_step(self, call_id: str, at: datetime) -> int:
        """Give the last step its seconds; the number of the next one."""
        if not (row := self._last_step.get(call_id)):
            return 0
        self._steps[call_id, row["n"]] = row | {"seconds": (at - row["entered_at"]).total_seconds()}
        return int(row["n"]) + 1

    def _count_missed(self, call_id: str, count: str) -> None:
        if row := self._last_step.get(call_id):
            self._last_step[call_id] = self._steps[call_id, row["n"]] = row | {count: row[count] + 1}

    def _written_now(self) -> bool:
        """A call that is alone with what it wants saved waits for no writer, where the database makes nobody wait."""
        if self._batch or self._under_way or len(self._calls) > 1 or not write_now(self._engine, *self._unwritten()):
            return False
        self._calls, self._steps, self._audit = {}, {}, []
        self._tell()
        return True

    def _unwritten(self) -> list[tuple[Rows, list[dict[str, Any]]]]:
        return [
            (self._put_call, list(self._calls.values())),
            (self._put_step, list(self._steps.values())),
            (self._put_note, self._audit),
        ]

    def _tell(self) -> None:
        for tell in self.written:
            tell()

    async def _written(self) -> None:
        if self._batch is None:
            self._batch = asyncio.get_running_loop().create_future()
        self._wanted.set()
        await asyncio.wait({self._batch}, timeout=PATIENCE_SECONDS)

    async def _write_forever(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            batch, self._batch = self._batch, None
            try:
                await self._write()
            except Exception as fault:  # whatever the driver raises; nothing is lost, and it is tried again
                log.error("calls_not_written", waiting=len(self._calls), fault=type(fault).__name__)
                self._wanted.set()
                await asyncio.sleep(RETRY_SECONDS)
            finally:
                UNWRITTEN.set(len(self._calls))
                if batch and not batch.done():
                    batch.set_result(None)

    async def _write(self) -> None:
        batches = self._unwritten()
        self._under_way = rows = self._calls
        steps, notes = self._steps, self._audit
        self._calls, self._steps, self._audit = {}, {}, []
        try:
            await write(self._engine, *batches)
        except BaseException:
            self._calls, self._steps, self._audit = rows | self._calls, steps | self._steps, notes + self._audit
            raise
        finally:
            self._under_way = {}
        self._tell()


async def remove_old(engine: AsyncEngine, before: datetime) -> int:
    """Remove calls that started before a moment, their ways and what was looked at in them. Returns how many calls."""
    removed = 0
    while True:
        async with engine.begin() as connection:
            old = select(calls.c.id).where(calls.c.started_at < before).limit(AT_ONCE)
            ids = (await connection.execute(old)).scalars().all()
            for table, column in ((call_steps, call_steps.c.call_id), (audit, audit.c.call_id), (calls, calls.c.id)):
                await connection.execute(delete(table).where(column.in_(ids)))
        removed += len(ids)
        if len(ids) < AT_ONCE:
            return removed


async def end_lost(engine: AsyncEngine, privacy: Privacy, before: datetime) -> int:
    """End calls that started before a moment and whose end nobody saw, at the last that is known of them: how many.

    As when the service was killed, and the caller hung up before there was another. Left open, such a call would be in
    progress for ever, and who called would not be forgotten.
    """
    last = select(func.max(call_steps.c.entered_at)).where(call_steps.c.call_id == calls.c.id).scalar_subquery()
    lost = select(calls.c.id, calls.c.state, func.coalesce(last, calls.c.started_at, type_=Moment).label("at"))
    lost = lost.where(calls.c.ended_at.is_(None), calls.c.started_at < before).limit(AT_ONCE)
    ended = 0
    while True:
        async with engine.begin() as connection:
            rows = (await connection.execute(lost)).all()
            for row in rows:
                open_ = update(calls).where(calls.c.id == row.id, calls.c.ended_at.is_(None))
                await connection.execute(open_.values(ended_at=row.at, **_lost(privacy, row.state)))
        ended += len(rows)
        if len(rows) < AT_ONCE:
            return ended


def _lost(privacy: Privacy, sealed: bytes | None) -> dict[str, Any]:
    """How a lost call ended, as far as its state tells, and who it was."""
    try:
        state = State.from_json(privacy.open(sealed)) if sealed else State("")
    except Unreadable:
        state = State("")
    with_people = state.waiting == "transfer" or state.served
    outcome = state.outcome or ("transferred" if with_people else "hung_up")
    return {"outcome": outcome, "state": None, "who": privacy.seal(_who(state))}


async def forget_callers(engine: AsyncEngine, before: datetime) -> None:
    """Forget who called in calls that ended before a moment; what remains of them is masked or digested."""
    known = update(calls).where(calls.c.who.is_not(None), calls.c.ended_at < before)
    async with engine.begin() as connection:
        await connection.execute(known.values(who=None))


def _goes_on(new: Any) -> ColumnElement[bool]:
    """Not what a node writes late of a call that another has ended; but a call that has begun anew under its id."""
    return or_(calls.c.ended_at.is_(None), new.started_at > calls.c.started_at)


def _who(state: State) -> str:
    """What the people who take the call may need to know of it when its state is gone."""
    return json.dumps({"caller": state.caller, **(state.person or {})}, ensure_ascii=False)
