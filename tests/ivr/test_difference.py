"""What changed, in a supervisor's words."""

from typing import Any

import yaml

from ivr.difference import _FIELDS, differences
from ivr.flow import Flow
from ivr.nodes import KINDS
from tests.ivr.golden import flow_of
from tests.ivr.test_check import HOURS, MAIN, checked

OLD = """\
  start:
    menu:
      1: {say: 贷款, go: loan}
      2: {say: 提取, go: bye}
      3: {say: 网点, go: bye}
  loan: {say: 贷款说明。, next: start}
  bye: {hang_up: 再见。}
"""
NEW = """\
  start:
    menu:
      1: {say: 贷款业务, go: loan}
      3: {say: 网点, go: bye}
      4: {say: 缴存, go: bye}
  loan: {say: 新的贷款说明。, next: start}
  bye: {hang_up: 再见。}
"""


def flow(nodes: str, main: str = MAIN) -> Flow:
    loaded = checked(nodes, main)
    assert loaded.flow, [fault.tell() for fault in loaded.faults]
    return loaded.flow


def test_changes_are_told_menu_by_menu() -> None:
    later = MAIN.replace("wait: 5s", "wait: 8s")
    assert list(differences(flow(OLD), flow(NEW, later))) == [
        "main.yaml: 等待规则改为 等 8 秒，问 3 遍，然后 agent，原来是 等 5 秒，问 3 遍，然后 agent",
        "start: 按键 1 改为 贷款业务(loan)，原来是 贷款(loan)",
        "start: 取消按键 2",
        "start: 新增按键 4 缴存(bye)",
        "loan: 说的话改为 新的贷款说明。，原来是 贷款说明。",
    ]
    assert "start: key 2 is gone" in list(differences(flow(OLD), flow(NEW), "en"))
    assert list(differences(flow(OLD), flow(OLD))) == []


def test_new_and_changed_kinds() -> None:
    again = OLD.replace("bye: {hang_up: 再见。}", "bye: {say: 再见。, next: end}\n  end: {hang_up: 再会。}")
    assert list(differences(flow(OLD), flow(again))) == ["bye: 从 hang_up 改为 say", "end: 新增（hang_up）"]


def test_changed_hours_are_told() -> None:
    old = checked(OLD, hours=HOURS).flow
    more = (
        HOURS.replace("13:30-17:00", "14:00-17:30")
        + "\nclosures: [{from: 2026-12-24, hours: 14:00-17:00, reason: 检修}]"
    )
    new = checked(OLD, hours=more).flow
    assert old and new
    assert list(differences(old, new)) == [
        "时间表 people: 工作日 9:00-12:00 14:00-17:30，原来是 工作日 9:00-12:00 13:30-17:00",
        "新增休息: 2026-12-24 14:00-17:00 检修",
    ]
    assert list(differences(new, old, "en"))[-1] == "closure is gone: 2026-12-24 14:00-17:00 检修"


def test_changed_queues_are_told() -> None:
    old = checked(OLD, queues="queues: {general: {title: 综合}, loan: {title: 贷款}}").flow
    new = checked(OLD, queues="queues: {general: {title: 综合}, loan: {title: 贷款, overflow: 2m}}").flow
    assert old and new
    assert list(differences(old, new)) == ["队列 loan: 贷款（等 120 秒后由综合队列一起接），原来是 贷款"]


def test_every_field_has_a_name_that_people_use() -> None:
    assert {field for node in KINDS.values() for field in node.model_fields} <= set(_FIELDS)


def test_a_change_is_never_told_as_the_same_on_both_sides() -> None:
    before = flow_of(asking("贷款", "4", "money", "限额"))
    for after, told in {
        ("贷款, short: 贷", "4", "money", "限额"): "start: 按键 1 改为 贷款，再报时 贷(ask)，原来是 贷款(ask)",
        ("贷款, language: en", "4", "money", "限额"): "start: 按键 1 改为 贷款(ask, en)，原来是 贷款(ask)",
        ("贷款", '"4-6,8"', "money", "限额"): "ask: 位数改为 4-6,8，原来是 4",
        ("贷款", "4", "digits", "限额"): "事实 limit: 读法改为 digits，原来是 money",
        ("贷款", "4", "money", "上限"): "事实 limit: 说明改为 上限，原来是 限额",
    }.items():
        assert list(differences(before, flow_of(asking(*after)))) == [told]


def asking(option: str, length: str, kind: str, note: str) -> dict[str, Any]:
    """A flow with a menu, a question and a fact."""
    written = f"""
        nodes:
          start: {{menu: {{1: {{say: {option}, go: ask}}}}}}
          ask: {{ask: digits, say: 请输入。, length: {length}, save: number, next: agent}}
        facts: {{limit: {{note: {note}, kind: {kind}, values: {{"2026-01-01": "5"}}}}}}
    """
    data: dict[str, Any] = yaml.safe_load(written)
    return data
