"""Spoken amounts back to numbers, from the grammar and not from `ivr.spoken_*`: the property tests' second opinion."""

import re
from decimal import Decimal

FIGURES = {word: value for value, words in enumerate(("零", "一幺", "二两", *"三四五六七八九")) for word in words}
UNITS = {"十": 10, "百": 100, "千": 1000}
_UNDER_20 = """zero one two three four five six seven eight nine ten
eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"""
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
ENGLISH = {word: value for value, word in enumerate(_UNDER_20.split())}
ENGLISH |= {word: 10 * value for value, word in enumerate(_TENS.split(), 2)}
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9}


def mandarin_number(text: str) -> Decimal:
    """负一万零二点五 -> -10002.5."""
    sign, text = (-1, text[1:]) if text.startswith("负") else (1, text)
    whole, _, decimals = text.partition("点")
    tail = "".join(str(FIGURES[word]) for word in decimals)
    return sign * Decimal(f"{_whole(whole)}.{tail or 0}")


def mandarin_money(text: str) -> Decimal:
    """十元零五分 -> 10.05; only what a cashier would write is read, anything else is an error."""
    found = re.fullmatch(r"(负?)(?:(.+)元)?(?:(.)角)?(零?(.)分)?(整?)", text)
    assert found, text
    sign, yuan, jiao, _, fen, whole = found.groups()
    assert bool(whole) == bool(yuan and yuan != "零" and not jiao and not fen), text
    value = Decimal(_whole(yuan or "零")) + Decimal(FIGURES[jiao or "零"]) / 10 + Decimal(FIGURES[fen or "零"]) / 100
    return -value if sign else value


def _whole(text: str) -> int:
    for unit, size in (("亿", 10**8), ("万", 10**4)):
        before, found, after = text.partition(unit)
        if found:
            return _whole(before) * size + (_whole(after) if after else 0)
    total, figure = 0, 1 if text.startswith("十") else 0
    for word in text:
        if word in UNITS:
            assert figure, text
            total, figure = total + figure * UNITS[word], 0
        else:
            figure = FIGURES[word]
    return total + figure


def english_number(text: str) -> Decimal:
    """minus twelve thousand three point five -> -12003.5."""
    words = text.replace("-", " ").split()
    sign, words = (-1, words[1:]) if words[0] == "minus" else (1, words)
    at = words.index("point") if "point" in words else len(words)
    total = section = 0
    for word in words[:at]:
        if word in SCALES:
            total, section = total + section * SCALES[word], 0
        elif word == "hundred":
            section *= 100
        else:
            section += ENGLISH[word]
    return sign * Decimal(f"{total + section}.{''.join(str(ENGLISH[word]) for word in words[at + 1 :]) or 0}")
