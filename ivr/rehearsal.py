"""Supervisors' own tests: the calls in a flow's `tests:` are played through the real engine and call, and compared.

What was heard is what was said since the last key. Each mismatch is a `Fault` at the line of its step.
"""

import asyncio
from asyncio import Task
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from fund.clock import CHINA
from fund.phone import caller_number
from fund.yaml_source import Fault, Source
from ivr.actions import Listen, LookUp, Record, Say, Transfer
from ivr.call import Call, Switchboard
from ivr.events import Answered, Event, LeftQueue, Served, Started
from ivr.flow import Flow, FlowTest, Step
from ivr.keys import Keypad
from ivr.line import Gone, Parked
from ivr.state import State
from ivr.world import World

SPOKEN, SPOKEN_SECONDS = "spoken", 5.0
NewWorld = Callable[[], Awaitable[World]]


class FixedFlow:
    """One flow for every call."""

    def __init__(self, flow: Flow) -> None:
        self.current = flow

    async def version(self, version: str) -> Flow | None:
        return self.current if version == self.current.version else None


class NoRecords:
    """A rehearsal leaves no trace."""

    async def save(self, call: Call) -> None:
        return None

    async def resume(self, call_id: str) -> State | None:
        return None


async def rehearse(flow: Flow, sources: Mapping[str, Source], new_world: NewWorld) -> tuple[int, list[Fault]]:
    """Play every test of every file: (how many there are, what did not go as written)."""
    count, faults = 0, []
    for name, file in flow.files.items():
        for at, test in enumerate(file.tests):
            count += 1
            faults += await _play(flow, test, sources[name], at, await new_world())
    return count, faults


async def _play(flow: Flow, test: FlowTest, source: Source, number: int, world: World) -> list[Fault]:
    line = ScriptLine(test)
    begin = datetime.strptime(test.at or "2026-03-02 10:00", "%Y-%m-%d %H:%M").replace(tzinfo=CHINA)
    seconds = iter(range(10_000))
    switchboard = Switchboard(
        FixedFlow(flow), _Queues(world, test), _Kept(), clock=lambda: begin + timedelta(seconds=next(seconds))
    )
    placed = Started("", begin, test.outgoing) if test.outgoing else None
    await switchboard.connect(line, f"test-{number}", caller_number(test.caller), placed)
    while back := line.came_back(begin + timedelta(seconds=next(seconds))):
        await switchboard.connect(line, f"test-{number}", caller_number(test.caller), back)
    line.finish()
    return [source.fault(("tests", number, "steps", step), f"{test.name}:{zh}", en) for step, zh, en in line.faults]


class _Queues:
    """A world in which the queues are as the test says."""

    def __init__(self, world: World, test: FlowTest) -> None:
        self._world, self._test = world, test

    async def look_up(self, call: str, question: LookUp, at: datetime) -> Answered:
        if question.what != "queue":
            return await self._world.look_up(call, question, at)
        return Answered(self._test.queues.get(question.args["queue"], "open"), at, {"ahead": 2, "minutes": 5})


class _Kept(NoRecords):
    """Keeps a call that people have, as long as its test."""

    def __init__(self) -> None:
        self._state = ""

    async def save(self, call: Call) -> None:
        self._state = "" if call.ended_at else call.state.to_json()

    async def resume(self, call_id: str) -> State | None:
        return State.from_json(self._state) if self._state else None


class ScriptLine:
    """A line whose caller follows a test's steps, and notes what does not happen as written."""

    name = "test"

    def __init__(self, test: FlowTest) -> None:
        self._test, self._steps = test, list(enumerate(test.steps))
        self._keypad = Keypad()
        self._heard = ""
        self._queue = ""
        self._back: Step | None = None  # what brings the caller back from the people
        self.faults: list[tuple[int, str, str]] = []

    async def listen(self, says: Sequence[Say], listen: Listen) -> str | None:
        await self.play(says)
        digits, finished = self._keypad.take(listen.most)
        while not finished:
            if not (pressed := self._next_keys()):
                return digits or None
            self._keypad.press(pressed)
            digits, finished = self._keypad.take(listen.most, digits)
            if digits and not finished:
                return digits
        return digits

    def _next_keys(self, *, speaking: bool = False) -> str | None:
        """Check what must be heard up to the next key; None for silence. Raises `Gone` at the end of the script.

        After the beep, a `speak` step comes as `SPOKEN`.
        """
        while self._steps:
            number, step = self._steps[0]
            if step.transferred or step.ended:
                self._fault(number, "这时通话还没有结束，还在等待按键", "the call is still waiting for a key")
                raise Gone
            if bool(step.speak) != speaking and (step.speak or step.press is not None):
                zh, en = (
                    ("这时在等待按键", "the call waits for a key") if step.speak else ("这时在录音", "the beep is over")
                )
                self._fault(number, zh, en)
                raise Gone
            self._steps.pop(0)
            if step.speak:
                self._heard = ""
                return SPOKEN
            if step.hang_up:
                raise Gone
            if step.silence or step.press is not None:
                self._heard = ""
                if step.silence:
                    self._keypad.forget_closing()
                return step.press
            self._compare(number, step)
        raise Gone

    def _compare(self, number: int, step: Any) -> None:
        if step.hear and step.hear not in self._heard:
            zh = f"没有听到“{step.hear}”。听到的是：{self._heard or '（没有声音）'}"
            self._fault(number, zh, f"did not hear “{step.hear}”, but: {self._heard or '(nothing)'}")
        if step.not_hear and step.not_hear in self._heard:
            self._fault(number, f"不该听到“{step.not_hear}”", f"heard “{step.not_hear}”")

    def _fault(self, number: int, zh: str, en: str) -> None:
        self.faults.append((number, zh, en))

    def finish(self) -> None:
        """The call is over: what is left must fit how it ended."""
        for number, step in self._steps:
            if step.transferred and step.transferred != self._queue:
                zh = f"没有转到 {step.transferred}，而是 {self._queue or '通话结束'}"
                self._fault(number, zh, f"not transferred to {step.transferred}, but {self._queue or 'ended'}")
            elif step.ended and self._queue:
                self._fault(number, f"通话转到了 {self._queue}", f"the call went to {self._queue}")
            elif (step.press is not None or step.silence) and not self.faults:
                self._fault(number, "通话已经结束，不能再按键", "the call is over: no key can be pressed")
            self._compare(number, step)
        self._steps.clear()

    async def record(self, says: Sequence[Say], record: Record) -> float | None:
        await self.play(says)
        self._keypad.forget()
        return self._speaks()

    def _speaks(self) -> float:
        """How long the caller speaks after the beep: 5 s for a `speak` step, not at all for silence."""
        pressed = self._next_keys(speaking=True)
        return SPOKEN_SECONDS if pressed == SPOKEN else 0.0

    async def play(self, says: Sequence[Say]) -> None:
        self._heard += "".join(say.utterance.text for say in says)

    async def company(self, says: Sequence[Say], task: "Task[Any]") -> None:
        await asyncio.wait({task})

    async def transfer(self, says: Sequence[Say], to: Transfer) -> str | None:
        await self.play(says)
        self._queue = to.queue
        if to.for_good:
            number = self._steps[0][0] if self._steps else len(self._test.steps) - 1
            self._fault(number, "程序出错，通话转给了人工", "a fault of the program: the call went to people")
            return None
        while self._steps and (self._steps[0][1].hear or self._steps[0][1].not_hear):
            self._compare(*self._steps.pop(0))
        if [step.transferred for _, step in self._steps[:1]] == [to.queue] and len(self._steps) > 1:
            number, then = self._steps[1]
            if then.press and then.press not in to.keys:
                self._fault(number, f"等待时按 {then.press} 不起作用", f"key {then.press} does nothing during the wait")
            elif then.press or then.served:
                self._back, self._heard, self._queue = then, "", ""
                del self._steps[:2]
                raise Parked
        return None

    def came_back(self, at: datetime) -> Event | None:
        """What brings the caller back from the people, when the script says so."""
        step, self._back = self._back, None
        if step is None:
            return None
        return LeftQueue(step.press, at) if step.press else Served("agent1", 60, at)

    async def hang_up(self) -> None:
        return None
