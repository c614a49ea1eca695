"""When people work: public holidays and make-up days by date, timetables, and what a supervisor may get wrong."""

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fund import calendar
from fund.calendar import Calendar, Days, Season, Spans, Timetable, add_working_days, is_working_day
from fund.clock import CHINA
from fund.hours import read_hours
from fund.yaml_source import parse


def calendar_of(text: str) -> Calendar:
    made, faults = read_hours(parse(text.encode(), "flows/hours.yaml"))
    assert made, [fault.tell() for fault in faults]
    return made


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=CHINA)


PEOPLE = """\
timetables:
  people:
    note: 人工服务
    working_days: [9:00-12:00, 13:30-17:00]
    seasons:
      - {name: 夏令时, from: 07-01, to: 09-30, working_days: [9:00-12:00, 14:00-17:30]}
      - {name: 冬令时, from: 12-01, to: 02-28, working_days: 9:30-16:30}
  weekend: {note: 周末窗口, weekends: 9:00-11:00, working_days: 9:00-17:00}
  study: {note: 星期五下午学习, working_days: 9:00-17:00, friday: 9:00-12:00, sunday: 10:00-11:00, monday: []}
  machine: {note: 自助终端, every_day: 0:00-24:00, holidays: []}
closures:
  - {from: 2026-03-04, reason: 搬迁}
  - {from: 2026-03-05, hours: 14:00-17:00, reason: 政治学习, only: [people]}
extra_days:
  - {from: 2026-03-07, reason: 加班}
"""


@pytest.fixture(autouse=True)
def only_published_until_2026(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever newer calendar is installed."""
    monkeypatch.setattr(calendar, "LAST_PUBLISHED", 2026)


@pytest.mark.parametrize(
    ("day", "works"),
    [
        ("2026-01-01", False),  # a Thursday, New Year
        ("2026-01-04", True),  # a make-up Sunday
        ("2026-02-14", True),  # a make-up Saturday before the Spring Festival
        ("2026-02-17", False),
        ("2026-02-28", True),
        ("2026-03-02", True),
        ("2026-03-07", False),
        ("2026-05-09", True),
        ("2026-09-20", True),
        ("2026-10-07", False),
        ("2026-10-08", True),
        ("2026-10-10", True),  # a make-up Saturday after the National Day
        ("2026-10-11", False),
        ("2027-01-01", False),  # not published here: fixed by law
        ("2027-01-04", True),
        ("2027-01-09", False),
        ("2003-06-02", True),
    ],
)
def test_working_days(day: str, works: bool) -> None:
    assert is_working_day(date.fromisoformat(day)) is works


@pytest.mark.parametrize(
    ("start", "count", "due"),
    [
        ("2026-03-02", 0, "2026-03-02"),
        ("2026-03-02", 3, "2026-03-05"),
        ("2026-03-06", 1, "2026-03-09"),
        ("2026-09-30", 1, "2026-10-08"),  # over the holiday
        ("2026-10-09", 1, "2026-10-10"),  # the Saturday is worked
        ("2026-12-31", 3, "2027-01-06"),  # into a year that is not published: only 1 January is known to be free
    ],
)
def test_due_dates(start: str, count: int, due: str) -> None:
    assert add_working_days(date.fromisoformat(start), count) == date.fromisoformat(due)


def test_due_dates_know_the_centres_own_days() -> None:
    centre = calendar_of(PEOPLE)
    assert centre.add_working_days(date(2026, 3, 3), 1) == date(2026, 3, 5)  # the move is no working day
    assert centre.add_working_days(date(2026, 3, 6), 1) == date(2026, 3, 7)  # the Saturday is worked


@pytest.mark.parametrize(
    ("name", "moment", "open_", "next_"),
    [
        ("people", "2026-03-02 08:59", False, "2026-03-02 09:00"),
        ("people", "2026-03-02 09:00", True, "2026-03-02 09:00"),
        ("people", "2026-03-02 11:59:59", True, "2026-03-02 11:59:59"),
        ("people", "2026-03-02 12:00", False, "2026-03-02 13:30"),  # lunch
        ("people", "2026-03-03 17:00", False, "2026-03-05 09:00"),  # the next day is a closure
        ("people", "2026-03-05 13:45", True, "2026-03-05 13:45"),  # half a day is closed
        ("people", "2026-03-05 14:00", False, "2026-03-06 09:00"),
        ("people", "2026-03-07 10:00", True, "2026-03-07 10:00"),  # the centre's own Saturday
        ("people", "2026-10-10 10:00", True, "2026-10-10 10:00"),  # a make-up Saturday
        ("people", "2026-10-01 10:00", False, "2026-10-08 09:00"),
        ("people", "2026-07-15 13:45", False, "2026-07-15 14:00"),  # the summer's longer noon
        ("people", "2026-12-15 09:15", False, "2026-12-15 09:30"),  # the winter runs over New Year
        ("people", "2026-02-10 12:30", True, "2026-02-10 12:30"),
        ("people", "2027-01-04 10:00", True, "2027-01-04 10:00"),  # not published: weekdays
        ("weekend", "2026-03-08 10:00", True, "2026-03-08 10:00"),
        ("weekend", "2026-10-03 10:00", False, "2026-10-08 09:00"),  # a Saturday, but a holiday
        ("study", "2026-03-06 13:00", False, "2026-03-07 09:00"),  # the centre's own Saturday is no Friday
        ("study", "2026-03-08 10:30", True, "2026-03-08 10:30"),
        ("study", "2026-03-09 10:00", False, "2026-03-10 09:00"),  # a Monday off
        ("study", "2026-05-01 10:00", False, "2026-05-06 09:00"),  # a Friday, but a holiday
        ("study", "2026-10-10 13:00", True, "2026-10-10 13:00"),  # a make-up Saturday
        ("machine", "2026-03-03 23:59", True, "2026-03-03 23:59"),
        ("machine", "2026-05-01 00:00", False, "2026-05-06 00:00"),
    ],
)
def test_timetables(name: str, moment: str, open_: bool, next_: str) -> None:
    centre = calendar_of(PEOPLE)
    assert centre.is_open(name, at(moment)) is open_
    assert centre.next_opening(name, at(moment)) == at(next_)


def test_another_time_zone_is_the_same_moment() -> None:
    assert calendar_of(PEOPLE).is_open("people", datetime.fromisoformat("2026-03-02T01:00+00:00"))


def test_an_unknown_timetable_is_not_guessed() -> None:
    with pytest.raises(KeyError):
        calendar_of(PEOPLE).is_open("nobody", at("2026-03-02 10:00"))


def test_never_open() -> None:
    never = Calendar({"people": Timetable({"working_days": ()})})
    assert never.next_opening("people", at("2026-03-02 10:00")) is None


@pytest.mark.parametrize(
    ("today", "year"), [("2026-11-30", None), ("2026-12-01", 2027), ("2026-03-02", None), ("2027-02-01", 2027)]
)
def test_a_year_that_is_not_published_is_told_in_good_time(today: str, year: int | None) -> None:
    assert calendar.unpublished(date.fromisoformat(today)) == year


def spans() -> st.SearchStrategy[Spans]:
    def paired(minutes: list[int]) -> Spans:
        ordered = sorted(minutes)
        return tuple(zip(ordered[::2], ordered[1::2], strict=False))

    return st.lists(st.integers(0, 1440), max_size=6, unique=True).map(paired)


def by_kind() -> st.SearchStrategy[dict[calendar.Kind, Spans]]:
    return st.fixed_dictionaries({}, optional={"working_days": spans(), "weekends": spans(), "holidays": spans()})  # type: ignore[return-value]


DATES = st.dates(date(2025, 1, 1), date(2028, 12, 31))
MONTH_DAYS = st.dates(date(2024, 1, 1), date(2024, 12, 31)).map(lambda day: (day.month, day.day))


@st.composite
def some_days(draw: st.DrawFn) -> Days:
    first = draw(DATES)
    last = first + timedelta(days=draw(st.integers(0, 30)))
    return Days(first, last, "有事", hours=draw(st.one_of(st.just(((0, 1440),)), spans())))


CALENDARS = st.builds(
    lambda *parts: Calendar({"people": Timetable(parts[0], tuple(parts[1]))}, tuple(parts[2]), tuple(parts[3])),
    by_kind(),
    st.lists(st.builds(Season, MONTH_DAYS, MONTH_DAYS, by_kind()), max_size=2),
    st.lists(some_days(), max_size=3),
    st.lists(some_days(), max_size=2),
)


@given(CALENDARS, st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1)).map(lambda when: when.replace(tzinfo=CHINA)))
def test_the_next_opening_is_open_and_nothing_opens_before_it(centre: Calendar, now: datetime) -> None:
    opening = centre.next_opening("people", now)
    if centre.is_open("people", now):
        assert opening == now
    elif opening is None:
        assert not any(centre.hours_on("people", now.date() + timedelta(days=ahead)) for ahead in range(1, 300))
    else:
        assert opening > now and centre.is_open("people", opening)
        assert not centre.is_open("people", opening - timedelta(seconds=1))
        between = (now + (opening - now) * part / 7 for part in range(1, 7))
        assert not any(centre.is_open("people", moment) for moment in between)


@given(CALENDARS, DATES)
def test_hours_are_in_order_and_apart(centre: Calendar, day: date) -> None:
    flat = [minute for span in centre.hours_on("people", day) for minute in span]
    assert flat == sorted(flat) and all(begin < end for begin, end in centre.hours_on("people", day))


@given(CALENDARS, DATES, st.integers(0, 30))
def test_due_dates_are_working_days_and_count_right(centre: Calendar, start: date, count: int) -> None:
    due = centre.add_working_days(start, count)
    days = [start + timedelta(days=ahead) for ahead in range(1, (due - start).days + 1)]
    assert sum(map(centre.is_working_day, days)) == count
    assert not count or centre.is_working_day(due)


FAULTS = [  # what stands in the place of the closures, from line 3 on
    ("closures: [{from: 2026-13-01, reason: 搬}]", "日期要写成 2026-10-08", "write the date"),
    ("closures: [{from: 2026-03-02, to: 2026-03-01, reason: 搬}]", "to 早于 from", "before"),
    ("closures: [{from: 2026-03-02, to: 2036-03-01, reason: 搬}]", "最多写一年", "a year"),
    ("closures: [{from: 2026-03-02}]", "缺少 reason", "reason is missing"),
    ("closures: [{from: 2026-03-02, resaon: 搬, reason: 搬}]", '不认识 resaon(是不是 "reason"?)', "unknown: resaon"),
    ("closures: [{from: 2026-03-02, reason: 搬, only: [peple]}]", '没有时间表 "peple"(是不是 "people"?)', "no timetable"),
    ("closures: [{from: 2026-03-02, reason: 搬, hours: 9-12}]", "时间要写成 9:00-12:00", "write hours as"),
    ("  more: {note: 网点, working_days: [9:00-12:00, 11:00-13:00]}", "不能重叠", "overlap"),
    ("  more: {note: 网点, working_days: 17:00-9:00}", "结束要晚于开始", "must end after"),
    ("  more: {note: 网点, working_days: 9:00-24:30}", "最晚到 24:00", "24:00 is the last"),
    ("  more: {note: 网点, working_days: 9:60-10:00}", "没有这个钟点", "no such hour"),
    ("  more: {note: 网点}", "缺少时间", "hours are missing"),
    ("  more: {note: 网点, workdays: 9:00-17:00}", '不认识 workdays(是不是 "working_days"?)', "unknown: workdays"),
    ("  More: {note: 网点, every_day: 9:00-17:00}", "小写字母", "lower-case"),
    ("  people: {note: 网点, every_day: 9:00-17:00}", "第 2 行已经有一个", "line 2"),
    ("  more: {note: 网点, every_day: 9:00-17:00, seasons: [{name: 夏, from: 02-30, to: 09-30, every_day: 9:00-10:00}]}",
     "这里写月日，如 07-01", "month and day"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "zh", "en"), FAULTS, ids=[fault[0][:40] for fault in FAULTS])
def test_a_fault_is_told_at_its_line(line: str, zh: str, en: str) -> None:
    text = f"timetables:\n  people: {{note: 人工服务, working_days: 9:00-17:00}}\n{line}\n"
    made, faults = read_hours(parse(text.encode(), "flows/hours.yaml"))
    assert made is None
    told = [fault for fault in faults if zh in fault.zh]
    assert told and told[0].line == 3 and en in told[0].en, [fault.tell() for fault in faults]


def test_every_fault_is_told_at_once() -> None:
    text = (
        PEOPLE.replace("9:30-16:30", "9.30-16.30")
        .replace("reason: 搬迁", "why: 搬迁")
        .replace("note: 自助", "not: 自助")
    )
    _, faults = read_hours(parse(text.encode(), "f"))
    assert {fault.line for fault in faults} == {7, 10, 12}


def test_an_extra_day_that_is_a_working_day_anyway() -> None:
    text = PEOPLE.replace("2026-03-07", "2026-10-10")
    made, faults = read_hours(parse(text.encode(), "f"))
    assert made and [fault.warning for fault in faults] == [True] and "本来就是工作日" in faults[0].zh


def test_an_emptied_list_and_a_single_name() -> None:
    made = calendar_of("""\
timetables:
  people: {note: 人工服务, working_days: 9:00-17:00, seasons: }
closures:
  - {from: 2026-03-04, reason: 搬迁, only: people}
extra_days:
""")
    assert not made.is_open("people", at("2026-03-04 10:00")) and made.extra_days == ()


LINES = PEOPLE.splitlines()
SCRAPS = ["", "\t", "- ", "：", ":", "#", "*", '"', "{", "}", "[", "no", "0", "null", "24:00", "2026-02-30"]


@given(
    st.lists(
        st.tuples(st.integers(0, len(LINES) - 1), st.integers(0, 40), st.sampled_from(SCRAPS), st.booleans()),
        min_size=1,
        max_size=3,
    )
)
def test_any_slip_is_taken_up_or_told(slips: list[tuple[int, int, str, bool]]) -> None:
    lines = list(LINES)
    for where, column, scrap, instead in slips:
        line = lines[where]
        lines[where] = scrap if instead else line[:column] + scrap + line[column:]
    made, faults = read_hours(parse("\n".join(lines).encode(), "f"))
    assert made or any(not fault.warning for fault in faults)
    assert all(1 <= fault.line <= len(LINES) + 1 for fault in faults)
    if made:
        for name in made.timetables:
            made.next_opening(name, at("2026-03-02 10:00"))
