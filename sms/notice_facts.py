"""What a notice needs to know: from the event itself, and what that leaves out from the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from fund.fields import ReportData, Value
from fund.ledger import Ledger
from fund.person import Person
from sms.notice_data import Data, EventType


@dataclass(frozen=True, slots=True)
class Event:
    """Something the ledger reports. `account`: an employee's account or ID number, or an employer's account."""

    type: EventType
    account: str
    data: Data
    key: str | None = None


class MissingData(Exception):
    """Neither the event nor the ledger says `field`, which the template needs: send it."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


Known = Mapping[str, Value]

OURS = "tail"  # which account or contract it is about: no event says so itself
_TODAY = ("repaid", "prepaid", "settled", "loan_info_changed")  # happened today, unless somebody says otherwise
_LINES: Mapping[str, frozenset[str]] = {  # what the lines of an account call these events
    "interest": frozenset({"年终结息"}),
    "transfer_in": frozenset({"外部转入"}),
    "transfer_out": frozenset({"外部转出"}),
    "deposit": frozenset({"汇缴", "补缴"}),
    "withdrawal": frozenset({"部分提取", "销户提取"}),
}
_DUE: Mapping[str, str] = {"date": "next_date", "amount": "next_amount"}
_LOAN: Mapping[str, Mapping[str, str]] = {  # where the report `loan` has what an event calls so
    "loan_paid_out": {"amount": "amount", "next_date": "next_date"},
    "due_fund_enough": _DUE,
    "due_fund_short": _DUE,
    "due_bank_debit": _DUE,
    "overdue": {"count": "overdue_count", "amount": "overdue_amount"},
}
_REPAYMENTS: Mapping[str, frozenset[str]] = {
    "repaid": frozenset({"正常还款", "逾期还款", "提取还款"}),
    "prepaid": frozenset({"提前还款"}),
}


class Facts:
    """The values of one event's template."""

    def __init__(self, ledger: Ledger, person: Person, today: date) -> None:
        self._ledger, self._person, self._today = ledger, person, today

    async def params(self, names: Mapping[str, bool], event: Event) -> dict[str, Value]:
        """A value for every name; of nought only a balance: a ledger a day behind shows no arrears yet.

        Raises `LedgerAway`, `MissingData`.
        """
        given = event.data.model_dump(exclude_none=True)
        known: dict[str, Value] = {name: given[name] for name in names if name in given and name != OURS}
        if contract := given.get("contract"):
            known[OURS] = contract[-4:]
        missing = [name for name in names if name not in known]
        if missing:
            found = await self._looked_up(event, known)
            known |= {name: found.get(name) for name in missing if found.get(name) or name == "balance"}
        for name, needed in names.items():
            if needed and known.get(name) is None:
                raise MissingData(name)
        return {name: known.get(name) for name in names}

    async def _looked_up(self, event: Event, known: Known) -> dict[str, Value]:
        if event.type == "employer_behind":
            return await self._employer()
        if event.type in _LINES:
            return await self._line(event.type, known)
        if event.type == "info_changed":
            return {"tail": self._person.account[-4:], "date": self._today}
        return await self._loan(event, known)

    async def _employer(self) -> dict[str, Value]:
        data = await self._ledger.report("employer", self._person.account)
        if data is None:
            return {}
        names = {"tail": "tail", "paid_to": "paid_to", "months": "arrears_months", "amount": "arrears_amount"}
        return {name: data.values[field] for name, field in names.items()}

    async def _line(self, type: str, known: Known) -> dict[str, Value]:
        """The newest line of the account that is of this kind and says what the event says."""
        account = self._person.account
        found: dict[str, Value] = {"tail": account[-4:], "date": self._today}
        if balance := await self._ledger.report("balance", account):
            found["balance"] = balance.values["balance"]
        details = await self._ledger.report("details", account)
        line = _agreeing(details, _LINES[type], known)
        return found | {name: line[name] for name in ("date", "amount", "month", "balance")} if line else found

    async def _loan(self, event: Event, known: Known) -> dict[str, Value]:
        found: dict[str, Value] = {"date": self._today} if event.type in _TODAY else {}
        loan = await self._ledger.report("loan", self._person.account)
        found["tail"] = meant = known.get("tail") or await self._contract(event.type, loan)
        if loan is None or meant != loan.values["tail"]:
            return found  # what the ledger has open is another loan
        found |= {name: loan.values[field] for name, field in _LOAN.get(event.type, {}).items()}
        if event.type in _REPAYMENTS:
            found |= {"balance": loan.values["balance"]} | await self._repayment(event.type, known)
        if event.type == "due_fund_short":
            found["short"] = await self._short(known.get("amount") or found["amount"])
        return found

    async def _contract(self, type: str, loan: ReportData | None) -> Value:
        """The loan that is meant where none is named: the newest one is paid out, all else is about `loan`."""
        if loan and type != "loan_paid_out":
            return loan.values["tail"]
        return await self._ledger.contract_tail(self._person.account)

    async def _repayment(self, type: str, known: Known) -> dict[str, Value]:
        row = _agreeing(await self._ledger.report("repayments", self._person.account), _REPAYMENTS[type], known)
        return {name: row[name] for name in ("date", "amount", "balance")} if row else {}

    async def _short(self, amount: Value) -> Value:
        """How much the account lacks for a payment."""
        balance = await self._ledger.report("balance", self._person.account)
        held = balance.values["balance"] if balance else None
        if not isinstance(held, Decimal) or not isinstance(amount, Decimal) or held >= amount:
            return None
        return amount - held


def _agreeing(report: ReportData | None, kinds: frozenset[str], known: Known) -> Known | None:
    """The newest row of these kinds that contradicts nothing of what is known: another one's date would be a lie."""
    for row in report.rows if report else ():
        same = all(_plain(row[name]) == _plain(known[name]) for name in row.keys() & known.keys())
        if row["kind"] in kinds and same:
            return row
    return None


def _plain(value: Value) -> Value:
    return value.replace("-", "") if isinstance(value, str) else value  # months: 2026-03 and 202603
