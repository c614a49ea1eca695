"""The numbers a caller keys in: which could be an account, an employer's account, an ID card."""

from stdnum.cn import ric


def is_account(text: str) -> bool:
    """An employee's account number has 9 digits in Zhenjiang (the centre's notice of 2020)."""
    return len(text) == 9 and text.isascii() and text.isdigit()


def is_employer_account(text: str) -> bool:
    """An employer's account number: digits, up to 20 (JGJ/T 320 allows no more)."""
    return 4 <= len(text) <= 20 and text.isascii() and text.isdigit()


def is_id_card(text: str) -> bool:
    """An 18-character ID number with a right birth date and check digit (GB 11643), `X` in capitals."""
    return len(text) == 18 and text.isascii() and bool(ric.is_valid(text))
