"""What an operator may set about texts: `HOTLINE_SMS__DAY_STARTS=08:30`, `HOTLINE_SMS__PROVIDERS='{"twilio": {}}'`."""

import re
from datetime import time
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from fund.setting_faults import Finding, LocalTime, Wrong, explained
from sms.errors import Refused
from sms.messages import Lane
from sms.numbers import recipient
from sms.providers import PROVIDERS
from sms.providers.base import ProviderSettings
from sms.timing import Day

ReminderKind = Literal[
    "due",  # a payment within three days
    "overdue",  # payments missed
    "behind",  # employers who have not paid for last month, on the 1st
    "certificate",  # an employer's certificate ends within a month
    "interest",  # the year's interest, from 1 July
]
Weight = Annotated[int, Field(gt=0)]
GivenProviders = dict[str, dict[str, Any]]  # name -> settings as they are written


def _kinds(providers: GivenProviders) -> list[tuple[str, str, dict[str, Any]]]:
    """(name, kind, settings of that kind)."""
    return [
        (name, str(given.get("kind", name)), {key: value for key, value in given.items() if key != "kind"})
        for name, given in providers.items()
    ]


def _providers(given: GivenProviders) -> GivenProviders:
    faults: list[Finding] = [] if given else [("", "至少要有一个", "at least one is needed")]
    for name, kind, settings in _kinds(given):
        if kind not in PROVIDERS:
            zh = f"没有服务商 {kind}，有 {'、'.join(PROVIDERS)}"
            faults.append((name, zh, f"no provider {kind!r}; there are {', '.join(PROVIDERS)}"))
            continue
        try:
            PROVIDERS[kind].Settings(**settings)
        except ValidationError as fault:  # the values may be secret: only places and reasons are told
            found = fault.errors(include_input=False)
            faults += [(".".join([name, *map(str, each["loc"])]), *explained(each)) for each in found]
    if faults:
        raise Wrong(*faults)
    return given


def _countries(codes: frozenset[str]) -> frozenset[str]:
    if not all(re.fullmatch(r"[1-9]\d{0,6}", code) for code in codes):
        raise Wrong(("", '应是不带 + 的国家代码，如 ["852"]', 'country codes without a +, such as ["852"]'))
    return codes


def _mobiles(numbers: dict[str, SecretStr]) -> dict[str, SecretStr]:
    try:
        for number in numbers:
            recipient(number)
    except Refused:
        raise Wrong(("", "里面有的不是手机号码", "one of them is no mobile number")) from None
    return numbers


class Route(BaseModel):
    """Where texts of some kind go. Empty means any. The first route that fits decides.

    `providers` as a list is an order; as a mapping to weights, the load is shared and the rest stand by.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    lanes: frozenset[Lane] = frozenset()
    templates: frozenset[str] = frozenset()
    operators: frozenset[str] = frozenset()
    providers: list[str] | dict[str, Weight]


class CodeSettings(BaseModel):
    """Limits on verification codes; the rolling ones count over all purposes and are not reset by a new code."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    minutes: int = Field(5, ge=1, le=10)
    attempts: int = Field(5, ge=1, le=10, description="checks of one code")
    wait_seconds: int = Field(60, ge=0, description="between two sends to one phone")
    sends_an_hour: int = Field(5, ge=1)
    sends_a_day: int = Field(10, ge=1)
    wrong_an_hour: int = Field(10, ge=1)
    wrong_a_day: int = Field(20, ge=1)
    address_an_hour: int = Field(30, ge=1, description="sends asked for from one address")
    network_an_hour: int = Field(120, ge=1, description="sends asked for from one /24 (IPv6: /48)")
    others_a_day: int = Field(3, ge=1, description="sends to one phone that callers from other numbers ask for")
    caller_a_day: int = Field(5, ge=1, description="sends to other phones that one calling number asks for")
    withheld_an_hour: int = Field(30, ge=1, description="the same, of all callers together who withhold their number")
    client_a_day: int = Field(20000, ge=1, description="sends asked for by one API key")
    conversion_floor: float = Field(0.2, ge=0, le=1, description="fewer codes used than this share: stop that client")
    conversion_sample: int = Field(100, ge=10, description="codes of the last hour before the share means anything")
    purposes: frozenset[str] = frozenset(
        {"sign_up", "bind_phone", "reset_pin", "login", "change_phone", "withdraw", "confirm"}
    )
    test_numbers: Annotated[dict[str, SecretStr], AfterValidator(_mobiles)] = Field(
        {}, description="numbers whose code is fixed and never sent"
    )


class TextSettings(BaseModel):
    """The text side's settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    providers: Annotated[GivenProviders, AfterValidator(_providers)] = Field(
        {"sandbox": {}}, description="name -> settings; `kind` if not the name"
    )
    routes: list[Route] = Field([], description="empty: every provider, in order")
    templates: Path = Path("prompts/sms.yaml")
    keywords: Path | None = Field(None, description="the words people text; unset: sms.yaml beside the menus")
    day_starts: LocalTime = Field(time(8), description="service notices go out between these, local time; see `day`")
    day_ends: LocalTime = time(21)
    abroad: Annotated[frozenset[str], AfterValidator(_countries)] = Field(
        frozenset(), description="country codes that may be texted besides 86"
    )
    second_way_seconds: float = Field(9, ge=1, description="a code with no answer goes another way after so long")
    lease_seconds: float = Field(60, gt=0, description="a text on the wire for longer belongs to a dead process")
    unknown_hours: float = Field(1, gt=0, description="how long an unknown outcome waits for a receipt before a person")
    keep_days: int = Field(180, ge=150, description="records of texts; the law wants five months")
    keep_text_days: int = Field(30, ge=0, description="their content and number, sealed; then only hashes and masks")
    remind_at: LocalTime | None = Field(
        None, description="local time of the daily reminders; unset: only `hotline sms remind --now` sends any"
    )
    reminders: frozenset[ReminderKind] = Field(
        frozenset(get_args(ReminderKind)), description="which: leave out what the core system reports as events"
    )
    codes: CodeSettings = CodeSettings()

    @model_validator(mode="after")
    def _sound(self) -> Self:
        faults = self._route_faults()
        slowest = max(each.timeout_seconds for _, each in self.provider_settings().values())
        if self.lease_seconds <= slowest:
            zh = f"要大于最长的 timeout_seconds（{slowest:g}）"
            faults.append(("lease_seconds", zh, f"must be more than the longest timeout_seconds ({slowest:g})"))
        if self.day_starts >= self.day_ends:
            faults.append(("day_starts", "要早于 day_ends", "must be before day_ends"))
        if faults:
            raise Wrong(*faults)
        return self

    def day(self) -> Day | None:
        """The hours of the day; None (no night) while texts reach the sandbox only and no hours are set."""
        only_sandbox = all(PROVIDERS[kind].pretends for kind, _ in self.provider_settings().values())
        if only_sandbox and not self.model_fields_set & {"day_starts", "day_ends"}:
            return None
        return Day(self.day_starts, self.day_ends)

    def provider_settings(self) -> dict[str, tuple[str, ProviderSettings]]:
        """name -> (kind, checked settings)."""
        return {name: (kind, PROVIDERS[kind].Settings(**given)) for name, kind, given in _kinds(self.providers)}

    def _route_faults(self) -> list[Finding]:
        return [
            (f"routes.{n}.providers", f"providers 里没有 {name}", f"no provider {name!r} in providers")
            for n, route in enumerate(self.routes)
            for name in route.providers
            if name not in self.providers
        ]
