"""What people write differently is the same to us."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms.plain import choice_in, month_in, plain

SAME = [
    ("余额", ["余额", " 余 额 ", "余额。", "餘額", "“余额”", "余额！！", "\u200b余额\ufeff", "余额🙏"]),
    ("ye", ["YE", "ｙｅ", "Ｙ Ｅ", "y.e", "Ye\n"]),
    ("贷款", ["貸款", "贷 款"]),
    ("网点", ["網點"]),
    ("明细202603", ["明細２０２６０３", "明细 2026-03", "明细:2026/03"]),
    ("", ["", "?", "。。。", "😀", " "]),
]


@pytest.mark.parametrize("same, written", [(same, each) for same, all in SAME for each in all])
def test_the_same(same: str, written: str) -> None:
    assert plain(written) == same


TODAY = date(2026, 3, 2)
MONTHS = [
    ("202603", "2026-03"),
    ("2026年3月", "2026-03"),
    ("2026年03月份", "2026-03"),
    ("3月", "2026-03"),
    ("三月", "2026-03"),
    ("3", "2026-03"),
    ("十二月", "2025-12"),
    ("十月份", "2025-10"),
    ("4月", "2025-04"),
    ("本月", "2026-03"),
    ("上月", "2026-02"),
    ("上上个月", "2026-01"),
    ("今年2月", "2026-02"),
    ("去年2月", "2025-02"),
    ("26年2月", "2026-02"),
    ("2026年二月", "2026-02"),
    ("二〇二六年二月", "2026-02"),
    ("三", "2026-03"),
    ("二十二", None),
    ("今年", None),
    ("今年4月", None),
    ("202604", None),
    ("209901", None),
    ("13月", None),
    ("0", None),
    ("", None),
    ("余额", None),
]


@pytest.mark.parametrize("text, month", MONTHS)
def test_months(text: str, month: str | None) -> None:
    assert month_in(text, TODAY) == month


CHOICES = [("2", 2), ("02", 2), ("二", 2), ("第2个", 2), ("第二家", 2), ("选2", 2), ("2号", 2), ("十二", 12), ("00011", 0),
           ("全部", 0), ("", 0)]  # fmt: skip


@pytest.mark.parametrize("text, number", CHOICES)
def test_choices(text: str, number: int) -> None:
    assert choice_in(text) == number


@given(st.text(max_size=700))
def test_any_text_becomes_plain_and_stays_so(text: str) -> None:
    once = plain(text)
    assert plain(once) == once or len(once) > 500
    assert once.isalnum() or not once
    month_in(once, TODAY)
