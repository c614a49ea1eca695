"""The engine's promises, from any state and for any event: it ends or waits, changes nothing it was given, keeps no
secret, and needs no I/O."""

import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.actions import Entered, HangUp, Listen, LookUp, Record, Transfer
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
from ivr.flow import ENTRIES
from ivr.loader import load, read_folder
from ivr.state import State
from tests.ivr.golden import BEGIN, PHRASES

FLOW = load(read_folder(Path("flows")), PHRASES).flow
VALUES = {
    "balance": Decimal("12345.67"), "carried": Decimal("1"), "added": Decimal("2"), "base": Decimal("3"),
    "mine": Decimal("4"), "employers": Decimal("5"), "monthly": Decimal("9"), "paid_to": "2026-02", "state": "正常",
    "tail": "0001", "employer": "示例单位", "as_of": BEGIN.date(), "count": 0, "amount": Decimal("6"), "rate": None,
    "method": "等额本息", "periods": 240, "periods_left": 12, "next_date": BEGIN.date(), "next_amount": Decimal("7"),
    "overdue_count": 0, "overdue_amount": Decimal("0"), "arrears": "无逾期", "name": "示例单位",
    "monthly_total": Decimal("8"), "heads": 9, "arrears_months": 0, "arrears_amount": Decimal("0"),
    "certificate_ends": None,
}  # fmt: skip
DATA = {"values": VALUES, "rows": (), "account": "321100123", "left": 2, "verification": "v1", "ahead": 2, "minutes": 3,
        "number": "2603024821", "seconds": 4.0, "days": 3, "texted": True, "state": "working", "answer_by": "2026-03-05",
        "outcome": "已办妥", "code": "135790", "text": "提醒", "queue": "loan"}  # fmt: skip
OUTCOMES = [
    "ok", "bound", "senior", "unknown", "wrong", "locked", "unset", "nothing", "open", "closed", "sent", "failed",
    "code_sent", "unbound", "too_often", "approved", "expired", "offered", "weak", "set", "differs", "unavailable", "busy", "full",
    "ready", "opened", "asked", "already", "bad_number", "kept",
]  # fmt: skip

after = st.integers(0, 4000).map(lambda seconds: BEGIN + timedelta(seconds=seconds))
keys = st.one_of(st.sampled_from(["0", "1", "2", "3", "9", "*", "#", "135790", "321100123"]), st.text("0123456789*#"))
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(Keys, keys, after),
    st.builds(Silence, after),
    st.builds(Answered, st.sampled_from(OUTCOMES), after, st.just(DATA)),
    st.builds(TransferFailed, st.sampled_from(["closed", "full", "failed"]), after),
    st.builds(Recorded, st.sampled_from([None, 0.0, 1.2, 4.0, 120.0]), after),
    st.builds(LeftQueue, st.sampled_from(list("0123456789*#")), after),
    st.builds(Served, st.just("agent1"), st.integers(0, 9000), after),
    st.builds(Resumed, after),
    st.builds(HungUp, after),
    st.builds(
        Started, st.sampled_from(["", "13900000001", "+12125550100"]), after, st.sampled_from(["", *ENTRIES, "x"])
    ),
)


@given(st.sampled_from(["", "13900000001"]), st.sampled_from(["", *ENTRIES]), st.lists(events, max_size=40))
def test_any_event_ends_or_waits(caller: str, entry: str, happens: list[Event]) -> None:
    assert FLOW
    state = State(FLOW.version)
    for event in [Started(caller, BEGIN, entry), *happens]:
        before = replace(state)
        given_ = State.from_json(state.to_json())
        assert given_ == state
        state, actions = step(FLOW, given_, event)
        assert given_ == before
        waits = [action for action in actions if isinstance(action, Listen | Record | LookUp | Transfer | HangUp)]
        assert waits == list(actions[-1:]) or not actions
        if not actions:
            assert replace(state, outcome=before.outcome, waiting=before.waiting) == before
        assert state.over == (state.outcome in ("hung_up", "finished", "transferred"))
        assert state.over or state.waiting != "start"
        assert state.node in FLOW.nodes or state.over


PEOPLES = {
    "people/complaint": ["", "opening", "recording", "looking", "review", "keeping", "parted"],
    "people/callback": ["", "number", "entering", "confirming", "asking"],
    "people/rate": ["", "asked", "rating"],
    "people/progress": ["", "number"],
}
PENDING = {"number": "2603024821", "take": "1", "seconds": "4.0", "rating": "unsatisfied"}
in_the_middle = st.sampled_from([(node, phase) for node, phases in PEOPLES.items() for phase in phases])


@given(in_the_middle, st.sampled_from(["keys", "answer"]), st.lists(events, min_size=1, max_size=12))
def test_what_is_left_for_people_ends_or_waits_from_any_phase(place: Any, waiting: Any, happens: list[Event]) -> None:
    assert FLOW
    node, phase = place
    state = State(
        FLOW.version, caller="13900000001", started=BEGIN.isoformat(), node=node, turn=node, phase=phase,
        waiting="record" if phase == "recording" else waiting, pending=PENDING,
    )  # fmt: skip
    for event in happens:
        before, was_over = state.to_json(), state.over
        given_ = State.from_json(before)
        state, actions = step(FLOW, given_, event)
        assert given_.to_json() == before
        waits = [action for action in actions if isinstance(action, Listen | Record | LookUp | Transfer | HangUp)]
        assert waits == list(actions[-1:])
        assert not (was_over and actions)
        assert isinstance(event, HungUp) or state.over == (state.outcome != "")


def test_whoever_hangs_up_leaves_one_question_behind() -> None:
    """A caller lost in any phase after the beep has left what was said: it is asked for once, and that is all."""
    assert FLOW
    for phase in ("recording", "looking", "review", "keeping"):
        state = State(
            FLOW.version,
            started=BEGIN.isoformat(),
            node="people/message",
            phase=phase,
            waiting="record",
            pending=PENDING,
        )
        state, (question,) = step(FLOW, state, HungUp(BEGIN))
        assert isinstance(question, LookUp) and question.what == "leave_message" and question.args["parted"]
        assert not state.over
        state, actions = step(FLOW, State.from_json(state.to_json()), Answered("unavailable", BEGIN))
        assert (state.over, state.outcome, actions) == (True, "hung_up", ())


@given(st.lists(events, max_size=30))
def test_secrets_are_not_kept(happens: list[Event]) -> None:
    assert FLOW
    state, _ = step(FLOW, State(FLOW.version), Started("13900000001", BEGIN))
    for event in happens:
        secret = Keys("864213", event.at) if isinstance(event, Keys) else event
        state, actions = step(FLOW, state, secret)
        assert "864213" not in state.to_json()
        assert "864213" not in repr(actions)
        assert "864213" not in repr(secret)


def test_a_node_that_does_not_listen_hands_on() -> None:
    assert FLOW
    state, actions = step(FLOW, State(FLOW.version), Started("", BEGIN))
    state, _ = step(FLOW, state, Answered("off", BEGIN))
    state, actions = step(FLOW, state, Answered("unknown", BEGIN))
    assert [action.node for action in actions if isinstance(action, Entered)] == ["main/main"]
    assert state.waiting == "keys"


@pytest.mark.parametrize("module", ["engine", "flow", "events", "actions", "speech", "state", "utterance", "check"])
def test_pure_modules_import_no_io(module: str) -> None:
    """Neither by itself nor through what it imports: no sockets, database, web, logs or threads of our own making."""
    # What the typing and YAML libraries import for themselves is theirs; ours must not be among it.
    ours = {"sqlalchemy", "aiohttp", "aiosqlite", "asyncpg", "structlog", "twilio", "asterisk", "sqlite3", "numpy"}
    code = f"import sys, ivr.{module}; print(*sorted(set(sys.modules) & {ours!r}))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert found == []
