"""YAML as people who do not program write it: data with the line of every value, and every trap told at once.

A `Source` never raises for what is in the file. Its `faults` say what is wrong, in Chinese and in English; `data` is
None when the file cannot be read as YAML at all. Three things differ from plain YAML, so that nobody has to know it:

- keys are text exactly as written (`1`, `"1"` and `01` are "1", "1" and "01");
- values written `0511`, `17:30` or `2026-03-02` stay text; `12`, `-1.5`, `true`, `false`, `null` and nothing do not;
- `&`, `*` and `!` are refused: a file that needs them is not one for supervisors.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

Language = Literal["zh", "en"]
Place = tuple[str | int, ...]  # ("nodes", "main", "menu", "1"): keys and list positions from the top

MAX_BYTES = 2_000_000  # 5,000 nodes are about a quarter of this
MAX_DEPTH = 24
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C one is ten times faster


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing to mend, and where."""

    file: str
    line: int  # from 1
    zh: str
    en: str
    warning: bool = False  # told, but does not block

    def tell(self, language: Language = "zh") -> str:
        """`flows/main.yaml:42: ...`"""
        return f"{self.file}:{self.line}: {self.zh if language == 'zh' else self.en}"


class BadFile(Exception):
    """A file cannot be used: mend every fault that is told. A subclass says of which kind it is."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("\n".join(fault.tell() for fault in faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Source:
    """A file as read: `data` of dict, list, str, int, float, bool and None."""

    file: str
    data: Any
    lines: Mapping[Place, int]
    faults: tuple[Fault, ...]

    def line(self, *place: str | int) -> int:
        """The line (from 1) where `place` is written; of what it would stand in when it is not there."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)

    def fault(self, place: Place, zh: str, en: str, *, warning: bool = False) -> Fault:
        """A fault of one's own at `place`."""
        return Fault(self.file, self.line(*place), zh, en, warning)


def load(path: Path, name: str = "") -> Source:
    """The YAML file at `path`, called `name` in its faults (default: the path as given)."""
    file = name or str(path)
    try:
        with path.open("rb") as stream:
            return parse(stream.read(MAX_BYTES + 1), file)
    except OSError as fault:
        why = fault.strerror or type(fault).__name__
        return Source(file, None, {}, (Fault(file, 1, f"无法读取文件：{why}", f"cannot read the file: {why}"),))


def parse(raw: bytes, file: str) -> Source:
    """The bytes of a YAML file, read as `load` reads them."""
    try:
        text = _decoded(raw, file)
        builder = _Builder(file, text)
        data = builder.document()
    except _Unreadable as unreadable:
        return Source(file, None, {}, unreadable.faults)
    return Source(file, data, builder.lines, tuple(sorted(builder.faults, key=lambda fault: fault.line)))


def suggestion(word: str, known: Iterable[str]) -> tuple[str, str]:
    """What `word` was probably meant to be: `(是不是 "agent"?)` in both languages, or two empty strings."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return (f'(是不是 "{close[0]}"?)', f' (did you mean "{close[0]}"?)') if close else ("", "")


class _Unreadable(Exception):
    """There is no data to be had from this file."""

    def __init__(self, *faults: Fault) -> None:
        self.faults = faults


def _decoded(raw: bytes, file: str) -> str:
    if len(raw) > MAX_BYTES:
        size = MAX_BYTES // 1_000_000
        raise _Unreadable(Fault(file, 1, f"文件超过 {size} MB，请拆分", f"larger than {size} MB: split it"))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = raw.count(b"\n", 0, fault.start) + 1
        zh = "文件不是 UTF-8 编码，请用 UTF-8 另存（记事本：另存为 → 编码 UTF-8）"
        raise _Unreadable(Fault(file, line, zh, "not UTF-8: save the file as UTF-8")) from None
    if odd := re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]", text):
        zh, en = f"有不可见的控制字符 {odd[0]!r}，请删除", f"a control character {odd[0]!r}: remove it"
        raise _Unreadable(Fault(file, text.count("\n", 0, odd.start()) + 1, zh, en))
    return text


class _Builder:
    """Builds plain data out of the parser's events, noting lines and traps on the way."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.lines: dict[Place, int] = {(): 1}
        self.faults: list[Fault] = list(_line_traps(file, text))
        self._text = text
        self._events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)

    def document(self) -> Any:
        """The one document of the file; None if it is empty."""
        self._next()  # the stream starts
        if isinstance(self._next(), yaml.StreamEndEvent):
            return None
        data = self._value(self._next(), ())
        self._next()  # the document ends
        if not isinstance(event := self._next(), yaml.StreamEndEvent):
            raise self._stop(event, '一个文件里只能有一份内容，请删除多余的 "---"', 'only one document: remove "---"')
        return data

    def _next(self) -> Any:
        try:
            return next(self._events)
        except yaml.MarkedYAMLError as error:
            raise _Unreadable(*_syntax(self.file, self._text, error, self.faults)) from None

    def _value(self, event: Any, place: Place) -> Any:
        self.lines.setdefault(place, event.start_mark.line + 1)
        if len(place) > MAX_DEPTH:
            raise self._stop(event, "嵌套层数太多", "nested too deeply")
        if isinstance(event, yaml.AliasEvent) or event.anchor:
            raise self._stop(
                event, '不支持 & 和 * 引用；按键 * 或文字请加引号，如 "*"', 'no & or * references; quote a star: "*"'
            )
        if event.tag and event.tag != "!":
            raise self._stop(event, f"不支持 {event.tag} 标记；文字请加引号", f"no {event.tag} tags; quote the text")
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return [self._value(item, (*place, at)) for at, item in enumerate(self._until(yaml.SequenceEndEvent))]
        return self._mapping(place)

    def _until(self, end: type) -> Iterator[Any]:
        while not isinstance(event := self._next(), end):
            yield event

    def _mapping(self, place: Place) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for event in self._until(yaml.MappingEndEvent):
            key = self._key(event)
            inner, line = (*place, key), event.start_mark.line + 1
            if key in data:
                first = self.lines[inner]
                self._trap(
                    event, f'"{key}" 重复了：第 {first} 行已经有一个', f'"{key}" again: line {first} has one already'
                )
                self._value(self._next(), (*inner, line))
                continue
            self.lines[inner] = line
            data[key] = self._value(self._next(), inner)
        return data

    def _key(self, event: Any) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            raise self._stop(event, "这里应是一个名称；{ 或 [ 开头的文字请加引号", "a key must be text: quote it")
        if _plain(event) and event.value.lower() in _TRAPS | {"true", "false", "null", "~", ""}:
            self._trap(event, f'名称 {event.value} 要加引号，写成 "{event.value}"', f'quote this key: "{event.value}"')
        return str(event.value)

    def _scalar(self, event: Any) -> Any:
        text = event.value
        if not _plain(event):
            return text
        if text.lower() in _TRAPS:
            zh = f'{text} 有歧义：是文字请加引号，写成 "{text}"；是开关请写 true 或 false'
            self._trap(event, zh, f'ambiguous: write "{text}" for text, true or false for a switch')
        if text in _WORDS:
            return _WORDS[text]
        if re.fullmatch(r"-?(0|[1-9]\d{0,17})", text):
            return int(text)
        return float(text) if re.fullmatch(r"-?(0|[1-9]\d{0,14})\.\d{1,9}", text) else text

    def _trap(self, event: Any, zh: str, en: str) -> None:
        self.faults.append(Fault(self.file, event.start_mark.line + 1, zh, en))

    def _stop(self, event: Any, zh: str, en: str) -> _Unreadable:
        return _Unreadable(*self.faults, Fault(self.file, event.start_mark.line + 1, zh, en))


_TRAPS = frozenset({"on", "off", "yes", "no"})
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}


def _plain(event: Any) -> bool:
    return not event.style


def _line_traps(file: str, text: str) -> Iterator[Fault]:
    """What YAML swallows or answers with a riddle: `#: repeat` is a comment to it, a tab is no indentation."""
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(r"\s*#\s*:(\s|$)", line) or re.match(r"[^#]*[{,]\s*#\s*:\s", line):
            yield Fault(
                file, number, '按键 # 要加引号，写成 "#"（不加引号整行是注释）', 'quote "#": else it is a comment'
            )
        if cut := re.match(r"[^#]*[:,]\s[^\"'#]*[\u4e00-\u9fff]\S* (#[号键]\S*)", line):
            zh = f"{cut[1]} 前面有空格，后面会被当作注释丢掉：去掉空格，或整句加引号"
            yield Fault(file, number, zh, f"{cut[1]} after a space is a comment: quote the whole text")
        if re.match(r" *\t", line) and line.strip():
            yield Fault(file, number, "缩进用了制表符（Tab），请改成空格", "indented with a tab: use spaces")


_RIDDLES: tuple[tuple[str, str, str], ...] = (  # what the parser says -> what it means to a supervisor
    (
        "alphabetic or numeric",
        '* 或 & 开头的文字要加引号，如 "*"',
        'quote what starts with * or &: "*"',
    ),
    (
        "mapping values are not allowed",
        "冒号用错了地方：文字里有英文冒号加空格时要加引号，或者上一行缩进不对",
        "a colon in the wrong place: quote text with a colon and a space, or mend the line above",
    ),
    (
        "could not find expected ':'",
        "这里缺一个冒号（名称后面是英文冒号加空格）",
        "a colon and a space are missing",
    ),
    (
        "cannot start any token",
        "这个字符不能放在开头：@、`、% 或 Tab 开头的文字要加引号",
        "quote text that starts like this",
    ),
    (
        "escape",
        r"双引号里的 \ 要写成 \\，或改用单引号",
        r"in double quotes write \\ for \, or use single quotes",
    ),
    (
        "unexpected end of stream|unexpected end of document|quoted scalar",
        "引号没有成对",
        "a quotation mark is not closed",
    ),
    (
        "expected ',' or '[]}]'|expected node content",
        "括号没有成对，或两项之间缺英文逗号，或文字里的 { [ , 没加引号",
        "a bracket is not closed, a comma is missing, or text with { [ , is not quoted",
    ),
    (
        "expected key|expected <block end>|expected '-'",
        "缩进没有对齐，或上一行的括号、引号没有结束",
        "not aligned with the lines above, or a bracket or quotation mark above is not closed",
    ),
)


_SLIPS: tuple[tuple[str, str, str], ...] = (  # what the line itself shows, when the parser stops at it or just after it
    (
        r"^\s*(?:- +)?[\"']?[A-Za-z_*#0-9]+[\"']?：",
        "这里的冒号是中文的，要改成英文冒号加空格",
        "a Chinese colon: use an ASCII colon and a space",
    ),
    (
        r"^\s*(?:- +)?[A-Za-z_]\w*:[^\s:/]",
        "冒号后面要有一个空格",
        "a space is missing after the colon",
    ),
    (
        r"，\s*[a-z_]+\s*:",
        "这里的逗号是中文的，要改成英文逗号加空格",
        "a Chinese comma: use an ASCII comma and a space",
    ),
    (
        r":\s*\{[^{}]*\}\s*[^\s,}\]#]",
        '以 { 开头的话要整句加引号，如 "{balance}元"',
        'quote text that starts with {: "{balance} yuan"',
    ),
)


def _syntax(file: str, text: str, error: yaml.MarkedYAMLError, found: list[Fault]) -> list[Fault]:
    problem = " ".join(filter(None, (error.context, error.problem)))
    opened = re.search(r"quoted scalar|flow (sequence|mapping)", error.context or "")  # where it was opened says more
    mark = (error.context_mark if opened else error.problem_mark) or error.problem_mark
    line = min(mark.line, text.count("\n")) + 1 if mark else 1
    zh, en = next(
        ((zh, en) for pattern, zh, en in _RIDDLES if re.search(pattern, problem)),
        (f"YAML 写法有误（{problem}）", f"not valid YAML ({problem})"),
    )
    lines = text.splitlines()
    for near in (line - 1, line):
        for pattern, slip_zh, slip_en in _SLIPS if 0 < near <= len(lines) else ():
            if re.search(pattern, lines[near - 1]):
                line, zh, en = near, slip_zh, slip_en
    if any(fault.line == line for fault in found):
        return found  # a tab or an unquoted # on this very line explains it better
    return [*found, Fault(file, line, zh, en)]
