"""How an utterance is made of sounds: recordings where there are any, the voice for the rest, pauses between. Pure."""

from collections.abc import Callable, Iterable, Iterator
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
_SENTENCE_ENDS = tuple(mark for mark, seconds in _PAUSE_SECONDS.items() if seconds == _SENTENCE)


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
    and sentences are soon at hand in any order.
    """
    made: list[tuple[float, Stretch]] = []
    between = ""
    for group, file in _groups(pieces, recorded):
        text, language = Utterance(group).text, group[0].language
        brisk = all(piece.fragment for piece in group)
        words = text if brisk else text.strip(PAUSES)
        before, _, after = text.partition(words) if words else (text, "", "")
        between += before
        if words:
            pause = _pause(between, tight=brisk and made[-1][1].brisk) if made else 0.0
            personal = group[0].personal and not brisk
            made.append((pause, Stretch(reading(words, language), language, brisk, personal, file)))
            between = after
    return made


def _groups(pieces: Iterable[Piece], recorded: Callable[[Piece], str]) -> Iterator[tuple[tuple[Piece, ...], str]]:
    """Pieces that are made in one go, with the file of their recording."""
    group: tuple[Piece, ...] = ()
    for piece in pieces:
        file = recorded(piece)
        alone = file or piece.personal
        if group and (alone or group[-1].language != piece.language or _ends_a_sentence(group[-1])):
            yield group, ""
            group = ()
        if alone:
            yield (piece,), file
        else:
            group += (piece,)
    if group:
        yield group, ""


def _ends_a_sentence(piece: Piece) -> bool:
    return not piece.fragment and piece.text.rstrip(" ").endswith(_SENTENCE_ENDS)


def _pause(between: str, *, tight: bool) -> float:
    longest = max((_PAUSE_SECONDS.get(mark, 0.0) for mark in between), default=0.0)
    return longest or (0.0 if tight else _WORD)
