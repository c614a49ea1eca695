"""How many texts a text is. Pure.

A text whose every character is in GSM 03.38 costs 7 bits a character: 160 in one part, 153 a part in several. One other
character (any hanzi) makes it UCS-2: 70 in one part, 67 a part in several. The rest is the 6-byte header that ties the
parts together. A surrogate pair, and an escaped GSM character, stays in one part. The signature counts: give it along.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Encoding = Literal[
    "gsm7",  # 7 bits a character; ^{}\[~]|€ and form feed take two
    "ucs2",  # 16 bits a character; characters outside the BMP take two
]

GSM_BASIC = (  # the position is the septet; ESC leads to the extension
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_EXTENSION = {
    "\f": 0x0A,
    "^": 0x14,
    "{": 0x28,
    "}": 0x29,
    "\\": 0x2F,
    "[": 0x3C,
    "~": 0x3D,
    "]": 0x3E,
    "|": 0x40,
    "€": 0x65,
}

SINGLE: dict[Encoding, int] = {"gsm7": 160, "ucs2": 70}  # units in a text of one part
JOINED: dict[Encoding, int] = {"gsm7": 153, "ucs2": 67}  # units in each of several

_GSM = re.compile(f"[{re.escape(GSM_BASIC.replace(chr(0x1B), '') + ''.join(GSM_EXTENSION))}]*")
_TWO: dict[Encoding, re.Pattern[str]] = {
    "gsm7": re.compile(f"[{re.escape(''.join(GSM_EXTENSION))}]"),
    "ucs2": re.compile("[\U00010000-\U0010ffff]"),
}


@dataclass(frozen=True, slots=True)
class Segments:
    """What a text takes: `units` are septets or 16-bit units without headers, `parts` what is paid for."""

    encoding: Encoding
    units: int
    parts: int


def count(text: str) -> Segments:
    """The size of `text`, signature included by the caller. An empty text is one part."""
    encoding = encoding_of(text)
    doubles = len(_TWO[encoding].findall(text))
    units = len(text) + doubles
    if units <= SINGLE[encoding]:
        return Segments(encoding, units, 1)
    room = JOINED[encoding]
    parts = sum(1 for _ in _pieces(text, encoding)) if doubles else -(-units // room)
    return Segments(encoding, units, parts)


def split(text: str) -> tuple[str, ...]:
    """The parts of `text` in order; joined they are `text` again."""
    encoding = encoding_of(text)
    if count(text).parts == 1:
        return (text,)
    return tuple(_pieces(text, encoding))


def encoding_of(text: str) -> Encoding:
    """What `text` must be sent as."""
    return "gsm7" if _GSM.fullmatch(text) else "ucs2"


def _pieces(text: str, encoding: Encoding) -> Iterator[str]:
    two, room = _TWO[encoding], JOINED[encoding]
    start, used = 0, 0
    for at, character in enumerate(text):
        cost = 2 if two.match(character) else 1
        if used + cost > room:
            yield text[start:at]
            start, used = at, 0
        used += cost
    yield text[start:]
