"""What may stand in a template: one kind a sort of value, how it is written in a text, and the longest it gets.

Values come from other systems and from strangers. What is not of its kind, or holds a signature's brackets, a line
break, a control character or a link, raises `BadParam`: nothing is cleaned up silently, the caller is told.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Literal

from fund.privacy import mask_name

ParamKind = Literal[
    "code",  # a verification code: 4 to 6 digits
    "minutes",  # a whole number of minutes up to an hour
    "number",  # a whole number: 36
    "money",  # yuan, always two places and the unit: 12345.67元
    "percent",  # 2.85%
    "tail",  # the last 4 of an account or contract number; a longer number is cut to them
    "name",  # a person, masked: **明
    "org",  # an employer, a branch or a bank by its name
    "month",  # 2026年3月
    "date",  # 2026年3月15日
    "time",  # 14:30
    "reference",  # the number of a work order or an appointment
    "phone",  # a number of ours that people may call
    "text",  # a few words; `max` says how many characters
]
Value = str | int | float | Decimal | date | None


class BadParam(ValueError):
    """A value that cannot stand in a text. The message never repeats the value."""


@dataclass(frozen=True, slots=True)
class Param:
    """One named place in a template.

    `absent` is written where there is no value (None); without it one is needed. `zero` is written instead of nought.
    """

    kind: ParamKind
    max: int = 0  # characters, for `text`
    absent: str | None = None
    zero: str | None = None

    def write(self, value: Value) -> str:
        """`value` as the text shows it. Raises `BadParam`."""
        if value is None and self.absent is not None:
            return self.absent
        if value is None or isinstance(value, bool):
            raise BadParam("no value")
        written = _WRITERS[self.kind](value)
        if len(written) > self.room:
            raise BadParam("too long")
        return self.zero if self.zero is not None and not written.strip("0.元%") else written

    @property
    def room(self) -> int:
        """The most characters it may take."""
        return self.max or len(LONGEST[self.kind])

    @property
    def longest(self) -> str:
        """A value as long as it gets, as the text shows it."""
        return "长" * self.max if self.max else LONGEST[self.kind]


MAX_INPUT = 200  # characters looked at; nothing that belongs in a text is longer
ORG_ROOM = 30  # a longer name of an employer is cut, with …

LONGEST: Mapping[ParamKind, str] = MappingProxyType(
    {
        "code": "123456",
        "minutes": "60",
        "number": "1234567",
        "money": "-123456789.00元",
        "percent": "123.45%",
        "tail": "1234",
        "name": "***明",
        "org": "长" * ORG_ROOM,
        "month": "2026年12月",
        "date": "2026年12月31日",
        "time": "14:30",
        "reference": "W20261231-123456",
        "phone": "0511-85212579",
        "text": "长" * 60,
    }
)

_HOSTILE = re.compile("[\x00-\x1f\x7f-\x9f【】\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]")
_LINK = re.compile(
    r"(?i)https?:|www\.|[a-z0-9-]+\.(com|cn|net|org|cc|top|xyz|vip|info|io|me|co|gov|link|site|shop)(?![a-z0-9])"
)


def _words(value: Value) -> str:
    text = value.strip() if isinstance(value, str) and len(value) <= MAX_INPUT else ""
    if not text:
        raise BadParam("a few words are needed")
    if _HOSTILE.search(text):
        raise BadParam("brackets of a signature, line breaks or control characters")
    if _LINK.search(text):
        raise BadParam("a link")
    return text


def _org(value: Value) -> str:
    words = _words(value)
    return words if len(words) <= ORG_ROOM else words[: ORG_ROOM - 1] + "…"


def _name(value: Value) -> str:
    words = _words(value)
    return (words if words.startswith("*") else mask_name(words))[-4:]


def _plain(value: Value) -> str:
    """Digits and such, as they are written: whatever is too long to be any of them becomes nothing."""
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() and abs(value.adjusted()) < 20 else ""
    if isinstance(value, int) and abs(value) >= 10**18:
        return ""
    return str(value) if len(str(value)) <= MAX_INPUT else ""


def _matching(pattern: str, cut: Callable[[str], str] = str) -> Callable[[Value], str]:
    whole = re.compile(pattern, re.ASCII)

    def write(value: Value) -> str:
        if not whole.fullmatch(text := _plain(value)):
            raise BadParam("not of its kind")
        return cut(text)

    return write


def _decimal(value: Value) -> str:
    found = _DECIMAL.fullmatch(_plain(value))
    if not found:
        raise BadParam("not a number of at most two places")
    sign, yuan, rest = found.groups("")
    return f"{sign if (yuan + rest).strip('0') else ''}{yuan}.{rest:0<2}"


_DECIMAL = re.compile(r"(-?)0*(\d{1,9})(?:\.(\d{1,2})0*)?", re.ASCII)


def _whole(most: int) -> Callable[[Value], str]:
    def write(value: Value) -> str:
        text = _plain(value)
        if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= most):
            raise BadParam("not a whole number in range")
        return str(int(text))

    return write


def _day(value: Value) -> str:
    if not isinstance(value, date):
        found = re.fullmatch(r"(\d{4})-?(\d{2})-?(\d{2})(?:T.*)?", _plain(value), re.ASCII)
        try:
            value = date(*map(int, found.groups())) if found else None
        except ValueError:
            value = None
    if value is None:
        raise BadParam("not a date")
    return f"{value.year}年{value.month}月{value.day}日"


def _month(value: Value) -> str:
    if isinstance(value, date):
        return f"{value.year}年{value.month}月"
    found = re.fullmatch(r"(\d{4})-?(0[1-9]|1[0-2])", _plain(value), re.ASCII)
    if not found:
        raise BadParam("not a month")
    return f"{found[1]}年{int(found[2])}月"


_WRITERS: Mapping[ParamKind, Callable[[Value], str]] = MappingProxyType(
    {
        "code": _matching(r"\d{4,6}"),
        "minutes": _whole(60),
        "number": _whole(9_999_999),
        "money": lambda value: f"{_decimal(value)}元",
        "percent": lambda value: f"{_decimal(value)}%",
        "tail": _matching(r"[0-9A-Za-z*-]{4,32}", lambda text: text[-4:]),
        "name": _name,
        "org": _org,
        "month": _month,
        "date": _day,
        "time": _matching(r"([01]?\d|2[0-3]):[0-5]\d"),
        "reference": _matching(r"[0-9A-Za-z-]{1,16}"),
        "phone": _matching(r"\d{3,5}(-?\d{3,8})?"),
        "text": _words,
    }
)
