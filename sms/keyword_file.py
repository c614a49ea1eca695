"""What may be written in `flows/sms.yaml`: the words people text us, and what each is answered with. Pure."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from fund.yaml_model import Told

ReportName = Literal[
    "balance",  # 账户余额、缴存额
    "details",  # 一个月的明细
    "loan",  # 借款余额、下次还款
    "repayments",  # 最近还款
    "employer",  # 单位缴存，只答复经办人
]
Deed = Literal[
    "call_back",  # 请工作人员回电
    "work_order",  # 查工单办理情况，后面要跟工单号
    "turn_off",  # 退订一类短信，后面可跟类型
    "turn_on",  # 恢复一类短信
]
Kind = Literal["account", "loan", "employer", "policy", "all"]  # what may be turned off; `all` is all of them

MOMENT = r"^20\d\d-\d\d-\d\d \d\d:\d\d$"


def _minutes(value: object) -> int:
    found = re.fullmatch(r"([1-9]\d?)m", str(value))
    if not found or int(found[1]) > 60:
        raise Told("时长要写成 5m，最长 60m", "write a duration as 5m, at most 60m")
    return int(found[1])


Minutes = Annotated[int, BeforeValidator(_minutes), WithJsonSchema({"type": "string", "pattern": "^[1-9][0-9]?m$"})]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Word = Annotated[str, Field(min_length=1, max_length=20)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KeywordWritten(_Strict):
    """One thing people may ask for. The first of `words` is the one we suggest."""

    title: Annotated[str, Field(min_length=1, max_length=10)]
    words: Annotated[list[Word], Field(min_length=1)]
    report: ReportName | None = None
    reply: Name | None = None
    ask: Literal["month"] | None = None
    say: Name | None = None
    do: Deed | None = None

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if sum(each is not None for each in (self.report, self.say, self.do)) != 1:
            raise Told("report、say、do 三项要写一项，且只写一项", "exactly one of report, say and do is needed")
        if self.reply and not self.report:
            raise Told("reply 只和 report 一起用", "reply goes with report only")
        if self.ask and self.report != "details":
            raise Told("只有 report: details 可以追问月份", "ask: month goes with report: details only")
        return self

    @property
    def template(self) -> str:
        """The template of its answer; empty when what happens decides."""
        return self.say or self.reply or (f"report_{self.report}" if self.report else "")


class KindWritten(_Strict):
    """A kind of text as people call it."""

    title: Annotated[str, Field(min_length=1, max_length=10)]
    words: Annotated[list[Word], Field(min_length=1)]


class Limits(_Strict):
    """How much one number gets from us."""

    queries_a_day: Annotated[int, Field(ge=1, le=100)] = 10
    unknown_a_day: Annotated[int, Field(ge=1, le=20)] = 3
    replies_in_ten_minutes: Annotated[int, Field(ge=2, le=60)] = 20
    replies_a_day: Annotated[int, Field(ge=2, le=200)] = 40


class TextStep(_Strict):
    """One line of a test: a text in, or what the answer must (not) hold."""

    text: str | None = None
    expect: str | None = None
    expect_not: str | None = None
    silence: bool = False
    after: Minutes | None = None

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        given = (self.text is not None, self.expect is not None, self.expect_not is not None, self.silence)
        if sum(given) + (self.after is not None) != 1:
            zh = "每一步写 text、expect、expect_not、silence、after 中的一项"
            raise Told(zh, "each step is one of text, expect, expect_not, silence, after")
        return self


class TextTest(_Strict):
    """Texts from one phone at one moment, on the demo's accounts."""

    name: Annotated[str, Field(min_length=1)]
    sender: Annotated[str, Field(alias="from", pattern=r"^[0-9+]{5,20}$")]
    at: Annotated[str, Field(pattern=MOMENT)] = "2026-03-02 10:00"
    steps: Annotated[list[TextStep], Field(min_length=1)]


class File(_Strict):
    """`flows/sms.yaml`."""

    title: str = ""
    wait: Minutes = 10
    limits: Limits = Limits()
    courtesy: list[Word] = []
    close: list[Word] = []
    kinds: dict[Kind, KindWritten]
    keywords: Annotated[dict[Name, KeywordWritten], Field(min_length=1)]
    menu: dict[Annotated[str, Field(pattern=r"^[0-9]{1,2}$")], str] = {}
    tests: list[TextTest] = []


_MODELS: tuple[type[BaseModel], ...] = (File, KeywordWritten, KindWritten, Limits, TextStep, TextTest)
NAMES = frozenset(field.alias or name for model in _MODELS for name, field in model.model_fields.items())


def schema() -> dict[str, Any]:
    """The JSON Schema editors complete and check `flows/sms.yaml` with."""
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect, **File.model_json_schema(), "title": "12329 texts"}
