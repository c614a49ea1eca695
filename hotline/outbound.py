"""Calls that we place: voice codes, people who asked to be called, reminders for telephones that get no texts.

A call is known by an id that says what it is for (`out-callback-<request>-3`). The exchange gives that very id to the
channel, so that what happens on the call finds its request whichever process hears of it. A tick does three things,
in this order: sees which of these calls are up, follows up those that are claimed (keeps them, or writes down how they
went), and dials what is due. So what a dead process left is followed up before anything is dialled.
"""

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

import structlog
from prometheus_client import Counter
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from desk.ami import Ami, AmiEvent, AmiFault, Originated
from desk.board import Board
from desk.callbacks import CallBack, CallBacks, Dial, GiveUp, Missed, Rules, Wait, decide, outcome_of
from desk.tables import queue_visits
from fund.calendar import Calendar
from fund.clock import CHINA
from hotline.settings import CallBackSettings, OutboundSettings
from ivr.tables import calls
from sms.errors import TryLater

log = structlog.get_logger()

PLACED = Counter("hotline_outgoing_calls", "Calls that we placed, by how they went", ["purpose", "outcome"])
CONTEXT = "outgoing"  # of the dialplan
AGENTS_CONTEXT = "agents-first"
AGENTS = "Local/{queue}@agents-queue/n"  # rings the people of a queue, as a caller of theirs would
AGENT_SECONDS = 45  # how long they are rung
TICK_SECONDS = 2.0
LEASE_SECONDS = 30.0
SOON_SECONDS = 30.0  # when to ask again for a line
DAY = timedelta(days=1)
PEOPLE = "people"  # the timetable of a queue that has none of its own name
_CALL = re.compile(r"out-(code|callback|reminder)-(.+)")
_REASONS: Mapping[str, Missed] = {"no_answer": "no_answer", "busy": "busy"}
_CAUSES: Mapping[str, Missed] = {  # of a channel's end; what is not here failed on our side or the carrier's
    "1": "no_answer",  # there is no such number
    "17": "busy",
    "18": "no_answer",
    "19": "no_answer",
    "21": "busy",  # they declined
    "28": "no_answer",  # a number that cannot be
}

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


def call_id(request: CallBack) -> str:
    """What the exchange calls the call that is dialled now."""
    return f"out-{request.purpose}-{request.id}-{request.dialled}"


class Outbound:
    """Places calls and follows them up. `tick` it every `TICK_SECONDS`; `answers` is what the engine may ask."""

    def __init__(
        self,
        ami: Ami,
        board: Board,
        engine: AsyncEngine,
        call_backs: CallBacks,
        spoken: Spoken,
        settings: OutboundSettings,
        rules: CallBackSettings,
        calendar: Callable[[], Calendar],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`spoken`: what a voice code's call is to read out."""
        self._ami, self._board, self._engine, self._call_backs = ami, board, engine, call_backs
        self._spoken, self._settings, self._calendar, self._clock = spoken, settings, calendar, clock
        self._hours = Hours(settings.begin, settings.end)
        self._rules, self._agent_first = rules_of(rules), rules.first == "agent"
        call_backs.rules = self._rules
        self._me = f"node-{secrets.token_hex(6)}"
        self._up: frozenset[str] = frozenset()
        self._ringing: dict[str, asyncio.Task[None]] = {}  # by call id
        self._gone: set[str] = set()  # calls that were not up the last time
        self._missed: dict[str, Missed] = {}  # why calls that we saw ring were not picked up
        self._listener: asyncio.Task[None] | None = None
        self.answers: Mapping[str, Ask] = {"read_out": self._read_out, "answered": self._answered}

    def start(self) -> None:
        """Begin to hear how calls end."""
        self._listener = asyncio.create_task(self._listen())

    async def stop(self) -> None:
        """Forget what rings: the next process finds it in the exchange."""
        tasks = [*self._ringing.values(), *([self._listener] if self._listener else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self) -> None:
        """The answer to an originate does not tell busy from broken; the end of its channel does."""
        async for batch in self._ami.events():
            for event in batch:
                if isinstance(event, AmiEvent) and event.name == "Hangup":
                    call, cause = event.fields.get("Uniqueid", ""), event.fields.get("Cause", "")
                    ours = call in self._ringing or call in self._up or call in self._missed
                    if ours and cause in _CAUSES:
                        self._missed[call] = _CAUSES[cause]

    # voice codes

    async def code(self, phone: str, of: str) -> None:
        """Ring up and read a code out. Raises `TryLater` while there is no exchange or no line."""
        if not self._ami.connected:
            raise TryLater("exchange_away", SOON_SECONDS)
        if not self._lines_free():
            raise TryLater("lines_busy", SOON_SECONDS)
        self._place(f"out-code-{of}", self._ring("code", phone, f"out-code-{of}"))

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
        return ("ok", {"queue": self._queue(request.queue)}) if request else ("nothing", {})

    # call-backs and reminders

    async def tick(self) -> None:
        """Follow up what was dialled, then dial what is due. Nothing is done while the exchange cannot be seen."""
        if self._board.exchange != "connected":
            return
        try:
            rows = await self._ami.rows("CoreShowChannels")
        except AmiFault:
            return
        up = (row.fields.get("Uniqueid", "") for row in rows)
        self._up = frozenset(call for call in up if _CALL.fullmatch(call))
        await self._follow_up()
        await self._dial_due()

    async def _follow_up(self) -> None:
        """Keep the claim of each call that is up, ours or a dead process's; one that is over gets its outcome."""
        gone = set()
        for request in await self._call_backs.claimed():
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

    async def _conclude(self, request: CallBack, call: str) -> None:
        tries = await self._call_backs.tries(request.id)
        pressed = next((each.answered for each in tries if each.n == request.dialled), "")
        picked_up, talked = await self._went(call)
        talked = talked or (self._agent_first and pressed == "person")  # the agent was there before them
        missed = self._missed.pop(call, "no_answer")
        outcome = outcome_of(request.purpose, missed=missed, picked_up=picked_up, answered=pressed, talked=talked)
        log.info("outgoing_call_over", call=call, outcome=outcome)
        PLACED.labels(request.purpose, outcome).inc()
        await self._call_backs.tried(request.id, request.lease_by, outcome)

    async def _went(self, call: str) -> tuple[bool, bool]:
        """Whether anybody or anything picked up; whether one of our people talked with them."""
        known = select(calls.c.id).where(calls.c.id == call)
        served = select(queue_visits.c.id).where(
            queue_visits.c.call_id == call, queue_visits.c.answered_at.is_not(None)
        )
        async with self._engine.connect() as connection:
            picked_up = (await connection.execute(known)).first() is not None
            return picked_up, (await connection.execute(served)).first() is not None

    async def _dial_due(self) -> None:
        now = self._clock()
        claimed = await self._call_backs.claimed()
        engaged = {each.number_digest for each in claimed}
        asked = [each for each in claimed if each.purpose == "callback"]
        expected = [self._queue(each.queue) for each in asked if not self._with_people(call_id(each))]
        for request in await self._call_backs.due(now, 500):
            if request.number_digest in engaged:
                continue  # this call, or another to the same telephone, is followed up first
            queue = self._queue(request.queue)
            free = self._free(queue) - expected.count(queue)
            calendar = self._calendar() if request.purpose == "callback" else None
            match decide(request, now, callable_at(self._hours, calendar, queue, now), free, self._rules):
                case GiveUp(outcome):
                    await self._call_backs.close(request.id, outcome)
                    PLACED.labels(request.purpose, outcome).inc()
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
        if not (taken := await self._call_backs.claim(request.id, self._me, LEASE_SECONDS)):
            return False
        number, call = await self._call_backs.number(taken.id), call_id(taken)
        if self._agent_first and taken.purpose == "callback":
            self._place(call, self._ring_agents(self._queue(taken.queue), number, call))
        else:
            self._place(call, self._ring(taken.purpose, number, call))
        return True

    def _queue(self, queue: str) -> str:
        """Whose people serve a queue now: its own, or everybody's while none of its own are there."""
        there = self._board.queues.get(queue)
        return queue if there and there.agents_logged_in else "general"

    def _free(self, queue: str) -> int:
        there = self._board.queues.get(queue)
        return there.agents_free - there.waiting if there else 0

    def _with_people(self, call: str) -> bool:
        visit = self._board.visit(call)
        return visit is not None and not visit.waits

    # one call

    def _lines_free(self) -> bool:
        return len(self._up | self._ringing.keys()) < self._settings.most_calls

    def _place(self, call: str, ringing: Coroutine[Any, Any, None]) -> None:
        task = self._ringing[call] = asyncio.create_task(ringing)
        task.add_done_callback(lambda _: self._ringing.pop(call, None))

    async def _ring(self, purpose: str, number: str, call: str) -> None:
        """Ring up, and remember why nobody answered, as far as it is known."""
        channel, seconds = self._settings.trunk.format(number=number), self._settings.ring_seconds
        began = await self._originate(purpose, channel, call, CONTEXT, seconds, {"CALLED": number})
        if began is None:
            return
        missed = None if began.reached else _REASONS.get(began.reason, "failed")
        if purpose == "code":
            PLACED.labels(purpose, missed or "answered").inc()
        elif missed:
            self._missed.setdefault(call, missed)
        log.info("outgoing_call_began", call=call, how=missed or "answered")

    async def _ring_agents(self, queue: str, number: str, call: str) -> None:
        """Ring the people of a queue; who answers hears the caller's telephone ring."""
        trunk = self._settings.trunk.format(number=number)
        variables = {"__CALLED": number, "__CALL": call, "DIAL": trunk, "RING": str(self._settings.ring_seconds)}
        channel = AGENTS.format(queue=queue)
        began = await self._originate("callback", channel, call, AGENTS_CONTEXT, AGENT_SECONDS, variables)
        if began is not None and not began.reached:
            self._missed.setdefault(call, "no_agent")

    async def _originate(
        self, purpose: str, channel: str, call: str, context: str, seconds: int, variables: Mapping[str, str]
    ) -> Originated | None:
        log.info("outgoing_call", call=call, purpose=purpose)
        try:
            return await self._ami.originate(
                channel,
                context=context,
                extension=purpose,
                caller_id=self._settings.caller_id,
                ring_seconds=seconds,
                variables=variables,
                call_id=call,
            )
        except (AmiFault, ValueError) as fault:  # whether it rings is for the exchange to say: see `_follow_up`
            log.warning("outgoing_call_unsure", call=call, fault=type(fault).__name__)
            return None


def parsed(call: str) -> tuple[str, str]:
    """(purpose, of what) by a call's id; empty for a call that we did not place."""
    found = _CALL.fullmatch(call)
    return (found[1], found[2]) if found else ("", "")


def rules_of(settings: CallBackSettings) -> Rules:
    """The rules as they are set."""
    spacing = tuple(timedelta(minutes=minutes) for minutes in settings.spacing_minutes)
    return Rules(settings.most_tries, spacing, timedelta(days=settings.longest_wait_days))
