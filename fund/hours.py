"""What may be written in `flows/hours.yaml`, and the `Calendar` it makes. Pure."""

import re
from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from fund.calendar import (
    WEEKDAYS,
    WHOLE_DAY,
    Calendar,
    Days,
    Kind,
    MonthDay,
    Season,
    Spans,
    Timetable,
    Week,
    Weekday,
    public_kind,
)
from fund.yaml_model import Told, typed
from fund.yaml_source import Fault, Source, suggestion

_KINDS: tuple[Kind, ...] = ("working_days", "weekends", "holidays")
_SPAN = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})", re.ASCII)
_HOW = Told("时间要写成 9:00-12:00，几段写成 [9:00-12:00, 13:30-17:00]",
            "write hours as 9:00-12:00, several as [9:00-12:00, 13:30-17:00]")  # fmt: skip


def _spans(value: object) -> Spans:
    given = value if isinstance(value, list) else [value]
    found = [_SPAN.fullmatch(str(span).strip()) for span in given]
    if not all(found):
        raise Told(*_HOW.sentences)
    spans = tuple((int(m[1]) * 60 + int(m[2]), int(m[3]) * 60 + int(m[4])) for m in found if m)
    if any(int(m[part]) > 59 for m in found if m for part in (2, 4)) or any(end > 24 * 60 for _, end in spans):
        raise Told("没有这个钟点，最晚到 24:00", "there is no such hour: 24:00 is the last")
    if any(begin >= end for begin, end in spans):
        raise Told("结束要晚于开始；过了零点请分成两段", "must end after it begins; split what runs past midnight")
    if any(end > begin for (_, end), (begin, _) in pairwise(spans)):
        raise Told("几段时间要按先后写，不能重叠", "hours must stand in order and not overlap")
    return spans


def _day(value: object) -> date:
    try:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", str(value)):
            raise ValueError
        return date.fromisoformat(str(value))
    except ValueError:
        raise Told("日期要写成 2026-10-08", "write the date as 2026-10-08") from None


def _month_day(value: object) -> MonthDay:
    found = re.fullmatch(r"(\d{1,2})-(\d{1,2})", str(value))
    try:
        day = date(2024, int(found[1]), int(found[2])) if found else None  # a leap year: 02-29 is a day
    except ValueError:
        day = None
    if day is None:
        raise Told("这里写月日，如 07-01", "write month and day, such as 07-01")
    return day.month, day.day


_SPAN_SCHEMA = {"type": "string", "pattern": r"^\d{1,2}:\d{2}-\d{1,2}:\d{2}$"}
Hours = Annotated[
    tuple[tuple[int, int], ...],
    BeforeValidator(_spans),
    WithJsonSchema({"anyOf": [_SPAN_SCHEMA, {"type": "array", "items": _SPAN_SCHEMA}]}),
]
Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"})]
InYear = Annotated[
    tuple[int, int], BeforeValidator(_month_day), WithJsonSchema({"type": "string", "pattern": r"^\d{1,2}-\d{1,2}$"})
]


def _list(value: object) -> object:
    """A list whose last line was taken away is empty; one name needs no brackets."""
    return [] if value is None else [value] if isinstance(value, str) else value


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Open(_Strict):
    """Hours by kind of day. `every_day` is for the kinds that are not named; a kind with no hours is closed.

    A weekday's own hours go before those of its kind: `friday: 9:00-12:00`, or `friday: []` for a day off.
    """

    every_day: Hours | None = None
    working_days: Hours | None = None
    weekends: Hours | None = None
    holidays: Hours | None = None
    monday: Hours | None = None
    tuesday: Hours | None = None
    wednesday: Hours | None = None
    thursday: Hours | None = None
    friday: Hours | None = None
    saturday: Hours | None = None
    sunday: Hours | None = None

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.every_day is None and all(getattr(self, name) is None for name in (*_KINDS, *WEEKDAYS)):
            raise Told("缺少时间：写 working_days、weekends、holidays 或 every_day",
                       "hours are missing: working_days, weekends, holidays or every_day")  # fmt: skip
        return self

    def spans(self) -> Week:
        """Hours by kind of day and by weekday."""
        named: dict[Kind | Weekday, Spans] = {kind: self.every_day or () for kind in _KINDS}
        return named | {name: hours for name in (*_KINDS, *WEEKDAYS) if (hours := getattr(self, name)) is not None}


class SeasonWritten(_Open):
    """Other hours for a part of the year, every year: `from: 07-01`, `to: 09-30`."""

    name: Annotated[str, Field(min_length=1)]
    first: InYear = Field(alias="from")
    last: InYear = Field(alias="to")


class TimetableWritten(_Open):
    """When the people of one desk are there; `example` until the centre has confirmed it."""

    note: Annotated[str, Field(min_length=1)]
    example: bool = False
    seasons: Annotated[list[SeasonWritten], BeforeValidator(_list)] = []


class DaysWritten(_Strict):
    """Days out of the ordinary and why; one day needs no `to`. `only`: the timetables they concern."""

    first: Day = Field(alias="from")
    last: Day | None = Field(None, alias="to")
    reason: Annotated[str, Field(min_length=1)]
    only: Annotated[list[Name], BeforeValidator(_list)] = []

    @model_validator(mode="after")
    def _forwards(self) -> Self:
        if self.last and self.last < self.first:
            raise Told("to 早于 from", "`to` is before `from`")
        if self.last and (self.last - self.first).days > 366:
            raise Told("一次最多写一年", "a year at the most")
        return self


class ClosureWritten(DaysWritten):
    """Days on which the centre is closed, or the hours of them that it is."""

    hours: Hours = WHOLE_DAY


class HoursFile(_Strict):
    """`flows/hours.yaml`. Public holidays and make-up working days are known and need not be written."""

    timetables: Annotated[dict[Name, TimetableWritten], Field(min_length=1)]
    closures: Annotated[list[ClosureWritten], BeforeValidator(_list)] = []
    extra_days: Annotated[list[DaysWritten], BeforeValidator(_list)] = []


_NAMES = frozenset(
    written
    for model in (HoursFile, TimetableWritten, SeasonWritten, ClosureWritten)
    for name, field in model.model_fields.items()
    for written in (field.alias or name,)
)


def read_hours(source: Source) -> tuple[Calendar | None, list[Fault]]:
    """The calendar of a file, None when a fault blocks; every fault and warning of it."""
    file, faults = typed(source, HoursFile, _NAMES)
    if file is None:
        return None, faults
    faults += [*_unknown_timetables(source, file), *_needless_days(source, file), *_examples(source, file)]
    if any(not fault.warning for fault in faults):
        return None, faults
    tables = {name: Timetable(table.spans(), _seasons(table)) for name, table in file.timetables.items()}
    closures = tuple(_days(days, days.hours) for days in file.closures)
    return Calendar(tables, closures, tuple(map(_days, file.extra_days))), faults


def _seasons(table: TimetableWritten) -> tuple[Season, ...]:
    return tuple(Season(season.first, season.last, season.spans()) for season in table.seasons)


def _days(days: DaysWritten, hours: Spans = WHOLE_DAY) -> Days:
    return Days(days.first, days.last or days.first, days.reason, frozenset(days.only), hours)


def _unknown_timetables(source: Source, file: HoursFile) -> Iterator[Fault]:
    for part in ("closures", "extra_days"):
        for number, days in enumerate(getattr(file, part)):
            for at, name in enumerate(days.only):
                if name not in file.timetables:
                    zh, en = suggestion(name, file.timetables)
                    place = (part, number, "only", at)
                    yield source.fault(place, f'没有时间表 "{name}"{zh}', f'there is no timetable "{name}"{en}')


def _needless_days(source: Source, file: HoursFile) -> Iterator[Fault]:
    for number, days in enumerate(file.extra_days):
        if days.last in (None, days.first) and public_kind(days.first) == "working_days":
            zh = f"{days.first} 本来就是工作日，不用写"
            yield source.fault(("extra_days", number), zh, f"{days.first} is a working day already", warning=True)


def _examples(source: Source, file: HoursFile) -> Iterator[Fault]:
    names = [name for name, table in file.timetables.items() if table.example]
    if names:
        zh = f"{len(names)} 张时间表还是示例，核实后请去掉 example：{'、'.join(names)}"
        en = f"{len(names)} timetables are still examples: {', '.join(names)}"
        yield source.fault(("timetables", names[0]), zh, en, warning=True)


def hours_schema() -> dict[str, Any]:
    """The JSON Schema editors complete and check `flows/hours.yaml` with: what `flows/hours.schema.json` holds."""
    schema = HoursFile.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "12329 hours"}
