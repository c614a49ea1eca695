"""How written words are read aloud: 请按1 is 请按一, 12329 is 幺二三二九, 8:30 is 八点三十分.

Flows and phrases are written as people write; transcripts show them so. A voice, and the script of a voice actor,
need what is heard. Pure.
"""

import hashlib
import re
from collections.abc import Callable, Mapping

from ivr.speech import Language, Unspeakable, joined, speak

MEASURES = "个次笔年期天位户人张份项条元家种角分点周本名层套间块页岁倍"  # 2 of these is 两, not 二

_TILL = "[-~\u2013\u2014\uff0d\uff5e]{1,2}"  # a hyphen, tilde or dash, as people write from one to another
_ZH = re.compile(
    r"(?P<month>\d{4}年\d{1,2}月(?!\d+日))|(?P<date>\d{4}年\d{1,2}月\d{1,2}日)|(?P<year>\d{4}(?=年))"
    r"|(?P<day>\d{4}-\d{1,2}-\d{1,2}(?!\d))"
    r"|(?P<time>\d{1,2}:\d{2})"
    r"|(?P<percent>\d+(?:\.\d+)?%)"
    r"|(?P<digits>(?<![,.])(?:0\d{2,3}-\d{5,8}|[48]00-\d{3,4}-\d{3,4}|0\d+|\d{5,})(?![\d.]*[元万亿]))"
    rf"|(?P<range>\d{{1,4}}{_TILL}(?=\d{{1,4}}\D))"
    rf"|(?P<till>(?:(?<=:\d\d)|(?<=[%元万年月日点时]))\s?{_TILL}\s?(?=\d))"
    rf"|(?P<count>(?<![第\d.])2(?=[{MEASURES}](?!级|号)|小时|[百千万亿]))"
    r"|(?P<number>(?:\d{1,3}(?:,\d{3})+|\d{1,12})(?:\.\d{1,12})?)"
    r"|(?P<key>[*#]键?)",
    re.ASCII,
)
_EN = re.compile(r"(?P<digits>(?<![,.\d])(?:0\d{2,3}-\d{5,8}|0\d+|\d{5,})(?![,.]?\d))", re.ASCII)
_GROUPS = {7: (3, 4), 8: (4, 4), 9: (3, 3, 3), 10: (3, 3, 4), 11: (3, 4, 4), 18: (6, 4, 4, 4)}  # as people say them


def reading(text: str, language: Language = "zh") -> str:
    """`text` as it is heard, figures in words; what stands between them is left alone."""
    return (_ZH if language == "zh" else _EN).sub(lambda found: _read(found, language), text)


def recording_name(words: str, language: Language) -> str:
    """The file name, without its ending, of a recording: the same for all that sounds the same, wherever it is said."""
    heard = reading(words, language).casefold()
    return f"{language}-{hashlib.sha256(heard.encode()).hexdigest()[:10]}"


def _read(found: re.Match[str], language: Language) -> str:
    kind, written = str(found.lastgroup), found[0]
    special = _SPECIAL.get(kind)
    try:
        return special(written, language) if special else joined(speak(kind, written, language), language)
    except Unspeakable:  # such as 2026年13月: leave it to the voice
        return written


def _digits(written: str, language: Language) -> str:
    """A telephone number in the groups that people say, with a breath between them."""
    groups = (group for part in written.split("-") for group in _grouped(part))
    words = (joined(speak("digits", group, language), language) for group in groups)
    return (", " if language == "en" else ",").join(words)


def _grouped(figures: str) -> list[str]:
    sizes, groups = _GROUPS.get(len(figures), (len(figures),)), []
    for size in sizes:
        groups.append(figures[:size])
        figures = figures[size:]
    return groups


def _year(written: str, language: Language) -> str:
    return joined(speak("month", f"{written}-01", language), language).partition("年")[0]


def _range(written: str, language: Language) -> str:
    return joined(speak("number", re.sub(r"\D", "", written), language)) + "至"


def _day(written: str, language: Language) -> str:
    return joined(speak("date", written, language))


def _key(written: str, _: Language) -> str:
    return "星号键" if written[0] == "*" else "井号键"


_SPECIAL: Mapping[str, Callable[[str, Language], str]] = {
    "digits": _digits,
    "year": _year,
    "range": _range,
    "till": lambda _, __: "至",
    "day": _day,
    "key": _key,
}
