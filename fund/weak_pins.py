"""Which query PINs are too easy to guess. The rules have to be told to callers in one breath, so keep them few.

A PIN is weak when it is not six digits, has fewer than four different ones (111111, 121212, 112233), runs up or down
(123456, 987654, 890123), or is six digits in a row, either way round, of something others know: the account number,
the ID number, the phone, or the birth date in any usual order.
"""

from collections.abc import Iterator
from datetime import date
from itertools import pairwise

LENGTH = 6


def is_weak(
    pin: str, account: str, id_card: str | None = None, birth: date | None = None, phone: str | None = None
) -> bool:
    """Whether this person must not use this PIN."""
    if len(pin) != LENGTH or not (pin.isascii() and pin.isdigit()) or len(set(pin)) < 4 or _runs(pin):
        return True
    known = [account, phone or "", *_readings(id_card or ""), *_dates(birth)]
    return any(pin in text or pin[::-1] in text for text in known)


def _runs(pin: str) -> bool:
    """Every digit follows the last by one, up or down, 9 and 0 being neighbours."""
    steps = {(int(after) - int(before)) % 10 for before, after in pairwise(pin)}
    return steps in ({1}, {9})


def _readings(id_card: str) -> Iterator[str]:
    """An ID number as it may be typed: a final X left out, or as 0, or as 10 which it stands for."""
    body = id_card.upper().removesuffix("X")
    yield body
    if body != id_card.upper():
        yield from (body + "0", body + "10")


def _dates(birth: date | None) -> Iterator[str]:
    """A birth date in every order people write it, whole, with two digits of the year, or without day or zeros."""
    if birth is None:
        return
    year, month, day = f"{birth:%Y}", f"{birth:%m}", f"{birth:%d}"
    short = year[2:]
    yield from (year + month + day, month + day + year, day + month + year, year + day + month)
    yield from (short + month + day, short + day + month, month + day + short, day + month + short)
    yield from (month + short + day, day + short + month, year + month, month + year, year + day, day + year)
    yield from (f"{year}{birth.month}{birth.day}", f"{birth.month}{birth.day}{year}", f"{birth.day}{birth.month}{year}")
