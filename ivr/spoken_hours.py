"""A timetable in a sentence: the hours a caller hears are made from those that hold, so they cannot disagree. Pure."""

from collections.abc import Mapping
from datetime import date, time
from itertools import groupby

from fund.calendar import WEEKDAYS, Calendar, Kind, Spans
from ivr import spoken_en, spoken_zh
from ivr.speech import Language

_ZH: Mapping[Kind, str] = {"working_days": "工作日", "weekends": "周末", "holidays": "法定节假日"}
_EN: Mapping[Kind, str] = {"working_days": "working days", "weekends": "weekends", "holidays": "public holidays"}
_WEEKDAYS_ZH = dict(zip(WEEKDAYS, ("星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"), strict=True))
_MIDNIGHT = 24 * 60


def hours_words(calendar: Calendar, name: str, day: date, language: Language = "zh") -> str:
    """The hours that hold on `day`: 工作日，上午九点到中午十二点，下午一点三十分到五点. `KeyError` for no such name."""
    spans = calendar.timetables[name].on(day)
    kinds: tuple[Kind, ...] = ("working_days", "weekends", "holidays")
    alike = [(list(group), hours) for hours, group in groupby(kinds, lambda kind: spans.get(kind, ())) if hours]
    own = [(weekday, spans[weekday]) for weekday in WEEKDAYS if weekday in spans]
    if language == "en":
        told = [f"{_days_en(days)} {_spans_en(hours)}" for days, hours in alike]
        told += [f"on {day.title()}s {_spans_en(hours) or 'closed'}" for day, hours in own]
        return "; ".join(told) or "closed for now"
    told = [f"{_days_zh(days)}，{_spans_zh(hours)}" for days, hours in alike]
    told += [f"{_WEEKDAYS_ZH[day]}，{_spans_zh(hours) or '休息'}" for day, hours in own]
    return "；".join(told) or "暂停服务"


def _days_zh(days: list[Kind]) -> str:
    return "每天" if len(days) == len(_ZH) else "和".join(_ZH[day] for day in days)


def _days_en(days: list[Kind]) -> str:
    return "every day" if len(days) == len(_EN) else "on " + " and ".join(_EN[day] for day in days)


def _spans_zh(spans: Spans) -> str:
    if spans == ((0, _MIDNIGHT),):
        return "全天"
    return "，".join(_span_zh(begin, end) for begin, end in spans)


def _span_zh(begin: int, end: int) -> str:
    half, *first = spoken_zh.half_day(_clock(begin))
    other, *last = spoken_zh.half_day(_clock(end)) if end < _MIDNIGHT else ("晚上", "十二点")
    return "".join([half, *first, "到", *([] if other == half else [other]), *last])


def _spans_en(spans: Spans) -> str:
    if spans == ((0, _MIDNIGHT),):
        return "around the clock"
    return " and ".join(
        f"from {' '.join(spoken_en.clock(_clock(begin)))} to {' '.join(spoken_en.clock(_clock(end)))}"
        for begin, end in spans
    )


def _clock(minute: int) -> time:
    return time(minute // 60 % 24, minute % 60)
