"""What is wrong with the settings, in an operator's words, in Chinese and in English. Values are never told."""

from collections.abc import Iterable, Mapping
from datetime import time
from typing import Annotated, Any

from pydantic import AfterValidator, ValidationError

from fund.yaml_source import Language

Sentences = tuple[str, str]  # Chinese, English
Finding = tuple[str, str, str]  # where below this setting (`providers.aliyun`; empty: itself), Chinese, English


class Wrong(ValueError):
    """What a validator of ours finds: every fault at once."""

    def __init__(self, *findings: Finding) -> None:
        super().__init__("; ".join(f"{where}: {en}" if where else en for where, _, en in findings))
        self.findings = findings


def _local(written: time) -> time:
    if written.tzinfo:
        raise Wrong(("", "是当地时间，不带时区，如 08:30", "local time without an offset, such as 08:30"))
    return written


LocalTime = Annotated[time, AfterValidator(_local)]

_PLAIN: Mapping[str, Sentences] = {
    "missing": ("必须填写", "is needed"),
    "extra_forbidden": ("没有这一项", "there is no such setting"),
    "string_type": ("应是文字", "should be text"),
    "string_too_short": ("不能是空的", "must not be empty"),
    "too_short": ("不能是空的", "must not be empty"),
    "string_pattern_mismatch": ("写法不对", "is not written as it should be"),
    "bool_parsing": ("应是 true 或 false", "should be true or false"),
    "json_invalid": ("不是有效的 JSON", "is no valid JSON"),
    "url_parsing": ("不是有效的网址", "is no valid address"),
    "ip_any_network": ("应是 IP 地址段，如 10.0.0.0/8", "should be a network such as 10.0.0.0/8"),
}
_BOUNDS: Mapping[str, tuple[str, str, str]] = {
    "greater_than_equal": ("ge", "不能小于", "must be at least"),
    "less_than_equal": ("le", "不能大于", "must be at most"),
    "greater_than": ("gt", "要大于", "must be more than"),
    "less_than": ("lt", "要小于", "must be less than"),
}


def told(wrong: ValueError, language: Language = "zh") -> list[str]:
    """Each as `HOTLINE_NAME: what to do`."""
    if isinstance(wrong, ValidationError):
        errors = wrong.errors(include_input=False, include_url=False)
        # A default that waits for a setting is told with that setting already.
        causes = (error for error in errors if error["type"] != "default_factory_not_called")
        return [line for error in causes for line in _lines(error, language)]
    return [str(wrong)]


def _lines(error: Mapping[str, Any], language: Language) -> Iterable[str]:
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, Wrong):
        for where, zh, en in cause.findings:
            yield _line([*error["loc"], *filter(None, where.split("."))], zh, en, language)
    else:
        yield _line(error["loc"], *explained(error), language)


def _line(place: Iterable[Any], zh: str, en: str, language: Language) -> str:
    name = "__".join(str(part).upper() for part in place)
    return f"HOTLINE_{name}: {zh if language == 'zh' else en}"


def explained(error: Mapping[str, Any]) -> Sentences:
    """One of pydantic's errors, without the value."""
    kind, context = str(error["type"]), error.get("ctx", {})
    if kind in _BOUNDS:
        bound, zh, en = _BOUNDS[kind]
        return f"{zh} {context[bound]}", f"{en} {context[bound]}"
    if kind == "literal_error":
        expected = str(context["expected"]).replace("'", "")
        return f"应是 {expected.replace(' or ', ' 或 ')}", f"should be {expected}"
    if kind.startswith("int_"):
        return "应是整数", "should be a whole number"
    if kind.startswith("float_"):
        return "应是数字", "should be a number"
    if kind.startswith("time_"):
        return "应是时间，如 08:30", "should be a time such as 08:30"
    if kind in ("dict_type", "model_type", "model_attributes_type", "list_type", "set_type", "frozen_set_type"):
        return "应是 JSON，见 .env.example", "should be JSON: see .env.example"
    message = str(error["msg"]).removeprefix("Value error, ")
    return _PLAIN.get(kind, (f"写法不对（{message}）", message))
