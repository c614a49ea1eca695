"""Telephone numbers, however they arrive: one national form inside, E.164 at the carriers' edge."""

import re

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberType

HOME = "CN"
_LETTER = re.compile("[A-Za-z]")  # the library reads them as the digits of a keypad: a stranger's number
_NATIONWIDE = re.compile(r"[48]00\d{7}")  # as 12329 and 95588, dialled without a trunk prefix
_MOBILE = {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}


class NotAPhone(ValueError):
    """不是可用的电话号码 / not a telephone number that can be used here."""


def normalise(raw: str) -> str:
    """The one form this system keeps: `+8613900000001`, `008613900000001`, `139 0000 0001` -> `13900000001`.

    Numbers of other countries keep `+` and their country code. Raises `NotAPhone` for anything else, and never
    looks at more than 32 characters: callers' numbers come from strangers.
    """
    text = raw.strip()
    if not text or len(text) > 32 or not text.isascii() or _LETTER.search(text):
        raise NotAPhone("empty, too long, or not a number")
    if text.startswith("00"):
        text = "+" + text[2:]
    try:
        number = phonenumbers.parse(text, HOME)
    except NumberParseException as fault:
        raise NotAPhone(str(fault)) from None
    if not phonenumbers.is_possible_number(number) or number.extension:
        raise NotAPhone("not a possible number")
    if number.country_code != 86:
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    national = phonenumbers.national_significant_number(number)
    as_it_is = len(national) <= 6 or _NATIONWIDE.fullmatch(national) or is_mobile(national)
    return national if as_it_is else "0" + national


def caller_number(raw: str) -> str:
    """The normalised number of whoever calls; empty when it is withheld, or nonsense."""
    try:
        return normalise(raw)
    except NotAPhone:
        return ""


def is_mobile(national: str) -> bool:
    """Whether a normalised number is a mainland mobile (the only kind that gets texts unless configured)."""
    if not (len(national) == 11 and national.isdigit() and national.startswith("1")):
        return False
    return phonenumbers.number_type(phonenumbers.parse(national, HOME)) in _MOBILE


def e164(number: str) -> str:
    """A normalised number as carriers want it: `13900000001` -> `+8613900000001`."""
    return number if number.startswith("+") else "+86" + number.removeprefix("0")
