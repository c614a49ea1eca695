"""Callers' numbers come from strangers and carriers, in every shape."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fund.phone import NotAPhone, caller_number, is_mobile, normalise


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        ("13900000001", "13900000001"),
        ("+8613900000001", "13900000001"),
        ("008613900000001", "13900000001"),
        ("+86 139-0000-0001", "13900000001"),
        (" 139 0000 0001 ", "13900000001"),
        ("051185212579", "051185212579"),
        ("+8651185212579", "051185212579"),
        ("12329", "12329"),
        ("400-888-8888", "4008888888"),
        ("+864008888888", "4008888888"),
        ("8008888888", "8008888888"),
        ("+14155550100", "+14155550100"),
        ("0085221234567", "+85221234567"),
    ],
)
def test_one_form(raw: str, number: str) -> None:
    assert normalise(raw) == number
    assert normalise(number) == number


@pytest.mark.parametrize(
    "raw",
    [
        "",
        " ",
        "anonymous",
        "unknown",
        "+86",
        "0086",
        "1" * 33,
        "9" * 10_000,
        "１３９００００００１",
        "139😀",
        "139ABCDEFGH",
        "13900000001 ext 5",
        "'; DROP TABLE",
        "*#06#",
    ],
)
def test_nonsense_is_no_number(raw: str) -> None:
    with pytest.raises(NotAPhone):
        normalise(raw)
    assert caller_number(raw) == ""


@given(st.text(max_size=40))
def test_a_caller_may_be_called_anything(raw: str) -> None:
    number = caller_number(raw)
    assert number == "" or normalise(number) == number


@pytest.mark.parametrize(
    ("number", "mobile"),
    [
        ("13900000001", True),
        ("19900000001", True),
        ("051185212579", False),
        ("12329", False),
        ("+14155550100", False),
        ("11000000000", False),
    ],
)
def test_who_can_get_a_text(number: str, mobile: bool) -> None:
    assert is_mobile(number) is mobile
