"""What people are reminded of: when each is looked for, what the ledger is asked, and what is once. Pure."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import get_args

from fund.fields import Value
from fund.ledger import Ledger
from fund.occasions import Page
from sms.settings import ReminderKind

DAYS_AHEAD = 3  # a payment is announced so many days before
CERTIFICATE_DAYS = 31  # a certificate can be renewed within the month before it ends
CATCH_UP_DAYS = 7  # a monthly or yearly day is gone through again for so long: the ledger may be late, or we were
KINDS: tuple[ReminderKind, ...] = get_args(ReminderKind)


@dataclass(frozen=True, slots=True)
class Reminder:
    """One thing people are reminded of."""

    template: str
    in_season: Callable[[date], bool]  # whether there is an occasion on a day
    pages: Callable[[Ledger, date, str], AsyncIterator[Page]]  # ledger, the run's day, the key to go on after
    params: Callable[[Mapping[str, Value]], dict[str, Value]]
    once: Callable[[Mapping[str, Value], date], str]  # with the account: what somebody is reminded of once


def _every_day(today: date) -> bool:
    return True


def _month_begins(today: date) -> bool:
    return today.day <= CATCH_UP_DAYS


def _july_begins(today: date) -> bool:
    return today.month == 7 and today.day <= CATCH_UP_DAYS


def _last_month(day: date) -> str:
    return f"{day.replace(day=1) - timedelta(days=1):%Y-%m}"


def _period(due: Value, day: date) -> str:
    """The time until the next payment, not the calendar's month: the 31st and the 1st are neighbours."""
    to_come = isinstance(due, date) and due > day - timedelta(days=28)
    return f"{due}" if to_come else f"{day:%Y-%m}"  # past its last payment a loan has no other


def _pick(**names: str) -> Callable[[Mapping[str, Value]], dict[str, Value]]:
    return lambda values: {name: values[field] for name, field in names.items()}


REMINDERS: Mapping[ReminderKind, Reminder] = {
    "due": Reminder(
        "repayment_due",
        _every_day,
        lambda ledger, day, after: ledger.due(day + timedelta(days=1), day + timedelta(days=DAYS_AHEAD), after),
        _pick(tail="tail", date="next_date", amount="next_amount"),
        lambda values, day: f"{values['tail']} {values['next_date']}",
    ),
    "overdue": Reminder(
        "overdue",
        _every_day,
        lambda ledger, day, after: ledger.overdue(after),
        _pick(tail="tail", count="overdue_count", amount="overdue_amount"),
        lambda values, day: f"{values['tail']} {_period(values['next_date'], day)} {values['overdue_count']}",
    ),
    "behind": Reminder(
        "employer_behind",
        _month_begins,
        lambda ledger, day, after: ledger.behind(_last_month(day), after),
        _pick(tail="tail", paid_to="paid_to", months="arrears_months", amount="arrears_amount"),
        lambda values, day: _last_month(day),
    ),
    "certificate": Reminder(
        "certificate_ending",
        _every_day,
        lambda ledger, day, after: ledger.certificates_ending(day, day + timedelta(days=CERTIFICATE_DAYS), after),
        _pick(tail="tail", date="certificate_ends"),
        lambda values, day: f"{values['certificate_ends']}",
    ),
    "interest": Reminder(
        "interest",
        _july_begins,
        lambda ledger, day, after: ledger.interest(date(day.year, 6, 30), after),
        _pick(tail="tail", date="date", amount="interest", balance="balance"),
        lambda values, day: f"{day.year}",
    ),
}
