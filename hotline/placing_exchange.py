"""Calls placed by the telephone exchange. It gives a channel our own id, and tells which of them are up."""

import asyncio
from collections.abc import Collection, Mapping

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from desk.ami import ActionRefused, Ami, AmiEvent, AmiFault, NotConnected, Originated
from desk.board import Board
from desk.callbacks import Missed
from desk.tables import queue_visits
from hotline.placing import PLACED, Went, parsed
from hotline.settings import OutboundSettings
from ivr.tables import calls

log = structlog.get_logger()

CONTEXT = "outgoing"  # of the dialplan
AGENTS_CONTEXT = "agents-first"
AGENTS = "Local/{queue}@agents-queue/n"  # rings the people of a queue, as a caller of theirs would
FAR = "-far"  # of a Local channel: the end that waits in the queue (`desk.ami.Ami.originate`)
AGENT_SECONDS = 45  # how long they are rung
_REASONS: Mapping[str, Missed] = {"no_answer": "no_answer", "busy": "busy"}
_CAUSES: Mapping[str, Missed] = {  # of a channel's end; what is not here failed on our side or the carrier's
    "1": "no_answer",  # there is no such number
    "17": "busy",
    "18": "no_answer",
    "19": "no_answer",
    "21": "busy",  # they declined
    "28": "no_answer",  # a number that cannot be
}


class ByExchange:
    """See `hotline.placing.Carrier`."""

    def __init__(
        self, ami: Ami, board: Board, engine: AsyncEngine, settings: OutboundSettings, *, agents_first: bool = False
    ) -> None:
        self._ami, self._board, self._engine, self._settings = ami, board, engine, settings
        self.agents_first = agents_first
        self._missed: dict[str, Missed] = {}  # why calls were not picked up, until their requests are followed up
        self._listener: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to hear how calls end."""
        self._listener = asyncio.create_task(self._listen())

    async def stop(self) -> None:
        if self._listener:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)

    async def _listen(self) -> None:
        """The answer to an originate does not tell busy from broken; the end of its channel does."""
        async for batch in self._ami.events():
            for event in batch:
                if isinstance(event, AmiEvent) and event.name == "Hangup":
                    call, cause = event.fields.get("Uniqueid", ""), event.fields.get("Cause", "")
                    if cause in _CAUSES and parsed(call)[0] in ("callback", "reminder"):
                        self._missed[call] = _CAUSES[cause]

    @property
    def ready(self) -> bool:
        return self._ami.connected

    async def up(self) -> frozenset[str] | None:
        if self._board.exchange != "connected":
            return None
        try:
            rows = await self._ami.rows("CoreShowChannels")
        except AmiFault:
            return None
        ends = (row.fields.get("Uniqueid", "") for row in rows)
        return frozenset(call for call in ends if parsed(call)[0] and not call.endswith(FAR))

    async def went(self, call: str) -> Went:
        """The board sees who talks, but not while the link is away, or the service: who waited then may have talked."""
        visit = queue_visits.c
        known = select(calls.c.ended_at, calls.c.outcome).where(calls.c.id == call)
        visited = select(visit.answered_at, visit.left_at, visit.how).where(visit.call_id == call)
        async with self._engine.connect() as connection:
            row = (await connection.execute(known)).first()
            visits = (await connection.execute(visited)).all()
        handed_over = row is not None and (row.ended_at is None or row.outcome == "transferred")
        unseen = any(each.left_at is None or each.how == "unknown" for each in visits) or (handed_over and not visits)
        talked = any(each.answered_at for each in visits)
        return Went(self._missed.get(call, "no_answer"), row is not None, talked, unseen)

    def forget(self, but: Collection[str]) -> None:
        self._missed = {call: why for call, why in self._missed.items() if call in but}

    def staffed(self, queue: str) -> str:
        """Its own people, or everybody's while none of its own are there."""
        there = self._board.queues.get(queue)
        return queue if there and there.agents_logged_in else "general"

    def free(self, queue: str) -> int:
        there = self._board.queues.get(queue)
        return there.agents_free - there.waiting if there else 0

    def share(self, one: str, other: str) -> bool:
        return one == other or any({one, other} <= agent.queues for agent in self._board.agents.values())

    def with_people(self, call: str) -> bool:
        visit = self._board.visit(call + FAR if self.agents_first else call)  # the far end waits in the queue
        return visit is not None and not visit.waits

    async def ring(self, purpose: str, number: str, call: str, queue: str) -> None:
        """Ring up, or the people first; and remember why nobody answered, as far as it is known."""
        channel, seconds = self._settings.trunk.format(number=number), self._settings.ring_seconds
        if self.agents_first and purpose == "callback":
            await self._ring_agents(queue, number, call, channel)
            return
        began = await self._originate(purpose, channel, call, CONTEXT, seconds, {"CALLED": number})
        if began is None:
            return
        missed = None if began.reached else _REASONS.get(began.reason, "failed")
        if purpose == "code":
            PLACED.labels(purpose, missed or "answered").inc()
        elif missed:
            self._missed.setdefault(call, missed)
        log.info("outgoing_call_began", call=call, how=missed or "answered")

    async def _ring_agents(self, queue: str, number: str, call: str, trunk: str) -> None:
        """Ring the people of a queue; who answers hears the caller's telephone ring."""
        variables = {"__CALLED": number, "__CALL": call, "DIAL": trunk, "RING": str(self._settings.ring_seconds)}
        channel = AGENTS.format(queue=queue)
        began = await self._originate("callback", channel, call, AGENTS_CONTEXT, AGENT_SECONDS, variables)
        if began is not None and not began.reached:
            self._missed.setdefault(call, "failed" if began.reason == "refused" else "no_agent")

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
        except (NotConnected, ActionRefused, ValueError) as fault:  # nothing rang
            log.warning("outgoing_call_refused", call=call, fault=type(fault).__name__)
            return Originated(False, "", "refused")
        except AmiFault as fault:  # whether it rings is for the exchange to say
            log.warning("outgoing_call_unsure", call=call, fault=type(fault).__name__)
            return None
