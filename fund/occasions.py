"""Why the fund would write to somebody today: what the ledger knows and the person may not.

Each occasion is one statement, read in pages by a key that only grows, so that a quarter of a million employees
never stand in memory at once.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, literal_column, or_, select

from fund.fields import Value
from fund.person import EMPLOYEE_COLUMNS, Person, employee, employer
from fund.reports import OPEN, Ask, employer_values, loan_values, tail
from fund.statements import Row, Statement
from fund.views import DETAIL, EMPLOYEE, EMPLOYER, LOAN, day_bind, text_bind

PAGE = 500  # rows a look-up brings at a time: well within the time limit on a busy ledger


@dataclass(frozen=True)
class Occasion:
    """Whom to tell, and what about: values named as in the report on the same subject."""

    person: Person
    values: Mapping[str, Value] = field(repr=False)


@dataclass(frozen=True)
class Page:
    """Some occasions, and the key of the last: the next page comes after it."""

    occasions: Sequence[Occasion]
    last: str


@dataclass(frozen=True)
class Search:
    """One way of finding occasions: a statement of which every page starts after the last one's `key`."""

    statement: Statement
    key: str
    occasion: Callable[[Row], Occasion]

    async def run(self, ask: Ask, **values: Any) -> AsyncIterator[Occasion]:
        """Each occasion."""
        async for page in self.pages(ask, **values):
            for occasion in page.occasions:
                yield occasion

    async def pages(self, ask: Ask, after: str = "", **values: Any) -> AsyncIterator[Page]:
        """The occasions page by page, those after a key: whoever stops may go on from the last page's."""
        while rows := await ask(self.statement, after=after, page=PAGE, **values):
            after = rows[-1][self.key]
            yield Page([self.occasion(row) for row in rows], after)
            if len(rows) < PAGE:
                return


def _search(name: str, found: Select[Any], key: ColumnElement[Any], occasion: Callable[[Row], Occasion]) -> Search:
    page = found.where(key > text_bind("after")).order_by(key).limit(bindparam("page"))
    return Search(Statement(name, page), str(key.key), occasion)


_BORROWERS = (
    select(*EMPLOYEE_COLUMNS, *(column for column in LOAN.c if column.key != "grzh"))
    .join_from(LOAN, EMPLOYEE, LOAN.c.grzh == EMPLOYEE.c.grzh)
    .where(OPEN)
)


def _borrower(row: Row) -> Occasion:
    return Occasion(employee(row), loan_values(row))


_NOTHING: ColumnElement[int] = literal_column("0")  # nobody is written to about no money
DUE = _search(
    "loans due",
    _BORROWERS.where(LOAN.c.dqjhhkrq.between(day_bind("first"), day_bind("last")), LOAN.c.dqjhhkje > _NOTHING),
    LOAN.c.dkzh,
    _borrower,
)
OVERDUE = _search("loans overdue", _BORROWERS.where(LOAN.c.ljyqqs > literal_column("0")), LOAN.c.dkzh, _borrower)


_EMPLOYERS = select(EMPLOYER)


def _employer(row: Row) -> Occasion:
    return Occasion(employer(row), employer_values(row))


BEHIND = _search(
    "employers behind",
    _EMPLOYERS.where(
        EMPLOYER.c.dwzhzt == "01",
        or_(EMPLOYER.c.jzny < text_bind("month"), EMPLOYER.c.jzny.is_(None)),
        EMPLOYER.c.qjje > _NOTHING,
    ),
    EMPLOYER.c.dwzh,
    _employer,
)
CERTIFICATES = _search(
    "certificates ending",
    _EMPLOYERS.where(EMPLOYER.c.dwzhzt != "04", EMPLOYER.c.zsdqrq.between(day_bind("first"), day_bind("last"))),
    EMPLOYER.c.dwzh,
    _employer,
)


def _credited(row: Row) -> Occasion:
    values = {"date": row["jzrq"], "interest": row["fse"], "balance": row["grzhye"], "tail": tail(row["grzh"])}
    return Occasion(employee(row), values)


INTEREST = _search(
    "yearly interest",
    select(*EMPLOYEE_COLUMNS, DETAIL.c.jzrq, DETAIL.c.fse, DETAIL.c.grzhye)
    .join_from(DETAIL, EMPLOYEE, DETAIL.c.grzh == EMPLOYEE.c.grzh)
    .where(DETAIL.c.gjhtqywlx == "09", DETAIL.c.jzrq == day_bind("day"), DETAIL.c.fse > _NOTHING),
    EMPLOYEE.c.grzh,
    _credited,
)
