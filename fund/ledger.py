"""The ledger, read-only: who a person is, what their account says, and whom the fund should write to.

Every look-up answers within `limit_seconds` or raises `LedgerAway`; there is nothing else a caller has to catch.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from datetime import date
from typing import Any

import structlog
from sqlalchemy import literal_column, select
from sqlalchemy.ext.asyncio import AsyncEngine

from fund import codes, occasions
from fund.fields import ReportData
from fund.occasions import Page
from fund.person import EMPLOYEE_COLUMNS, Kind, Person, employee, employer
from fund.reports import EMPLOYER_BY_ACCOUNT, REPORTERS, tail
from fund.statements import Row, Statement, cause_of
from fund.views import EMPLOYEE, EMPLOYER, LOAN, VIEWS, text_bind

log = structlog.get_logger()
CLOSE_SECONDS = 5.0  # longer than SQLite's busy timeout of a database that is only read


class LedgerAway(Exception):
    """The ledger is slow, absent or not what the views promise: take the node's `unavailable` way, try again later."""


_PEOPLE = select(*EMPLOYEE_COLUMNS, EMPLOYEE.c.jzny)
_BY_PHONE = Statement("by phone", _PEOPLE.where(EMPLOYEE.c.bdsjhm == text_bind("number")), by_key=True)
_BY_ACCOUNT = Statement("by account", _PEOPLE.where(EMPLOYEE.c.grzh == text_bind("number")), by_key=True)
_BY_ID_CARD = Statement("by ID card", _PEOPLE.where(EMPLOYEE.c.zjhm == text_bind("number")), by_key=True)
_BY_HANDLER = Statement(
    "by handler",
    select(EMPLOYER)
    .where(EMPLOYER.c.jbrsjhm == text_bind("number"), EMPLOYER.c.dwzhzt != "04")
    .order_by(EMPLOYER.c.dwzh)
    .limit(literal_column("20")),
)
_CONTRACTS = Statement(
    "contracts",
    select(LOAN.c.jkhtbh, LOAN.c.dkye)
    .where(LOAN.c.grzh == text_bind("account"))
    .order_by(LOAN.c.dkzh.desc())
    .limit(literal_column("20")),
)
_PROBES = tuple(Statement(view.name, select(view).limit(1)) for view in VIEWS)


class Ledger:
    """Look-ups over the views of `fund/views.sql`, on an engine that reads (`open_database(url, read_only=True)`)."""

    def __init__(self, engine: AsyncEngine, limit_seconds: float = 3.0) -> None:
        self._engine, self._embedded = engine, engine.dialect.name == "sqlite"
        self._limit_seconds = limit_seconds
        self._late: set[asyncio.Task[list[Row]]] = set()

    async def by_phone(self, phone: str) -> Person | None:
        """Whose bound phone this is (a normalised number). None also when two people have bound it: who knows which?"""
        return _the_one(await self._ask(_BY_PHONE, number=phone))

    async def by_handler(self, phone: str) -> list[Person]:
        """The employers, closed ones left out, whose handler has this phone (a normalised number)."""
        return [employer(row) for row in await self._ask(_BY_HANDLER, number=phone)]

    async def by_number(self, kind: Kind, number: str) -> Person | None:
        """Who has this account number or, for an employee, this 18-character ID number (`x` or `X`)."""
        if kind == "employer":
            found = await self._ask(EMPLOYER_BY_ACCOUNT, account=number)
            return employer(found[0]) if found else None
        by = _BY_ID_CARD if len(number) == 18 else _BY_ACCOUNT
        return _the_one(await self._ask(by, number=number.upper()))

    async def report(self, name: str, account: str, month: str | None = None) -> ReportData | None:
        """A report of `fund.fields.REPORTS`, filled in; None when there is nothing to report, such as no loan.

        `month` ("2026-03") limits `details` to that month; without it they are the latest few.
        """
        return await REPORTERS[name](self._ask, account, month)

    async def contract_tail(self, account: str) -> str | None:
        """The last 4 of somebody's loan contract: of the open one, else of the newest."""
        loans = await self._ask(_CONTRACTS, account=account)
        return tail(max(loans, key=lambda row: row["dkye"] > 0)["jkhtbh"]) if loans else None

    def due(self, first: date, last: date, after: str = "") -> AsyncIterator[Page]:
        """Borrowers whose next payment is on one of these days, both included; values as in the report `loan`.

        As all that follow: page by page, those after a key, which is the `last` of an earlier page.
        """
        return occasions.DUE.pages(self._ask, after, first=first, last=last)

    def overdue(self, after: str = "") -> AsyncIterator[Page]:
        """Borrowers with payments missed; values as in the report `loan`."""
        return occasions.OVERDUE.pages(self._ask, after)

    def behind(self, month: str, after: str = "") -> AsyncIterator[Page]:
        """Employers who have not paid for `month` ("2026-02"), allowed deferrals left out; values as in `employer`."""
        return occasions.BEHIND.pages(self._ask, after, month=month.replace("-", ""))

    def certificates_ending(self, first: date, last: date, after: str = "") -> AsyncIterator[Page]:
        """Employers whose certificate ends between two days, both included; values as in the report `employer`."""
        return occasions.CERTIFICATES.pages(self._ask, after, first=first, last=last)

    def interest(self, day: date, after: str = "") -> AsyncIterator[Page]:
        """Employees credited with yearly interest on `day`; values `date`, `interest`, `balance`, `tail`."""
        return occasions.INTEREST.pages(self._ask, after, day=day)

    async def ready(self) -> None:
        """Returns when all views answer with all their columns. Raises LedgerAway."""
        for probe in _PROBES:
            await self._ask(probe)

    async def close(self) -> None:
        """Wait for the look-ups given up on: a loop that ends under a driver still letting go would hang."""
        if self._late:
            await asyncio.wait(self._late, timeout=CLOSE_SECONDS)

    async def _ask(self, statement: Statement, **values: Any) -> list[Row]:
        fetching = statement.fetch(self._engine, **values)
        try:
            async with asyncio.timeout(self._limit_seconds):
                return await (fetching if self._embedded else self._fetched(fetching))
        except Exception as fault:  # drivers raise what they like; to a caller it is all the same
            log.warning("ledger_away", query=statement.name, cause=cause_of(fault), limit_seconds=self._limit_seconds)
            raise LedgerAway(statement.name) from None

    async def _fetched(self, fetching: Coroutine[Any, Any, list[Row]]) -> list[Row]:
        """What a driver fetches that may not let go at once."""
        task = asyncio.create_task(fetching)
        try:
            return await asyncio.shield(task)
        finally:
            if not task.done():
                self._abandon(task)

    def _abandon(self, task: asyncio.Task[list[Row]]) -> None:
        """Cancels a look-up without waiting for its driver, which may need seconds to let go of a dead peer."""
        self._late.add(task)
        task.add_done_callback(self._late.discard)
        task.add_done_callback(lambda late: late.cancelled() or late.exception())
        task.cancel()


def _the_one(found: list[Row]) -> Person | None:
    """The person all accounts belong to, by the account they mean: open before closed, then the last paid into."""
    live = [row for row in found if row["grzhzt"] not in codes.CLOSED] or found
    if len({row["zjhm"] or row["grzh"] for row in live}) != 1:
        return None
    return employee(max(live, key=lambda row: (row["grzhzt"] == "01", row["jzny"] or "", row["grzh"])))
