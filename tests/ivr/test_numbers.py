"""Numbers as callers key them in. The cards are made up: they belong to nobody, only their check digits are right."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import ric

from ivr.numbers import is_account, is_employer_account, is_id_card


@pytest.mark.parametrize(
    "card",
    [
        "321102195001010013",  # born long before numbers were given out, in a county of 1984
        "321183197501010017",  # in a county that got its code in 1995
        "32118319900101001X",
        "321102200301010019",
        "321112200301010011",
    ],
)
def test_id_cards(card: str) -> None:
    assert is_id_card(card)


@pytest.mark.parametrize(
    "card",
    [
        "", "321102195001010014", "321102195002300017", "32110219500101001", "3211021950010100130",
        "32118319900101001x", "3211831990010100ＸＸ", "X21102195001010013", "３２１１０２１９５００１０１００１３",
    ],
)  # fmt: skip
def test_no_id_cards(card: str) -> None:
    assert not is_id_card(card)


@given(st.text(max_size=30))
def test_nothing_keyed_in_breaks_the_checks(text: str) -> None:
    for check in (is_account, is_employer_account, is_id_card):
        assert check(text) in (True, False)


@given(st.dates(date(1920, 1, 1), date(2020, 1, 1)), st.integers(1, 999), st.integers(0, 16), st.integers(1, 9))
def test_one_wrong_key_is_noticed(born: date, order: int, at: int, by: int) -> None:
    """The check digit of GB 11643 (ISO 7064 MOD 11-2) finds every single wrong digit."""
    body = f"321102{born:%Y%m%d}{order:03d}"
    card = body + ric.calc_check_digit(body + "0")
    assert is_id_card(card)
    assert not is_id_card(card[:at] + str((int(card[at]) + by) % 10) + card[at + 1 :])
