"""The board on the wall: queues, agents and waiting callers, live from the exchange; and what supervisors do to them.

It keeps a `Picture` up to date, writes every visit to a queue down, tells whoever watches, and answers the engine's
question how a queue is. When the link is new, or events were lost, it asks the exchange for everything.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import structlog
from prometheus_client import Gauge, Histogram

from desk.ami import ActionRefused, Ami, AmiEvent, AmiFault, Connected, Disconnected, Happening, Missed, NotConnected
from desk.picture import (
    PREFIX,
    SIGNED_OUT,
    AgentNow,
    Member,
    Picture,
    QueueNow,
    Visit,
    after,
    anew,
    changed,
    without_ended,
)
from desk.visits import Visits
from desk.waiting import USUAL_SECONDS, told_minutes
from fund.statements import NO_DATABASE

log = structlog.get_logger()

WAITING = Gauge("hotline_queue_waiting", "Callers waiting", ["queue"])
WORKING = Gauge("hotline_queue_agents", "Agents signed in to a queue", ["queue"])
WAITED = Histogram(
    "hotline_queue_wait_seconds", "Time until answered", ["queue"], buckets=(5, 10, 15, 20, 30, 60, 120, 300, 600, 1200)
)
ERROR = Histogram(
    "hotline_queue_estimate_error_seconds",
    "What an answered caller waited, less what was estimated",
    ["queue"],
    buckets=(-600, -300, -120, -60, -30, -10, 0, 10, 30, 60, 120, 300, 600),
)
RETRY_SECONDS = 1.0
STOP_SECONDS = 3.0  # how long what is under way may take at the end
MOST_UNWRITTEN = 10_000  # visits kept in memory while the database is away
_WORD = re.compile(r"[A-Za-z0-9_/-]{1,60}")

Over = Callable[[str], Awaitable[None]]


class Unfit(ValueError):
    """Not a name an agent, a telephone, a queue or a reason can have."""


class Board:
    """See above. `start` and `stop` it; without an exchange it stands empty and says so."""

    def __init__(self, ami: Ami, visits: Visits, *, most_waiting: int = 50) -> None:
        """`most_waiting`: a queue with so many callers is full."""
        self._ami, self._visits, self._most_waiting = ami, visits, most_waiting
        self.over: Over | None = None  # told the id of each caller whose channel is gone
        self.told: list[Callable[[], object]] = []  # called after each change
        self._picture = Picture()
        self._unwritten: list[Visit] = []
        self._version = 0
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._write_wanted = asyncio.Event()
        self._stopping = False
        self._closing: set[asyncio.Task[None]] = set()
        self.synced = False

    async def start(self) -> None:
        """Begin to watch."""
        self._tasks = [asyncio.create_task(self._watch_exchange()), asyncio.create_task(self._write_forever())]

    async def stop(self) -> None:
        """Stop watching; write what is left."""
        if not self._tasks:
            return
        watching, *writing = self._tasks
        watching.cancel()
        self._stopping = True
        self._write_wanted.set()
        await asyncio.wait({watching, *writing, *self._closing}, timeout=STOP_SECONDS)  # a write is not cut in two
        for task in (*writing, *self._closing):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._closing, return_exceptions=True)

    # what there is to see

    @property
    def exchange(self) -> Literal["none", "away", "connected"]:
        """Whether what is shown is live; `none`: no telephone exchange is configured."""
        if not self._ami.configured:
            return "none"
        return "connected" if self.synced else "away"

    @property
    def queues(self) -> Mapping[str, QueueNow]:
        """Every queue of the exchange, by name."""
        return {name: self._picture.queue(name) for name in sorted(self._picture.known)}

    @property
    def agents(self) -> Mapping[str, AgentNow]:
        """Every agent heard of, by name."""
        return self._picture.agents

    @property
    def waiting(self) -> list[Visit]:
        """Whoever waits, the longest first."""
        return self._picture.waiting()

    def visit(self, call_id: str) -> Visit | None:
        """Where a call that is still there is among the queues, or was last."""
        visits = self._picture.visits.get(call_id)
        return visits[-1] if visits else None

    async def watch(self) -> AsyncIterator[None]:
        """Yields at once, and after each change; changes close together come as one."""
        seen = -1
        while True:
            while seen == self._version:
                await self._news.wait()
            seen = self._version
            yield

    def outlook(self, queue: str) -> tuple[str, Mapping[str, Any]]:
        """How it is for a caller who would come now: an answer to the engine's question (`ivr.world`)."""
        if not self.synced:
            return "unavailable", {}
        if queue not in self._picture.known:
            return "failed", {}
        now = self._picture.queue(queue)
        if not now.agents_logged_in:
            return "closed", {}
        if now.waiting >= self._most_waiting:
            return "full", {}
        seconds = now.expected_wait_seconds
        if seconds == 0:
            return "open", {}
        if seconds is None:  # everybody pauses: as if one of them came back
            seconds = round(USUAL_SECONDS * (now.waiting + 1))
        return "busy", {"ahead": now.waiting, "minutes": told_minutes(seconds)}

    # what can be done. Each raises what `Ami.action` raises, and `Unfit`.

    async def log_in(self, agent: str, queues: Collection[str], telephone: str = "") -> None:
        """An agent takes calls of these queues, and of no others; `telephone` is `PJSIP/<agent>` by default."""
        telephone = telephone or f"PJSIP/{agent}"
        _refuse_unfit(agent, telephone, *queues)
        mine = {member.queue: member for member in self._members(agent)}
        for queue in queues:
            member = mine.get(queue)
            if member is None:
                fields = {"Interface": telephone, "MemberName": agent, "StateInterface": telephone}
                with contextlib.suppress(ActionRefused):  # a member already
                    await self._ami.action("QueueAdd", Queue=PREFIX + queue, **fields)
            elif member.paused:
                await self._set_pause(member, False, "")
        for queue, member in mine.items():
            if queue not in queues:
                await self._sign_out(member)

    async def log_out(self, agent: str) -> None:
        """An agent goes; a call under way is not touched."""
        for member in self._members(agent):
            await self._sign_out(member)

    async def pause(self, agent: str, reason: str) -> None:
        """No new calls until `unpause`; `reason` is a word such as `lunch`."""
        _refuse_unfit(reason)
        await self._pause(agent, True, reason)

    async def unpause(self, agent: str) -> None:
        """Back at work."""
        await self._pause(agent, False, "")

    async def _pause(self, agent: str, paused: bool, reason: str) -> None:
        for member in self._members(agent):
            if not (member.paused and member.reason == SIGNED_OUT):
                await self._set_pause(member, paused, reason)

    async def _sign_out(self, member: Member) -> None:
        if member.dynamic:
            await self._ami.action("QueueRemove", Queue=PREFIX + member.queue, Interface=member.telephone)
        else:
            await self._set_pause(member, True, SIGNED_OUT)

    async def _set_pause(self, member: Member, paused: bool, reason: str) -> None:
        fields = {"Queue": PREFIX + member.queue, "Interface": member.telephone, "Reason": reason}
        await self._ami.action("QueuePause", Paused="true" if paused else "false", **fields)

    def _members(self, agent: str) -> list[Member]:
        """Raises `NotConnected` while nobody can tell: an agent who asks must not believe that it was done."""
        if not self.synced:
            raise NotConnected("the telephone exchange is away")
        return [member for member in self._picture.members.values() if member.agent == agent]

    # keeping up

    async def _watch_exchange(self) -> None:
        async for batch in self._ami.events():
            for happening in batch:
                await self._take_safely(happening)
            if self._ami.connected and not self.synced:
                await self._take_safely(Missed())
            self._tell()

    async def _take_safely(self, happening: Happening) -> None:
        """A picture that cannot be trusted is not shown; it is asked for anew."""
        try:
            await self._take(happening)
        except Exception as fault:
            self.synced = False
            what = happening.name if isinstance(happening, AmiEvent) else type(happening).__name__
            log.error("exchange_not_understood", what=what, fault=type(fault).__name__)
            await asyncio.sleep(RETRY_SECONDS)

    async def _take(self, happening: Happening) -> None:
        match happening:
            case AmiEvent():
                if self.synced:
                    self._apply(happening)
            case Connected() | Missed():
                await self._sync()
            case Disconnected():
                self.synced = False

    def _apply(self, event: AmiEvent) -> None:
        before = self._picture
        self._picture = after(before, event, datetime.now(UTC))
        self._keep(changed(before, self._picture))
        if event.name == "Hangup" and (call := event.fields.get("Uniqueid")):
            self._picture = without_ended(self._picture, call)
            if call == event.fields.get("Linkedid") and self.over:
                self._background(self.over(call))

    async def _sync(self) -> None:
        """Ask for everything, until it is answered or the link is lost."""
        self.synced = False
        while self._ami.connected:
            try:
                open_visits = await self._open_visits()
                rows = await self._ami.rows("QueueStatus")
                channels = await self._ami.rows("CoreShowChannels")
            except AmiFault as fault:
                log.warning("exchange_not_told", fault=type(fault).__name__, why=str(fault))
                await asyncio.sleep(RETRY_SECONDS)
                continue
            calls = frozenset(row.fields.get("Uniqueid", "") for row in channels)
            self._renew(open_visits, rows, calls)
            return

    def _renew(self, open_visits: list[Visit], rows: tuple[AmiEvent, ...], calls: frozenset[str]) -> None:
        known = dict(self._picture.visits)
        for visit in open_visits:
            known.setdefault(visit.call_id, (visit,))
        before = Picture(talks=self._picture.talks, agents=self._picture.agents, visits=known)
        self._picture = anew(before, rows, calls, datetime.now(UTC))
        self._keep(changed(before, self._picture))
        self._picture = without_ended(self._picture, *(call for call in known if call not in calls))
        self.synced = True
        log.info("exchange_told", queues=len(self._picture.known), waiting=len(self.waiting))
        for call in known:
            if call not in calls and self.over:
                self._background(self.over(call))

    async def _open_visits(self) -> list[Visit]:
        try:
            return await self._visits.open()
        except NO_DATABASE as fault:
            log.error("visits_not_read", fault=type(fault).__name__)
            return []

    def _background(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _tell(self) -> None:
        for name, queue in self.queues.items():
            WAITING.labels(name).set(queue.waiting)
            WORKING.labels(name).set(queue.agents_logged_in)
        self._version += 1
        news, self._news = self._news, asyncio.Event()
        news.set()
        for tell in self.told:
            tell()

    # writing down

    def _keep(self, visits: list[Visit]) -> None:
        for visit in visits:
            if visit.answered_at and not visit.left_at:
                waited = (visit.answered_at - visit.entered_at).total_seconds()
                WAITED.labels(visit.queue).observe(waited)
                if visit.estimate_seconds is not None:
                    ERROR.labels(visit.queue).observe(waited - visit.estimate_seconds)
        self._unwritten = (self._unwritten + visits)[-MOST_UNWRITTEN:]
        if visits:
            self._write_wanted.set()

    async def _write_forever(self) -> None:
        while not self._stopping or self._unwritten:
            await self._write_wanted.wait()
            self._write_wanted.clear()
            try:
                await self._write()
            except NO_DATABASE as fault:
                log.error("visits_not_written", waiting=len(self._unwritten), fault=type(fault).__name__)
                self._write_wanted.set()
                await asyncio.sleep(RETRY_SECONDS)

    async def _write(self) -> None:
        visits, self._unwritten = self._unwritten, []
        try:
            await self._visits.write(visits)
        except BaseException:
            self._unwritten = visits + self._unwritten
            raise


def _refuse_unfit(*words: str) -> None:
    for word in words:
        if not _WORD.fullmatch(word):
            raise Unfit("letters, digits, _ - and / only")
