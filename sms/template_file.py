"""What may be written in `prompts/sms.yaml`, and what makes a well-written template wrong all the same. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from fund.yaml_model import Told
from fund.yaml_source import suggestion
from sms.messages import Lane, Quiet
from sms.params import ParamKind

Kind = Literal[
    "code",  # identity codes
    "account",  # what happened on an employee's account
    "loan",  # what happened on a loan
    "employer",  # for the handlers of an employer
    "policy",  # publicity to many
    "service",  # answers, work orders, call-backs: what somebody asked for
]


def _life(value: object) -> int:
    found = re.fullmatch(r"([1-9]\d{0,3})(m|h|d)", str(value))
    if not found:
        raise Told("时长要写成 5m、2h 或 3d", "write a duration as 5m, 2h or 3d")
    return int(found[1]) * {"m": 60, "h": 3600, "d": 86400}[found[2]]


def _param(value: object) -> object:
    return {"kind": value} if isinstance(value, str) else value


def _id(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Life = Annotated[int, BeforeValidator(_life), WithJsonSchema({"type": "string", "pattern": "^[1-9][0-9]{0,3}(m|h|d)$"})]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ParamWritten(_Strict):
    """A place for a value: its kind, or that with the most characters and what stands there for none, or for nought."""

    kind: ParamKind
    max: Annotated[int, Field(ge=1, le=300)] | None = None
    absent: str | None = None
    zero: Annotated[str, Field(min_length=1)] | None = None


class TemplateWritten(_Strict):
    """One template as it stands in the file."""

    lane: Lane
    kind: Kind
    text: Annotated[str, Field(min_length=1)]
    params: dict[Name, Annotated[ParamWritten, BeforeValidator(_param)]] = {}
    providers: dict[Name, Annotated[str, BeforeValidator(_id), Field(min_length=1)]] = {}
    may_turn_off: bool = False
    quiet: Quiet = "none"
    life: Life = 86400


class File(_Strict):
    """`prompts/sms.yaml`."""

    signature: Annotated[str, Field(min_length=2, max_length=12)]
    max_parts: Annotated[int, Field(ge=1, le=10)] = 3
    forbidden: dict[str, str] = {}
    templates: dict[Name, TemplateWritten]


def schema() -> dict[str, Any]:
    """The JSON Schema editors complete and check `prompts/sms.yaml` with."""
    short = {"anyOf": [{"$ref": "#/$defs/ParamWritten"}, {"$ref": "#/$defs/ParamWritten/properties/kind"}]}
    made = File.model_json_schema()
    made["$defs"]["TemplateWritten"]["properties"]["params"]["additionalProperties"] = short
    return made


_MODELS: tuple[type[BaseModel], ...] = (File, TemplateWritten, ParamWritten)
NAMES = {name for model in _MODELS for name in model.model_fields}
PLACE = re.compile(r"\{([a-z][a-z0-9_]*)\}")


Finding = tuple[tuple[str, ...], str, str]  # where in the template, what to mend in Chinese and in English


def findings(written: TemplateWritten, forbidden: Mapping[str, str]) -> Iterator[Finding]:
    """Everything wrong with one template, but for its length."""
    yield from _places(written)
    yield from _brackets(written)
    yield from _units(written)
    yield from _rules(written)
    for zh, en in _forbidden(written.text, forbidden):
        yield ("text",), zh, en


def _places(written: TemplateWritten) -> Iterator[Finding]:
    used = PLACE.findall(written.text)
    for name in dict.fromkeys(used):
        if name not in written.params:
            zh, en = suggestion(name, written.params)
            yield ("text",), f"{{{name}}} 没有在 params 里说明{zh}", f"{{{name}}} is not among params{en}"
    for name in written.params:
        if name not in used:
            yield ("params", name), f"参数 {name} 没有用到", f"{name} is not used in the text"
    if re.search(r"[{}]", PLACE.sub("", written.text)):
        zh = "花括号不成对，或里面不是小写英文名称：应写成 {balance}"
        yield ("text",), zh, "a brace is not closed, or holds no lower-case name: write {balance}"


def _brackets(written: TemplateWritten) -> Iterator[Finding]:
    if re.search("[【】]", written.text):
        yield (
            ("text",),
            "签名【】会自动加上一次，正文里不要再写",
            "the signature is added by itself: no 【】 in the text",
        )
    if odd := re.search(r"[\x00-\x1f\x7f]", written.text.rstrip("\n")):
        what = "换行" if odd[0] == "\n" else "控制字符"
        yield ("text",), f"正文里不能有{what}", "no line breaks or control characters in the text"


def _units(written: TemplateWritten) -> Iterator[Finding]:
    for name, unit in ((name, "元") for name, param in written.params.items() if param.kind == "money"):
        if f"{{{name}}}{unit}" in written.text:
            yield ("text",), f"{{{name}}} 自带“元”，后面的“元”请删去", f"{{{name}}} brings its own 元"
    for name, param in written.params.items():
        if param.zero and param.kind not in ("money", "number", "percent"):
            zh = f"{param.kind} 不是数，不会为零，不用写 zero"
            yield ("params", name), zh, f"zero is only for figures, not {param.kind}"
        if param.max and param.kind != "text":
            yield (
                ("params", name),
                f"{param.kind} 的长度是固定的，不用写 max",
                f"max is only for text, not {param.kind}",
            )


def _rules(written: TemplateWritten) -> Iterator[Finding]:
    if (written.lane == "code") != (written.kind == "code"):
        yield ("lane",), "验证码的 lane 和 kind 都应是 code", "lane and kind of a code are both code"
    if written.kind == "code" and (written.may_turn_off or written.quiet != "none"):
        yield (
            ("may_turn_off",),
            "验证码不能退订，也不受免打扰时段限制",
            "a code cannot be turned off, nor wait for the morning",
        )
    if written.lane == "campaign" and "拒收请回复R" not in written.text:
        yield ("text",), "群发短信必须写明“拒收请回复R”", 'a campaign must say "拒收请回复R"'
    if written.lane == "campaign" and not (written.may_turn_off and written.quiet == "advertising"):
        zh = "群发短信应写 may_turn_off: true 和 quiet: advertising"
        yield (), zh, "a campaign needs may_turn_off: true and quiet: advertising"


def _forbidden(text: str, words: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for word, instead in words.items():
        if word in text:
            better = f"，可改为“{instead}”" if instead else ""
            yield f"运营商会拦截“{word}”{better}", f"carriers refuse {word}" + (f": write {instead}" if instead else "")
