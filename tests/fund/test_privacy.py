"""Masks, digests and seals."""

import pytest
from cryptography.fernet import Fernet

from fund.privacy import Privacy, Unreadable, mask_name, mask_number

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@pytest.mark.parametrize(
    ("number", "masked"), [("13900000001", "*******0001"), ("321100123", "*****0123"), ("0001", "****"), ("", "")]
)
def test_numbers_show_their_last_four(number: str, masked: str) -> None:
    assert mask_number(number) == masked


@pytest.mark.parametrize(("name", "masked"), [("王小明", "**明"), ("李四", "*四"), ("李", "*"), ("", "")])
def test_names_show_their_last_character(name: str, masked: str) -> None:
    assert mask_name(name) == masked


def test_a_seal_opens_under_its_own_keys_only() -> None:
    sealed = Privacy(b"p" * 32, [OLD]).seal("余额 12345.67")
    assert b"12345" not in sealed
    assert Privacy(b"p" * 32, [OLD]).open(sealed) == "余额 12345.67"
    for wrong in (sealed[:-1], sealed[:5], sealed[:1], b"", sealed[:20] + bytes([sealed[20] ^ 1]) + sealed[21:]):
        with pytest.raises(Unreadable):
            Privacy(b"p" * 32, [OLD]).open(wrong)
    with pytest.raises(Unreadable):
        Privacy(b"p" * 32, [NEW]).open(sealed)


def test_keys_are_rotated_by_a_new_one_in_front() -> None:
    sealed = Privacy(b"p" * 32, [OLD]).seal("text")
    both = Privacy(b"p" * 32, [NEW, OLD])
    assert both.open(sealed) == "text"
    assert Privacy(b"p" * 32, [NEW]).open(both.reseal(sealed)) == "text"


def test_what_was_sealed_as_a_fernet_token_opens_and_is_sealed_anew() -> None:
    token = Fernet(OLD).encrypt("余额".encode())
    both = Privacy(b"p" * 32, [NEW, OLD])
    assert both.open(token) == "余额"
    assert Privacy(b"p" * 32, [NEW]).open(both.reseal(token)) == "余额"
    for wrong in (token[:-1], token[:-8] + b"AAAAAAA="):
        with pytest.raises(Unreadable):
            both.open(wrong)
    with pytest.raises(Unreadable):
        Privacy(b"p" * 32, [NEW]).open(token)


def test_a_digest_depends_on_pepper_and_purpose() -> None:
    one = Privacy(b"p" * 32, [OLD])
    assert one.digest("caller", "13900000001") == Privacy(b"p" * 32, [NEW]).digest("caller", "13900000001")
    others = {one.digest("account", "13900000001"), Privacy(b"q" * 32, [OLD]).digest("caller", "13900000001")}
    assert one.digest("caller", "13900000001") not in others and len(others) == 2
