"""Supervisors' own tests: the calls in a flow's `tests:` are played through the real engine and call, and compared.

What was heard is what was said since the last key. Each mismatch is a `Fault` at the line of its step.
"""

import asyncio
from asyncio import Task
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from fund.phone import caller_number
from fund.yaml_source import Fault, Source
from ivr.actions import Listen, Record, Say, Transfer
from ivr.call import CHINA, Call, Switchboard
from ivr.flow import Flow, FlowTest
from ivr.keys import Keypad
from ivr.line import Gone
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
        FixedFlow(flow), world, NoRecords(), clock=lambda: begin + timedelta(seconds=next(seconds))
    )
    await switchboard.connect(line, f"test-{number}", caller_number(test.caller))
    line.finish()
    return [source.fault(("tests", number, "steps", step), f"{test.name}:{zh}", en) for step, zh, en in line.faults]


class ScriptLine:
    """A line whose caller follows a test's steps, and notes what does not happen as written."""

    name = "test"

    def __init__(self, test: FlowTest) -> None:
        self._steps = list(enumerate(test.steps))
        self._keypad = Keypad()
        self._heard = ""
        self._queue = ""
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
                self._fault(number, "这时通话还没有结束,还在等待按键", "the call is still waiting for a key")
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
            zh = f"没有听到“{step.hear}”。听到的是:{self._heard or '(没有声音)'}"
            self._fault(number, zh, f"did not hear “{step.hear}”, but: {self._heard or '(nothing)'}")
        if step.not_hear and step.not_hear in self._heard:
            self._fault(number, f"不该听到“{step.not_hear}”", f"heard “{step.not_hear}”")

    def _fault(self, number: int, zh: str, en: str) -> None:
        self.faults.append((number, zh, en))

    def finish(self) -> None:
        """The call is over: what is left must fit how it ended."""
        for number, step in self._steps:
            if step.transferred and step.transferred != self._queue:
                zh = f"没有转到 {step.transferred},而是 {self._queue or '通话结束'}"
                self._fault(number, zh, f"not transferred to {step.transferred}, but {self._queue or 'ended'}")
            elif step.ended and self._queue:
                self._fault(number, f"通话转到了 {self._queue}", f"the call went to {self._queue}")
            elif (step.press is not None or step.silence) and not self.faults:
                self._fault(number, "通话已经结束,不能再按键", "the call is over: no key can be pressed")
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
        return None

    async def hang_up(self) -> None:
        return None
