"""Which PINs anybody could guess."""

from datetime import date

import pytest

from fund.weak_pins import is_weak

ACCOUNT, CARD, BIRTH, PHONE = "321100123", "32110219850618123X", date(1985, 6, 18), "13900000001"


@pytest.mark.parametrize(
    "pin",
    [
        "", "12345", "1234567", "12a456", "一二三四五六", "１３５７９０",  # not six digits
        "111111", "121212", "112233", "122112",  # fewer than four different ones
        "123456", "654321", "890123", "210987",  # runs
        "321100", "110012", "001123",  # of the account, either way round
        "198506", "061985", "850618", "180685", "618198", "198561",  # of the birth date
        "850618", "061812", "618123", "181230", "812310",  # of the ID number; X as 0 or 10
        "139000", "000001", "900000",  # of the phone
    ],
)  # fmt: skip
def test_weak(pin: str) -> None:
    assert is_weak(pin, ACCOUNT, CARD, BIRTH, PHONE)


@pytest.mark.parametrize("pin", ["135790", "246801", "928374", "104729", "573910"])
def test_good_enough(pin: str) -> None:
    assert not is_weak(pin, ACCOUNT, CARD, BIRTH, PHONE)
    assert not is_weak(pin, ACCOUNT)
