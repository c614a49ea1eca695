"""Quiet hours, back-off, breakers: decisions as tables."""

import random
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from fund.clock import CHINA
from fund.phone import NotAPhone, is_mobile, normalise
from sms.breaker import Breaker
from sms.errors import Refused
from sms.messages import Quiet
from sms.numbers import operator_of, recipient
from sms.routing import Router
from sms.settings import Route, TextSettings
from sms.timing import Day, allowed_at, finished_at, next_try

# local time is UTC+8
SMPP = {"host": "127.0.0.1", "system_id": "x", "password": "x", "sender": "12329"}
MORNING, NOON, NIGHT, LATE = (datetime(2026, 3, 2, hour, tzinfo=UTC) for hour in (23, 4, 15, 13))


@pytest.mark.parametrize(
    ("moment", "quiet", "goes"),
    [
        (NIGHT, "none", NIGHT),
        (NOON, "service", NOON),
        (NIGHT, "service", datetime(2026, 3, 2, 23, 30, tzinfo=UTC)),
        (MORNING, "service", datetime(2026, 3, 2, 23, 30, tzinfo=UTC)),  # 07:00 -> 07:30
        (MORNING, "advertising", datetime(2026, 3, 3, 0, 0, tzinfo=UTC)),  # 07:00 -> 08:00
        (LATE, "service", LATE),  # 21:00, before this house's 22:00
        (LATE, "advertising", datetime(2026, 3, 3, 0, 0, tzinfo=UTC)),
    ],
)
def test_quiet_hours(moment: datetime, quiet: Quiet, goes: datetime) -> None:
    assert allowed_at(moment, quiet, Day(time(7, 30), time(22))) == goes


def test_a_night_may_begin_at_any_second() -> None:
    day = Day(time(8, 0, 30), time(23, 59, 59))
    moment = datetime(2026, 3, 2, 12, tzinfo=CHINA)
    done = finished_at(moment, 60 * 60 * 13, 1, "service", day)
    assert done == datetime(2026, 3, 3, 9, 0, 31, tzinfo=CHINA)
    assert allowed_at(datetime(2026, 3, 2, 8, tzinfo=CHINA), "service", day).time() == time(8, 0, 30)


@pytest.mark.parametrize(
    ("attempt", "after", "jitter", "seconds"),
    [
        (1, 0, 0, 2),
        (2, 0, 0, 4),
        (3, 0, 1, 12),  # 8 s and half of it
        (1, 60, 0, 60),  # the provider's wish
        (5, 0, 0.5, 40),  # 32 s and a quarter
        (6, 0, 0, None),
        (1, 3600, 0, None),  # it would have expired
    ],
)
def test_back_off(attempt: int, after: float, jitter: float, seconds: float | None) -> None:
    again = next_try(attempt, NOON, NOON + timedelta(hours=1), after, jitter)
    assert again == (None if seconds is None else NOON + timedelta(seconds=seconds))


def test_a_breaker_opens_probes_and_closes() -> None:
    it = Breaker(in_a_row=3, pause_seconds=5, probes=1)
    for _ in range(3):
        assert it.allows(0)
        it.failed(0)
    assert not it.allows(4.9)
    assert it.allows(5) and not it.allows(5)  # one probe
    it.failed(5)
    assert not it.allows(14.9)  # the pause has doubled
    assert it.allows(15)
    it.took()
    assert it.state == "closed" and it.allows(15)


def test_a_breaker_counts_shares() -> None:
    it = Breaker(share=0.5, window=10, in_a_row=99)
    for n in range(10):
        it.failed(0) if n % 2 else it.took()
    assert it.state == "open"


@pytest.mark.parametrize("raw", ["13900000001", "+86 139-0000-0001", "008613900000001", " 139 0000 0001 "])
def test_numbers_in_every_dress(raw: str) -> None:
    assert recipient(raw) == "13900000001"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("0511-85212579", "not_mobile"),
        ("12329", "not_mobile"),
        ("+85261234567", "abroad"),
        ("", "bad_number"),
        ("😀" * 11, "bad_number"),
        ("1" * 10_000, "bad_number"),
        ("1390000000", "not_mobile"),
        ("13900000001;drop", "bad_number"),
    ],
)
def test_numbers_that_cannot_be_texted(raw: str, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        recipient(raw)
    assert refused.value.reason in (reason, "bad_number")


@given(st.one_of(st.from_regex(r"1[0-9]{10}", fullmatch=True), st.from_regex(r"[+0-9 -]{1,16}", fullmatch=True)))
def test_the_quick_way_says_what_the_number_plan_says(raw: str) -> None:
    try:
        number = normalise(raw)
        wanted = number if is_mobile(number) else ""
    except NotAPhone:
        wanted = ""
    try:
        assert recipient(raw) == wanted
    except Refused:
        assert wanted == ""


def test_abroad_where_allowed() -> None:
    assert recipient("+85261234567", frozenset({"852"})) == "+85261234567"


def test_operators_by_prefix() -> None:
    assert [operator_of(n) for n in ("13900000001", "18600000001", "17091234567", "19200000001", "+8526")] == [
        "mobile", "unicom", "unicom", "broadnet", "",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "day"),
    [
        ({}, None),  # the sandbox wakes nobody
        ({"day_ends": "20:00"}, Day(time(8), time(20))),
        ({"providers": {"sandbox": {}, "line": {"kind": "sandbox"}}}, None),
        ({"providers": {"sandbox": {}, "smpp": SMPP}}, Day()),
        ({"providers": {"smpp": SMPP}}, Day()),
    ],
)
def test_there_is_a_night_as_soon_as_texts_reach_people(given: dict[str, Any], day: Day | None) -> None:
    assert TextSettings(**given).day() == day
    assert day or allowed_at(NIGHT, "advertising", day) == NIGHT


def test_the_metrics_tell_whom_we_leave_alone() -> None:
    router = Router({}, [Route(providers=["sandbox"])], random.Random(0))
    router.breakers["sandbox", ""] = breaker = Breaker(in_a_row=1)
    router.measure()
    assert REGISTRY.get_sample_value("sms_breaker_open", {"provider": "sandbox", "operator": ""}) == 0
    breaker.failed(0.0)
    router.measure()
    assert REGISTRY.get_sample_value("sms_breaker_open", {"provider": "sandbox", "operator": ""}) == 1
