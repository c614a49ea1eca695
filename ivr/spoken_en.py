"""English words of clean values, as fragments a voice actor can record; joined by spaces they are the text.

Amounts are read as foreign residents hear them at a bank in China: 12,345.67 is "twelve thousand three hundred
forty-five point six seven yuan". Two figures are one fragment (forty-five), since they are spoken in one breath.
"""

from collections.abc import Iterable
from datetime import date, datetime, time


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_ONES = _words("zero one two three four five six seven eight nine")
_TEENS = _words("ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen")
_TENS = _words("twenty thirty forty fifty sixty seventy eighty ninety")
_UNDER_100 = (*_ONES, *_TEENS, *(ten + one for ten in _TENS for one in ("", *("-" + one for one in _ONES[1:]))))
_SECTIONS = ("", "thousand", "million", "billion")  # of three figures each, lowest first
_MONTHS = _words("January February March April May June July August September October November December")
_DAYS_AHEAD = ("today", "tomorrow")
_DAYS = _words(
    """first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth
    fifteenth sixteenth seventeenth eighteenth nineteenth twentieth twenty-first twenty-second twenty-third
    twenty-fourth twenty-fifth twenty-sixth twenty-seventh twenty-eighth twenty-ninth thirtieth thirty-first"""
)


def whole(number: int) -> tuple[str, ...]:
    """A whole number below 10**12 in size: -20002 -> minus, twenty, thousand, two."""
    if number < 0:
        return ("minus", *whole(-number))
    if number == 0:
        return ("zero",)
    words: list[str] = []
    for place in reversed(range(len(_SECTIONS))):
        section = number // 1000**place % 1000
        if section:
            words += [*_section(section), *[_SECTIONS[place]] * bool(place)]
    return tuple(words)


def counted(number: int) -> tuple[str, ...]:
    """A number of things, which in English is a number like any other."""
    return whole(number)


def _section(number: int) -> list[str]:
    hundreds, rest = divmod(number, 100)
    words = [_UNDER_100[hundreds], "hundred"] if hundreds else []
    return words + [_UNDER_100[rest]] * bool(rest)


def number(sign: int, figures: str, decimals: str) -> tuple[str, ...]:
    """A number by its figures before and after the point: 1, "3", "25" -> three, point, two, five."""
    point = ("point", *_each(decimals)) if decimals else ()
    return (*["minus"] * (sign < 0), *whole(int(figures)), *point)


def percent(sign: int, figures: str, decimals: str) -> tuple[str, ...]:
    """1, "3", "25" -> three, point, two, five, percent."""
    return (*number(sign, figures, decimals), "percent")


def money(fen: int) -> tuple[str, ...]:
    """An amount in fen: 1234550 -> twelve, thousand, three, hundred, forty-five, point, five, yuan."""
    yuan, odd = divmod(abs(fen), 100)
    return (*number(fen, str(yuan), f"{odd:02}".rstrip("0")), "yuan")


def month(year: int, month: int) -> tuple[str, ...]:
    """2026, 3 -> March, twenty, twenty-six."""
    return (_MONTHS[month - 1], *_year(year))


def day(value: date) -> tuple[str, ...]:
    """2 March 2026 -> March, second, twenty, twenty-six."""
    return (_MONTHS[value.month - 1], _DAYS[value.day - 1], *_year(value.year))


def _year(year: int) -> tuple[str, ...]:
    century, rest = divmod(year, 100)
    if year < 1000 or (century % 10 == 0 and rest < 10):  # two thousand five, but twenty twenty-six
        return whole(year)
    return (_UNDER_100[century], *(["hundred"] if not rest else ["oh"] * (rest < 10) + [_UNDER_100[rest]]))


def clock(value: time) -> tuple[str, ...]:
    """8:50 -> eight, fifty, a.m.; 14:05 -> two, oh, five, p.m.; 12:00 -> noon."""
    if not value.minute and value.hour % 12 == 0:
        return ("noon" if value.hour else "midnight",)
    hour = _UNDER_100[value.hour % 12 or 12]
    half = "a.m." if value.hour < 12 else "p.m."
    minute = (*["oh"] * (value.minute < 10), _UNDER_100[value.minute]) if value.minute else ()
    return (hour, *minute, half)


def when(ahead: int, value: datetime) -> tuple[str, ...]:
    """A moment `ahead` days from now, without the year: tomorrow, at, nine, a.m."""
    named = _DAYS_AHEAD[ahead : ahead + 1] if ahead >= 0 else ()
    return (*(named or (_MONTHS[value.month - 1], _DAYS[value.day - 1])), "at", *clock(value.time()))


def digits(figures: str) -> tuple[str, ...]:
    """One by one: 12329 -> one, two, three, two, nine."""
    return tuple(_each(figures))


def tail(figures: str) -> tuple[str, ...]:
    """The last figures of an account: 0001 -> ending in, zero, zero, zero, one."""
    return ("ending in", *digits(figures))


def fragments() -> tuple[str, ...]:
    """Everything the functions above can say, each once, in the order of a recording script."""
    rest = ("hundred", *_SECTIONS[1:], "point", "minus", "percent", "yuan", "X", "ending in")
    return (*_UNDER_100, *rest, "oh", "a.m.", "p.m.", "noon", "midnight", *_MONTHS, *_DAYS, *_DAYS_AHEAD, "at")


def _each(figures: str) -> Iterable[str]:
    return (figure if figure == "X" else _ONES[int(figure)] for figure in figures)
