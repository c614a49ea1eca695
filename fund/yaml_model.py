"""From a YAML `Source` to a pydantic model, every fault in a supervisor's words and with its line."""

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError

from fund.yaml_source import Fault, Place, Source, suggestion

Sentences = tuple[str, str]  # Chinese, English
Suggest = Callable[[str], Sentences]
Explain = Callable[[Mapping[str, Any], Suggest], Sentences]
T = TypeVar("T", bound=BaseModel)


class Told(ValueError):
    """What a validator of ours finds: the sentence for the supervisor, in both languages."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.sentences = (zh, en)


def typed(
    source: Source,
    model: type[T],
    names: Iterable[str],
    *,
    context: Mapping[str, Any] | None = None,
    words: Explain | None = None,
) -> tuple[T | None, list[Fault]]:
    """`source` as a `model`, or its faults. `names`: every word the model knows, for suggestions.

    `context` is for the model's validators; `words` explains a fault in the file's own terms instead of `explain`.
    """
    tell = words or explain
    if source.data is None:
        return None, list(source.faults) or [source.fault((), "文件是空的", "the file is empty")]
    known = sorted(names)
    try:
        return model.model_validate(source.data, context=context), list(source.faults)
    except ValidationError as wrong:
        faults = dict.fromkeys(
            source.fault(_place(source.data, error["loc"]), *tell(error, lambda word: suggestion(word, known)))
            for error in wrong.errors(include_url=False)
        )
        return None, [*source.faults, *faults]


def well_written(source: Source, model: type[T]) -> T | None:
    """A file with faults as a `model` without the entries (`templates: deposit:`) that have one, so that what else is
    wrong can be told at the same time; None where no entry is to blame."""
    data = copy.deepcopy(source.data)
    try:
        return model.model_validate(data)
    except ValidationError as wrong:
        for error in wrong.errors(include_url=False):
            _leave_out(data, _place(source.data, error["loc"])[:2])
    try:
        return model.model_validate(data)
    except ValidationError:
        return None


def _leave_out(data: Any, place: Place) -> None:
    match place:
        case (section, name) if isinstance(data.get(section), dict):
            data[section].pop(name, None)
        case (section, *_):
            data.pop(section, None)


def _place(data: Any, loc: tuple[int | str, ...]) -> Place:
    """The way to the fault in the file: the validator's own words (union tags, `[key]`) left out."""
    place: list[int | str] = []
    for part in loc:
        if (isinstance(data, dict) and part in data) or (isinstance(data, list) and isinstance(part, int)):
            place.append(part)
            data = cast(Any, data)[part]
    return tuple(place)


_PLAIN: Mapping[str, Sentences] = {
    "string_type": ("这里应是文字", "text is needed here"),
    "string_too_short": ("不能是空的", "must not be empty"),
    "too_short": ("不能是空的", "must not be empty"),
    "int_type": ("这里应是整数", "a whole number is needed here"),
    "int_parsing": ("这里应是整数", "a whole number is needed here"),
    "int_from_float": ("这里应是整数", "a whole number is needed here"),
    "bool_type": ("这里应是 true 或 false", "true or false is needed here"),
    "bool_parsing": ("这里应是 true 或 false", "true or false is needed here"),
    "dict_type": ("这里应是若干行“名称: 内容”", "lines of `name: value` are needed here"),
    "model_type": ("这里应是若干行“名称: 内容”", "lines of `name: value` are needed here"),
    "list_type": ("这里应是列表，每行以 - 开头", "a list is needed here: lines that start with -"),
    "tuple_type": ("这里应是列表，每行以 - 开头", "a list is needed here: lines that start with -"),
    "string_pattern_mismatch": (
        "名称只能用小写字母、数字和下划线，以字母开头",
        "a name is lower-case letters, digits and _",
    ),
}
_BOUNDS = {"greater_than_equal": ("ge", "不能小于", "at least"), "less_than_equal": ("le", "不能大于", "at most")}


def explain(error: Mapping[str, Any], suggest: Suggest) -> Sentences:
    """One of pydantic's errors in both languages."""
    kind, context, word = error["type"], error.get("ctx", {}), str(error["loc"][-1]) if error["loc"] else ""
    match kind:
        case "missing":
            return f"缺少 {word}", f"{word} is missing"
        case "extra_forbidden":
            zh, en = suggest(word)
            return f"不认识 {word}{zh}", f"unknown: {word}{en}"
        case "literal_error":
            expected = context["expected"]
            zh, en = suggestion(str(error["input"]), expected.replace("'", "").replace(" or ", ", ").split(", "))
            return (
                f'"{error["input"]}" 不行，应是 {expected.replace(" or ", " 或 ")}{zh}',
                f'"{error["input"]}" is none of {expected}{en}',
            )
        case "value_error" if isinstance(context["error"], Told):
            zh, en = context["error"].sentences
            return zh, en
        case "greater_than_equal" | "less_than_equal":
            bound, zh, en = _BOUNDS[kind]
            return f"{zh} {context[bound]}", f"{en} {context[bound]}"
        case "string_too_long":
            most = context["max_length"]
            return f"太长了，最长 {most} 个字符", f"too long: at most {most} characters"
    return _PLAIN.get(kind, (f"写法不对（{error['msg']}）", str(error["msg"])))
