"""The numbers a caller keys in: which could be an account, an employer's account, an ID card."""

import re

from stdnum.cn import ric
from stdnum.exceptions import ValidationError

_CARD = re.compile(r"\d{17}[\dX]", re.ASCII)


def is_account(text: str) -> bool:
    """An employee's account number has 9 digits in Zhenjiang (the centre's notice of 2020)."""
    return len(text) == 9 and text.isascii() and text.isdigit()


def is_employer_account(text: str) -> bool:
    """An employer's account number: digits, up to 20 (JGJ/T 320 allows no more)."""
    return 4 <= len(text) <= 20 and text.isascii() and text.isdigit()


def is_id_card(text: str) -> bool:
    """An 18-character ID number with a right birth date and check digit (GB 11643), `X` in capitals.

    Not `ric.is_valid`: it wants the county to have existed in the year of birth. Numbers were only given out from 1984
    on, with the county of that day, so it refuses nearly everybody born before.
    """
    try:
        return bool(_CARD.fullmatch(text) and ric.get_birth_date(text) and text[-1] == ric.calc_check_digit(text))
    except ValidationError:
        return False
