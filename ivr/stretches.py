"""How an utterance is made of sounds: recordings where there are any, the voice for the rest, pauses between. Pure."""

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from ivr.reading import reading
from ivr.speech import Language
from ivr.utterance import PAUSES, Piece, Utterance

# Seconds of pause, as long as the embedded voice makes inside what it says in one go, and a little longer.
_SENTENCE, _CLAUSE, _COMMA, _WORD = 0.4, 0.3, 0.2, 0.05
_PAUSE_SECONDS = {
    **dict.fromkeys(".!?\u3002\uff01\uff1f\n", _SENTENCE),
    **dict.fromkeys(";:\uff1b\uff1a\u2026\u2014", _CLAUSE),
    **dict.fromkeys(",\uff0c\u3001", _COMMA),
}
_SENTENCE_ENDS = re.compile(r"(?<=[\u3002\uff01\uff1f\n])|(?<![ap]\.m\.)(?<=[.!?])\s+")


class Stretch(NamedTuple):
    """What is made as one sound: words as they are read aloud, or their recording.

    `brisk` is a part of a number. `personal` are words of somebody's account; figures are not, being parts that anybody
    may hear.
    """

    words: str
    language: Language
    brisk: bool = False
    personal: bool = False
    recorded: str = ""  # the file of the recording


def stretches(pieces: Iterable[Piece], recorded: Callable[[Piece], str]) -> list[tuple[float, Stretch]]:
    """The sounds of an utterance in order, each after so many seconds of silence.

    `recorded` gives the file of a piece's recording, or nothing.
    Fixed words without a recording are one sound from one sentence's end to the next, so that they get a natural tune
    and any order of sentences is soon at hand.
    """
    made: list[tuple[float, Stretch]] = []
    between = ""
    for group, file in _groups(pieces, recorded):
        text = Utterance(group).text
        brisk = all(piece.fragment for piece in group)
        for sentence in [text] if file else _SENTENCE_ENDS.split(text):
            words = sentence.strip(PAUSES)
            before, _, after = sentence.partition(words) if words else (sentence, "", "")
            between += before
            if words:
                pause = _pause(between, tight=brisk and made[-1][1].brisk) if made else 0.0
                language, personal = group[0].language, group[0].personal and not brisk
                made.append((pause, Stretch(reading(words, language), language, brisk, personal, file)))
                between = after
    return made


def _groups(pieces: Iterable[Piece], recorded: Callable[[Piece], str]) -> Iterator[tuple[tuple[Piece, ...], str]]:
    """Pieces that are made in one go, with the file of their recording."""
    marked = [(piece, file, at if file or piece.personal else None)
              for at, piece in enumerate(pieces) for file in [recorded(piece)]]  # fmt: skip
    for (file, _, _), group in groupby(marked, key=lambda mark: (mark[1], mark[2], mark[0].language)):
        yield tuple(piece for piece, _, _ in group), file


def _pause(between: str, *, tight: bool) -> float:
    longest = max((_PAUSE_SECONDS.get(mark, 0.0) for mark in between), default=0.0)
    return longest or (0.0 if tight else _WORD)

