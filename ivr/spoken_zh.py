"""Mandarin words of clean values, as fragments a voice actor can record; joined without a space they are the text.

The rules, as a bank's voice has them:
- 2 is 两 before 百, 千, 万, 亿 and a measure (元, 角, 分, 点), otherwise 二: 22,222 is 两万两千两百二十二.
- 10 to 19 begin with 十 only at the head of a number: 12 is 十二, 112 is 一百一十二.
- One 零 stands for any run of zeros between two figures, never for those at the end: 20,002 is 两万零二.
- A whole amount ends in 整, 角 and 分 follow without one, and 零 stands where 角 is missing (after it 2 is 二):
  10 is 十元整, 2.22 is 两元两角两分, 10.02 is 十元零二分.
"""

from collections.abc import Iterable
from datetime import date, datetime, time

FIGURES = "零一二三四五六七八九"
_MEASURED = "零一两三四五六七八九"
_DAYS_AHEAD = ("今天", "明天", "后天")
_HALVES = ((6, "凌晨"), (12, "上午"), (13, "中午"), (18, "下午"), (24, "晚上"))
_SECTIONS = ("", "万", "亿")  # of four figures each, lowest first


def whole(number: int) -> tuple[str, ...]:
    """A whole number below 10**12 in size: -20002 -> 负 两万 零 二."""
    if number < 0:
        return ("负", *whole(-number))
    if number == 0:
        return ("零",)
    words: list[str] = []
    for place in reversed(range(len(_SECTIONS))):
        section = number // 10_000**place % 10_000
        if not section:
            continue
        if words and (section < 1000 or not number // 10_000 ** (place + 1) % 10_000):
            words.append("零")
        words += _united(section, _SECTIONS[place], leads=not words)
    return tuple(words)


def _united(section: int, unit: str, *, leads: bool) -> list[str]:
    """A section with its 万 or 亿, 一万 and 两万 at the head are said in one breath."""
    if unit and leads and section in (1, 2):
        return [_MEASURED[section] + unit]
    return [*_section(section, leads=leads), *[unit] * bool(unit)]


def _section(number: int, *, leads: bool) -> list[str]:
    """1 to 9,999. `leads`: nothing was said before it."""
    words: list[str] = []
    missing = False
    for unit, place in (("千", 1000), ("百", 100), ("十", 10), ("", 1)):
        figure = number // place % 10
        if not figure:
            missing = bool(words)
            continue
        words += ["零"] * missing
        words.append(_placed(figure, unit, leads=leads and not words))
        missing = False
    return words


def _placed(figure: int, unit: str, *, leads: bool) -> str:
    if unit == "十" and figure == 1 and leads:
        return "十"
    return (_MEASURED if unit in ("百", "千") else FIGURES)[figure] + unit


def counted(number: int) -> tuple[str, ...]:
    """A whole number with a measure after it: 2 -> 两, 12 -> 十 二."""
    return ("两",) if number == 2 else whole(number)


def number(sign: int, figures: str, decimals: str) -> tuple[str, ...]:
    """A number by its figures before and after the point: 1, "3", "25" -> 三 点 二 五."""
    point = ("点", *_each(decimals)) if decimals else ()
    return (*_minus(sign), *whole(int(figures)), *point)


def percent(sign: int, figures: str, decimals: str) -> tuple[str, ...]:
    """1, "3", "25" -> 百分之 三 点 二 五."""
    return (*_minus(sign), "百分之", *number(1, figures, decimals))


def money(fen: int) -> tuple[str, ...]:
    """An amount in fen: 1234567 -> 一万 两千 三百 四十 五 元 六角 七分."""
    if fen < 0:
        return ("负", *money(-fen))
    yuan, jiao, odd = fen // 100, fen // 10 % 10, fen % 10
    words = [] if fen and not yuan else [_MEASURED[yuan] + "元"] if yuan in (1, 2) else [*whole(yuan), "元"]
    if not jiao and not odd:
        return (*words, "整") if yuan else tuple(words)
    if jiao:
        words.append(_MEASURED[jiao] + "角")
    if odd:
        words += ["零", FIGURES[odd] + "分"] if yuan and not jiao else [_MEASURED[odd] + "分"]
    return tuple(words)


def month(year: int, month: int) -> tuple[str, ...]:
    """2026, 3 -> 二 零 二 六 年 三月."""
    return (*_each(f"{year:04}"), "年", _glued(month) + "月")


def day(value: date) -> tuple[str, ...]:
    """2 March 2026 -> 二 零 二 六 年 三月 二日."""
    return (*month(value.year, value.month), _glued(value.day) + "日")


def clock(value: time) -> tuple[str, ...]:
    """8:50 -> 八点 五十 分; 8:05 -> 八点 零 五 分; 14:00 -> 十四点."""
    hour = "".join(counted(value.hour)) + "点"
    if not value.minute:
        return (hour,)
    return (hour, *["零"] * (value.minute < 10), *whole(value.minute), "分")


def when(ahead: int, value: datetime) -> tuple[str, ...]:
    """A moment `ahead` days from now, without the year: 明天 上午 九点; 十月 八日 下午 一点 三十 分."""
    named = _DAYS_AHEAD[ahead : ahead + 1] if ahead >= 0 else ()
    return (*(named or (_glued(value.month) + "月", _glued(value.day) + "日")), *half_day(value.time()))


def half_day(value: time) -> tuple[str, ...]:
    """The time as people say it: 13:30 -> 下午 一点 三十 分; 12:00 -> 中午 十二点."""
    half = next(word for until, word in _HALVES if value.hour < until)
    return (half, *clock(value.replace(hour=value.hour % 12 or 12 * (value.hour > 0))))


def digits(figures: str) -> tuple[str, ...]:
    """One by one as on the telephone, 1 as 幺: 12329 -> 幺 二 三 二 九."""
    return tuple("幺" if word == "一" else word for word in _each(figures))


def tail(figures: str) -> tuple[str, ...]:
    """The last figures of an account: 0001 -> 尾号 零 零 零 幺."""
    return ("尾号", *digits(figures))


def fragments() -> tuple[str, ...]:
    """Everything the functions above can say, each once, in the order of a recording script."""
    glued = [
        *(FIGURES[1:] + "幺两X"),
        *("十", *(figure + "十" for figure in FIGURES[1:])),
        *(figure + unit for unit in ("百", "千", "角", "分") for figure in _MEASURED[1:]),
        "二分",
        *(figure + unit for unit in ("万", "亿", "元") for figure in "一两"),
        *(_glued(number) + "月" for number in range(1, 13)),
        *(_glued(number) + "日" for number in range(1, 32)),
        *("".join(counted(hour)) + "点" for hour in range(24)),
        *_DAYS_AHEAD,
        *(word for _, word in _HALVES),
    ]
    return tuple(dict.fromkeys(["零", *glued, "万", "亿", "点", "负", "百分之", "元", "整", "分", "年", "尾号"]))


def _glued(number: int) -> str:
    return "".join(whole(number))


def _each(figures: str) -> Iterable[str]:
    return (figure if figure == "X" else FIGURES[int(figure)] for figure in figures)


def _minus(sign: int) -> tuple[str, ...]:
    return ("负",) if sign < 0 else ()
