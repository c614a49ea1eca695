"""A call whose line does not wait with it: it is parked between two steps, and brought back with what was heard."""

import asyncio
from asyncio import Task
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from fund.fields import BALANCE
from ivr.actions import Listen, LookUp, Record, Say, Transfer
from ivr.call import Call, Switchboard
from ivr.events import Answered, Event, Keys, Recorded, Resumed, Started, TransferFailed
from ivr.line import Gone, Parked
from ivr.rehearsal import FixedFlow
from ivr.state import State
from ivr.world import World
from tests.ivr.golden import BEGIN, flow_of

FLOW = flow_of(
    {
        "nodes": {
            "start": {"menu": {"1": {"say": "一", "go": "one"}}},
            "one": {"menu": {"2": {"say": "二", "go": "agent"}, "3": {"say": "三", "go": "speak"}}},
            "sorry": {"hang_up": "没有人接听，再见。"},
            "speak": {"message": "message", "next": "sorry", "failed": "agent"},
            "agent": {"transfer": "general", "failed": "sorry"},
        }
    }
)
NOW = BEGIN + timedelta(minutes=1)


class Kept:
    """Records in memory, as a database would give them back."""

    def __init__(self) -> None:
        self.states: dict[str, str] = {}
        self.ended: dict[str, str] = {}

    async def save(self, call: Call) -> None:
        self.states[call.id] = call.state.to_json()
        if call.ended_at:
            del self.states[call.id]
            self.ended[call.id] = call.state.outcome

    async def resume(self, call_id: str) -> State | None:
        return State.from_json(self.states[call_id]) if call_id in self.states else None


class Nobody:
    async def look_up(self, call: str, question: LookUp, at: Any) -> Answered:
        return Answered("unavailable", at)


class Answering:
    """Gives a number to record under, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []

    async def look_up(self, call: str, question: LookUp, at: Any) -> Answered:
        self.asked.append((question.what, question.args))
        outcome = {"open_message": "ready", "leave_message": "opened"}[question.what]
        return Answered(outcome, at, {"number": "2603024821", "days": 3, "texted": False})


class ParkingLine:
    """Says what it is told, and never waits."""

    name = "parking"

    def __init__(self) -> None:
        self.said = ""
        self.queue = self.recording = ""

    async def listen(self, says: Sequence[Say], listen: Listen) -> str | None:
        await self.play(says)
        raise Parked

    async def record(self, says: Sequence[Say], record: Record) -> float | None:
        await self.play(says)
        self.recording = record.name
        raise Parked

    async def play(self, says: Sequence[Say]) -> None:
        self.said += "".join(say.utterance.text for say in says)

    async def company(self, says: Sequence[Say], task: "Task[Any]") -> None:
        await asyncio.wait({task})

    async def transfer(self, says: Sequence[Say], to: Transfer) -> str | None:
        await self.play(says)
        self.queue = to.queue
        raise Parked

    async def hang_up(self) -> None:
        return None


class BrokenLine(ParkingLine):
    async def listen(self, says: Sequence[Say], listen: Listen) -> str | None:
        raise RuntimeError("a fault of our own")


async def heard(
    records: Kept, event: Event | None, line: ParkingLine | None = None, world: World | None = None
) -> ParkingLine:
    """One step of the call, on a switchboard of its own: a node that knows nothing but the records."""
    line = line or ParkingLine()
    board = Switchboard(FixedFlow(FLOW), world or Nobody(), records, clock=lambda: NOW)
    await board.connect(line, "call-1", "13900000001", event)
    assert not board.calls
    return line


async def test_a_call_goes_on_with_what_was_heard() -> None:
    records = Kept()
    assert "一" in (await heard(records, None)).said
    assert "二" in (await heard(records, Keys("1", NOW))).said
    assert (await heard(records, Keys("2", NOW))).queue == "general"
    assert "没有人接听" in (await heard(records, TransferFailed("failed", NOW))).said
    assert records.ended == {"call-1": "finished"}


async def test_what_does_not_fit_changes_nothing_and_is_said_again() -> None:
    records = Kept()
    await heard(records, None)
    for stray in (TransferFailed("full", NOW), Resumed(NOW)):
        assert "一" in (await heard(records, stray)).said
        assert not records.ended


async def test_a_parked_call_is_closed_once() -> None:
    for steps, outcome in ((["1"], "hung_up"), (["1", "2"], "transferred")):
        records = Kept()
        await heard(records, None)
        for keys in steps:
            await heard(records, Keys(keys, NOW))
        board = Switchboard(FixedFlow(FLOW), Nobody(), records, clock=lambda: NOW)
        for _ in range(2):
            await board.close("parking", "call-1")
            assert records.ended == {"call-1": outcome}


async def test_a_message_is_kept_when_its_parked_caller_hangs_up() -> None:
    records, world = Kept(), Answering()
    for event in (None, Keys("1", NOW), Keys("3", NOW)):
        line = await heard(records, event, world=world)
    assert line.recording == "2603024821-1"
    assert "留言已经录下" in (await heard(records, Recorded(4.0, NOW), world=world)).said
    board = Switchboard(FixedFlow(FLOW), world, records, clock=lambda: NOW)
    for _ in range(2):
        await board.close("parking", "call-1")
    left = {"number": "2603024821", "recording": "2603024821-1", "parted": True}
    assert [what for what, _ in world.asked] == ["open_message", "leave_message"] and world.asked[-1][1] == left
    assert records.ended == {"call-1": "hung_up"}


class VanishingLine(ParkingLine):
    """Its caller hangs up while speaking."""

    async def listen(self, says: Sequence[Say], listen: Listen) -> str | None:
        return "1" if "一" in "".join(say.utterance.text for say in says) else "3"

    async def record(self, says: Sequence[Say], record: Record) -> float | None:
        raise Gone


async def test_a_message_is_kept_when_its_caller_hangs_up_while_speaking() -> None:
    records, world = Kept(), Answering()
    await heard(records, None, VanishingLine(), world)
    assert [what for what, _ in world.asked] == ["open_message", "leave_message"]
    assert records.ended == {"call-1": "hung_up"}


async def test_our_own_fault_leads_to_people() -> None:
    records = Kept()
    assert (await heard(records, None, BrokenLine())).queue == "general"
    assert records.ended == {"call-1": "rescued"}


class OddLedger:
    """Has a month that there is none of."""

    async def look_up(self, call: str, question: LookUp, at: Any) -> Answered:
        if question.what != "report":
            return Answered("ok", at, {"account": "321100123"})
        values = {name: "2026-13" if field.kind == "month" else None for name, field in BALANCE.fields.items()}
        return Answered("ok", at, {"values": values, "rows": ()})


async def test_what_cannot_be_said_is_no_answer() -> None:
    flow = flow_of(
        {
            "nodes": {
                "start": {"identify": "employee", "next": "balance", "failed": "agent"},
                "balance": {"report": "balance", "say": "缴至{paid_to}。", "next": "agent", "unavailable": "sorry"},
                "sorry": {"say": "请稍后再查。", "next": "agent"},
            }
        }
    )
    records = Kept()
    for event in (None, Keys("321100123", NOW), Keys("135790", NOW)):
        line = ParkingLine()
        board = Switchboard(FixedFlow(flow), OddLedger(), records, clock=lambda: NOW)
        await board.connect(line, "call-1", "", event)
    assert "查询系统暂时没有响应" in line.said and "请稍后再查" in line.said and line.queue == "general"
    assert not records.ended, "the call went the way that its flow has for it"


async def test_whom_we_called_never_hears_the_menu_though_their_flow_is_gone() -> None:
    flow = flow_of(
        {
            "nodes": {"start": {"menu": {"1": {"say": "一", "go": "agent"}}}},
            "outbound": {
                "nodes": {
                    "code": {"menu": {"1": {"say": "这是给您的电话", "go": "agent"}}},
                    "callback": {"go": "code"},
                    "reminder": {"go": "code"},
                }
            },
        }
    )
    records = Kept()
    for event in (Started("13900000001", NOW, "code"), Keys("1", NOW)):
        line = ParkingLine()
        board = Switchboard(FixedFlow(flow), Nobody(), records, clock=lambda: NOW)
        await board.connect(line, "call-1", "13900000001", event)
        assert "这是给您的电话" in line.said and not line.queue
        records.states = {id: state.replace(flow.version, "gone") for id, state in records.states.items()}


class HastyLine(ParkingLine):
    """Its caller asks for a call-back, and hangs up at the word to wait."""

    def __init__(self, gone: asyncio.Event) -> None:
        super().__init__()
        self.gone = gone

    async def listen(self, says: Sequence[Say], listen: Listen) -> str | None:
        return "1"

    async def company(self, says: Sequence[Say], task: "Task[Any]") -> None:
        self.gone.set()
        raise Gone


class Slow:
    """Takes down what it is asked once the caller has gone."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self.done: list[str] = []

    async def look_up(self, call: str, question: LookUp, at: Any) -> Answered:
        await self.gone.wait()
        self.done.append(question.what)
        return Answered("asked", at, {"ahead": 0})


async def test_what_a_caller_has_asked_for_is_done_though_they_hang_up_over_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ivr.call.PATIENT_SECONDS", 0.01)
    flow = flow_of({"nodes": {"start": {"callback": "general", "next": "agent", "failed": "agent"}}})
    records, world = Kept(), Slow()
    board = Switchboard(FixedFlow(flow), world, records, clock=lambda: NOW)
    await board.connect(HastyLine(world.gone), "call-1", "13900000001")
    assert world.done == ["ask_callback"] and records.ended == {"call-1": "hung_up"}
