"""The centre's figures, each from a table of what happened, on SQLite and PostgreSQL; the arithmetic is beside it."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from desk.figures import FIGURES, BadPeriod, Figures, Period
from desk.tables import call_backs, queue_visits, surveys, work_orders
from ivr.tables import call_steps, calls
from tests.ivr.golden import BEGIN  # 2026-03-02 10:00, a Monday

MARCH = Period(date(2026, 3, 1), date(2026, 3, 31))
NOW = BEGIN + timedelta(days=7)


def at(minutes: float) -> datetime:
    return BEGIN + timedelta(minutes=minutes)


def a_call(
    id: str, outcome: str = "finished", minutes: float = 0, caller: str = "a", seconds: float | None = 60
) -> Any:
    return {
        "id": id, "line": "asterisk", "flow_version": "v1", "language": "zh", "caller_masked": caller and "***0001",
        "caller_digest": caller, "node": "main/main", "outcome": outcome, "started_at": at(minutes),
        "ended_at": None if seconds is None else at(minutes) + timedelta(seconds=seconds),
    }  # fmt: skip


def steps(call: str, *way: tuple[str, float] | tuple[str, float, int, int]) -> list[dict[str, Any]]:
    rows = []
    for n, (node, seconds, *missed) in enumerate(way):
        silences, wrongs = missed or (0, 0)
        row = {"call_id": call, "n": n, "node": node, "entered_at": BEGIN, "seconds": seconds}
        rows.append(row | {"silences": silences, "wrongs": wrongs})
    return rows


def a_visit(
    call: str, answered: float | None, how: str = "", estimate: int | None = None, queue: str = "general"
) -> Any:
    """`answered`: seconds of waiting."""
    left = None if not how and answered is None else BEGIN + timedelta(seconds=200)
    met = None if answered is None else BEGIN + timedelta(seconds=answered)
    row = {"call_id": call, "queue": queue, "entered_at": BEGIN, "estimate_seconds": estimate, "answered_at": met}
    return row | {"agent": "agent1" if met else "", "left_at": left, "how": how}


def an_order(number: str, state: str, kind: str = "consult", answered: float | None = None) -> Any:
    """Due a day after `BEGIN`; `answered` in hours."""
    row = dict.fromkeys(("topic", "call_id", "caller_masked", "caller_digest", "account_masked"), "")
    row |= dict.fromkeys(("account_digest", "recording", "assigned_to"), "")
    met = None if answered is None else BEGIN + timedelta(hours=answered)
    return row | {
        "number": number, "kind": kind, "state": state, "priority": "normal", "channel": "voice", "opened_at": BEGIN,
        "changed_at": BEGIN, "forward_by": BEGIN, "answer_by": BEGIN + timedelta(days=1), "answered_at": met,
    }  # fmt: skip


def a_call_back(id: str, outcome: str) -> Any:
    row = dict.fromkeys(("reason", "call_id", "lease_by"), "")
    return row | {
        "id": id, "number_masked": "***", "number_digest": id, "number_sealed": b"", "queue": "general",
        "channel": "voice", "asked_at": BEGIN, "tries": 1, "next_try_at": BEGIN, "outcome": outcome,
        "closed_at": BEGIN if outcome else None,
    }  # fmt: skip


async def filled(engine: AsyncEngine, rows: Mapping[Any, list[Any]]) -> Figures:
    async with engine.begin() as connection:
        for table, values in rows.items():
            for row in values:
                await connection.execute(insert(table).values(row))
    return Figures(engine, lambda: NOW)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ({}, {"calls": 0, "automatic": None, "repeat": None, "answered": None, "satisfied": None, "kept": None}),
        (  # 4 calls, 3 ended, 2 of those without people; 60, 120 and 180 s long
            {calls: [
                a_call("1"), a_call("2", "hung_up", seconds=120, caller="b"), a_call("3", "transferred", seconds=180, caller=""),
                a_call("4", "", seconds=None, caller=""),
            ]},
            {"calls": 4, "automatic": 2 / 3, "call_seconds": 120, "repeat": 0},
        ),
        (  # somebody tried the menus in a terminal
            {calls: [a_call("1"), a_call("2", minutes=1) | {"line": "keyboard"}]},
            {"calls": 1, "automatic": 1, "call_seconds": 60, "repeat": 0},
        ),
        (  # it went on to a survey, but there were people in between
            {calls: [a_call("1", "finished")], queue_visits: [a_visit("1", 5)]},
            {"automatic": 0},
        ),
        (  # a: again after 6 days; b: after 8; one withheld twice, who is nobody; the first of a is before the period
            {calls: [
                a_call("1", minutes=-3 * 1440), a_call("2", minutes=3 * 1440), a_call("3", caller="b"),
                a_call("4", caller="b", minutes=8 * 1440), a_call("5", caller=""), a_call("6", caller="", minutes=1),
            ]},
            {"calls": 5, "repeat": 1 / 3},
        ),
        (  # 6 came, 5 are over: 3 answered (2 within 15 s), 1 hung up, 1 chose a call-back; estimates off by 5 and 20
            {queue_visits: [
                a_visit("1", 5, estimate=10), a_visit("2", 15), a_visit("3", 40, estimate=60), a_visit("4", None, "hung_up"),
                a_visit("5", None, "chose"), a_visit("6", None),
            ]},
            {"asked": 6, "answered": 3 / 5, "in_time": 2 / 3, "answer_seconds": 15, "lost": 1 / 5, "estimate_error": 12.5},
        ),
        (  # moved on after 60 s and answered 10 s later: one visit, 70 s
            {queue_visits: [
                a_visit("1", None, "moved"), a_visit("1", 70, queue="loan") | {"entered_at": BEGIN + timedelta(seconds=60)},
            ]},
            {"asked": 1, "answered": 1, "in_time": 0, "answer_seconds": 70, "lost": 0},
        ),
        (  # moved on, then a message instead, and later a person after all, within 5 s: that wait began anew
            {queue_visits: [
                a_visit("1", None, "moved", queue="loan"),
                a_visit("1", None, "chose") | {"entered_at": BEGIN + timedelta(seconds=60)},
                a_visit("1", 155, estimate=5) | {"entered_at": BEGIN + timedelta(seconds=150)},
            ]},
            {"asked": 2, "answered": 1 / 2, "in_time": 1, "answer_seconds": 5, "estimate_error": 0},
        ),
        (  # whom we called did not call us
            {calls: [a_call("1"), a_call("out-callback-a-1", caller="a", minutes=9)], queue_visits: [a_visit("out-callback-a-1", 1)]},
            {"calls": 1, "automatic": 1, "repeat": 0, "asked": 0},
        ),
        (  # (2 + 1) of 4
            {surveys: [
                {"call_id": str(n), "at": BEGIN, "rating": rating, "agent": "", "queue": "", "topic": ""}
                for n, rating in enumerate(("satisfied", "satisfied", "fair", "unsatisfied"))
            ]},
            {"rated": 4, "satisfied": 3 / 4},
        ),
        (  # late: answered after 25 h, and still open after a week; not: answered in time, closed, a draft
            {
                calls: [a_call(str(n), caller="") for n in range(8)],
                work_orders: [
                    an_order("1", "answered", answered=25), an_order("2", "open", "complaint"),
                    an_order("3", "answered", answered=23), an_order("4", "closed", "complaint"), an_order("5", "draft"),
                ],
            },
            {"orders": 4, "late": 2 / 4, "complaints": 2 / 8},
        ),
        (  # 2 reached of 3 that are closed and were not taken back
            {call_backs: [a_call_back(str(n), each) for n, each in enumerate(("reached", "reached", "no_answer", "cancelled", ""))]},
            {"call_backs": 5, "kept": 2 / 3},
        ),
    ],
)  # fmt: skip
async def test_the_summary(engine: AsyncEngine, rows: Any, expected: dict[str, float | None]) -> None:
    figures = await filled(engine, rows)
    report = await figures.report("summary", MARCH)
    found = {name: value for name, value in report.rows}
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert list(found) == list(FIGURES)


async def test_hours_and_days_are_those_of_china(engine: AsyncEngine) -> None:
    """Ten in the morning is ten; half past midnight belongs to the new day, though in UTC it is the old one."""
    figures = await filled(
        engine,
        {
            calls: [
                a_call("1"),
                a_call("2", "transferred", 59),
                a_call("3", minutes=14.5 * 60),
                a_call("4", minutes=22 * 1440),
            ]
        },
    )
    hours = (await figures.report("hours", Period(date(2026, 3, 2), date(2026, 3, 3)))).rows
    assert len(hours) == 24 and hours[10] == (10, 2, 1) and hours[0] == (0, 1, 0) and hours[2] == (2, 0, 0)
    days = (await figures.report("days", Period(date(2026, 3, 1), date(2026, 3, 3)))).rows
    assert days == [("2026-03-01", 0, 0), ("2026-03-02", 2, 1), ("2026-03-03", 1, 0)]


async def test_a_topic_is_the_last_part_of_the_menus(engine: AsyncEngine) -> None:
    figures = await filled(
        engine,
        {
            calls: [a_call("1"), a_call("2", "transferred"), a_call("3"), a_call("4")],
            call_steps: steps("1", ("main/welcome", 1), ("account/who", 1), ("loan/start", 1), ("main/after", 1))
            + steps("2", ("main/welcome", 1), ("loan/start", 1), ("main/agent", 1))
            + steps("3", ("main/welcome", 1), ("account/who", 1)),
        },
    )
    assert (await figures.report("topics", MARCH)).rows == [("loan", 2, 1), ("-", 1, 0), ("account", 1, 0)]


async def test_what_happens_in_each_node(engine: AsyncEngine) -> None:
    figures = await filled(
        engine,
        {
            calls: [a_call("1", "hung_up"), a_call("2", "transferred"), a_call("3", "hung_up")],
            call_steps: steps("1", ("main/main", 4, 2, 1), ("loan/start", 9))
            + steps("2", ("main/main", 6, 0, 3), ("main/agent", 1))
            + steps("3", ("main/main", 20), ("loan/start", 2), ("main/main", 7)),
        },
    )
    report = await figures.report("nodes", MARCH)
    assert report.columns == ("node", "entered", "median_seconds", "hung_up", "silences", "wrongs", "left_for")
    assert report.rows == [
        ("main/main", 4, 6.5, 1, 2, 4, "loan/start 2, main/agent 1"),  # 4 6 7 20
        ("loan/start", 2, 5.5, 1, 0, 0, "main/main 1"),
        ("main/agent", 1, 1.0, 0, 0, 0, ""),
    ]


async def test_each_queue(engine: AsyncEngine) -> None:
    visits = [a_visit("1", 5), a_visit("2", 40), a_visit("3", None, "hung_up"), a_visit("4", 10, queue="loan")]
    figures = await filled(engine, {queue_visits: visits})
    assert (await figures.report("queues", MARCH)).rows == [("general", 3, 2, 1, 1, 22.5), ("loan", 1, 1, 1, 0, 10.0)]


async def test_ratings_are_all_there(engine: AsyncEngine) -> None:
    row = {"call_id": "1", "at": BEGIN, "rating": "fair", "agent": "", "queue": "", "topic": ""}
    figures = await filled(engine, {surveys: [row]})
    assert (await figures.report("ratings", MARCH)).rows == [("satisfied", 0), ("fair", 1), ("unsatisfied", 0)]


@pytest.mark.parametrize("days", [-1, 366, 4000])
def test_a_period_that_cannot_be(days: int) -> None:
    with pytest.raises(BadPeriod):
        Period(date(2026, 3, 2), date(2026, 3, 2) + timedelta(days=days))
