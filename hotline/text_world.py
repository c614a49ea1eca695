"""Answers a text's questions from the fund and the desk. Who looked at what is audited by `sms.inbound`."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from fund.fields import Audience, ReportData
from fund.ledger import Ledger, LedgerAway
from sms.answers import Held, NoDesk

CallBack = Callable[[str, datetime], Awaitable[None]]  # phone, moment; one open request a number
WorkOrder = Callable[[str, str], Awaitable[tuple[str, str] | None]]  # phone, number -> (number, state in words)


class TextWorld:
    """The world of a real text. Without a ledger it is away; without a desk the texter is told to call."""

    def __init__(
        self, ledger: Ledger | None, call_back: CallBack | None = None, work_order: WorkOrder | None = None
    ) -> None:
        self._ledger, self._call_back, self._work_order = ledger, call_back, work_order

    async def held(self, phone: str, audience: Audience) -> Sequence[Held]:
        """The account of the employee who bound this phone, or those of the employers whose handler has it."""
        ledger = self._there()
        if audience == "employer":
            return [Held(each.account, each.name) for each in await ledger.by_handler(phone)]
        person = await ledger.by_phone(phone)
        return [Held(person.account, "")] if person and person.bound else []

    async def report(self, name: str, account: str, month: str | None) -> ReportData | None:
        return await self._there().report(name, account, month)

    async def call_back(self, phone: str, at: datetime) -> None:
        if self._call_back is None:
            raise NoDesk
        await self._call_back(phone, at)

    async def work_order(self, phone: str, number: str) -> tuple[str, str] | None:
        if self._work_order is None:
            raise NoDesk
        return await self._work_order(phone, number)

    def _there(self) -> Ledger:
        if self._ledger is None:
            raise LedgerAway("no ledger")
        return self._ledger
