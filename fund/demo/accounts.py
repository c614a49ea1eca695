"""The demo's accounts: three years of deposits, interest and withdrawals that add up to the balance, in whole fen."""

from dataclasses import dataclass
from datetime import date
from random import Random
from typing import Any

from fund import codes
from fund.demo import months
from fund.demo.people import NEWCOMER, Unit, Who

WINDOW_MONTHS = 36
RAISE = 0.96  # a base against the next year's
_BASES = {1: 600_000}
_BALANCES = {1: 1_234_567}
_STATE_LINES = {"02": "05", "06": "14"}  # state of the account -> kind of the line that says so
_CLOSING_LINES = {"03": "06", "04": "07", "05": "12"}


@dataclass
class Account:
    """One account as the ledger holds it: its row, and its lines from the oldest."""

    row: dict[str, Any]
    lines: list[dict[str, Any]]

    @property
    def monthly(self) -> int:
        return int(self.row["mine"] + self.row["employers"])


def account(person: Who, unit: Unit, today: date) -> Account:
    """The account of one employee, as it stands on `today`."""
    story = _Story(person, unit, today)
    story.tell()
    return Account(story.row(), story.lines)


class _Story:
    """Three years of one account, told month by month."""

    def __init__(self, person: Who, unit: Unit, today: date) -> None:
        dice = Random(f"account {person.index}")
        self.person, self.unit, self.today = person, unit, today
        self.base = _BASES.get(person.index) or dice.randrange(249, 3000) * 1000
        opened = 3 if person.index == NEWCOMER else dice.choice((WINDOW_MONTHS,) * 6 + (7, 14, 25))
        ended = 0 if person.state in ("01", "99") else dice.randrange(1, min(opened, 30))
        self.first = months.shift(today, -opened)
        self.last = months.shift(today, -1 - max(ended, unit.months_behind))
        self.is_new = opened < WINDOW_MONTHS
        self.payout_at = months.shift(today, -dice.randrange(2, 130))  # mostly before the window: none
        self.balance = 0 if self.is_new else self._monthly(today) * dice.randrange(1, 60)
        self.carried = self.balance
        self.lines: list[dict[str, Any]] = []

    def tell(self) -> None:
        if self.is_new:
            self._line(self.first, "03", 0)
        for ahead in range(WINDOW_MONTHS + 1):
            month = months.shift(self.first, ahead)
            if month > self.today:
                break
            if month <= self.last:
                self._deposit(month)
            if month == self.last and self.person.state != "01":
                self._end(month)
            if month.month == 6 and months.on(month, 30) <= self.today:
                self._close_year(month)

    def _deposit(self, month: date) -> None:
        if month.month == 7 and self.lines:
            self._line(month, "10", 0)
        self._line(months.on(month, self.unit.pays_on), "01", self._monthly(month), months.code(month))
        if month == self.payout_at:
            self._line(months.on(month, 26), "11", -(self.balance * 2 // 5 // 100 * 100))

    def _close_year(self, june: date) -> None:
        """30 June: interest, and what is carried over. A wanted balance is reached by a withdrawal four days before."""
        carried = self.balance + self.balance * 15 // 1000
        wanted = _BALANCES.get(self.person.index)
        if wanted and months.shift(june, 12) > self.today.replace(day=1):
            still_due = sum(1 for ahead in range(1, 13) if months.shift(june, ahead) <= self.last)
            carried = wanted - still_due * self._monthly(self.today)
            self._line(months.on(june, 26), "11", carried * 1000 // 1015 - self.balance)
        self._line(months.on(june, 30), "09", carried - self.balance)
        self.carried = self.balance

    def _end(self, month: date) -> None:
        """What became of an account that is not paid into any more."""
        day, state = months.on(month, 28), self.person.state
        if state in _STATE_LINES:
            self._line(day, _STATE_LINES[state], 0)
        elif state in _CLOSING_LINES:
            self._line(day, _CLOSING_LINES[state], -self.balance)

    def _monthly(self, month: date) -> int:
        return 2 * self._share(month)

    def _share(self, month: date) -> int:
        """Either side's share: bases rise every July, shares are whole yuan."""
        years_ago = months.year_of(self.today) - months.year_of(month)
        return round(self.base * RAISE**years_ago * self.unit.rate / 10_000) * 100

    def _line(self, day: date, kind: str, amount: int, month: str | None = None) -> None:
        self.balance += amount
        self.lines.append(
            {
                "account": self.person.account,
                "serial": f"{day:%y%m%d}{len(self.lines):06d}",
                "day": day,
                "kind": kind,
                "amount": amount,
                "balance": self.balance,
                "month": month,
            }
        )

    def row(self) -> dict[str, Any]:
        person, closed = self.person, self.person.state in codes.CLOSED
        share = 0 if closed else self._share(self.today)
        return {
            "account": person.account,
            "name": person.name,
            "id_card": person.id_card,
            "phone": person.phone,
            "bound_phone": person.phone if person.bound else None,
            "state": person.state,
            "base": self.base,
            "mine": share,
            "employers": share,
            "balance": self.balance,
            "carried": min(self.carried, self.balance),  # what is withdrawn is taken from the new money first
            "paid_to": months.code(self.last) if self.last >= self.first else None,
            "employer": self.unit.account,
            "as_of": self.today,
        }
