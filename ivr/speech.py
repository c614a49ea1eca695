"""How a value sounds: amounts, numbers, months and account tails become words, in Mandarin and in English.

Words come as a tuple of fragments from a small closed set, so that a voice actor can record every one of them and any
amount can be joined from recordings. In Mandarin `"".join(...)` is the text; `joined` does it for either language.
Pure: values in, words out.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Literal, NamedTuple, Protocol

from ivr import spoken_en, spoken_zh

Language = Literal["zh", "en"]
Words = tuple[str, ...]


class When(NamedTuple):
    """A moment to come, as it is spoken on `today`."""

    today: date
    at: datetime


Value = Decimal | int | str | date | time | When


class Spoken(Protocol):
    """What a module of words offers, `spoken_zh` or `spoken_en`: clean values in, fragments out."""

    def number(self, sign: int, figures: str, decimals: str) -> Words: ...
    def counted(self, number: int) -> Words: ...
    def percent(self, sign: int, figures: str, decimals: str) -> Words: ...
    def money(self, fen: int) -> Words: ...
    def month(self, year: int, month: int) -> Words: ...
    def day(self, value: date) -> Words: ...
    def clock(self, value: time) -> Words: ...
    def when(self, ahead: int, value: datetime) -> Words: ...
    def digits(self, figures: str) -> Words: ...
    def tail(self, figures: str) -> Words: ...
    def fragments(self) -> Words: ...


_SPOKEN: Mapping[str, Spoken] = {"zh": spoken_zh, "en": spoken_en}
_MOST_FIGURES = 12  # the words end at 千亿, hundreds of billions
_LONGEST_TEXT = 2000  # as much as may be written into an order
_AMOUNT = re.compile(r"(?P<sign>[+-]?)(?P<figures>\d{1,3}(?:,\d{3})+|\d+)(?:\.(?P<decimals>\d+))?", re.ASCII)
_MONTH = re.compile(r"(\d{4})(?:-|/|年)?(\d{1,2})月?", re.ASCII)
_DAY = re.compile(r"(\d{4})(?:-|/|年)?(\d{1,2})(?:-|/|月)?(\d{1,2})日?", re.ASCII)
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::\d{2})?", re.ASCII)


class Unspeakable(ValueError):
    """A value cannot be spoken as the kind that was asked for: `told` says what would fit.

    The message itself does not quote the value, which may be somebody's; it may be logged.
    """

    def __init__(self, kind: str, value: object) -> None:
        self.kind, self.value = kind, str(value)[:40]
        super().__init__(f"a value cannot be spoken as {kind!r}")

    def told(self, language: Language = "zh") -> str:
        """What was wrong with which value, for whoever gave it."""
        if self.kind not in _WANTED:
            kinds = "、".join(_WANTED) if language == "zh" else ", ".join(_WANTED)
            return f'没有 "{self.kind}" 这一类,应为 {kinds}' if language == "zh" else f'no "{self.kind}", but {kinds}'
        name, wanted = _WANTED[self.kind][language]
        if language == "zh":
            return f'"{self.value}" 不能读作{name},应为{wanted}'
        return f'"{self.value}" cannot be spoken as {name}: give {wanted}'


_WANTED: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "money": {
        "zh": ("金额", "一万亿以内、至多两位小数的元数,如 12345.67"),
        "en": ("money", "yuan with at most two decimals, below 10^12, such as 12345.67"),
    },
    "number": {
        "zh": ("数字", "一万亿以内的数,如 1010 或 3.5"),
        "en": ("a number", "a number below 10^12, such as 1010 or 3.5"),
    },
    "count": {
        "zh": ("个数", "一万亿以内的整数,如 2(读作两)"),
        "en": ("a count", "a whole number below 10^12, such as 2"),
    },
    "percent": {
        "zh": ("百分数", "百分比的数值,如 3.25"),
        "en": ("a percentage", "its figures, such as 3.25"),
    },
    "month": {"zh": ("月份", "年月,如 2026-03"), "en": ("a month", "a year and month such as 2026-03")},
    "date": {"zh": ("日期", "年月日,如 2026-03-02"), "en": ("a date", "a day such as 2026-03-02")},
    "time": {"zh": ("时间", "24 小时制的时分,如 8:50"), "en": ("a time", "hours and minutes such as 8:50")},
    "digits": {
        "zh": ("号码", "至多 32 位数字(可含空格和 -,末位可为 X)"),
        "en": ("digits", "at most 32 digits (spaces and - may stand between them, X at the end)"),
    },
    "tail": {
        "zh": ("尾号", "账号或其末几位,只含数字(末位可为 X)"),
        "en": ("an account's tail", "an account number or its end: digits (X at the end)"),
    },
    "text": {
        "zh": ("文字", f"1 至 {_LONGEST_TEXT} 个字"),
        "en": ("text", f"1 to {_LONGEST_TEXT} characters"),
    },
}


def speak(kind: str, value: Value, language: Language = "zh") -> Words:
    """The words of `value` as fragments. Texts from outside are welcome: `speak("money", "12,345.67")`.

    Raises `Unspeakable` if the value is not of that kind, or there is no such kind.
    """
    say = _KINDS.get(kind)
    if say is None:
        raise Unspeakable(kind, value)
    return say(_SPOKEN[language], value)


def joined(words: Words, language: Language = "zh") -> str:
    """Fragments as text, as a transcript shows it."""
    return (" " if language == "en" else "").join(words)


def fragments(language: Language = "zh") -> Words:
    """The closed set: every fragment that `speak` can return, except the words of `text`."""
    return _SPOKEN[language].fragments()


def money(value: Decimal | int | str) -> Words:
    """Yuan in Mandarin: 12345.67 -> 一万 两千 三百 四十 五 元 六角 七分. Raises `Unspeakable`, as do all below."""
    return speak("money", value)


def number(value: Decimal | int | str) -> Words:
    """20002 -> 两万 零 二."""
    return speak("number", value)


def percent(value: Decimal | int | str) -> Words:
    """3.25 -> 百分之 三 点 二 五."""
    return speak("percent", value)


def month(value: date | str) -> Words:
    """2026-03 -> 二 零 二 六 年 三月."""
    return speak("month", value)


def date_(value: date | str) -> Words:
    """2026-03-02 -> 二 零 二 六 年 三月 二日."""
    return speak("date", value)


def time_(value: time | str) -> Words:
    """8:50 -> 八点 五十 分."""
    return speak("time", value)


def digits(value: str) -> Words:
    """Phones and ID numbers, figure by figure: 12329 -> 幺 二 三 二 九."""
    return speak("digits", value)


def tail(value: str) -> Words:
    """An account by its last four: 100000001 -> 尾号 零 零 零 幺."""
    return speak("tail", value)


def _parts(kind: str, value: Value) -> tuple[int, str, str]:
    """Sign, figures and decimals, without the zeros nobody says."""
    text = format(value, "f") if isinstance(value, Decimal) else str(value).strip()
    match = _AMOUNT.fullmatch(text)
    if isinstance(value, bool) or match is None:
        raise Unspeakable(kind, value)
    figures = match["figures"].replace(",", "").lstrip("0") or "0"
    decimals = (match["decimals"] or "").rstrip("0")
    if max(len(figures), len(decimals)) > _MOST_FIGURES:
        raise Unspeakable(kind, value)
    negative = match["sign"] == "-" and (figures, decimals) != ("0", "")
    return -1 if negative else 1, figures, decimals


def _money(spoken: Spoken, value: Value) -> Words:
    sign, figures, decimals = _parts("money", value)
    if len(decimals) > 2:
        raise Unspeakable("money", value)
    return spoken.money(sign * int(figures + decimals.ljust(2, "0")))


def _number(spoken: Spoken, value: Value) -> Words:
    return spoken.number(*_parts("number", value))


def _count(spoken: Spoken, value: Value) -> Words:
    sign, figures, decimals = _parts("count", value)
    if decimals:
        raise Unspeakable("count", value)
    return spoken.counted(sign * int(figures))


def _percent(spoken: Spoken, value: Value) -> Words:
    bare = value.strip().removesuffix("%") if isinstance(value, str) else value
    return spoken.percent(*_parts("percent", bare))


def _month(spoken: Spoken, value: Value) -> Words:
    day = _day_of("month", value, _MONTH)
    return spoken.month(day.year, day.month)


def _date(spoken: Spoken, value: Value) -> Words:
    return spoken.day(_day_of("date", value, _DAY))


def _day_of(kind: str, value: Value, written: re.Pattern[str]) -> date:
    if isinstance(value, date):
        return value
    match = written.fullmatch(str(value).strip())
    try:
        year, month, *day = map(int, match.groups() if match else ())
        return date(year, month, *(day or [1]))
    except ValueError:
        raise Unspeakable(kind, value) from None


def _time(spoken: Spoken, value: Value) -> Words:
    if isinstance(value, datetime):
        return spoken.clock(value.time())
    if isinstance(value, time):
        return spoken.clock(value)
    match = _CLOCK.fullmatch(str(value).strip())
    hour, minute = (int(match[1]), int(match[2])) if match else (24, 0)
    if hour > 23 or minute > 59:
        raise Unspeakable("time", value)
    return spoken.clock(time(hour, minute))


def _when(spoken: Spoken, value: Value) -> Words:
    if not isinstance(value, When):
        raise Unspeakable("when", value)
    return spoken.when((value.at.date() - value.today).days, value.at)


def _figures(kind: str, value: Value) -> str:
    figures = str(value).replace(" ", "").replace("-", "").upper()
    if not re.fullmatch(r"[0-9]{1,31}[0-9X]|[0-9X]", figures):
        raise Unspeakable(kind, value)
    return figures


def _digits(spoken: Spoken, value: Value) -> Words:
    return spoken.digits(_figures("digits", value))


def _tail(spoken: Spoken, value: Value) -> Words:
    return spoken.tail(_figures("tail", value)[-4:])


def _text(_: Spoken, value: Value) -> Words:
    # What is pasted brings invisible characters along, and an old ledger some that no font has: nobody says them.
    text = " ".join(
        "".join(letter if letter.isprintable() else " " * letter.isspace() for letter in str(value)).split()
    )
    if not text or len(text) > _LONGEST_TEXT:
        raise Unspeakable("text", value)
    return (text,)


_KINDS: Mapping[str, Callable[[Spoken, Value], Words]] = {
    "money": _money,
    "number": _number,
    "count": _count,
    "percent": _percent,
    "month": _month,
    "date": _date,
    "time": _time,
    "when": _when,
    "digits": _digits,
    "tail": _tail,
    "text": _text,
}
