"""What is left of a text when everything people write differently is the same: width, case, spaces, script. Pure."""

import re
import unicodedata
from datetime import date

from opencc import OpenCC

MOST = 500  # characters looked at; no keyword is further on

_simplified = OpenCC("t2s").convert


def plain(text: str) -> str:
    """Half-width, lower-case, simplified, and nothing but letters, digits and characters: `ＹＥ ！` -> ye."""
    folded = unicodedata.normalize("NFKC", text[:MOST]).casefold()
    folded = _simplified(folded).replace("帐", "账")  # people write either
    return "".join(each for each in unicodedata.normalize("NFKC", folded) if each.isalnum())


_CHINESE = {"十二": "12", "十一": "11", "十": "10"} | {each: str(n) for n, each in enumerate("一二三四五六七八九", 1)}
_YEAR_DIGITS = str.maketrans("〇零一二三四五六七八九", "00123456789")
_YEARS_AGO = {"今": 0, "去": 1, "前": 2}
_MONTH = re.compile(
    r"(?:(?P<year>20\d\d)年?|(?P<short>\d\d)年|(?P<ago>[今去前])年)?(?P<month>0?[1-9]|1[0-2])月?(?:份)?", re.ASCII
)
_CHOICE = re.compile(r"选?择?第?(?P<number>\d{1,3})[个家号项条]?", re.ASCII)
_SPOKEN = {"本月": 0, "这月": 0, "这个月": 0, "当月": 0, "上月": 1, "上个月": 1, "上上月": 2, "上上个月": 2}


def month_in(text: str, today: date) -> str | None:
    """The month that a plain text names, as `2026-03`: 202603, 2026年3月, 去年3月, 三月, 3, 上月; never one to come."""
    if text in _SPOKEN:
        return _months_before(today, _SPOKEN[text])
    text = re.sub("[〇零一二三四五六七八九]{2,4}(?=年)", lambda year: year[0].translate(_YEAR_DIGITS), text)
    found = _MONTH.fullmatch(_figures(text, "月|$"))
    if not found:
        return None
    month = int(found["month"])
    year = today.year if month <= today.month else today.year - 1
    if found["ago"]:
        year = today.year - _YEARS_AGO[found["ago"]]
    elif found["year"] or found["short"]:
        year = int(found["year"] or f"20{found['short']}")
    return f"{year}-{month:02d}" if (year, month) <= (today.year, today.month) else None


def choice_in(text: str) -> int:
    """The number that a plain text chooses: 2, 02, 二, 第2个, 选2; 0 when there is none."""
    found = _CHOICE.fullmatch(_figures(text, "[个家号项条]|$"))
    return int(found["number"]) if found else 0


def _figures(text: str, before: str) -> str:
    """Chinese numbers up to twelve in figures, where they stand before something."""
    for word, figure in _CHINESE.items():
        text = re.sub(f"{word}(?={before})", figure, text)
    return text


def _months_before(today: date, ago: int) -> str:
    months = today.year * 12 + today.month - 1 - ago
    return f"{months // 12}-{months % 12 + 1:02d}"
