"""What a menu costs a caller: here each character takes a second, so that the sums can be read."""

import re
from pathlib import Path

import pytest

from ivr.check import Ground
from ivr.layout import MenuCost, menu_costs
from ivr.loader import load, read_folder
from ivr.nodes import MenuNode
from tests.ivr.golden import BEGIN, PHRASES
from tests.ivr.test_check import MAIN, checked

NODES = """\
  start: {say: 四个字呀, next: news}
  news: {bulletin: emergency, next: who}
  who: {known_caller: employee, senior: senior, bound: main, unknown: main}
  senior: {say: 三个字, menu: {1: {say: 人, go: agent}, 2: {say: 机, go: main}}}
  main: {menu: {1: {say: 贷款, go: loan}, 2: {say: 时间, go: closed}}}
  loan: {menu: {1: {say: 回去, go: main}}}
  closed: {say: "{hours.people}", menu: {1: {say: 回去, go: main}}}
"""
PRESS = len("，请按1。")
HOURS = len("工作日，上午九点到中午十二点，下午一点三十分到五点")


def test_the_greeting_counts_for_the_menus_it_leads_to() -> None:
    loaded = checked(NODES, MAIN)
    assert loaded.flow, [fault.tell() for fault in loaded.faults]
    ground = Ground(loaded.flow, loaded.sources, None)
    costs = {cost.node: cost for cost in menu_costs(loaded.flow, ground, lambda words: len(words.text), BEGIN)}
    assert costs["main/senior"] == MenuCost(
        "main/senior", 0, 4 + 3 + 1 + PRESS, 4 + 3 + 2 * (1 + PRESS), {"main/agent": 1, "main/main": 0}
    )
    assert costs["main/main"] == MenuCost(
        "main/main", 0, 4 + 2 + PRESS, 4 + 2 * (2 + PRESS), {"main/loan": 1, "main/closed": 1}
    )
    assert costs["main/loan"].first_seconds == 2 + PRESS
    assert costs["main/closed"].first_seconds == HOURS + 2 + PRESS


FLOWS = load(read_folder(Path("flows")), PHRASES).flow
HOMES = {"main/main", "english/start"}  # there the person is one of the choices
LONG = 4


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, node in (FLOWS.nodes.items() if FLOWS else ())
        if isinstance(node, MenuNode) and len(node.menu) >= LONG and name not in HOMES
    ],
)
def test_every_long_menu_of_ours_begins_with_the_way_to_a_person(name: str) -> None:
    assert FLOWS
    assert re.match("人工服务，请按0。|For a person, press 0.", " ".join((FLOWS.nodes[name].say or {}).values()))
