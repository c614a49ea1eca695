"""What a report says of something there is none of: 没有逾期 rather than 逾期零期, or nothing at all. Pure.

A report's `zero` names a figure and the words that stand, when it is nought, for the sentence it is said in.
"""

import re
from collections.abc import Mapping
from typing import Any

from ivr.utterance import placeholders

_SENTENCE = re.compile(r".*?(?:[。！？!?]+|(?<![ap]\.m)\.(?=\s|$)|$)\s*", re.S)
Words = Mapping[Any, str]  # by language


def without_zeros(words: Words, zero: Mapping[str, Words], values: Mapping[str, tuple[str, Any]]) -> Words:
    """`words` with every sentence replaced that tells of a nought for which `zero` has other words."""
    nothing = [name for name in zero if name in values and values[name][1] == 0]
    if not nothing:
        return words
    return {
        language: "".join(_said(sentence, language, nothing, zero) for sentence in _SENTENCE.findall(template))
        for language, template in words.items()
    }


def _said(sentence: str, language: Any, nothing: list[str], zero: Mapping[str, Words]) -> str:
    told = placeholders(sentence)
    name = next((name for name in nothing if name in told), None)
    if name is None:
        return sentence
    gap = " " if language == "en" and sentence[-1:].isspace() else ""
    words = zero[name].get(language, next(iter(zero[name].values())))
    return words + gap * bool(words)
