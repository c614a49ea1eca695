"""How each report of `fund.fields` is filled from the ledger's views.

Adding one: its fields in `fund.fields`, its statement and its function here, a line in `REPORTERS`.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, literal_column, select

from fund import codes
from fund.fields import ReportData, Value
from fund.statements import Row, Statement
from fund.views import DETAIL, EMPLOYEE, EMPLOYER, LOAN, REPAYMENT, day_bind, text_bind

RECENT = 5  # lines read out when nobody asked for a month; an ear holds no more
MOST = 50  # lines of one month; a ledger gone wrong must not fill the memory

Ask = Callable[..., Awaitable[list[Row]]]  # ask(statement, **values) -> rows; raises LedgerAway
Reporter = Callable[[Ask, str, str | None], Awaitable[ReportData | None]]


def tail(number: str | None) -> str | None:
    return number[-4:] if number else None


def _newest(rows: Select[Any], *order: ColumnElement[Any]) -> Select[Any]:
    return rows.order_by(*(column.desc() for column in order)).limit(bindparam("most"))


_BALANCE = Statement("balance", select(EMPLOYEE).where(EMPLOYEE.c.grzh == text_bind("account")), by_key=True)


async def _balance(ask: Ask, account: str, _: str | None) -> ReportData | None:
    for row in await ask(_BALANCE, account=account):
        return ReportData(balance_values(row))
    return None


def balance_values(row: Row) -> dict[str, Value]:
    return {
        "balance": row["grzhye"],
        "carried": row["grzhsnjzye"],
        "added": row["grzhdngjye"],
        "base": row["grjcjs"],
        "mine": row["gryjce"],
        "employers": row["dwyjce"],
        "monthly": row["gryjce"] + row["dwyjce"],
        "paid_to": row["jzny"],
        "state": codes.words(codes.ACCOUNT_STATE, row["grzhzt"]),
        "tail": tail(row["grzh"]),
        "employer": row["dwmc"],
        "as_of": row["sjrq"],
    }


_LINES = select(DETAIL).where(DETAIL.c.grzh == text_bind("account"))
_RECENT_LINES = Statement("details", _newest(_LINES, DETAIL.c.jzrq, DETAIL.c.ywlsh))
_MONTH_LINES = Statement(
    "details of a month",
    _newest(
        _LINES.where(DETAIL.c.jzrq >= day_bind("first"), DETAIL.c.jzrq < day_bind("next")),
        DETAIL.c.jzrq,
        DETAIL.c.ywlsh,
    ),
)


async def _details(ask: Ask, account: str, month: str | None) -> ReportData | None:
    if month is None:
        found = await ask(_RECENT_LINES, account=account, most=RECENT)
    else:
        first, following = month_bounds(month)
        found = await ask(_MONTH_LINES, account=account, first=first, next=following, most=MOST)
    return ReportData({"count": len(found), "tail": tail(account)}, tuple(_line(row) for row in found))


def _line(row: Row) -> dict[str, Value]:
    return {
        "date": row["jzrq"],
        "kind": codes.words(codes.DETAIL_KIND, row["gjhtqywlx"]),
        "amount": abs(row["fse"]),
        "balance": row["grzhye"],
        "month": row["hbjny"],
    }


def month_bounds(month: str) -> tuple[date, date]:
    """`2026-12` -> (2026-12-01, 2027-01-01). Raises ValueError for anything else."""
    first = date.fromisoformat(f"{month}-01")
    return first, date(first.year + first.month // 12, first.month % 12 + 1, 1)


# Someone may have had several loans: the one still open whose payment comes first is meant.
OPEN = LOAN.c.dkye > literal_column("0")
_LOAN = Statement(
    "loan",
    select(LOAN).where(LOAN.c.grzh == text_bind("account"), OPEN).order_by(LOAN.c.dqjhhkrq, LOAN.c.dkzh).limit(1),
    by_key=True,
)
_REPAYMENTS = Statement(
    "repayments",
    _newest(
        select(REPAYMENT).where(REPAYMENT.c.dkzh == text_bind("loan"), REPAYMENT.c.dkywmxlx != "01"),
        REPAYMENT.c.jzrq,
        REPAYMENT.c.ywlsh,
    ),
)


async def _loan(ask: Ask, account: str, _: str | None) -> ReportData | None:
    for row in await ask(_LOAN, account=account):
        return ReportData(loan_values(row))
    return None


def loan_values(row: Row) -> dict[str, Value]:
    return {
        "balance": row["dkye"],
        "amount": row["dkffe"],
        "rate": row["dkll"],
        "method": codes.words(codes.REPAYMENT_METHOD, row["dkhkfs"]),
        "periods": row["dkqs"],
        "periods_left": row["dksyqs"],
        "next_date": row["dqjhhkrq"],
        "next_amount": row["dqjhhkje"],
        "overdue_count": row["ljyqqs"],
        "overdue_amount": row["yqbjze"] + row["yqlxze"],
        "arrears": "有逾期" if row["ljyqqs"] else "无逾期",
        "tail": tail(row["jkhtbh"]),
    }


async def _repayments(ask: Ask, account: str, _: str | None) -> ReportData | None:
    for loan in await ask(_LOAN, account=account):
        found = await ask(_REPAYMENTS, loan=loan["dkzh"], most=RECENT)
        values = {"count": len(found), "balance": loan["dkye"], "tail": tail(loan["jkhtbh"])}
        return ReportData(values, tuple(_repayment(row) for row in found))
    return None


def _repayment(row: Row) -> dict[str, Value]:
    return {
        "date": row["jzrq"],
        "kind": codes.words(codes.LOAN_DETAIL_KIND, row["dkywmxlx"]),
        "amount": row["bjje"] + row["lxje"] + row["fxje"],
        "principal": row["bjje"],
        "interest": row["lxje"],
        "penalty": row["fxje"],
        "period": row["dqqc"],
        "balance": row["dkye"],
    }


EMPLOYER_BY_ACCOUNT = Statement(
    "employer", select(EMPLOYER).where(EMPLOYER.c.dwzh == text_bind("account")), by_key=True
)


async def _employer(ask: Ask, account: str, _: str | None) -> ReportData | None:
    for row in await ask(EMPLOYER_BY_ACCOUNT, account=account):
        return ReportData(employer_values(row))
    return None


def employer_values(row: Row) -> dict[str, Value]:
    return {
        "name": row["dwmc"],
        "state": codes.words(codes.EMPLOYER_STATE, row["dwzhzt"]),
        "monthly_total": row["yjcze"],
        "heads": row["dwjcrs"],
        "paid_to": row["jzny"],
        "arrears_months": row["qjys"],
        "arrears_amount": row["qjje"],
        "employers_rate": row["dwjcbl"],
        "employees_rate": row["grjcbl"],
        "certificate_ends": row["zsdqrq"],
        "tail": tail(row["dwzh"]),
    }


REPORTERS: Mapping[str, Reporter] = {
    "balance": _balance,
    "details": _details,
    "loan": _loan,
    "repayments": _repayments,
    "employer": _employer,
}
