"""Months as the ledger counts them."""

from calendar import monthrange
from datetime import date
from functools import cache


@cache
def shift(day: date, months: int) -> date:
    """The first of the month so many months away: `shift(2026-03-15, -1)` -> 2026-02-01."""
    count = day.year * 12 + day.month - 1 + months
    return date(count // 12, count % 12 + 1, 1)


@cache
def on(month: date, day: int) -> date:
    """A day of that month, or its last when the month is shorter: `on(2026-02-01, 30)` -> 2026-02-28."""
    return month.replace(day=min(day, monthrange(month.year, month.month)[1]))


@cache
def code(month: date) -> str:
    """`2026-02-01` -> 202602."""
    return f"{month.year}{month.month:02d}"


@cache
def year_of(day: date) -> int:
    """The fund's year, which begins on 1 July, by the calendar year it begins in."""
    return day.year - (day.month < 7)
