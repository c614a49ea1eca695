"""What the validator found in a flow, in a supervisor's words; what any file can get wrong is in `fund.yaml_model`."""

from collections.abc import Iterator, Mapping
from typing import Any

from fund import yaml_model
from fund.yaml_model import Sentences, Suggest
from fund.yaml_source import suggestion
from ivr.nodes import KINDS

_PATTERNS: Mapping[str, Sentences] = {
    r"^[0-9*#]$": ("按键只能是 0 到 9、* 或 #", "a key is one of 0-9, * and #"),
    r"^[a-z][a-z0-9_]*$": (
        "名称只能用小写字母、数字和下划线，以字母开头",
        "a name is lower-case letters, digits and _",
    ),
    r"^[a-z][a-z0-9_]*(/[a-z][a-z0-9_]*)?$": (
        "去向应是节点名，或 文件/节点名",
        "a target is a node name, or file/node",
    ),
    r"^([a-z][a-z0-9_]*|[0-9]{3,20})$": ("转接应是队列名，或纯数字的电话号码", "a queue's name, or a number of digits"),
    r"^[0-9*#]+$": ("按键只能是 0 到 9、* 或 #", "keys are 0-9, * and #"),
    r"^\d{4}-\d{2}-\d{2}$": ("日期要写成 2026-03-02", "write the date as 2026-03-02"),
}
_VALUES: Mapping[str, Sentences] = {
    "duration": ("时长要写成 5s、15m 或 2h，最长一天", "write a duration as 5s, 15m or 2h, at most a day"),
    "moment": ("时间要写成 2026-03-02 10:00", "write the time as 2026-03-02 10:00"),
    "one step": (
        '一步只写一件事：press、hear、not_hear、silence……各占一行；按键 # 要写成 press: "#"',
        'one thing a step: press, hear, not_hear, silence ... each on its own line; write press: "#"',
    ),
    "keys": ("位数要在 1 到 32 之间", "between 1 and 32 keys"),
    "ranges": ("范围要写成 6、4-8 或 1,2-4,10-20", "write ranges as 6, 4-8 or 1,2-4,10-20"),
}
_PLAIN: Mapping[str, Sentences] = {
    "list_type": ("这里应是列表，每行以 - 开头", "a list is needed here: lines that start with -"),
}


_SAYINGS = {"say", "short", "each", "hang_up"}
_SHAPES: Mapping[str, Sentences] = {  # what stands there, by its name, when something else was written
    "menu": ("菜单要写成几行，每行一个按键，如 1: {say: 查询余额, go: balance}",
             "a menu has a line for each key, such as 1: {say: Balance, go: balance}"),
    "nodes": ("nodes 下面是一个个节点，如 welcome: {say: 您好。, next: main}",
              "nodes are written one by one, such as welcome: {say: Hello., next: main}"),
    "patience": ("要写成 {wait: 5s, tries: 3, then: agent}", "write {wait: 5s, tries: 3, then: agent}"),
    "everywhere": ('要写成 {"0": agent, "*": back, "#": repeat}', 'write {"0": agent, "*": back, "#": repeat}'),
}  # fmt: skip


def explain(error: Mapping[str, Any], suggest: Suggest) -> Sentences:
    """One of pydantic's errors in both languages. `suggest` finds the word that was probably meant."""
    kind, context, loc = error["type"], error.get("ctx", {}), tuple(map(str, error["loc"]))
    match kind:
        case "string_pattern_mismatch":
            zh, en = _PATTERNS.get(context["pattern"], ("写法不对", "not written as expected"))
            return f'"{error["input"]}" 不行：{zh}', f'"{error["input"]}": {en}'
        case "literal_error" if loc[-1] == "[key]" and loc[-3:-2] and loc[-3] in _SAYINGS:
            return (
                f'以 {{ 开头的话要加引号，如 "{{{error["input"]}}}"；两种语言才写成 {{zh: ..., en: ...}}',
                f'quote what starts with {{: "{{{error["input"]}}}"; {{zh: ..., en: ...}} is for two languages',
            )
        case "literal_error" if context["expected"] == "True":
            return f"{loc[-1]} 只能写 true", f"{loc[-1]} can only be true"
        case "value_error" if str(context["error"]) in _VALUES:
            return _VALUES[str(context["error"])]
        case "dict_type" | "model_type" if loc and (shape := _shape(loc)):
            return shape
        case "union_tag_not_found":
            return _no_kind(list(_keys(error["input"])))
        case "extra_forbidden":
            return _unknown(loc, suggest)
    return _PLAIN.get(kind) or yaml_model.explain(error, suggest)


def _shape(loc: tuple[str, ...]) -> Sentences | None:
    """What should have been written at a place."""
    if loc[-1] in _SAYINGS:
        return "这里应是要说的话", "words to say are needed here"
    return _SHAPES.get(loc[-1]) or (_SHAPES["menu"] if loc[-2:-1] == ("menu",) else None)


def _unknown(loc: tuple[str, ...], suggest: Suggest) -> Sentences:
    """A word that does not belong where it stands."""
    word, kind = loc[-1], loc[-2].removesuffix(" node") if len(loc) > 1 else ""
    node = KINDS.get(kind) if loc[-2:-1] == (f"{kind} node",) else None
    if odd := _odd_mark(word):
        return odd
    if node and word in KINDS:
        return (
            f"这个节点同时写了 {kind} 和 {word}，一个节点只做一件事",
            f"this node has both {kind} and {word}: a node does one thing",
        )
    zh, en = suggestion(word, node.model_fields) if node else suggest(word)
    if not zh and node:
        fields = [name for name in node.model_fields if name not in ("patience", "everywhere")]
        zh, en = f"（{kind} 节点可以写 {'、'.join(fields)}）", f" (a {kind} node has {', '.join(fields)})"
    if not node and f'"{word}"' in zh:
        return f"{word} 不能写在这里", f"{word} does not belong here"
    return f"不认识 {word}{zh}", f"unknown: {word}{en}"


def _keys(data: object) -> Iterator[str]:
    yield from map(str, data) if isinstance(data, Mapping) else ()


def _no_kind(keys: list[str]) -> Sentences:
    """A node that names no kind: a slip of the pen in one of its keys, or nothing at all."""
    if odd := next(filter(None, map(_odd_mark, keys)), None):
        return odd
    near = next((near for key in keys if (near := suggestion(key, KINDS))[0]), ("", ""))
    kinds = sorted(KINDS, key=lambda kind: kind not in ("say", "menu"))
    return (
        f"没有说明这个节点做什么{near[0]}：缺少 {'、'.join(kinds[:-1])} 或 {kinds[-1]}",
        f"the node does nothing{near[1]}: {', '.join(kinds[:-1])} or {kinds[-1]} is missing",
    )


def _odd_mark(word: str) -> Sentences | None:
    """What is wrong with `say：您好`, which YAML takes for a name."""
    mark = next((mark for mark in "：，" if mark in word), "")
    if not mark:
        return None
    return f'"{word}" 里的 {mark} 是中文标点，要改成英文的，后面加一个空格', f'"{word}": use an ASCII mark and a space'
