"""What there is none of is said so, or left out: nobody hears 逾期零期, in no flow of ours."""

import re
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fund.clock import CHINA
from fund.fields import REPORTS, VALUE_TYPES, Field
from ivr.engine import step
from ivr.events import Answered
from ivr.loader import load, read_folder
from ivr.nodes import ReportNode
from ivr.state import State
from ivr.zeros import without_zeros
from tests.ivr.golden import PHRASES, line_of

LOAN = {"zh": "余额{balance}。逾期{count}期，金额{amount}。再见。", "en": "Balance, {balance}. Overdue, {count}. Bye."}
ZERO = {"count": {"zh": "没有逾期。", "en": "Nothing is overdue."}, "balance": {"zh": "", "en": ""}}


@pytest.mark.parametrize(
    ("count", "balance", "zh", "en"),
    [
        (2, 5, LOAN["zh"], LOAN["en"]),
        (0, 5, "余额{balance}。没有逾期。再见。", "Balance, {balance}. Nothing is overdue. Bye."),
        (0, 0, "没有逾期。再见。", "Nothing is overdue. Bye."),
    ],
)
def test_a_sentence_about_nothing_is_replaced(count: int, balance: int, zh: str, en: str) -> None:
    values = {"count": ("number", count), "balance": ("money", Decimal(balance)), "amount": ("money", Decimal(0))}
    assert without_zeros(LOAN, ZERO, values) == {"zh": zh, "en": en}


def test_what_the_ledger_does_not_know_is_not_nothing() -> None:
    assert without_zeros(LOAN, ZERO, {"count": ("text", "暂无"), "balance": ("money", Decimal(1))}) == LOAN


FLOW = load(read_folder(Path("flows")), PHRASES).flow
NOUGHT = {int: 0, Decimal: Decimal("0.00"), date: date(2026, 3, 2)}
WORDS = {"month": "2026-03", "tail": "0001", "digits": "321100123"}


def nothing(fields: dict[str, Field]) -> dict[str, Any]:
    return {name: NOUGHT.get(VALUE_TYPES[field.kind], WORDS.get(field.kind, "正常")) for name, field in fields.items()}


@pytest.mark.parametrize(
    "name", [name for name, node in FLOW.nodes.items() if isinstance(node, ReportNode)] if FLOW else []
)
@pytest.mark.parametrize("language", ["zh", "en"])
def test_no_report_of_ours_tells_of_nought(name: str, language: Any) -> None:
    """Only an account's own balance may be no yuan; everything else is said in words, or not at all."""
    assert FLOW
    report = REPORTS[FLOW.nodes[name].report]
    row = [nothing(dict(report.rows))] if report.rows else []
    state = State(
        FLOW.version, node=name, turn=name, waiting="answer", language=language, started="2026-03-02T10:00:00+08:00"
    )
    at = datetime(2026, 3, 2, 10, tzinfo=CHINA)
    _, actions = step(FLOW, state, Answered("ok", at, {"values": nothing(dict(report.fields)), "rows": row}))
    told = "\n".join(map(line_of, actions))
    told = re.sub(r"[^。.，\n]*(?:余额|[Bb]alance)[^。.\n]*", "", told).replace("二零二六", "")
    assert not re.search("零元|零个|零期|零笔|零次|zero", told), told
