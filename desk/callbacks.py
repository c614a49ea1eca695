"""Whom we call: who asked to be called back, in whose turn, and who is reminded of something by voice.

A number has one open call-back at most, and keeps the place of the moment it asked; a reminder is kept once for its
key, whatever became of it. What comes next is decided by pure functions, `decide` and `outcome_of`. Whoever dials
claims the request first; a claim is a lease, so that the call of a process that died is followed up by another, and
nobody is dialled twice at once. A try counts from the moment it is claimed.
"""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from desk.database import writing
from desk.tables import call_back_tries, call_backs
from fund.inserts import insert_new
from fund.privacy import Privacy, mask_number

Channel = Literal["voice", "sms", "api", "staff"]
Outcome = Literal[
    "reached",  # they talked to somebody
    "no_answer",  # every try rang out, was busy or met a machine
    "wrong_number",  # somebody else's number
    "refused",  # they do not want to talk any more
    "given_up",  # it waited too long, or staff gave up
    "cancelled",  # whoever asked took it back
]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
Missed = Literal["no_answer", "busy", "failed", "machine", "no_agent"]  # how a try ends that leaves the request open
Purpose = Literal["callback", "reminder"]
Answered = Literal["person", "refused", "wrong_number"]  # what whoever we called pressed
Clock = Callable[[], datetime]
Conditions = list[ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class CallBack:
    """One request; the number itself is sealed: `CallBacks.number`."""

    id: str
    purpose: Purpose
    number_masked: str
    number_digest: str
    queue: str
    reason: str
    channel: str
    call_id: str
    asked_at: datetime
    tries: int
    dialled: int
    next_try_at: datetime
    lease_by: str
    lease_until: datetime | None
    closed_at: datetime | None
    outcome: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it stands; `fresh` is False when one was open already. `ahead`: how many come before it."""

    request: CallBack
    fresh: bool
    ahead: int


@dataclass(frozen=True, slots=True)
class Try:
    """One time that was dialled. `answered`: what they pressed, if anything; `outcome` is empty while it lasts."""

    n: int
    began_at: datetime
    by: str
    ended_at: datetime | None
    answered: str
    outcome: str


# What comes next


@dataclass(frozen=True, slots=True)
class Rules:
    """How often, and how far apart, somebody is called. The last spacing serves for every later try."""

    most_tries: int = 3
    spacing: tuple[timedelta, ...] = (timedelta(minutes=10), timedelta(hours=2))
    longest_wait: timedelta = timedelta(days=7)
    agents_busy_wait: timedelta = timedelta(seconds=20)
    no_agent_wait: timedelta = timedelta(minutes=2)  # after somebody who answered could not be put through

    def wait_after(self, tries: int) -> timedelta:
        """How long to leave somebody in peace after so many tries."""
        return self.spacing[min(tries, len(self.spacing)) - 1]


@dataclass(frozen=True, slots=True)
class Dial:
    """Call now."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Look again then."""

    until: datetime


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Close it with this outcome."""

    outcome: Outcome


def decide(
    request: CallBack, now: datetime, opens_at: datetime | None, agents_free: int, rules: Rules | None = None,
    closed: timedelta = timedelta(),
) -> Dial | Wait | GiveUp:  # fmt: skip
    """What to do with an open request. Pure.

    `opens_at` is when its queue's people are next there: `now` or earlier while they are, None when nobody knows;
    `closed`: how much of the wait so far nobody could have called in.
    """
    rules = rules or Rules()
    if request.lease_until and request.lease_until > now:
        return Wait(request.lease_until)
    if request.tries >= rules.most_tries:
        return GiveUp("no_answer")
    if now - request.asked_at - closed > rules.longest_wait:
        return GiveUp("given_up")
    if opens_at is None:
        return Wait(now + timedelta(hours=1))
    earliest = max(request.next_try_at, opens_at)
    if earliest > now:
        return Wait(earliest)
    return Dial() if agents_free > 0 or request.purpose == "reminder" else Wait(now + rules.agents_busy_wait)


def outcome_of(
    purpose: Purpose, *, missed: Missed = "no_answer", picked_up: bool, answered: str, talked: bool
) -> Missed | Outcome:
    """How a call that is over went. Pure.

    `missed`: why it was not picked up; `answered`: what they pressed; `talked`: with one of our people.
    """
    match answered:
        case "refused" | "wrong_number":
            return answered
        case "person" if purpose == "reminder":
            return "reached"
    if talked:
        return "reached"
    if answered:
        return "no_agent"
    return "machine" if picked_up else missed


# The requests as they are kept

_SHOWN = [call_backs.c[each.name] for each in fields(CallBack)]
_OPEN = call_backs.c.closed_at.is_(None)
_CALLBACK = call_backs.c.purpose == "callback"


class CallBacks:
    """Keeps requests and their tries."""

    def __init__(
        self,
        engine: AsyncEngine,
        privacy: Privacy,
        rules: Rules | None = None,
        clock: Clock = lambda: datetime.now(UTC),
    ) -> None:
        self._engine, self._privacy, self._clock = engine, privacy, clock
        self.rules = rules or Rules()

    async def ask(
        self, number: str, *, queue: str = "general", reason: str = "", call_id: str = "", channel: Channel = "voice"
    ) -> Asked:
        """Ask for a normalised number to be called. Asked again, the first request keeps its place."""
        now, digest = self._clock(), self.digest(number)
        asked = {"queue": queue, "reason": reason[:40], "channel": channel, "call_id": call_id}
        row = self._fresh(number, "callback", now) | asked
        async with writing(self._engine) as connection:
            fresh = (await connection.execute(insert_new(self._engine, call_backs).values(**row))).rowcount > 0
            mine = select(*_SHOWN).where(_OPEN, _CALLBACK, call_backs.c.number_digest == digest)
            request = _request((await connection.execute(mine)).one())
            return Asked(request, fresh, await _ahead(connection, request))

    async def remind(self, number: str, message: str, key: str, *, after: datetime | None = None) -> bool:
        """Have a normalised number called and told `message`; once for a `key`.

        False: it was asked for before, or whoever has that number told us that they are not who we look for.
        """
        now = self._clock()
        row = self._fresh(number, "reminder", now) | {
            "id": hashlib.sha256(key.encode()).hexdigest()[:32],
            "message_sealed": self._privacy.seal(message),
            "next_try_at": after or now,
        }
        wrong = (call_backs.c.number_digest == row["number_digest"], call_backs.c.outcome == "wrong_number")
        async with writing(self._engine) as connection:
            if (await connection.execute(select(call_backs.c.id).where(~_CALLBACK, *wrong).limit(1))).first():
                return False
            return (await connection.execute(insert_new(self._engine, call_backs).values(**row))).rowcount > 0

    def _fresh(self, number: str, purpose: Purpose, now: datetime) -> dict[str, Any]:
        """A row that nothing has happened to yet."""
        return {
            "id": secrets.token_hex(16), "purpose": purpose, "message_sealed": None,
            "number_masked": mask_number(number), "number_digest": self.digest(number),
            "number_sealed": self._privacy.seal(number), "queue": "general", "reason": "", "channel": "api",
            "call_id": "", "asked_at": now, "tries": 0, "dialled": 0, "next_try_at": now,
            "lease_by": "", "lease_until": None, "closed_at": None, "outcome": "",
        }  # fmt: skip

    async def message(self, id: str) -> str:
        """What a reminder says; empty when it is over, or none."""
        query = select(call_backs.c.message_sealed).where(call_backs.c.id == id, _OPEN)
        async with self._engine.connect() as connection:
            sealed = (await connection.execute(query)).scalar_one_or_none()
        return self._privacy.open(sealed) if sealed else ""

    async def find(self, id: str) -> CallBack | None:
        """The request of that id."""
        found = await self._fetch(select(*_SHOWN).where(call_backs.c.id == id))
        return found[0] if found else None

    async def open_for(self, number: str) -> CallBack | None:
        """The open call-back of a number."""
        found = await self._fetch(
            select(*_SHOWN).where(_OPEN, _CALLBACK, call_backs.c.number_digest == self.digest(number))
        )
        return found[0] if found else None

    async def list(
        self, *, open_only: bool = True, queue: str = "", digest: str = "", limit: int = 200
    ) -> Sequence[CallBack]:
        """Open call-backs in their turn; or all, newest first."""
        wanted: Conditions = [_CALLBACK, _OPEN] if open_only else [_CALLBACK]
        wanted += [call_backs.c.queue == queue] if queue else []
        wanted += [call_backs.c.number_digest == digest] if digest else []
        order: Any = call_backs.c.asked_at if open_only else call_backs.c.asked_at.desc()
        return await self._fetch(select(*_SHOWN).where(*wanted).order_by(order).limit(limit))

    async def due(self, now: datetime, limit: int = 50) -> Sequence[CallBack]:
        """Open requests nobody is dialling and whose time has come, in their turn: what to `decide` about."""
        wanted = (_OPEN, call_backs.c.next_try_at <= now, _unleased(now))
        return await self._fetch(select(*_SHOWN).where(*wanted).order_by(call_backs.c.asked_at).limit(limit))

    async def tries(self, id: str) -> Sequence[Try]:
        """Every try, oldest first."""
        query = select(call_back_tries).where(call_back_tries.c.call_back == id).order_by(call_back_tries.c.n)
        async with self._engine.connect() as connection:
            rows = (await connection.execute(query)).all()
        return [Try(row.n, row.began_at, row.by, row.ended_at, row.answered, row.outcome) for row in rows]

    async def called_since(self, digest: str, since: datetime) -> Sequence[datetime]:
        """When a number's telephone may have rung, for whatever reason, the first time first."""
        tried = call_back_tries.join(call_backs, call_backs.c.id == call_back_tries.c.call_back)
        rang = call_back_tries.c.outcome != "failed"
        mine = (call_backs.c.number_digest == digest, call_back_tries.c.began_at > since, rang)
        began = select(call_back_tries.c.began_at).select_from(tried).where(*mine).order_by(call_back_tries.c.began_at)
        async with self._engine.connect() as connection:
            return (await connection.execute(began)).scalars().all()

    async def number(self, id: str) -> str:
        """The number to dial. Raises `KeyError`; whoever shows it to a person audits the look."""
        async with self._engine.connect() as connection:
            query = select(call_backs.c.number_sealed).where(call_backs.c.id == id)
            sealed = (await connection.execute(query)).scalar_one_or_none()
        if sealed is None:
            raise KeyError(id)
        return self._privacy.open(sealed)

    def digest(self, number: str) -> str:
        """What `number_digest` is for a number: the same as in `calls` and work orders."""
        return self._privacy.digest("caller", number)

    # dialling

    async def claim(self, id: str, by: str, seconds: float = 60) -> CallBack | None:
        """Take it to dial, for so long: the request with this try counted.

        None when somebody else has it, or another of the same number: that call is followed up first.
        """
        now = self._clock()
        free = update(call_backs).where(call_backs.c.id == id, _OPEN, _unleased(now))
        counts = {"tries": call_backs.c.tries + 1, "dialled": call_backs.c.dialled + 1}
        taken = free.values(lease_by=by, lease_until=now + timedelta(seconds=seconds), **counts)
        async with writing(self._engine) as connection:
            if any(each.lease_by for each in await _same_number(connection, id) if each.id != id):
                return None
            if not (await connection.execute(taken)).rowcount:
                return None
            request = _request((await connection.execute(select(*_SHOWN).where(call_backs.c.id == id))).one())
            begun = {"call_back": id, "n": request.dialled, "began_at": now, "by": by, "outcome": ""}
            await connection.execute(insert(call_back_tries).values(**begun))
            return request

    async def claimed(self) -> Sequence[CallBack]:
        """Open requests that are being called, or whose process died over it: what to follow up."""
        return await self._fetch(select(*_SHOWN).where(_OPEN, call_backs.c.lease_by != ""))

    async def renew(self, id: str, by: str, seconds: float = 60, *, heir: str = "") -> bool:
        """Keep it while the call lasts, or take it over from one who died (`heir`). False when the claim was lost."""
        mine = update(call_backs).where(call_backs.c.id == id, _OPEN, call_backs.c.lease_by == by)
        until = self._clock() + timedelta(seconds=seconds)
        async with writing(self._engine) as connection:
            kept = await connection.execute(mine.values(lease_by=heir or by, lease_until=until))
            return kept.rowcount > 0

    async def answered(self, id: str, n: int, what: Answered) -> CallBack | None:
        """Keep what they pressed; who wants no more calls gets none from this moment on.

        Whoever has a wrong number is not called for what else we wanted to remind its former owner of.
        """
        now, final = self._clock(), what != "person"
        async with writing(self._engine) as connection:
            same = await _same_number(connection, id)
            pressed = update(call_back_tries).where(*_the_try(id, n)).values(answered=what)
            await connection.execute(pressed.values(ended_at=now, outcome=what) if final else pressed)
            if final:
                purposes = {each.id: each.purpose for each in same}
                wrong = what == "wrong_number" and purposes.get(id) == "reminder"
                over = [each for each in purposes if each == id or (wrong and purposes[each] == "reminder")]
                open_ = update(call_backs).where(call_backs.c.id.in_(over), _OPEN)
                await connection.execute(open_.values(closed_at=now, outcome=what, lease_by="", lease_until=None))
        return await self.find(id)

    async def tried(self, id: str, by: str, outcome: Missed | Outcome) -> None:
        """How the claimed try ended. An `Outcome` closes the request, but one try without an answer does not.

        What is final counts even when the claim was lost meanwhile; what is not is then somebody else's to say.
        """
        now = self._clock()
        final = outcome in OUTCOMES and outcome != "no_answer"
        async with writing(self._engine) as connection:
            which = (call_backs.c.id == id, _OPEN) if final else (call_backs.c.id == id, call_backs.c.lease_by == by)
            counts = select(call_backs.c.tries, call_backs.c.dialled).where(*which).with_for_update()
            row = (await connection.execute(counts)).first()
            if row is None:
                return
            ended = update(call_back_tries).where(*_the_try(id, row.dialled))
            await connection.execute(ended.values(ended_at=now, outcome=outcome))
            after: dict[str, Any] = {"next_try_at": now + self.rules.wait_after(row.tries)}
            if final:
                after = {"closed_at": now, "outcome": outcome}
            elif outcome in ("no_agent", "failed"):  # ours to mend, so it is none of their tries
                wait = self.rules.no_agent_wait if outcome == "no_agent" else self.rules.wait_after(1)
                after = {"next_try_at": now + wait, "tries": row.tries - 1}
            changed = update(call_backs).where(call_backs.c.id == id)
            await connection.execute(changed.values(lease_by="", lease_until=None, **after))

    async def postpone(self, id: str, until: datetime) -> None:
        """Nothing to do before then."""
        async with writing(self._engine) as connection:
            await connection.execute(update(call_backs).where(call_backs.c.id == id, _OPEN).values(next_try_at=until))

    async def close(self, id: str, outcome: Outcome) -> bool:
        """Close an open request. False when it was closed already, or is not there."""
        mine = update(call_backs).where(call_backs.c.id == id, _OPEN)
        closed = mine.values(closed_at=self._clock(), outcome=outcome, lease_by="", lease_until=None)
        async with writing(self._engine) as connection:
            return (await connection.execute(closed)).rowcount > 0

    async def remove_old(self, before: datetime) -> int:
        """Remove requests that were closed before that moment, with their tries: how many."""
        old = select(call_backs.c.id).where(call_backs.c.closed_at < before)
        async with writing(self._engine) as connection:
            await connection.execute(delete(call_back_tries).where(call_back_tries.c.call_back.in_(old)))
            return (await connection.execute(delete(call_backs).where(call_backs.c.id.in_(old)))).rowcount

    async def _fetch(self, query: Any) -> Sequence[CallBack]:
        async with self._engine.connect() as connection:
            return [_request(row) for row in (await connection.execute(query)).all()]


def _unleased(now: datetime) -> ColumnElement[bool]:
    return or_(call_backs.c.lease_until.is_(None), call_backs.c.lease_until <= now)


def _the_try(id: str, n: int) -> tuple[ColumnElement[bool], ...]:
    return call_back_tries.c.call_back == id, call_back_tries.c.n == n


async def _same_number(connection: AsyncConnection, id: str) -> Sequence[Any]:
    """The open requests of a request's number, itself among them: nobody else changes them in this transaction."""
    number = select(call_backs.c.number_digest).where(call_backs.c.id == id).scalar_subquery()
    same = select(call_backs.c.id, call_backs.c.purpose, call_backs.c.lease_by)
    same = same.where(_OPEN, call_backs.c.number_digest == number).order_by(call_backs.c.id)
    return (await connection.execute(same.with_for_update())).all()


async def _ahead(connection: AsyncConnection, request: CallBack) -> int:
    earlier = (_OPEN, _CALLBACK, call_backs.c.queue == request.queue, call_backs.c.asked_at < request.asked_at)
    return int((await connection.execute(select(func.count()).select_from(call_backs).where(*earlier))).scalar_one())


def _request(row: Any) -> CallBack:
    return CallBack(**{each.name: getattr(row, each.name) for each in fields(CallBack)})
