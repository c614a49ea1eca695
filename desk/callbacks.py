"""Call-backs: who asked to be called, in whose turn, and what is to be done about it next.

A number has one open request at most, and keeps the place of the moment it asked. What comes next is decided by a pure
function, `decide`. Whoever dials claims the request first; a claim is a lease, so that a request whose process died is
dialled again later, and never twice at once. A try counts from the moment it is claimed.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from desk.database import insert_new, writing
from desk.tables import call_back_tries, call_backs
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
Clock = Callable[[], datetime]
Conditions = list[ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class CallBack:
    """One request; the number itself is sealed: `CallBacks.number`."""

    id: str
    number_masked: str
    number_digest: str
    queue: str
    reason: str
    channel: str
    call_id: str
    asked_at: datetime
    tries: int
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
    """One time that was dialled. `outcome` is empty while it rings, or when its process died."""

    n: int
    began_at: datetime
    by: str
    ended_at: datetime | None
    outcome: str


# What comes next


@dataclass(frozen=True, slots=True)
class Rules:
    """How often, and how far apart, somebody is called. The last spacing serves for every later try."""

    most_tries: int = 3
    spacing: tuple[timedelta, ...] = (timedelta(minutes=10), timedelta(hours=2))
    longest_wait: timedelta = timedelta(days=7)
    agents_busy_wait: timedelta = timedelta(seconds=20)

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
    request: CallBack, now: datetime, opens_at: datetime | None, agents_free: int, rules: Rules | None = None
) -> Dial | Wait | GiveUp:
    """What to do with an open request. Pure.

    `opens_at` is when its queue's people are next there: `now` or earlier while they are, None when nobody knows.
    """
    rules = rules or Rules()
    if request.lease_until and request.lease_until > now:
        return Wait(request.lease_until)
    if request.tries >= rules.most_tries:
        return GiveUp("no_answer")
    if now - request.asked_at > rules.longest_wait:
        return GiveUp("given_up")
    if opens_at is None:
        return Wait(now + timedelta(hours=1))
    earliest = max(request.next_try_at, opens_at)
    if earliest > now:
        return Wait(earliest)
    return Dial() if agents_free > 0 else Wait(now + rules.agents_busy_wait)


# The requests as they are kept

_SHOWN = [call_backs.c[each.name] for each in fields(CallBack)]
_OPEN = call_backs.c.closed_at.is_(None)


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
        row = {
            "id": secrets.token_hex(16), "number_masked": mask_number(number), "number_digest": digest,
            "number_sealed": self._privacy.seal(number), "queue": queue, "reason": reason[:40], "channel": channel,
            "call_id": call_id, "asked_at": now, "tries": 0, "next_try_at": now, "lease_by": "", "lease_until": None,
            "closed_at": None, "outcome": "",
        }  # fmt: skip
        async with writing(self._engine) as connection:
            fresh = (await connection.execute(insert_new(self._engine, call_backs).values(**row))).rowcount > 0
            mine = select(*_SHOWN).where(_OPEN, call_backs.c.number_digest == digest)
            request = _request((await connection.execute(mine)).one())
            return Asked(request, fresh, await _ahead(connection, request))

    async def find(self, id: str) -> CallBack | None:
        """The request of that id."""
        found = await self._fetch(select(*_SHOWN).where(call_backs.c.id == id))
        return found[0] if found else None

    async def open_for(self, number: str) -> CallBack | None:
        """The open request of a number."""
        found = await self._fetch(select(*_SHOWN).where(_OPEN, call_backs.c.number_digest == self.digest(number)))
        return found[0] if found else None

    async def list(
        self, *, open_only: bool = True, queue: str = "", digest: str = "", limit: int = 200
    ) -> Sequence[CallBack]:
        """Open ones in their turn; or all, newest first."""
        wanted: Conditions = [_OPEN] if open_only else []
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
        return [Try(row.n, row.began_at, row.by, row.ended_at, row.outcome) for row in rows]

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
        """Take it to dial, for so long: the request with this try counted, or None when somebody else has it."""
        now = self._clock()
        free = update(call_backs).where(call_backs.c.id == id, _OPEN, _unleased(now))
        taken = free.values(lease_by=by, lease_until=now + timedelta(seconds=seconds), tries=call_backs.c.tries + 1)
        async with writing(self._engine) as connection:
            if not (await connection.execute(taken)).rowcount:
                return None
            request = _request((await connection.execute(select(*_SHOWN).where(call_backs.c.id == id))).one())
            begun = {"call_back": id, "n": request.tries, "began_at": now, "by": by, "outcome": ""}
            await connection.execute(insert(call_back_tries).values(**begun))
            return request

    async def renew(self, id: str, by: str, seconds: float = 60) -> bool:
        """Keep it while the call lasts. False when the claim was lost."""
        mine = update(call_backs).where(call_backs.c.id == id, _OPEN, call_backs.c.lease_by == by)
        async with writing(self._engine) as connection:
            kept = await connection.execute(mine.values(lease_until=self._clock() + timedelta(seconds=seconds)))
            return kept.rowcount > 0

    async def tried(self, id: str, by: str, outcome: Missed | Outcome) -> None:
        """How the claimed try ended. An `Outcome` closes the request, but one try without an answer does not.

        What is final counts even when the claim was lost meanwhile; what is not is then somebody else's to say.
        """
        now = self._clock()
        final = outcome in OUTCOMES and outcome != "no_answer"
        async with writing(self._engine) as connection:
            which = (call_backs.c.id == id, _OPEN) if final else (call_backs.c.id == id, call_backs.c.lease_by == by)
            tries = (
                await connection.execute(select(call_backs.c.tries).where(*which).with_for_update())
            ).scalar_one_or_none()
            if tries is None:
                return
            ended = update(call_back_tries).where(*_the_try(id, tries))
            await connection.execute(ended.values(ended_at=now, outcome=outcome))
            after: dict[str, Any] = {"next_try_at": now + self.rules.wait_after(tries)}
            if final:
                after = {"closed_at": now, "outcome": outcome}
            elif outcome == "no_agent":  # nobody's telephone rang: it was no try
                after = {"next_try_at": now + self.rules.agents_busy_wait, "tries": tries - 1}
                await connection.execute(delete(call_back_tries).where(*_the_try(id, tries)))
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


async def _ahead(connection: AsyncConnection, request: CallBack) -> int:
    earlier = (_OPEN, call_backs.c.queue == request.queue, call_backs.c.asked_at < request.asked_at)
    return int((await connection.execute(select(func.count()).select_from(call_backs).where(*earlier))).scalar_one())


def _request(row: Any) -> CallBack:
    return CallBack(**{each.name: getattr(row, each.name) for each in fields(CallBack)})
