"""What supervisors mistype, and what they are told."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fund.yaml_source import MAX_BYTES, load, parse, suggestion

TRAPS = [
    ("a: 1\nb: 2\na: 3\n", ['f:3: "a" 重复了：第 1 行已经有一个']),
    ("m:\n  1: x\n  '1': y\n", ['f:3: "1" 重复了：第 2 行已经有一个']),
    ("on: x\n", ['f:1: 名称 on 要加引号，写成 "on"']),
    ("No: x\n", ['f:1: 名称 No 要加引号，写成 "No"']),
    ("a: off\n", ['f:1: off 有歧义：是文字请加引号，写成 "off"；是开关请写 true 或 false']),
    ("a:\n\tb: 1\n", ["f:2: 缩进用了制表符（Tab），请改成空格"]),
    ("*: back\n", ['f:1: * 或 & 开头的文字要加引号，如 "*"']),
    ("a: *b\n", ['f:1: 不支持 & 和 * 引用；按键 * 或文字请加引号，如 "*"']),
    ("a: &b 1\n", ['f:1: 不支持 & 和 * 引用；按键 * 或文字请加引号，如 "*"']),
    ("a: !!python/name:os.system x\n", ["f:1: 不支持 tag:yaml.org,2002:python/name:os.system 标记；文字请加引号"]),
    ("a: 1\n#: repeat\n", ['f:2: 按键 # 要加引号，写成 "#"（不加引号整行是注释）']),
    ("a: 1\nb: 'x\n\nc: 1\n", ["f:2: 引号没有成对"]),
    ("a: [1, 2\nb: 1\n", ["f:1: 括号没有成对，或两项之间缺英文逗号，或文字里的 { [ , 没加引号"]),
    ("a: b: c\n", ["f:1: 冒号用错了地方：文字里有英文冒号加空格时要加引号，或者上一行缩进不对"]),
    ("a:\n  b: 1\n c: 2\n", ["f:3: 缩进没有对齐，或上一行的括号、引号没有结束"]),
    ("a: @x\n", ["f:1: 这个字符不能放在开头：@、`、% 或 Tab 开头的文字要加引号"]),
    ('a: "\\q"\n', ["f:1: 双引号里的 \\ 要写成 \\\\，或改用单引号"]),
    ("a: 1\n---\nb: 2\n", ['f:2: 一个文件里只能有一份内容，请删除多余的 "---"']),
    ("[" * 5000, ["f:1: 嵌套层数太多"]),
    ("a: \x07\n", ["f:1: 有不可见的控制字符 '\\x07'，请删除"]),
]


@pytest.mark.parametrize("text, told", TRAPS)
def test_traps_are_told_with_their_line(text: str, told: list[str]) -> None:
    assert [fault.tell() for fault in parse(text.encode(), "f").faults] == told


def test_every_fault_has_its_english() -> None:
    for text, _ in TRAPS:
        for fault in parse(text.encode(), "f").faults:
            assert fault.tell("en").startswith("f:") and fault.en.isascii()


def test_several_faults_are_told_at_once() -> None:
    told = parse(b"a: 1\non: no\na: 2\n", "f").faults
    assert [fault.line for fault in told] == [2, 2, 3]


def test_keys_and_values_are_taken_as_written() -> None:
    source = parse(b'0511: 0511\n1: 17:30\n"*": 2026-03-02\nn: 12\nf: 1.5\nempty:\nt: true\n', "f")
    assert source.data == {"0511": "0511", "1": "17:30", "*": "2026-03-02", "n": 12, "f": 1.5, "empty": None, "t": True}
    assert not source.faults


def test_lines_of_keys_and_items() -> None:
    source = parse(b"a:\n  - b: 1\n    c: 2\n  - d\n", "f")
    assert source.line("a", 0, "c") == 3
    assert source.line("a", 1) == 4
    assert source.line("a", 0, "missing", "deeper") == 2  # the nearest that is written
    assert source.line("z") == 1


def test_gbk_utf16_and_bom() -> None:
    told = parse("a: 1\nb: 余额".encode("gbk"), "f").faults
    assert told[0].tell() == "f:2: 文件不是 UTF-8 编码，请用 UTF-8 另存（记事本：另存为 → 编码 UTF-8）"
    assert parse("a: 余额".encode("utf-16"), "f").faults
    assert parse("a: 余额".encode("utf-8-sig"), "f").data == {"a": "余额"}


def test_a_bomb_is_refused_before_it_is_read() -> None:
    assert "请拆分" in parse(b"a" * (MAX_BYTES + 1), "f").faults[0].zh


def test_a_missing_file_is_a_fault(tmp_path: Path) -> None:
    source = load(tmp_path / "nothing.yaml", "nothing.yaml")
    assert source.data is None and source.faults[0].line == 1


def test_suggestion() -> None:
    assert suggestion("agnet", ["agent", "main"]) == ('(是不是 "agent"?)', ' (did you mean "agent"?)')
    assert suggestion("xyz", ["agent"]) == ("", "")


@given(st.one_of(st.binary(max_size=200), st.text("ab:- \n\t#*&{}[]'\"!|>,0\\", max_size=120).map(str.encode)))
def test_nothing_in_a_file_raises(raw: bytes) -> None:
    source = parse(raw, "f")
    assert all(1 <= fault.line <= raw.count(b"\n") + raw.count(b"\r") + 1 for fault in source.faults)
