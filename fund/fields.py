"""What a report can say: the name, kind and label of every value, in one place for the flows, the voice and the texts.

A flow that names a report or a field that is not here does not load. Adding a report is one `Report` here and one
function in `fund.ledger`. Nothing in this file touches a database.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Literal

FieldKind = Literal[
    "money",  # Decimal, yuan, 2 places: 12345.67
    "number",  # int: 36
    "percent",  # Decimal, per cent: 2.85 is 2.85 %
    "month",  # str "2026-03"
    "date",  # date
    "digits",  # str, read digit by digit: "321100123"
    "tail",  # str, the last 4 characters of an account or contract: "0001"
    "text",  # str, plain Chinese words: "正常"
]

Value = str | int | Decimal | date | None  # None: the ledger has nothing there, so `Field.absent` is said instead

VALUE_TYPES: Mapping[FieldKind, type] = MappingProxyType(
    {
        "money": Decimal,
        "number": int,
        "percent": Decimal,
        "month": str,
        "date": date,
        "digits": str,
        "tail": str,
        "text": str,
    }
)

Audience = Literal[
    "employee",  # a person with an account of their own
    "employer",  # a unit that deposits for its people
]


@dataclass(frozen=True)
class Field:
    """One value of a report: how it is spoken or written, what it is called, and what to say when there is none."""

    kind: FieldKind
    label: str
    absent: str = "暂无"


@dataclass(frozen=True)
class Report:
    """One thing a caller may ask about. `rows` are the fields of each listed line, or None when nothing is listed."""

    name: str
    audience: Audience
    title: str
    fields: Mapping[str, Field]
    rows: Mapping[str, Field] | None = None


@dataclass(frozen=True)
class ReportData:
    """A report filled in: a value for every one of its fields, and its lines, newest first."""

    values: Mapping[str, Value] = field(repr=False)
    rows: tuple[Mapping[str, Value], ...] = field(default=(), repr=False)


BALANCE = Report(
    "balance",
    "employee",
    "账户余额",
    {
        "balance": Field("money", "账户余额"),
        "carried": Field("money", "上年结转余额"),
        "added": Field("money", "当年归集余额"),
        "base": Field("money", "缴存基数"),
        "mine": Field("money", "个人月缴存额"),
        "employers": Field("money", "单位月缴存额"),
        "monthly": Field("money", "月缴存额"),  # mine + employers
        "paid_to": Field("month", "缴至年月", absent="尚未缴存"),
        "state": Field("text", "账户状态"),
        "tail": Field("tail", "账号尾号"),
        "employer": Field("text", "缴存单位"),
        "as_of": Field("date", "数据日期"),
    },
)

DETAILS = Report(
    "details",
    "employee",
    "账户明细",
    {
        "count": Field("number", "明细笔数"),
        "tail": Field("tail", "账号尾号"),
    },
    rows={
        "date": Field("date", "记账日期"),
        "kind": Field("text", "业务类型"),
        "amount": Field("money", "发生额"),  # never negative: `kind` tells which way the money went
        "balance": Field("money", "余额"),
        "month": Field("month", "汇补缴年月", absent="不涉及月份"),
    },
)

LOAN = Report(
    "loan",
    "employee",
    "个人贷款",
    {
        "balance": Field("money", "贷款余额"),
        "amount": Field("money", "贷款金额"),
        "rate": Field("percent", "年利率"),
        "method": Field("text", "还款方式"),
        "periods": Field("number", "贷款期数"),
        "periods_left": Field("number", "剩余期数"),
        "next_date": Field("date", "下次还款日"),
        "next_amount": Field("money", "下次还款额"),
        "overdue_count": Field("number", "逾期期数"),
        "overdue_amount": Field("money", "逾期金额"),  # principal + interest
        "arrears": Field("text", "逾期情况"),  # 无逾期, 有逾期
        "tail": Field("tail", "合同尾号"),
    },
)

REPAYMENTS = Report(
    "repayments",
    "employee",
    "还款记录",
    {
        "count": Field("number", "还款笔数"),
        "balance": Field("money", "贷款余额"),
        "tail": Field("tail", "合同尾号"),
    },
    rows={
        "date": Field("date", "还款日期"),
        "kind": Field("text", "业务类型"),
        "amount": Field("money", "还款金额"),  # principal + interest + penalty
        "principal": Field("money", "本金"),
        "interest": Field("money", "利息"),
        "penalty": Field("money", "罚息"),
        "period": Field("number", "期次"),
        "balance": Field("money", "贷款余额"),
    },
)

EMPLOYER = Report(
    "employer",
    "employer",
    "单位缴存",
    {
        "name": Field("text", "单位名称"),
        "state": Field("text", "单位账户状态"),
        "monthly_total": Field("money", "月缴存总额"),
        "heads": Field("number", "缴存人数"),
        "paid_to": Field("month", "缴至年月", absent="尚未缴存"),
        "arrears_months": Field("number", "欠缴月数"),
        "arrears_amount": Field("money", "欠缴金额"),
        "employers_rate": Field("percent", "单位缴存比例"),
        "employees_rate": Field("percent", "个人缴存比例"),
        "certificate_ends": Field("date", "数字证书到期日", absent="未办理"),
        "tail": Field("tail", "单位账号尾号"),
    },
)

REPORTS: Mapping[str, Report] = MappingProxyType(
    {report.name: report for report in (BALANCE, DETAILS, LOAN, REPAYMENTS, EMPLOYER)}
)
