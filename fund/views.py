"""The ledger as we see it: five read-only views, their columns named as in JGJ/T 320, and how each is read.

`views.sql` says what every column holds and is what a centre's DBA adapts to their own system. Names are lower case
here and unquoted there, so each database spells them its own way.
"""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Date, String, TableClause, bindparam, column, table
from sqlalchemy.engine import Dialect
from sqlalchemy.types import UserDefinedType

CENT = Decimal("0.01")


class Reads(UserDefinedType[Any]):
    """A column of somebody else's system: whatever type arrives, `read` makes it ours."""

    cache_ok = True

    def __init__(self, read: Callable[[Any], Any]) -> None:
        self.read = read

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        return self.read


def money(value: Any) -> Decimal:
    """Yuan with two places; nothing is 0.00. SQLite has no decimals, so its floats go through their shortest text."""
    return Decimal(str(value)).quantize(CENT) if value is not None else Decimal("0.00")


def percent(value: Any) -> Decimal:
    """Per cent without idle zeros: `2.850000` -> 2.85, `10` -> 10."""
    plain = Decimal(str(value or 0)).normalize()
    return plain.quantize(Decimal(1)) if plain == plain.to_integral() else plain


def whole(value: Any) -> int:
    return int(value or 0)


def words(value: Any) -> str | None:
    """Text without the padding of CHAR columns; empty is nothing."""
    return (str(value).strip() or None) if value is not None else None


def month(value: Any) -> str | None:
    """`202602` -> `2026-02`; empty or zeros are nothing."""
    digits = str(value or "").strip()
    return f"{digits[:4]}-{digits[4:6]}" if digits.strip("0") else None


MONEY, PERCENT, WHOLE, WORDS, MONTH, DAY = (
    Reads(money),
    Reads(percent),
    Reads(whole),
    Reads(words),
    Reads(month),
    Date(),
)


def _view(name: str, **columns: Any) -> TableClause:
    return table(name, *(column(key, kind) for key, kind in columns.items()))


EMPLOYEE = _view(
    "hotline_employee",
    grzh=WORDS,
    xingming=WORDS,
    zjhm=WORDS,
    sjhm=WORDS,
    bdsjhm=WORDS,
    grzhzt=WORDS,
    grjcjs=MONEY,
    gryjce=MONEY,
    dwyjce=MONEY,
    grzhye=MONEY,
    grzhsnjzye=MONEY,
    grzhdngjye=MONEY,
    jzny=MONTH,
    dwzh=WORDS,
    dwmc=WORDS,
    sjrq=DAY,
)

DETAIL = _view(
    "hotline_detail",
    grzh=WORDS,
    ywlsh=WORDS,
    jzrq=DAY,
    gjhtqywlx=WORDS,
    fse=MONEY,
    grzhye=MONEY,
    hbjny=MONTH,
)

LOAN = _view(
    "hotline_loan",
    dkzh=WORDS,
    grzh=WORDS,
    jkhtbh=WORDS,
    dkffe=MONEY,
    dkye=MONEY,
    dkll=PERCENT,
    dkqs=WHOLE,
    dksyqs=WHOLE,
    dkhkfs=WORDS,
    dqjhhkrq=DAY,
    dqjhhkje=MONEY,
    ljyqqs=WHOLE,
    yqbjze=MONEY,
    yqlxze=MONEY,
)

REPAYMENT = _view(
    "hotline_repayment",
    dkzh=WORDS,
    ywlsh=WORDS,
    jzrq=DAY,
    dkywmxlx=WORDS,
    bjje=MONEY,
    lxje=MONEY,
    fxje=MONEY,
    dqqc=WHOLE,
    dkye=MONEY,
)

EMPLOYER = _view(
    "hotline_employer",
    dwzh=WORDS,
    dwmc=WORDS,
    dwzhzt=WORDS,
    dwjcbl=PERCENT,
    grjcbl=PERCENT,
    dwjcrs=WHOLE,
    yjcze=MONEY,
    jzny=MONTH,
    qjys=WHOLE,
    qjje=MONEY,
    jbrxm=WORDS,
    jbrsjhm=WORDS,
    zsdqrq=DAY,
)

VIEWS = (EMPLOYEE, DETAIL, LOAN, REPAYMENT, EMPLOYER)


def text_bind(name: str) -> ColumnElement[str]:
    """A value to be filled in that is text, whatever type the column turns out to have."""
    return bindparam(name, type_=String)


def day_bind(name: str) -> ColumnElement[date]:
    return bindparam(name, type_=DAY)
