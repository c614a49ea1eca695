"""What is said to a caller, before it is sound: pieces of text, each of which a voice actor could record.

Pure values: they go into the call's state as JSON, into transcripts as `.text`, and to `ivr.prompts` as what is
to be rendered. A sentence with placeholders becomes literal pieces around the fragments of `ivr.speech`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from ivr import speech
from ivr.reading import MEASURES
from ivr.speech import Language, Value

# What a recording leaves out at its ends: spaces, and punctuation of both scripts (\uff.. is its wide form).
PAUSES = ' \n,.;:!?\uff0c\u3002\uff1b\uff1a\uff01\uff1f\u3001\u2026\u2014()\uff08\uff09\u300a\u300b\u201c\u201d"'
_SENTENCE_ENDS = re.compile(r"(?<=[\u3002\uff01\uff1f\n])(?!$)|(?<![ap]\.m\.)(?<=[.!?])\s+(?!$)")
_HAN = re.compile(r"[\u4e00-\u9fff]")
_NAME = re.compile(r"\w+(?:\.\w+)*")
_BRACES = re.compile(r"\{([^{}]*)\}|[{}]")


class TemplateFault(ValueError):
    """A sentence cannot be filled: correct it at `offset` characters from its start."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Piece:
    """One stretch of speech that is recorded as a whole: a sentence, or what stands between two values."""

    text: str
    language: Language = "zh"
    personal: bool = False  # a figure or word from somebody's account
    fragment: bool = False  # part of a value: joined tightly to the fragment before it

    @property
    def fixed(self) -> bool:
        """Words of the flow itself, the same for everybody."""
        return not (self.fragment or self.personal)

    @property
    def script(self) -> str:
        """The words alone, as a voice actor reads them: without spaces and punctuation at the ends."""
        return self.text if self.fragment else " ".join(self.text.split()).strip(PAUSES)


@dataclass(frozen=True, slots=True)
class Utterance:
    """Everything said in one breath of the call: one WAV. Joins with `+`; empty is silence."""

    pieces: tuple[Piece, ...] = ()

    def __add__(self, other: "Utterance") -> "Utterance":
        return Utterance(self.pieces + other.pieces)

    def __bool__(self) -> bool:
        return any(piece.script for piece in self.pieces)

    @property
    def text(self) -> str:
        """What is heard, for transcripts and tests."""
        text = ""
        for piece in self.pieces:
            apart = piece.language == "en" and not text[-1:].isspace() and piece.text[:1].isalnum()
            text += " " * bool(text and apart) + piece.text
        return text

    @property
    def personal(self) -> bool:
        """Whether it holds somebody's figures: then its sound is kept briefly, in memory, at a signed address."""
        return any(piece.personal for piece in self.pieces)

    def to_json(self) -> list[dict[str, Any]]:
        """Small JSON for the state of a call; `from_json` reads it back."""
        return [
            {"text": piece.text, "language": piece.language}
            | {name: True for name in ("personal", "fragment") if getattr(piece, name)}
            for piece in self.pieces
        ]

    @classmethod
    def from_json(cls, pieces: Iterable[Mapping[str, Any]]) -> "Utterance":
        """The utterance that `to_json` was called on."""
        return cls(tuple(Piece(**piece) for piece in pieces))


def said(text: str, language: Language = "zh") -> Utterance:
    """Fixed words, braces and all."""
    return Utterance(_sentences((Piece(text, language),)))


def placeholders(template: str) -> list[str]:
    """The names in braces, in order: `余额为{balance},缴至{paid_to}` -> balance, paid_to. Raises `TemplateFault`."""
    return [name for name, _ in _parsed(template) if name is not None]


def fill(
    template: str,
    values: Mapping[str, tuple[str, Value]],
    language: Language = "zh",
    *,
    personal: bool = True,
) -> tuple[Piece, ...]:
    """A sentence with its values: `values` maps each placeholder to (kind, value), kinds being those of `speech`.

    A number before a measure is a count: `再试{left}次` with 2 is 再试两次. Values are personal unless the caller of
    this function knows better; a text that is not becomes part of the sentence, to be recorded with it. Each sentence
    is a piece of its own. Raises `TemplateFault` for a placeholder without a value, `speech.Unspeakable` for a value
    that is not of its kind.
    """
    if personal:
        return _filled(template, values, language, personal=True)
    return _common(template, tuple(values.items()), language)


@lru_cache(maxsize=4096)
def _common(template: str, values: tuple[tuple[str, tuple[str, Value]], ...], language: Language) -> tuple[Piece, ...]:
    """A sentence that everybody may hear, taken apart once: most of what a menu says."""
    return _filled(template, dict(values), language, personal=False)


def _filled(
    template: str, values: Mapping[str, tuple[str, Value]], language: Language, *, personal: bool
) -> tuple[Piece, ...]:
    parts = _parsed(template)
    if all(name is None for name, _ in parts):
        return _sentences([Piece(words, language) for _, words in parts])
    pieces: list[Piece] = []
    for at, (name, written) in enumerate(parts):
        if name is None:
            pieces.append(Piece(written, language))
            continue
        if name not in values:
            raise TemplateFault(f"{written} 没有对应的值", sum(len(before) for _, before in parts[:at]))
        kind, value = values[name]
        if kind == "number" and _counts(parts[at - 1 : at], parts[at + 1 : at + 2]):
            kind = "count"
        pieces += spoken(kind, value, language, personal=personal)
    return _sentences(_merged(pieces))


_Part = tuple[str | None, str]  # (name, as written) of a placeholder, (None, words) of what stands between two


def _counts(before: Sequence[_Part], after: Sequence[_Part]) -> bool:
    """Whether a measure follows: 两次 and 两笔, but 第二次 and 二月."""
    return any(words.startswith(tuple(MEASURES)) for _, words in after) and not any(w.endswith("第") for _, w in before)


def _merged(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    """Fixed words that stand side by side are one piece."""
    merged: list[Piece] = []
    for piece in pieces:
        before = merged[-1] if merged else piece
        if merged and before.fixed and piece.fixed and before.language == piece.language:
            merged[-1] = Piece(before.text + piece.text, piece.language)
        else:
            merged.append(piece)
    return tuple(merged)


def _sentences(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    """Fixed words are recorded sentence by sentence: a change to one leaves the others as they are."""
    return tuple(
        sentence
        for piece in pieces
        for sentence in (
            (Piece(text, piece.language) for text in _SENTENCE_ENDS.split(piece.text)) if piece.fixed else (piece,)
        )
    )


def spoken(kind: str, value: Value, language: Language = "zh", *, personal: bool = True) -> tuple[Piece, ...]:
    """One value as pieces: `spoken("money", Decimal("10.5"))` -> 十, 元, 五角."""
    words = speech.speak(kind, value, language)
    if kind == "text" and _HAN.search(words[0]):
        language = "zh"  # a word of the ledger in an English sentence is still Chinese
    return tuple(Piece(word, language, personal=personal, fragment=kind != "text") for word in words)


@lru_cache(maxsize=4096)
def _parsed(template: str) -> tuple[_Part, ...]:
    parts: list[_Part] = []
    end = 0
    for found in _BRACES.finditer(template):
        name = cast(str | None, found[1])
        if name is None:
            raise TemplateFault(f"花括号 {found[0]} 没有配对", found.start())
        if not _NAME.fullmatch(name.strip()):
            raise TemplateFault(f"{found[0]} 里应当是字段的名字", found.start())
        parts += [(None, template[end : found.start()])] if found.start() > end else []
        parts.append((name.strip(), found[0]))
        end = found.end()
    return (*parts, *([(None, template[end:])] if end < len(template) else []))
