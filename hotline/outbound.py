"""Calls that we place: voice codes, people who asked to be called, reminders for telephones that get no texts.

A carrier rings (`hotline.placing`): the telephone exchange, or Twilio. A call is known by an id that says what it is
for (`out-callback-<request>-3`), so that what happens on it finds its request whichever process hears of it. A tick
does three things, in this order: sees which of these calls are up, follows up those that are claimed (keeps them, or
writes down how they went), and dials what is due. So what a dead process left is followed up before any new call.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import cache
from typing import Any

import structlog

from desk.callbacks import CallBack, CallBacks, Dial, GiveUp, Outcome, Rules, Wait, decide, outcome_of
from fund.calendar import Calendar
from fund.clock import CHINA
from fund.privacy import Unreadable
from hotline.placing import PLACED, Carrier, parsed
from hotline.settings import CallBackSettings, OutboundSettings
from sms.errors import TryLater

log = structlog.get_logger()

LEASE_SECONDS = 30.0
SOON_SECONDS = 30.0  # when to ask again for a line
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PEOPLE = "people"  # the timetable of a queue that has none of its own name

Answer = tuple[str, Mapping[str, Any]]
Ask = Callable[[str, Mapping[str, Any], datetime], Awaitable[Answer]]
Spoken = Callable[[str], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Hours:
    """When people may be called, by any day."""

    begin: time
    end: time

    def next(self, at: datetime) -> datetime:
        """The first moment from `at` on that is within."""
        local = at.astimezone(CHINA)
        if local.time() < self.begin:
            return datetime.combine(local.date(), self.begin, CHINA)
        if local.time() >= self.end:
            return datetime.combine(local.date() + DAY, self.begin, CHINA)
        return at


def callable_at(hours: Hours, calendar: Calendar | None, queue: str, now: datetime) -> datetime | None:
    """When somebody may next be called: within the hours, and while the people of a queue are there. Pure.

    Without a calendar, or a timetable for the queue's people, the hours alone count. None: not in sight.
    """
    tables = calendar.timetables if calendar else {}
    table = next((name for name in (queue, PEOPLE) if name in tables), None)
    at = hours.next(now)
    for _ in range(30):
        opening = calendar.next_opening(table, at) if calendar and table else at
        if opening is None or (allowed := hours.next(opening)) == opening:
            return opening
        at = allowed
    return None


def closed_days(hours: Hours, calendar: Calendar | None, queue: str, since: datetime, now: datetime) -> timedelta:
    """How many whole days between two moments were such that nobody could be called, as in a long holiday. Pure."""
    first = since.astimezone(CHINA).date()
    days = [first + n * DAY for n in range(1, (now.astimezone(CHINA).date() - first).days)]
    opened = [(day, callable_at(hours, calendar, queue, datetime.combine(day, time(), CHINA))) for day in days]
    return sum(at is not None and at.astimezone(CHINA).date() > day for day, at in opened) * DAY


def call_id(request: CallBack) -> str:
    """What the exchange calls the call that is dialled now."""
    return f"out-{request.purpose}-{request.id}-{request.dialled}"


class Outbound:
    """Places calls and follows them up. `tick` it every `look_seconds`; `answers` is what the engine may ask."""

    def __init__(
        self,
        carrier: Carrier,
        call_backs: CallBacks,
        spoken: Spoken,
        missed: Callable[[str], Awaitable[None]],
        settings: OutboundSettings,
        calendar: Callable[[], Calendar],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`spoken`: what a voice code's call is to read out; `missed`: tells who asked for it that nobody answered."""
        self._tell_missed = missed
        self._carrier, self._call_backs, self._spoken = carrier, call_backs, spoken
        self._settings, self._calendar, self._clock = settings, calendar, clock
        self._hours, self._rules = Hours(settings.begin, settings.end), call_backs.rules
        self._me = f"node-{secrets.token_hex(6)}"
        self._up: frozenset[str] = frozenset()
        self._ringing: dict[str, asyncio.Task[None]] = {}  # by call id
        self._gone: set[str] = set()  # calls that were not up the last time
        self.answers: Mapping[str, Ask] = {"read_out": self._read_out, "answered": self._answered}

    def start(self) -> None:
        """Begin to hear how calls end."""
        self._carrier.start()

    async def stop(self) -> None:
        """Forget what rings: the next process finds it at the carrier."""
        for task in (ringing := [*self._ringing.values()]):
            task.cancel()
        await asyncio.gather(*ringing, return_exceptions=True)
        await self._carrier.stop()

    # voice codes

    async def code(self, phone: str, of: str) -> None:
        """Ring up and read a code out. Raises `TryLater` while there is no exchange or no line."""
        if not self._carrier.ready:
            raise TryLater("exchange_away", SOON_SECONDS)
        if not self._lines_free():
            raise TryLater("lines_busy", SOON_SECONDS)
        self._place(f"out-code-{of}", self._carrier.ring("code", phone, f"out-code-{of}", ""))

    # what such a call asks

    async def _read_out(self, call: str, args: Mapping[str, Any], at: datetime) -> Answer:
        purpose, of = parsed(call)
        if (purpose, args["of"]) == ("code", "code"):
            code = await self._spoken(of)
            return ("ok", {"code": code}) if code else ("nothing", {})
        if (purpose, args["of"]) == ("reminder", "message"):
            message = await self._call_backs.message(of.rpartition("-")[0])
            return ("ok", {"text": message}) if message else ("nothing", {})
        return "nothing", {}

    async def _answered(self, call: str, args: Mapping[str, Any], at: datetime) -> Answer:
        purpose, of = parsed(call)
        id, _, n = of.rpartition("-")
        if purpose not in ("callback", "reminder"):
            return "nothing", {}
        request = await self._call_backs.answered(id, int(n), args["how"])
        if args["how"] != "person":
            PLACED.labels(purpose, args["how"]).inc()
        return ("ok", {"queue": self._carrier.staffed(request.queue)}) if request else ("nothing", {})

    # call-backs and reminders

    async def tick(self) -> None:
        """Follow up what was dialled, then dial what is due. Nothing is done while the carrier cannot be seen."""
        up = await self._carrier.up()
        if up is not None:
            self._up = up
            await self._follow_up()
            await self._dial_due()

    async def _follow_up(self) -> None:
        """Keep the claim of each call that is up, ours or a dead process's; one that is over gets its outcome."""
        gone, claimed = set(), await self._call_backs.claimed()
        for request in claimed:
            call, mine = call_id(request), request.lease_by == self._me
            if not mine and request.lease_until and request.lease_until > self._clock():
                continue
            if call in self._up or call in self._ringing:
                await self._call_backs.renew(request.id, request.lease_by, LEASE_SECONDS, heir=self._me)
            elif call in self._gone:
                await self._conclude(request, call)
            else:
                gone.add(call)  # what is written behind may still be on its way
        self._gone = gone
        self._carrier.forget(but={call_id(request) for request in claimed})

    async def _conclude(self, request: CallBack, call: str) -> None:
        tries = await self._call_backs.tries(request.id)
        pressed = next((each.answered for each in tries if each.n == request.dialled), "")
        went = await self._carrier.went(call)
        # Who answers is there already when agents are rung first; and nobody is called again because we are not sure.
        talked = went.talked or (pressed == "person" and (self._carrier.agents_first or went.unseen))
        outcome = outcome_of(
            request.purpose, missed=went.missed, picked_up=went.picked_up, answered=pressed, talked=talked
        )
        log.info("outgoing_call_over", call=call, outcome=outcome)
        PLACED.labels(request.purpose, outcome).inc()
        await self._call_backs.tried(request.id, request.lease_by, outcome)
        left = await self._call_backs.find(request.id)
        if left and not left.closed_at and left.tries >= self._rules.most_tries:
            await self._give_up(left, "no_answer")

    async def _give_up(self, request: CallBack, outcome: Outcome) -> None:
        """Call no more. Whoever asked for it, and was never reached, is told first: a crash between tells them once."""
        if request.purpose == "callback" and outcome == "no_answer":
            await self._tell_missed(request.id)
        if await self._call_backs.close(request.id, outcome):
            PLACED.labels(request.purpose, outcome).inc()

    async def _dial_due(self) -> None:
        now = self._clock()
        claimed = await self._call_backs.claimed()
        engaged = {each.number_digest for each in claimed}
        asked = [each for each in claimed if each.purpose == "callback"]
        talking, share = self._carrier.with_people, cache(self._carrier.share)
        expected = [self._carrier.staffed(each.queue) for each in asked if not talking(call_id(each))]
        for request in await self._call_backs.due(now, 500):
            if request.number_digest in engaged:
                continue  # this call, or another to the same telephone, is followed up first
            queue = self._carrier.staffed(request.queue)
            free = self._carrier.free(queue) - sum(share(queue, each) for each in expected)
            calendar = self._calendar() if request.purpose == "callback" else None
            opens_at, closed = callable_at(self._hours, calendar, queue, now), timedelta()
            if now - request.asked_at > self._rules.longest_wait:
                closed = closed_days(self._hours, calendar, queue, request.asked_at, now)
            match decide(request, now, opens_at, free, self._rules, closed):
                case GiveUp(outcome):
                    await self._give_up(request, outcome)
                case Wait(until) if until > now + self._rules.agents_busy_wait:
                    await self._call_backs.postpone(request.id, until)
                case Dial() if self._lines_free() and await self._dial(request, now):
                    expected += [queue] * (request.purpose == "callback")
                    engaged.add(request.number_digest)

    async def _dial(self, request: CallBack, now: datetime) -> bool:
        called = await self._call_backs.called_since(request.number_digest, now - DAY)
        if len(called) >= self._settings.most_a_day:
            await self._call_backs.postpone(request.id, called[-self._settings.most_a_day] + DAY)
            return False
        try:
            number = await self._call_backs.number(request.id)
        except Unreadable:  # until the key is back in the settings
            log.error("call_back_unreadable", request=request.id)
            await self._call_backs.postpone(request.id, now + HOUR)
            return False
        if not (taken := await self._call_backs.claim(request.id, self._me, LEASE_SECONDS)):
            return False
        call = call_id(taken)
        self._place(call, self._carrier.ring(taken.purpose, number, call, self._carrier.staffed(taken.queue)))
        return True

    # one call

    def _lines_free(self) -> bool:
        return len(self._up | self._ringing.keys()) < self._settings.most_calls

    def _place(self, call: str, ringing: Coroutine[Any, Any, None]) -> None:
        def placed(_: object) -> None:
            self._ringing.pop(call, None)
            self._up |= {call}  # the next look at the carrier knows better

        task = self._ringing[call] = asyncio.create_task(ringing)
        task.add_done_callback(placed)


def rules_of(settings: CallBackSettings) -> Rules:
    """The rules as they are set."""
    spacing = tuple(timedelta(minutes=minutes) for minutes in settings.spacing_minutes)
    return Rules(settings.most_tries, spacing, timedelta(days=settings.longest_wait_days))
