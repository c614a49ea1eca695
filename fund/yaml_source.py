"""YAML written by people who do not program: data, the line of everything in it, and every trap told in plain words.

Scalars stay text (`0123` keeps its zero, `10:00` is no number) except `true`, `false` and `null`; whoever validates
the data turns text into what it wants. Keys are always text, so `1`, `"*"` and `"#"` are just keys.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

MOST_BYTES = 8_000_000
DEEPEST = 40
Place = tuple[str | int, ...]  # the way to a value: ("nodes", "main", "menu", "3")

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C one reads 5,000 nodes in a tenth of the time
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}
_TRAPS = frozenset({"on", "off", "yes", "no", "y", "n"})


@dataclass(frozen=True, order=True)
class Fault:
    """Something wrong in a file, in both languages. `warning` does not block."""

    file: str
    line: int
    zh: str
    en: str
    warning: bool = False

    def tell(self, language: str = "zh") -> str:
        """`file:line: message`."""
        return f"{self.file}:{self.line}: {self.zh if language == 'zh' else self.en}"


@dataclass
class Source:
    """A file as read: `data` (None when it cannot be read), the line of every place, and the faults found on the way."""

    file: str
    data: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def line(self, place: Place) -> int:
        """The line of a place, or of the nearest one around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)

    def fault(self, place: Place, zh: str, en: str, *, warning: bool = False) -> Fault:
        """Note a fault at a place, and return it."""
        fault = Fault(self.file, self.line(place), zh, en, warning)
        self.faults.append(fault)
        return fault

    def _fault_at(self, mark: Any, zh: str, en: str) -> None:
        self.faults.append(Fault(self.file, mark.line + 1, zh, en))


def suggest(word: str, known: Mapping[str, Any] | Iterator[str] | list[str]) -> tuple[str, str]:
    """`(是不是 "agent"?)` in both languages when something known is close to `word`, else two empty strings."""
    close = get_close_matches(word, list(known), 1, 0.6)
    return (f'(是不是 "{close[0]}"?)', f' (did you mean "{close[0]}"?)') if close else ("", "")


def load(path: Path, name: str = "") -> Source:
    """Read a file. `name` is what faults call it; never raises for what is in the file."""
    name = name or str(path)
    try:
        raw = path.read_bytes()
    except OSError as fault:
        return Source(name, faults=[Fault(name, 1, f"读不了这个文件:{fault.strerror}", f"cannot read: {fault.strerror}")])
    return parse(raw, name)


def parse(raw: bytes, name: str) -> Source:
    """The same from bytes."""
    source = Source(name)
    text = _decode(source, raw)
    if text is None:
        return source
    _find_comment_keys(source, text)
    try:
        node = yaml.compose(text, _LOADER)
    except yaml.MarkedYAMLError as fault:
        _explain(source, text, fault)
    except (yaml.YAMLError, RecursionError) as fault:
        source.fault((), f"不是正确的 YAML:{fault}", f"not YAML: {fault}")
    else:
        if node is None:
            source.fault((), "文件是空的", "the file is empty")
        else:
            source.data = _convert(source, node, (), set())
    return source


def _decode(source: Source, raw: bytes) -> str | None:
    if len(raw) > MOST_BYTES:
        source.fault((), f"文件太大,最多 {MOST_BYTES} 字节", f"too large: at most {MOST_BYTES} bytes")
        return None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        source.lines[()] = raw.count(b"\n", 0, fault.start) + 1
        source.fault((), "文件不是 UTF-8 编码,请用编辑器另存为 UTF-8", "not UTF-8: save the file as UTF-8")
        return None


def _find_comment_keys(source: Source, text: str) -> None:
    for number, line in enumerate(text.split("\n"), 1):
        if re.match(r"\s*#\s*:\s*\S", line):
            zh = '以 # 开头的行是注释;按键 # 要写成 "#"'
            source.faults.append(Fault(source.file, number, zh, 'a line that starts with # is a comment; write "#"'))


def _explain(source: Source, text: str, fault: yaml.MarkedYAMLError) -> None:
    mark = fault.problem_mark or fault.context_mark
    lines = text.split("\n")
    line = lines[mark.line] if mark and mark.line < len(lines) else ""
    problem = str(fault.problem)
    if re.search(r"(^|[{,])\s*\*\s*:", line):
        zh, en = '按键 * 要加引号,写成 "*"', 'the key * needs quotes: "*"'
    elif "\t" in line[: len(line) - len(line.lstrip())] or "'\\t'" in problem:
        zh, en = "缩进用了制表符(Tab),请改用空格", "a tab is used for indentation; use spaces"
    elif "mapping values are not allowed" in problem:
        zh, en = "这一行有两个冒号,或缩进不对;含冒号的文字请加引号", "two colons on this line, or wrong indentation; quote it"
    else:
        zh, en = f"YAML 写法有误({problem})", f"not YAML ({problem})"
    source._fault_at(mark or yaml.Mark("", 0, 0, 0, None, None), zh, en)


def _convert(source: Source, node: yaml.Node, place: Place, seen: set[int]) -> Any:
    source.lines[place] = node.start_mark.line + 1
    if isinstance(node, yaml.ScalarNode):
        return _scalar(source, node)
    if id(node) in seen or len(place) > DEEPEST:
        zh, en = "不支持 & 和 * 引用,也不支持太深的嵌套", "anchors (& and *) and deep nesting are not supported"
        source._fault_at(node.start_mark, zh, en)
        return None
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        return _mapping(source, node, place, seen)
    return [_convert(source, item, (*place, n), seen) for n, item in enumerate(node.value)]


def _mapping(source: Source, node: yaml.MappingNode, place: Place, seen: set[int]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            source._fault_at(key.start_mark, "这里的键不能是列表或映射", "a key cannot be a list or a mapping")
            continue
        _trap(source, key)
        here = (*place, key.value)
        if key.value in data:
            first, again = source.lines[here], key.start_mark.line + 1
            zh = f'"{key.value}" 写了两次(第 {first} 行和第 {again} 行)'
            source._fault_at(key.start_mark, zh, f'"{key.value}" is written twice (lines {first} and {again})')
            continue
        data[key.value] = _convert(source, value, here, seen)
        source.lines[here] = key.start_mark.line + 1
    return data


def _scalar(source: Source, node: yaml.Node) -> Any:
    if not _plain(node):
        return node.value
    _trap(source, node)
    return _WORDS.get(node.value.lower(), node.value)


def _trap(source: Source, node: yaml.Node) -> None:
    if _plain(node) and node.value.lower() in _TRAPS:
        zh = f'{node.value} 会被当成"是/否",请加引号:"{node.value}"'
        source._fault_at(node.start_mark, zh, f'{node.value} may be read as true or false; quote it: "{node.value}"')


def _plain(node: yaml.Node) -> bool:
    return not node.style  # None from the Python loader, empty from the C one
