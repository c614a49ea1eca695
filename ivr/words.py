"""What the validator found in a flow, in a supervisor's words; what any file can get wrong is in `fund.yaml_model`."""

from collections.abc import Mapping
from typing import Any

from fund import yaml_model
from fund.yaml_model import Sentences, Suggest
from ivr.flow import KINDS

_PATTERNS: Mapping[str, Sentences] = {
    r"^[0-9*#]$": ("按键只能是 0 到 9、* 或 #", "a key is one of 0-9, * and #"),
    r"^[a-z][a-z0-9_]*$": ("名称只能用小写字母、数字和下划线,以字母开头", "a name is lower-case letters, digits and _"),
    r"^[a-z][a-z0-9_]*(/[a-z][a-z0-9_]*)?$": (
        "去向应是节点名,或 文件/节点名",
        "a target is a node name, or file/node",
    ),
    r"^([a-z][a-z0-9_]*|[0-9]{3,20})$": ("转接应是队列名,或纯数字的电话号码", "a queue's name, or a number of digits"),
    r"^\d{4}-\d{2}-\d{2}$": ("日期要写成 2026-03-02", "write the date as 2026-03-02"),
}
_VALUES: Mapping[str, Sentences] = {
    "duration": ("时长要写成 5s、15m 或 2h,最长一天", "write a duration as 5s, 15m or 2h, at most a day"),
    "ranges": ("范围要写成 6、4-8 或 1,2-4,10-20", "write ranges as 6, 4-8 or 1,2-4,10-20"),
}
_PLAIN: Mapping[str, Sentences] = {
    "union_tag_not_found": (
        f"没有说明这个节点做什么:缺少 {'、'.join(list(KINDS)[:-1])} 或 {list(KINDS)[-1]}",
        f"the node does nothing: {', '.join(list(KINDS)[:-1])} or {list(KINDS)[-1]} is missing",
    ),
    "list_type": ("这里应是列表,每行以 - 开头", "a list is needed here: lines that start with -"),
}


def explain(error: Mapping[str, Any], suggest: Suggest) -> Sentences:
    """One of pydantic's errors in both languages. `suggest` finds the word that was probably meant."""
    kind, context = error["type"], error.get("ctx", {})
    match kind:
        case "string_pattern_mismatch":
            zh, en = _PATTERNS.get(context["pattern"], ("写法不对", "not written as expected"))
            return f'"{error["input"]}" 不行:{zh}', f'"{error["input"]}": {en}'
        case "literal_error":
            given, wanted = error["input"], context["expected"]
            return f'"{given}" 不行,应是 {wanted.replace(" or ", " 或 ")}', f'"{given}" is none of {wanted}'
        case "value_error":
            return _VALUES.get(str(context["error"]), (error["msg"], error["msg"]))
    return _PLAIN.get(kind) or yaml_model.explain(error, suggest)
