"""How every kind of value is written, and what is refused."""

import math
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms.params import LONGEST, BadParam, Param, ParamKind, Value

REASONS = {
    "no value",
    "too long",
    "a few words are needed",
    "brackets of a signature, line breaks or control characters",
    "a link",
    "not of its kind",
    "not a number of at most two places",
    "not a whole number in range",
    "not a date",
    "not a month",
}
WRITTEN: list[tuple[ParamKind, Value, str]] = [
    ("money", Decimal("12345.67"), "12345.67元"),
    ("money", "0.5", "0.50元"),
    ("money", 2000, "2000.00元"),
    ("money", 0.05, "0.05元"),
    ("money", Decimal("1E+3"), "1000.00元"),
    ("money", "100.500", "100.50元"),
    ("money", "-3", "-3.00元"),
    ("money", "007", "7.00元"),
    ("money", "-0", "0.00元"),
    ("money", Decimal("-0.00"), "0.00元"),
    ("money", "-0.05", "-0.05元"),
    ("percent", "2.85", "2.85%"),
    ("percent", 5, "5.00%"),
    ("code", "012345", "012345"),
    ("minutes", 5, "5"),
    ("number", "036", "36"),
    ("tail", "321100001", "0001"),
    ("tail", "0001", "0001"),
    ("tail", "32110219900307123X", "123X"),
    ("name", "王小明", "**明"),
    ("name", "*明", "*明"),
    ("name", "古丽阿依买买提", "***提"),
    ("org", "镇江示例有限公司", "镇江示例有限公司"),
    ("org", "长" * 40, "长" * 29 + "…"),
    ("month", "2026-03", "2026年3月"),
    ("month", "202612", "2026年12月"),
    ("month", date(2026, 3, 1), "2026年3月"),
    ("date", "2026-03-02", "2026年3月2日"),
    ("date", date(2026, 12, 31), "2026年12月31日"),
    ("date", "2026-03-02T08:30:00+08:00", "2026年3月2日"),
    ("time", "14:30", "14:30"),
    ("reference", "W20260302-0001", "W20260302-0001"),
    ("phone", "0511-85212579", "0511-85212579"),
    ("text", " 手机号 ", "手机号"),
]


@pytest.mark.parametrize("kind, value, expected", WRITTEN)
def test_written(kind: ParamKind, value: Value, expected: str) -> None:
    assert Param(kind).write(value) == expected


REFUSED: list[tuple[ParamKind, Value]] = [
    ("money", "1.234"),
    ("money", "1e5"),
    ("money", "12_000"),
    ("money", "１２"),
    ("money", math.nan),
    ("money", Decimal("Infinity")),
    ("money", 10**5000),
    ("money", True),
    ("money", None),
    ("code", "12345a"),
    ("code", "1234567"),
    ("minutes", 61),
    ("number", -1),
    ("number", "1.5"),
    ("tail", "1"),
    ("month", "2026-13"),
    ("date", "2026-02-30"),
    ("time", "25:00"),
    ("reference", "W 1"),
    ("text", ""),
    ("text", "【假冒签名】您好"),
    ("text", "第一行\n第二行"),
    ("text", "响铃\x07"),
    ("text", "倒写\u202e"),
    ("text", "零宽\u200b"),
    ("text", "\ud800"),
    ("text", "请点击 http://a.b"),
    ("text", "请登录example.com领取"),
    ("text", "长" * 61),
    ("text", "长" * 10_000),
    ("org", "长" * 10_000),
    ("org", 5),
]


@pytest.mark.parametrize("kind, value", REFUSED, ids=range(len(REFUSED)))
def test_refused(kind: ParamKind, value: Value) -> None:
    with pytest.raises(BadParam):
        Param(kind).write(value)


def test_absent_words_stand_for_no_value() -> None:
    assert Param("month", absent="尚未缴存").write(None) == "尚未缴存"


@given(
    st.sampled_from(sorted(LONGEST)),
    st.one_of(st.text(max_size=80), st.integers(), st.floats(), st.decimals(), st.dates(), st.none(), st.booleans()),
)
def test_whatever_comes_is_written_within_its_room_or_refused(kind: ParamKind, value: Value) -> None:
    try:
        written = Param(kind).write(value)
    except BadParam as bad:
        assert str(bad) in REASONS, "whatever it was is never repeated"
    else:
        assert 0 < len(written) <= len(LONGEST[kind])
        assert not set(written) & set("【】\n\r\t\0\u202e")


@given(st.decimals(-999_999_999, 999_999_999, places=2))
def test_money_reads_back(amount: Decimal) -> None:
    assert Decimal(Param("money").write(amount).removesuffix("元")) == amount


@pytest.mark.parametrize("kind", ["money", "number", "percent"])
def test_words_stand_for_nought_and_for_nothing_else(kind: ParamKind) -> None:
    param = Param(kind, zero="无")
    assert [param.write(value) for value in (0, "0", Decimal(0))] == ["无"] * 3
    assert all(written != "无" for written in (param.write(10), param.write("100"), Param(kind).write(0)))
