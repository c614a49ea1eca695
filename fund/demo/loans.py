"""The demo's loans: a third of the employees borrowed, a tenth of those missed payments, a few have repaid all."""

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Any

from fund.demo import months
from fund.demo.people import BORROWER, DEBTOR, FEATURED, Who

RATES = (260, 285, 310)  # hundredths of a per cent a year
_CALM, _ARREARS, _SETTLED = "calm", "arrears", "settled"
_FEATURED = {BORROWER: _CALM, DEBTOR: _ARREARS}


@dataclass
class Loan:
    """One loan as the ledger holds it: its row, and its lines from the oldest."""

    row: dict[str, Any]
    lines: list[dict[str, Any]]


def loan(person: Who, today: date) -> Loan | None:
    """The loan of an employee, as it stands on `today`; None for most."""
    dice = Random(f"loan {person.index}")
    fate = _fate(person, today, dice)
    return _Story(person, today, fate, dice).tell() if fate else None


def _fate(person: Who, today: date, dice: Random) -> str | None:
    drawn = dice.choices((None, _CALM, _ARREARS, _SETTLED), (60, 34, 4, 2))[0]
    if person.index <= FEATURED:
        return _FEATURED.get(person.index)
    return drawn if person.state == "01" and 25 <= today.year - person.birth.year < 60 else None


class _Story:
    """One loan from its first day, told period by period."""

    def __init__(self, person: Who, today: date, fate: str, dice: Random) -> None:
        self.person, self.today, self.fate = person, today, fate
        self.number = f"7{person.index:011d}"
        self.rate = dice.choice(RATES)
        self.periods = 36 if fate == _SETTLED else dice.choice((120, 180, 240, 300, 360))
        self.amount = dice.randrange(10, 81) * 1_000_000
        self.equal_principal = dice.random() < 0.25
        gone = 37 if fate == _SETTLED else dice.randrange(6, 90)
        next_day = today + timedelta(days=3 if person.index == BORROWER else dice.randrange(28))
        self.due_day = next_day.day
        self.start = months.shift(next_day, -gone)
        self.missed = dice.randrange(1, 5) if fate == _ARREARS else 0
        self.balance = self.amount
        self.lines: list[dict[str, Any]] = []

    def tell(self) -> Loan:
        self._line(months.on(self.start, 3), "01", 0, 0, 0)
        period = 1
        while period <= self.periods and self._due(period + self.missed) < self.today:
            principal, interest = self._payment(period, self.balance)
            self.balance -= principal
            self._line(self._due(period), "06" if period == self.periods else "02", principal, interest, period)
            period += 1
        return Loan(self._row(period), self.lines)

    def _due(self, period: int) -> date:
        return months.on(months.shift(self.start, period), self.due_day)

    def _payment(self, period: int, balance: int) -> tuple[int, int]:
        """Principal and interest of a period, when so much is owed before it."""
        monthly = self.rate / 10_000 / 12
        interest = round(balance * monthly)
        if period == self.periods:
            return balance, interest
        if self.equal_principal:
            return self.amount // self.periods, interest
        return round(self.amount * monthly / (1 - (1 + monthly) ** -self.periods)) - interest, interest

    def _line(self, day: date, kind: str, principal: int, interest: int, period: int) -> None:
        self.lines.append(
            {
                "loan": self.number,
                "serial": f"{day:%y%m%d}{len(self.lines):06d}",
                "day": day,
                "kind": kind,
                "principal": principal,
                "interest": interest,
                "penalty": 0,
                "period": period,
                "balance": self.balance,
            }
        )

    def _row(self, period: int) -> dict[str, Any]:
        """`period` is the first one not paid; those missed come before the next one due."""
        owed, late = self.balance, []
        for missed in range(period, period + self.missed):
            late.append(self._payment(missed, owed))
            owed -= late[-1][0]
        following = period + self.missed
        settled = following > self.periods
        return {
            "loan": self.number,
            "account": self.person.account,
            "contract": f"ZJ{self.start.year}{self.person.index:010d}",
            "amount": self.amount,
            "balance": self.balance,
            "rate": self.rate,
            "periods": self.periods,
            "periods_left": self.periods - period + 1,
            "method": "02" if self.equal_principal else "01",
            "next_day": None if settled else self._due(following),
            "next_amount": 0 if settled else sum(self._payment(following, owed)),
            "overdue": self.missed,
            "overdue_principal": sum(principal for principal, _ in late),
            "overdue_interest": sum(interest for _, interest in late),
        }
