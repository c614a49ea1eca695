"""One call, from the line that rings to the last word: step, save, speak, listen, and again.

If the records cannot be written the call goes on from memory; if the world does not answer the node's `unavailable`
exit is taken; if our own code fails the caller is handed to people. Nobody is left in silence.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import structlog

from fund.clock import china_now
from ivr.actions import Action, Entered, HangUp, Listen, LookUp, Missed, Record, Say, Transfer
from ivr.engine import step
from ivr.events import (
    Answered,
    Event,
    HungUp,
    Keys,
    LeftQueue,
    Recorded,
    Resumed,
    Served,
    Silence,
    Started,
    TransferFailed,
)
from ivr.flow import LAST_RESORT_QUEUE, Flow
from ivr.line import Gone, Line, Parked
from ivr.metrics import CALLS, ENTERED, IN_PROGRESS, LOOK_UPS
from ivr.speech import Unspeakable
from ivr.state import State
from ivr.utterance import Utterance, fill
from ivr.world import World

log = structlog.get_logger()
PATIENT_SECONDS = 0.8  # a look-up longer than this gets company: "please wait"
LIMIT_SECONDS = 5.0  # and one longer than this has failed
BRINGS_BACK: dict[str, tuple[type, ...]] = {
    "keys": (Keys, Silence),
    "record": (Recorded,),
    "transfer": (TransferFailed, LeftQueue, Served),
}


@dataclass
class Call:
    """A call in progress: what the records keep of it."""

    id: str
    line: str
    state: State
    steps: list[tuple[str, datetime]] = field(default_factory=list)  # nodes entered, and when; not yet recorded
    missed: list[str] = field(default_factory=list)  # silences and wrong keys in the last node; not yet recorded
    ended_at: datetime | None = None


class Flows(Protocol):
    """Where flows come from: the current one for new calls, any other for calls that started on it."""

    current: Flow

    async def version(self, version: str) -> Flow | None: ...


class Records(Protocol):
    """Where calls are kept. `save` returns when the state is safe, or soon after it finds that it cannot be."""

    async def save(self, call: Call) -> None: ...

    async def resume(self, call_id: str) -> State | None: ...


class Switchboard:
    """Every call in progress, and all that a call needs."""

    def __init__(
        self,
        flows: Flows,
        world: World,
        records: Records,
        *,
        clock: Callable[[], datetime] = china_now,
    ) -> None:
        self._flows, self._world, self._records, self._clock = flows, world, records, clock
        self.calls: dict[str, Call] = {}
        self.handing_over: list[Callable[[str], None]] = []  # told a call's id before it goes to people

    async def connect(
        self, line: Line, call_id: str, caller: str, heard: Event | None = None, turn: int | None = None
    ) -> Call:
        """Carry one call to its end on this line; a call known to the records goes on where it was.

        On a line that parks its call, it is carried until it waits: the next `connect` brings what was `heard`. With
        `Started` the line says that we are the ones who called, and why (`entry`). A line whose turns may come to
        different nodes counts them: where the records are behind, what was heard is not taken for another question's.
        """
        call, flow, event = await self._begin(line, call_id, caller, heard, turn)
        self.calls[call_id] = call
        try:
            with IN_PROGRESS.labels(line.name).track_inprogress():
                await self._converse(call, flow, line, event)
        except Parked:
            return call
        except Gone:
            await self._part(call, flow)
        except Exception:
            log.exception("call_failed", call=call_id, node=call.state.node)
            await self._rescue(call, line)
        finally:
            del self.calls[call_id]
        await self._end(call)
        return call

    async def close(self, line: str, call_id: str) -> None:
        """A parked call is over: its caller hung up, or has spoken with people. One that has ended stays as it is."""
        if call_id not in self.calls and (state := await self._records.resume(call_id)):
            with_people = state.waiting == "transfer"
            call = Call(call_id, line, state)
            await self._part(call, await self._flows.version(state.version) or self._flows.current)
            call.state.outcome = "transferred" if with_people else call.state.outcome
            await self._end(call)

    async def parked(self, call_id: str) -> tuple[Flow, State | None]:
        """The flow and the state of a call between two steps; no state when it has ended."""
        state = await self._records.resume(call_id)
        flow = await self._flows.version(state.version) if state else None
        return flow or self._flows.current, state

    async def _part(self, call: Call, flow: Flow) -> None:
        """The caller is gone. What they left is still asked of the world, once; nobody waits for the answer."""
        call.state, actions = step(flow, call.state, HungUp(self._clock()))
        for question in actions:
            if isinstance(question, LookUp):
                await self._records.save(call)
                call.state, _ = step(flow, call.state, await self._answer(call.id, question))

    async def _end(self, call: Call) -> None:
        call.ended_at = self._clock()
        await self._records.save(call)
        CALLS.labels(call.line, call.state.outcome).inc()
        log.info("call_ended", call=call.id, outcome=call.state.outcome, node=call.state.node)

    async def _begin(
        self, line: Line, call_id: str, caller: str, heard: Event | None, turn: int | None
    ) -> tuple[Call, Flow, Event]:
        now = self._clock()
        state = await self._records.resume(call_id)
        flow = await self._flows.version(state.version) if state else None
        if state and flow and state.node in flow.nodes:
            up_to_date = turn is None or state.waiting == "transfer" or state.parked in (None, turn - 1)
            state.parked = turn
            if up_to_date and heard and isinstance(heard, BRINGS_BACK.get(state.waiting, ())):
                return Call(call_id, line.name, state), flow, heard
            log.info("call_resumed", call=call_id, node=state.node)
            return Call(call_id, line.name, state), flow, Resumed(now)
        flow = self._flows.current
        log.info("call_started", call=call_id, line=line.name, version=flow.version)
        entry = heard.entry if isinstance(heard, Started) else state.entry if state else ""
        return Call(call_id, line.name, State(flow.version, parked=turn)), flow, Started(caller, now, entry)

    async def _converse(self, call: Call, flow: Flow, line: Line, event: Event) -> None:
        says: list[Say] = []
        while True:
            call.state, actions = self._step(call, flow, event)
            for action in actions:
                if isinstance(action, Entered):
                    call.steps.append((action.node, event.at))
                    ENTERED.labels(action.node).inc()
                elif isinstance(action, Missed):
                    call.missed.append(action.how)
            if not isinstance(actions[-1], LookUp):  # one that is cut short is asked again from what was said last
                await self._records.save(call)
            says += [action for action in actions if isinstance(action, Say)]
            happened = await self._perform(call, flow, line, says, actions[-1:])
            if happened is None:
                return
            event = happened

    def _step(self, call: Call, flow: Flow, event: Event) -> tuple[State, tuple[Action, ...]]:
        """An answer that cannot be said, such as a thirteenth month in a ledger, is no answer."""
        try:
            return step(flow, call.state, event)
        except Unspeakable as fault:
            if not isinstance(event, Answered):
                raise
            log.error("answer_unspeakable", call=call.id, node=call.state.node, kind=fault.kind)
            return step(flow, call.state, Answered("unavailable", event.at))

    async def _perform(
        self, call: Call, flow: Flow, line: Line, says: list[Say], last: Sequence[Action]
    ) -> Event | None:
        """Do what waits. Words before a quick look-up stay in `says`, to be spoken in one breath with the answer."""
        match last:
            case [Listen() as listen]:
                spoken, says[:] = tuple(says), ()
                digits = await line.listen(spoken, listen)
                return Silence(self._clock()) if digits is None else Keys(digits, self._clock())
            case [Record() as record]:
                spoken, says[:] = tuple(says), ()
                return Recorded(await line.record(spoken, record), self._clock())
            case [LookUp() as question]:
                return await self._look_up(call, flow, line, says, question)
            case [Transfer() as to]:
                spoken, says[:] = tuple(says), ()
                for tell in self.handing_over:
                    tell(call.id)
                why = await line.transfer(spoken, to)
                if why:
                    return TransferFailed(why, self._clock())
                call.state.waiting, call.state.outcome = "over", "transferred"
            case [HangUp()]:
                await line.play(says)
                await line.hang_up()
            case _:
                raise RuntimeError(f"the engine neither waits nor ends in {call.state.node}")
        return None

    async def _look_up(self, call: Call, flow: Flow, line: Line, says: list[Say], question: LookUp) -> Event:
        task = asyncio.create_task(self._answer(call.id, question))
        try:
            await asyncio.sleep(0)  # most answers are at hand
            if not task.done():
                await asyncio.wait({task}, timeout=PATIENT_SECONDS)
            if not task.done():
                await line.company([*says, _hold_phrase(flow, call.state.language)], task)
                says.clear()
            return await task
        except Gone:
            await asyncio.wait({task})  # what was asked for, such as a call-back, is done
            raise
        finally:
            task.cancel()

    async def _answer(self, call_id: str, question: LookUp) -> Answered:
        began = time.perf_counter()
        answer = await self._ask(call_id, question)
        LOOK_UPS.labels(question.what, answer.outcome).observe(time.perf_counter() - began)
        return answer

    async def _ask(self, call_id: str, question: LookUp) -> Answered:
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                return await self._world.look_up(call_id, question, self._clock())
        except TimeoutError:
            log.warning("look_up_too_slow", call=call_id, what=question.what)
        except Exception as fault:  # the caller must hear something, whatever broke; the message may quote data
            log.error("look_up_failed", call=call_id, what=question.what, fault=type(fault).__name__)
        return Answered("unavailable", self._clock())

    async def _rescue(self, call: Call, line: Line) -> None:
        """Our own fault: hand the caller to people without another word from us."""
        try:
            with suppress(Parked):
                await line.transfer((), Transfer(LAST_RESORT_QUEUE, for_good=True))
            call.state.outcome = "rescued"
        except Gone:
            call.state.outcome = "hung_up"
        call.state.waiting = "over"


def _hold_phrase(flow: Flow, language: str) -> Say:
    phrase = flow.phrases["hold"]
    return Say(Utterance(fill(phrase.get(language, phrase["zh"]), {}, language)))  # type: ignore[arg-type]
