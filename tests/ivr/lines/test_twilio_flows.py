"""A caller hears the same on every line: calls at Twilio beside the same calls at the keyboard, and the flows' own tests."""

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from fund.clock import CHINA
from fund.phone import caller_number
from hotline.database import open_database
from hotline.rehearsal import demo_ledger, demo_worlds
from hotline.tapes import Tapes
from ivr.actions import LookUp
from ivr.call import Switchboard
from ivr.events import Answered
from ivr.flow import FlowTest, Step
from ivr.lines.keyboard import KeyboardLine
from ivr.loader import load, read_folder, read_phrases
from ivr.rehearsal import FixedFlow, NewWorld, NoRecords
from ivr.world import World
from tests.ivr.lines.fake_twilio import PUBLIC, TwilioApi, TwilioPhone
from tests.ivr.lines.twilio_nodes import PEOPLE, PRIVACY, STEP, Clock, node, outcome, plain, play, tone

FLOW = load(read_folder(Path("flows")), read_phrases(Path("prompts/voice.yaml"))).flow
assert FLOW
pytestmark = pytest.mark.asyncio(loop_scope="module")  # the demo ledger is made once
TESTS = [  # calls that come in: Twilio places none for us
    (f"{name}: {test.name}", test) for name, file in FLOW.files.items() for test in file.tests if not test.outgoing
]
BOUND, UNBOUND = "13900000001", "13900000099"

CALLS = {
    "the balance": (BOUND, ["1", "135790#"]),
    "the balance, without the #": (BOUND, ["1", "135790", ""]),
    "a wrong PIN, then the right one": (BOUND, ["1", "111222#", "135790#"]),
    "three wrong PINs": (BOUND, ["1", "111222#", "111222#", "111222#"]),
    "half a PIN": (BOUND, ["1", "1357#", "135790#"]),
    "another account": (BOUND, ["1", "*#", "321100123#"]),
    "silence": (BOUND, ["", "", ""]),
    "silence in a PIN": (BOUND, ["1", "", "", ""]),
    "# alone": (BOUND, ["#", "#", "2", "#"]),
    "# alone in a PIN": (BOUND, ["1", "#", "135790#"]),
    "back": (BOUND, ["2", "1", "*", "*"]),
    "a wrong key": (BOUND, ["8", "8", "2"]),
    "English": (BOUND, ["9", "1", "135790#"]),
    "a person": (BOUND, ["3", "0"]),
    "withheld": ("", ["1", "321100123#", "135790#"]),
    "nobody we know": (UNBOUND, ["1", "#", "1#"]),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def worlds() -> AsyncIterator[NewWorld]:
    async with demo_ledger() as ledger, demo_worlds(ledger, FLOW.hours) as worlds:
        yield worlds


@pytest_asyncio.fixture(loop_scope="module")
async def database(sqlite_url: str) -> AsyncIterator[AsyncEngine]:
    engine = open_database(sqlite_url)
    yield engine
    await engine.dispose()


async def at_the_keyboard(world: NewWorld, caller: str, keys: list[str]) -> str:
    heard: list[str] = []

    async def typed() -> AsyncIterator[str]:
        for pressed in keys:
            yield pressed

    line = KeyboardLine(typed(), heard.append, lambda queue: None)
    board = Switchboard(FixedFlow(FLOW), await world(), NoRecords(), clock=Clock())
    await board.connect(line, "keyboard-1", caller)
    return plain("".join(heard))


@pytest.mark.parametrize("name", CALLS)
async def test_a_caller_hears_the_same_as_at_the_keyboard(name: str, worlds: NewWorld, database: AsyncEngine) -> None:
    caller, keys = CALLS[name]
    clock = Clock()
    async with node(database, FLOW, await worlds(), clock) as here:
        number = f"+86{caller}" if caller else "+266696687"
        async with TwilioPhone({PUBLIC: here.url}, number, people=["hangup"]) as phone:
            heard = await play(phone, clock, keys)
    expected = await at_the_keyboard(worlds, caller, keys)
    assert heard == expected
    assert len(expected) > 100


class Queues:
    """A world in which the queues are as the test says."""

    def __init__(self, world: World, test: FlowTest) -> None:
        self._world, self._test = world, test

    async def look_up(self, call: str, question: LookUp, at: datetime) -> Answered:
        if question.what != "queue":
            return await self._world.look_up(call, question, at)
        return Answered(self._test.queues.get(question.args["queue"], "open"), at, {"ahead": 2, "minutes": 5})


def people(steps: Sequence[Step]) -> Iterator[str]:
    """What becomes of each hand-over: a key pressed while waiting, a talk, or a caller who hangs up."""
    for step, then in zip_longest(steps, steps[1:]):
        if step.transferred:
            served, pressed = then and then.served, then and then.press
            yield "bridged" if served else f"keys {pressed}" if pressed else "hangup"


@pytest.mark.parametrize("test", [test for _, test in TESTS], ids=[name for name, _ in TESTS])
async def test_the_flows_own_tests(test: FlowTest, worlds: NewWorld, database: AsyncEngine, tmp_path: Path) -> None:
    clock = Clock(datetime.fromisoformat(test.at or "2026-03-02 10:00").replace(tzinfo=CHINA))
    given: dict[str, Any] = {"queues": {name: f"queue:{name}" for name in FLOW.queues}}
    caller = f"+86{caller_number(test.caller)}" if test.caller else "+266696687"
    tapes, world = Tapes(tmp_path / "tapes", PRIVACY), Queues(await worlds(), test)
    async with (
        TwilioApi() as api,
        node(database, FLOW, world, clock, tapes=tapes, endpoint=api.url, **given) as here,
        TwilioPhone({PUBLIC: here.url}, caller, people=[*people(test.steps)], doubles=True, stale=True) as phone,
    ):
        await phone.start()
        before, with_people = 0, False
        for step in test.steps:
            heard = plain("".join(phone.heard[before:]))
            assert step.hear is None or plain(step.hear) in heard
            assert step.not_hear is None or plain(step.not_hear) not in heard
            assert step.transferred is None or step.transferred == phone.queued.pop(0)
            assert step.ended is None or phone.over
            if (step.press or step.silence or step.speak) and not with_people:
                clock.now += STEP
                before = len(phone.heard)
                if phone.recording:
                    await phone.speak(api, tone(3) if step.speak else b"")
                else:
                    await phone.press(step.press or "")
            if step.hang_up:
                break
            with_people = step.transferred is not None  # what comes next has happened by then
        if phone.recording:
            await phone.speak(api, tone(3), then="hangup")
        elif not phone.over:
            await phone.hang_up()
        assert not api.recordings, "what was recorded is here, and no longer at Twilio"
    assert (await outcome(database, phone.call_sid))[1], "the call has ended in the records"
    assert [round(take.seconds) for take in tapes.takes()] == [3] * len(phone.spoken)


async def test_a_pin_that_twilio_shall_not_see_is_not_asked_for(worlds: NewWorld, database: AsyncEngine) -> None:
    clock = Clock()
    async with (
        node(database, FLOW, await worlds(), clock, pins="people") as here,
        TwilioPhone({PUBLIC: here.url}, f"+86{BOUND}") as phone,
    ):
        await play(phone, clock, ["1", "135790#"])
        assert phone.dialled == [PEOPLE] and "密码" not in phone.said
    assert await outcome(database, phone.call_sid) == ("hung_up", True)
