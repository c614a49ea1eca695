"""A made-up ledger to try the hotline on: 1,000 employees and 40 employers of the five districts of Zhenjiang.

The same people every day; their money moves with `today`, so a demo made on any day looks current.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Literal

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncEngine

from fund import codes
from fund.demo import months, tables
from fund.demo.accounts import Account, account
from fund.demo.loans import Loan, loan
from fund.demo.people import EMPLOYERS, FEATURED, Unit, everybody, unit, who


@dataclass(frozen=True)
class DemoPerson:
    """Somebody worth trying the hotline as. Made up, so nothing here is secret, but the repr keeps the habit."""

    kind: Literal["employee", "employer"]
    name: str
    phone: str
    bound: bool
    account: str
    id_card: str | None = field(repr=False)
    pin: str | None = field(repr=False)  # None: not set yet
    balance: str | None  # yuan with two decimals
    birth: date | None
    state: str
    special: str


def people(today: date) -> list[DemoPerson]:
    """The featured few, 张示例 (bound, 12345.67) first, then two employers."""
    few = [_employee(index, today) for index in range(1, FEATURED + 1)]
    return [*few, _employer(1, "正常缴存"), _employer(2, "欠缴两个月")]


def _employee(index: int, today: date) -> DemoPerson:
    person = who(index)
    fen = account(person, unit(person.employer), today).row["balance"]
    return DemoPerson(
        "employee",
        person.name,
        person.phone,
        person.bound,
        person.account,
        person.id_card,
        person.pin,
        f"{fen // 100}.{fen % 100:02d}",
        person.birth,
        codes.words(codes.ACCOUNT_STATE, person.state),
        person.special,
    )


def _employer(index: int, special: str) -> DemoPerson:
    it = unit(index)
    state = codes.words(codes.EMPLOYER_STATE, it.state)
    return DemoPerson(
        "employer", it.name, it.handler_phone, False, it.account, None, it.pin, None, None, state, special
    )


def pins() -> Iterator[tuple[str, str]]:
    """(account, PIN) of everybody who has set one, employers included: what `Pins.seed` takes."""
    yield from ((person.account, person.pin) for person in everybody() if person.pin)
    yield from ((employer.account, employer.pin) for employer in map(unit, range(1, EMPLOYERS + 1)))


async def create(engine: AsyncEngine, today: date) -> None:
    """Fills an empty database with the demo's tables and the views of `fund/views.sql`, in one transaction."""
    content = _content(today)
    async with engine.begin() as connection:
        await connection.run_sync(tables.metadata.create_all)
        for table, rows in content.items():
            await connection.execute(insert(tables.metadata.tables[table]), rows)
        for view in tables.views():
            await connection.execute(text(view))


def _content(today: date) -> dict[str, list[dict[str, Any]]]:
    units = {index: unit(index) for index in range(1, EMPLOYERS + 1)}
    everyone = list(everybody())
    accounts = [account(person, units[person.employer], today) for person in everyone]
    loans = [made for person in everyone if (made := loan(person, today))]
    return {
        "demo_employer": [_employer_row(it, accounts, today) for it in units.values()],
        "demo_employee": [made.row for made in accounts],
        "demo_detail": _lines(accounts),
        "demo_loan": [made.row for made in loans],
        "demo_repayment": _lines(loans),
    }


def _lines(told: list[Account] | list[Loan]) -> list[dict[str, Any]]:
    return [line for one in told for line in one.lines]


def _employer_row(it: Unit, accounts: list[Account], today: date) -> dict[str, Any]:
    paid_for = [one for one in accounts if one.row["employer"] == it.account and one.row["state"] == "01"]
    ends = it.certificate_offset_days
    return {
        "account": it.account,
        "name": it.name,
        "district": it.district,
        "state": it.state,
        "employers_rate": it.rate * 100,
        "employees_rate": it.rate * 100,
        "heads": len(paid_for),
        "monthly": sum(one.monthly for one in paid_for),
        "paid_to": months.code(months.shift(today, -1 - it.months_behind)) if it.state != "02" else None,
        "months_behind": it.months_behind,
        "handler": it.handler,
        "handler_phone": it.handler_phone,
        "certificate_ends": today + timedelta(days=ends) if ends is not None else None,
    }
