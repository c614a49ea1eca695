"""What supervisors' tests tell of people: a busy queue, keys during the wait, the way after the call; and what is wrong."""

from datetime import datetime
from typing import Any

import pytest
import yaml

from ivr.actions import LookUp
from ivr.events import Answered
from ivr.loader import load
from ivr.rehearsal import rehearse
from tests.ivr.golden import DEFAULTS, PHRASES

NODES = {
    "start": {"menu": {"1": {"say": "贷款", "go": "loan"}}},
    "agent": {"transfer": "general"},
    "loan": {"transfer": "loan", "callback": "call_me", "after": "thanks", "closed": "agent"},
    "call_me": {"say": "给您回电。", "next": "start"},
    "thanks": {"hang_up": "谢谢。"},
}


class Nobody:
    async def look_up(self, call: str, question: LookUp, at: datetime) -> Answered:
        return Answered("unavailable", at)


async def world() -> Nobody:
    return Nobody()


async def faults(steps: list[dict[str, Any]], **queues: str) -> list[str]:
    test = {"name": "样例", "steps": [{"press": "1"}, *steps], "queues": queues}
    raw = yaml.safe_dump(DEFAULTS | {"nodes": NODES, "tests": [test]}, allow_unicode=True).encode()
    loaded = load({"main.yaml": raw}, PHRASES)
    assert loaded.flow, [fault.tell() for fault in loaded.faults]
    count, found = await rehearse(loaded.flow, loaded.sources, world)
    assert count == 1
    return [fault.zh for fault in found]


@pytest.mark.parametrize(
    ("steps", "queues"),
    [
        ([{"transferred": "loan"}], {}),
        ([{"hear": "前面还有两位"}, {"press": "2"}, {"hear": "给您回电"}], {"loan": "busy"}),
        ([{"silence": True}, {"transferred": "loan"}], {"loan": "busy"}),
        ([{"transferred": "loan"}, {"press": "2"}, {"hear": "给您回电"}, {"press": "1"}, {"transferred": "loan"}], {}),
        ([{"transferred": "loan"}, {"served": True}, {"hear": "谢谢"}, {"ended": True}], {}),
        ([{"transferred": "general"}], {"loan": "closed"}),
    ],
)
async def test_as_written(steps: list[dict[str, Any]], queues: dict[str, str]) -> None:
    assert await faults(steps, **queues) == []


@pytest.mark.parametrize(
    ("steps", "queues", "words"),
    [
        ([{"transferred": "general"}], {}, "没有转到 general，而是 loan"),
        ([{"transferred": "loan"}, {"press": "4"}], {}, "等待时按 4 不起作用"),
        ([{"transferred": "loan"}, {"served": True}, {"hear": "再会"}], {}, "没有听到“再会”"),
        ([{"hear": "前面还有"}], {}, "没有听到“前面还有”"),
    ],
)
async def test_not_as_written(steps: list[dict[str, Any]], queues: dict[str, str], words: str) -> None:
    assert words in (await faults(steps, **queues))[0]


async def test_a_fault_of_the_program_is_no_way_to_people() -> None:
    test = {"name": "样例", "steps": [{"silence": True}, {"transferred": "general"}]}
    raw = yaml.safe_dump(DEFAULTS | {"nodes": NODES, "tests": [test]}, allow_unicode=True).encode()
    loaded = load({"main.yaml": raw}, {name: words for name, words in PHRASES.items() if name != "silence"})
    assert loaded.flow
    _, found = await rehearse(loaded.flow, loaded.sources, world)
    assert ["程序出错" in fault.zh for fault in found] == [True]
