"""Golden calls: a small flow, what happens, and what the engine then does, as data in `tests/calls/*.yaml`.

Each turn has `in` (an event) and `out` (the actions, one a line). `pytest --update` rewrites every `out`; read the
difference before you commit it. The state makes a trip through JSON between every two events.
"""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from fund.clock import CHINA
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
from ivr.flow import Flow
from ivr.loader import load, read_phrases
from ivr.state import State

CALLS = Path(__file__).parent.parent / "calls"
PHRASES = read_phrases(Path("prompts/voice.yaml"))
BEGIN = datetime(2026, 3, 2, 10, 0, tzinfo=CHINA)
DEFAULTS = {
    "title": "样例",
    "start": "start",
    "everywhere": {"0": "agent", "*": "back", "#": "repeat"},
    "patience": {"wait": "5s", "tries": 3, "then": "agent"},
}


def flow_of(given: dict[str, Any]) -> Flow:
    """A checked flow from one file's data; what a call always needs is filled in."""
    main = DEFAULTS | given | {"nodes": {"agent": {"transfer": "general"}, **given["nodes"]}}
    files = {"facts.yaml": _dumped({"facts": main.pop("facts", {})})}
    if hours := main.pop("hours", None):
        files["hours.yaml"] = _dumped(hours)
    if queues := main.pop("queues", None):
        files["queues.yaml"] = _dumped({"queues": queues})
    if outbound := main.pop("outbound", None):
        files["outbound.yaml"] = _dumped({"title": "去电"} | outbound)
    files["main.yaml"] = _dumped(main)
    loaded = load(files, PHRASES)
    assert loaded.flow, [fault.tell() for fault in loaded.faults]
    return loaded.flow


def _dumped(data: dict[str, Any]) -> bytes:
    return yaml.safe_dump(data, allow_unicode=True).encode()


def play(flow: Flow, turns: list[dict[str, Any]]) -> Iterator[list[str]]:
    """What the engine does at each turn."""
    state, at = State(flow.version), BEGIN
    for turn in turns:
        at += timedelta(seconds=float(turn.get("after", 1)))
        state, actions = step(flow, State.from_json(state.to_json()), event_of(turn["in"], at))
        yield [line for action in actions if (line := line_of(action))]


def event_of(text: str, at: datetime) -> Event:
    """`started 139...` (`started 139... for callback`: we called), `keys 1`, `silence`, `answer ok {...}`, `transfer failed full`, `left 2`,
    `served agent1 65`, `recorded 4.2` (`recorded`: this line cannot), `resumed`, `hung up`."""
    word, _, rest = text.partition(" ")
    match word:
        case "started":
            caller, _, entry = rest.partition(" for ")
            return Started(caller, at, entry)
        case "keys":
            return Keys(rest, at)
        case "silence":
            return Silence(at)
        case "answer":
            outcome, _, data = rest.partition(" ")
            return Answered(outcome, at, json.loads(data, parse_float=Decimal) if data else {})
        case "transfer":
            return TransferFailed(rest.removeprefix("failed "), at)
        case "recorded":
            return Recorded(float(rest) if rest else None, at)
        case "left":
            return LeftQueue(rest, at)
        case "served":
            return Served(rest.split()[0], int(rest.split()[1]), at)
        case "resumed":
            return Resumed(at)
        case "hung":
            return HungUp(at)
    raise ValueError(text)


def line_of(action: Action) -> str:
    """One action as a line; a secret look-up shows that there is a secret, not which."""
    match action:
        case Entered(node):
            return f"[{node}]"
        case Say(recording=recording) if recording:
            return f"play {recording}"
        case Record(name, most, silence):
            return f"record {name} {most:g}s silence {silence:g}s"
        case Say(utterance, interruptible):
            return ("说 " if interruptible else "说完 ") + utterance.text
        case Listen(most, wait, secret):
            return f"listen {most} {wait:g}s" + (" secret" if secret else "")
        case LookUp(what, args):
            shown = {name: "***" if name in ("pin", "code") else value for name, value in args.items()}
            return " ".join(["look up", what, *(f"{name}={value}" for name, value in shown.items())])
        case Transfer(queue, keys, overflow):
            return (
                f"transfer {queue}"
                + (f" keys {keys}" if keys else "")
                + (f" overflow {overflow:g}s" if overflow else "")
            )
        case HangUp():
            return "hang up"
        case Missed():
            return ""  # plain from what is said
