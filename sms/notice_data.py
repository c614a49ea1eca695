"""What the ledger may say about each kind of event; whatever it leaves out is looked up. Pure.

Fields are named as in the templates, and every one is optional. What no template reads is let through and named in the
answer, so that a misspelt field does not go unnoticed.
"""

import re
from datetime import date as Date
from decimal import Decimal
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

EventType = Literal[
    "interest",  # 年度结息
    "info_changed",  # 账户信息变更
    "transfer_in",  # 转入
    "transfer_out",  # 转出
    "deposit",  # 缴存入账
    "withdrawal",  # 提取
    "employer_behind",  # 单位未按时缴存
    "loan_paid_out",  # 贷款发放
    "due_fund_enough",  # 还款到期：公积金账户足额
    "due_fund_short",  # 还款到期：公积金账户不足
    "due_bank_debit",  # 还款到期：银行卡扣款
    "repaid",  # 已还款
    "overdue",  # 未按期还款
    "prepayment_accepted",  # 提前还款已受理
    "prepaid",  # 已提前还款
    "settled",  # 已结清
    "loan_info_changed",  # 贷款信息变更
]
TYPES: tuple[EventType, ...] = get_args(EventType)


def _day(value: object) -> str:
    """Dates as core systems write them: 20260302, or with a time behind."""
    found = re.fullmatch(rf"({_YEAR})-?(\d\d)-?(\d\d)(?:[T ].*)?", str(value)[:40], re.ASCII)
    if not found:
        raise ValueError("write a day as 2026-03-02")
    return "-".join(found.groups())


def _number(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("yes and no are no numbers")
    return value


_YEAR = r"(?:19[7-9]|2[01]\d)\d"  # core systems write no date as the year 1 or 0000
Money = Annotated[Decimal, BeforeValidator(_number), Field(ge=0, max_digits=11, decimal_places=2, examples=["1200.00"])]
Amount = Annotated[Money, Field(gt=0)]  # nobody is written to about nothing
Day = Annotated[Date, BeforeValidator(_day)]
Month = Annotated[str, Field(pattern=rf"^{_YEAR}-?(0[1-9]|1[0-2])$", examples=["2026-03"])]
Count = Annotated[int, BeforeValidator(_number), Field(ge=1, le=9999)]
What = Annotated[str, Field(min_length=1, max_length=30, examples=["手机号码"])]
Contract = Annotated[str, Field(pattern=r"^[0-9A-Za-z-]{4,32}$", description="only its last 4 characters are texted")]


class Data(BaseModel):
    """Nothing is needed: the ledger knows the rest."""

    model_config = ConfigDict(extra="allow", frozen=True)


class Movement(Data):
    """Money came into an account or left it."""

    date: Day | None = None
    amount: Amount | None = None
    balance: Money | None = None


class Deposit(Movement):
    """A month was paid in."""

    month: Month | None = None


class Changed(Data):
    """Something about an account was changed."""

    date: Day | None = None
    what: What | None = None


class Behind(Data):
    """An employer has not paid in."""

    paid_to: Month | None = None
    months: Count | None = None
    amount: Amount | None = None


class Loan(Data):
    """About a loan: the one that is open, unless a contract is named."""

    contract: Contract | None = None


class PaidOut(Loan):
    """A loan was paid out."""

    date: Day | None = None
    amount: Amount | None = None
    next_date: Day | None = None


class Due(Loan):
    """A payment is due soon."""

    date: Day | None = None
    amount: Amount | None = None


class DueShort(Due):
    """A payment is due soon, and the account does not hold enough."""

    short: Amount | None = None


class Repaid(Loan):
    """A payment was made."""

    date: Day | None = None
    amount: Amount | None = None
    balance: Money | None = None


class Overdue(Loan):
    """Payments were missed."""

    count: Count | None = None
    amount: Amount | None = None


class Accepted(Loan):
    """An early repayment will be taken: only the ledger knows when and how much."""

    date: Day
    amount: Amount


class Settled(Loan):
    """A loan is over."""

    date: Day | None = None


class LoanChanged(Loan):
    """Something about a loan was changed."""

    date: Day | None = None
    what: What | None = None


DATA: dict[EventType, type[Data]] = {
    "interest": Movement,
    "info_changed": Changed,
    "transfer_in": Movement,
    "transfer_out": Movement,
    "deposit": Deposit,
    "withdrawal": Movement,
    "employer_behind": Behind,
    "loan_paid_out": PaidOut,
    "due_fund_enough": Due,
    "due_fund_short": DueShort,
    "due_bank_debit": Due,
    "repaid": Repaid,
    "overdue": Overdue,
    "prepayment_accepted": Accepted,
    "prepaid": Repaid,
    "settled": Settled,
    "loan_info_changed": LoanChanged,
}
