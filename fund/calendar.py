"""When people work: public holidays, make-up working days, the centre's own closures, and timetables by name.

Pure values; `fund.hours` reads them from `flows/hours.yaml`. The public calendar comes with `chinesecalendar`, one
year at a time. A year that is not published yet counts weekdays, less the holidays whose dates the law fixes;
`unpublished` says in good time that it will.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Literal, get_args

import chinese_calendar
from chinese_calendar import constants

from fund.clock import CHINA

Kind = Literal["working_days", "weekends", "holidays"]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)
Spans = tuple[tuple[int, int], ...]  # minutes since midnight, in order: ((540, 720), (810, 1050))
Week = Mapping[Kind | Weekday, Spans]  # hours by kind of day; a weekday's own go before those of its kind
MonthDay = tuple[int, int]
WHOLE_DAY: Spans = ((0, 24 * 60),)

LAST_PUBLISHED = max(constants.holidays).year
WARN_FROM: MonthDay = (12, 1)  # the State Council publishes the next year's holidays in November
FAR_DAYS = 400  # nobody is asked to call again later than that
_FIXED = {(1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3)}  # the moon moves the other holidays


def public_kind(day: date) -> Kind:
    """What the public calendar makes of a day: a make-up Saturday is a working day."""
    if LAST_PUBLISHED >= day.year >= min(constants.holidays).year:
        if chinese_calendar.is_workday(day):
            return "working_days"
        return "holidays" if day in constants.holidays else "weekends"
    if (day.month, day.day) in _FIXED:
        return "holidays"
    return "working_days" if day.weekday() < 5 else "weekends"


def unpublished(today: date) -> int | None:
    """The year that is needed soon and is not in the public calendar yet, if any."""
    soon = today.year + ((today.month, today.day) >= WARN_FROM)
    return soon if soon > LAST_PUBLISHED else None


def unpublished_words(year: int) -> tuple[str, str]:
    """What an unpublished `year` means and what to do, in Chinese and English."""
    return (
        f"还没有 {year} 年的放假安排，暂按周一到周五算工作日：请升级 chinesecalendar；"
        "在此之前，春节等假日写进 hours.yaml 的 closures，调休上班日写进 extra_days",
        f"the public holidays of {year} are not known yet, so weekdays count: upgrade chinesecalendar; "
        "until then write holidays into `closures` of hours.yaml and make-up days into `extra_days`",
    )


def published_days_left(today: date) -> int:
    """How many days from now the public calendar still covers; negative when it has run out."""
    return (date(LAST_PUBLISHED, 12, 31) - today).days


@dataclass(frozen=True)
class Days:
    """Days out of the ordinary: the centre's own closures and extra working days, both ends included."""

    first: date
    last: date
    reason: str
    only: frozenset[str] = frozenset()  # timetables; empty: all
    hours: Spans = WHOLE_DAY  # of a closure: the hours that are closed

    def cover(self, day: date, name: str) -> bool:
        """Whether they change `day` for the timetable `name`; `""` asks for the centre as a whole."""
        return self.first <= day <= self.last and (not self.only or name in self.only)


@dataclass(frozen=True)
class Season:
    """Hours of a part of the year, such as a summer's longer noon; it may run over New Year."""

    first: MonthDay
    last: MonthDay
    spans: Week

    def holds(self, day: date) -> bool:
        """Whether a day is in it."""
        now = (day.month, day.day)
        if self.first <= self.last:
            return self.first <= now <= self.last
        return now >= self.first or now <= self.last


@dataclass(frozen=True)
class Timetable:
    """The hours of one desk by kind of day; a kind that is not named is closed."""

    spans: Week
    seasons: tuple[Season, ...] = ()

    def on(self, day: date) -> Week:
        """The hours that hold around `day`."""
        return next((season.spans for season in self.seasons if season.holds(day)), self.spans)


@dataclass(frozen=True)
class Calendar:
    """Every timetable by name, and the days that are not as the public calendar has them."""

    timetables: Mapping[str, Timetable] = field(default_factory=dict)
    closures: tuple[Days, ...] = ()
    extra_days: tuple[Days, ...] = ()

    def kind(self, day: date, name: str = "") -> Kind:
        """What a day is to a timetable, or to the whole centre."""
        extra = any(days.cover(day, name) for days in self.extra_days)
        return "working_days" if extra else public_kind(day)

    def is_working_day(self, day: date) -> bool:
        """Whether the centre works on a day. Half a day's closure is still a working day."""
        closed = any(days.cover(day, "") and days.hours == WHOLE_DAY for days in self.closures)
        return self.kind(day) == "working_days" and not closed

    def add_working_days(self, start: date, count: int) -> date:
        """The day by which something is due `count` working days after `start`, the day itself not counted."""
        day = start
        while count > 0:
            day += timedelta(days=1)
            count -= self.is_working_day(day)
        return day

    def hours_on(self, name: str, day: date) -> Spans:
        """When a timetable is open on a day. Raises `KeyError` when there is none of that name."""
        week, kind, weekday = self.timetables[name].on(day), self.kind(day, name), WEEKDAYS[day.weekday()]
        # A make-up Saturday is a working day like any other, and a Friday that is a holiday is a holiday.
        usual = kind == ("working_days" if day.weekday() < 5 else "weekends")
        spans = week.get(weekday if usual and weekday in week else kind, ())
        for closure in self.closures:
            if closure.cover(day, name):
                spans = tuple(_without(spans, closure.hours))
        return spans

    def is_open(self, name: str, at: datetime) -> bool:
        """Whether people of a timetable are there at a moment. Raises `KeyError` when there is none of that name."""
        local = _local(at)
        minute = local.hour * 60 + local.minute
        return any(begin <= minute < end for begin, end in self.hours_on(name, local.date()))

    def next_opening(self, name: str, at: datetime) -> datetime | None:
        """The first moment from `at` on when people are there; None when it is not within `FAR_DAYS`."""
        local = _local(at)
        for ahead in range(FAR_DAYS):
            day = local.date() + timedelta(days=ahead)
            for begin, end in self.hours_on(name, day):
                if _moment(day, end) > local:
                    return max(_moment(day, begin), local)
        return None


PUBLIC = Calendar()  # the public calendar alone, for whoever has no hours.yaml
is_working_day = PUBLIC.is_working_day
add_working_days = PUBLIC.add_working_days


def _local(at: datetime) -> datetime:
    return at.astimezone(CHINA) if at.tzinfo else at.replace(tzinfo=CHINA)


def _moment(day: date, minute: int) -> datetime:
    return datetime.combine(day, time(), CHINA) + timedelta(minutes=minute)


def _without(spans: Spans, closed: Spans) -> Iterator[tuple[int, int]]:
    """What is left of `spans` after a closure."""
    for begin, end in spans:
        for shut, reopen in closed:
            if shut > begin and shut < end:
                yield begin, shut
            begin = max(begin, min(reopen, end)) if shut < end and reopen > begin else begin
        if begin < end:
            yield begin, end
