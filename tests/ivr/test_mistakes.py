"""The mistakes that people who do not program make in YAML: each is told at its line, with its cure, and none crashes."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ivr.loader import Loaded, load, read_folder
from tests.ivr.golden import PHRASES

GOOD = """\
title: 热线
start: start
everywhere: {"0": agent, "*": back, "#": repeat}
patience: {wait: 5s, tries: 3, then: agent}
nodes:
  agent: {transfer: general}
  start: {menu: {1: {say: 甲, go: a}}}
  a:
    say: 您好
    next: agent
tests:
  - name: 一通电话
    at: 2026-03-02 10:00
    steps:
      - press: 1
      - hear: 您好
"""

MISTAKES = [  # what is written, what is written instead, the line and the words of the fault
    ("title: 热线", "title：热线", 1, "冒号是中文的"),
    ("title: 热线", "title:热线", 1, "冒号后面要有一个空格"),
    ("5s, tries", "5s，tries", 4, "逗号是中文的"),
    ("3, then: agent", "3，then: agent", 4, "逗号是中文的"),
    ("patience: {", "patiense: {", 4, '(是不是 "patience"?)'),
    ('"0": agent', "“0”: agent", 3, "按键只能是"),
    ('"*": back', "*: back", 3, "加引号"),
    ('"#": repeat', "#: repeat", 3, "按键 # 要加引号"),
    ("say: 甲, go: a", "say：甲, go: a", 7, "中文标点"),
    ("  start: {menu", f"  {'s' * 61}: {{menu", 7, "最长 60 个字符"),
    ("{transfer: general}", f"{{message: message, topic: {'t' * 41}, next: a, failed: a}}", 6, "最长 40 个字符"),
    ("say: 甲, go", "say: 甲, short: '{fcat.x}', go", 7, "没有 {fcat.x} 这一项"),
    ("{1: {say: 甲, go: a}}", "[甲, 乙]", 7, "菜单要写成几行"),
    ("{say: 甲, go: a}", "a", 7, "菜单要写成几行"),
    ("{1: {say: 甲, go: a}}", "", 7, "菜单要写成几行"),
    ("    next: agent", "   next: agent", 10, "没有对齐"),
    ("    next: agent", "\tnext: agent", 10, "Tab"),
    ("    next: agent", "    hours: people\n    next: agent", 9, "同时写了 hours 和 say"),
    ("    next: agent", "    nxt: agent\n    next: agent", 10, '不认识 nxt(是不是 "next"?)'),
    ("    next: agent", "    loudly: true\n    next: agent", 10, "say 节点可以写 say、barge_in、next"),
    ("say: 您好", "sya: 您好", 8, '没有说明这个节点做什么(是不是 "say"?)'),
    ("say: 您好", "say: true", 9, "要说的话"),
    ("say: 您好", "say: [您好]", 9, "要说的话"),
    ("say: 您好", "say: {balance}元", 9, "以 { 开头的话要"),
    ("say: 您好", "say: {balance}", 9, "以 { 开头的话要"),
    ("say: 您好", "say: ｛balance｝元", 9, "中文括号"),
    ("say: 您好", "say: 重听请按 #号键", 9, "当作注释"),
    ("say: 您好", 'say: "您好', 9, "引号没有成对"),
    ("say: 您好", "say: 时间: 九点", 9, "冒号用错了地方"),
    ("at: 2026-03-02 10:00", "at: 明天", 13, "时间要写成 2026-03-02 10:00"),
    ("press: 1", "press: #", 15, "一步只写一件事"),
    ("press: 1", "press: 1a", 15, "按键只能是"),
    ("press: 1", "{press: 1, hear: 您好}", 15, "一步只写一件事"),
    ("press: 1", "silence: yes", 15, "silence 只能写 true"),
]


def loaded(main: str, **others: str) -> Loaded:
    files = {"main.yaml": main, **{f"{name}.yaml": text for name, text in others.items()}}
    return load({name: text.encode() for name, text in files.items()}, PHRASES)


def test_without_a_mistake() -> None:
    assert loaded(GOOD).flow and not loaded(GOOD).faults


@pytest.mark.parametrize(
    ("right", "wrong", "line", "words"), MISTAKES, ids=[wrong.strip() or "nothing" for _, wrong, *_ in MISTAKES]
)
def test_a_mistake_is_told_at_its_line(right: str, wrong: str, line: int, words: str) -> None:
    assert right in GOOD
    found = loaded(GOOD.replace(right, wrong))
    assert found.flow is None
    assert any(fault.line == line and words in fault.zh for fault in found.faults), [f.tell() for f in found.faults]
    assert all(fault.en.isascii() or fault.en != fault.zh for fault in found.faults)


def test_a_comment_is_no_mistake() -> None:
    assert loaded(GOOD.replace("say: 您好", "say: 按#号键重听   # 按 #号键 的说明")).flow


@pytest.mark.parametrize("name", ["Loan", "loan old", "贷款", "loan-2"])
def test_a_file_name_that_no_target_can_name(name: str) -> None:
    found = loaded(GOOD, **{name: "title: 贷款\nnodes:\n  start: {say: 您好, next: main/agent}\n"})
    assert found.flow is None and any("文件名" in fault.zh for fault in found.faults)


@pytest.mark.parametrize(
    ("value", "words"),
    [("{2026-02-30: 5}", "没有 2026-02-30"), ("{2026-01-01: abc}", "不能读作金额"), ("{二月: 5}", "日期要写成")],
)
def test_a_fact_that_cannot_be_said(value: str, words: str) -> None:
    found = loaded(GOOD, facts=f"facts:\n  limit: {{note: 限额, kind: money, values: {value}}}\n")
    assert found.flow is None
    assert [(fault.line, words in fault.zh) for fault in found.faults] == [(2, True)]


MAIN = Path("flows/main.yaml").read_text().splitlines()
FOLDER = read_folder(Path("flows"))
SCRAPS = [
    "",
    "\t",
    "  ",
    "- ",
    "x",
    "：",
    ":",
    "#",
    "*",
    '"',
    "{",
    "}",
    "[",
    ",",
    "|",
    ">",
    "&a",
    "!b",
    "no",
    "0",
    "null",
]


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(MAIN) - 1), st.integers(0, 60), st.sampled_from(SCRAPS), st.booleans()), min_size=1, max_size=3))  # fmt: skip
def test_any_slip_in_our_own_flows_is_taken_up_or_told(slips: list[tuple[int, int, str, bool]]) -> None:
    lines = list(MAIN)
    for at, column, scrap, instead in slips:
        line = lines[at]
        lines[at] = scrap if instead else line[:column] + scrap + line[column:]
    found = load(FOLDER | {"main.yaml": "\n".join(lines).encode()}, PHRASES)
    assert found.flow or any(not fault.warning for fault in found.faults)
    assert all(1 <= fault.line <= len(MAIN) + 1 for fault in found.faults)
