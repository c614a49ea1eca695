"""Answers a text's questions from the fund and the desk. Who looked at what is audited by `sms.replies`."""

from collections.abc import Sequence
from datetime import datetime

from desk.order import Wanted
from fund.fields import Audience, ReportData
from fund.ledger import Ledger, LedgerAway
from hotline.desk import STATES, Desk
from sms.answers import Held, NoDesk
from sms.params import BadParam, Param


class TextWorld:
    """The world of a real text. Without a ledger it is away; until there is a desk the texter is told to call."""

    def __init__(self, ledger: Ledger | None, desk: Desk | None = None) -> None:
        self.desk = desk
        self._ledger = ledger

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
        """In its queue's turn; who has asked already keeps their place."""
        if self.desk is None:
            raise NoDesk
        await self.desk.ask_back(phone, channel="sms")

    async def work_order(self, phone: str, number: str) -> tuple[str, str] | None:
        """The order this phone left; without a number the newest."""
        if self.desk is None:
            raise NoDesk
        orders = self.desk.orders
        newest = [] if number else await orders.list(Wanted(caller_digest=orders.digest(phone), limit=1))
        told = await orders.told(newest[0].number if newest else number, phone=phone)
        if told is None:
            return None
        order, outcome = told
        state = STATES[order.state]
        words = " ".join(outcome.split())[:50]  # the template is one line
        return order.number, f"{state}：{words}" if _sendable(words) else state

    def _there(self) -> Ledger:
        if self._ledger is None:
            raise LedgerAway("no ledger")
        return self._ledger


def _sendable(words: str) -> bool:
    """Whether words may stand in a text: nothing may with a link or a signature's brackets."""
    try:
        return bool(Param("text", max=50).write(words))
    except BadParam:
        return False
