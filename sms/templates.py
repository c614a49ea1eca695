"""Stand-in until the templates are here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sms.errors import Refused
from sms.messages import Lane, Quiet


@dataclass(frozen=True)
class Rendered:
    text: str
    params: Mapping[str, str]


@dataclass(frozen=True)
class Template:
    id: str
    lane: Lane
    kind: str
    text: str
    signature: str = "镇江公积金"
    provider_ids: Mapping[str, str] = field(default_factory=dict)
    may_turn_off: bool = False
    quiet: Quiet = "none"
    life_seconds: int = 86400
    params: Mapping[str, str] = field(default_factory=dict)

    def render(self, params: Mapping[str, Any]) -> Rendered:
        try:
            return Rendered(self.text.format(**params), {k: str(v) for k, v in params.items()})
        except KeyError as fault:
            raise Refused(f"missing_param: {fault.args[0]}") from None


Templates = Mapping[str, Template]


def load(path: Path) -> Templates:
    found = [
        Template("code", "code", "code", "验证码{code},{minutes}分钟内有效,请勿告诉他人。", life_seconds=300),
        Template(
            "deposit",
            "notice",
            "account",
            "您尾号{tail}的账户缴存{amount}元。",
            may_turn_off=True,
            params={"tail": "tail", "amount": "money"},
        ),
        Template("policy", "campaign", "policy", "{text}", may_turn_off=True, params={"text": "text"}),
    ]
    return {each.id: each for each in found}
