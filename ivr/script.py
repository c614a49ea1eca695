"""The voice actor's script: everything fixed that callers can hear, each once, with where it is said. Pure.

It comes from the flows, the system's phrases, the ledger's own words and the closed sets of `ivr.speech`; of what is
personal only the words around it are here.
"""

from calendar import monthrange
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from fund import codes
from fund.calendar import MonthDay
from fund.clock import CHINA
from ivr import calling_back, leaving, rating, reading_out, speech
from ivr.flow import Flow
from ivr.nodes import CallbackNode, MenuNode, MessageNode, ReadOutNode, ReportNode, SurveyNode, TransferNode
from ivr.reading import reading, recording_name
from ivr.speech import Language
from ivr.transferring import CHOICES, WAIT, choices
from ivr.utterance import PAUSES, Piece, Utterance, fill, placeholders

_SYLLABLES_A_SECOND, _WORDS_A_SECOND = 3.8, 2.5  # an unhurried speaker
_SOME_NUMBER = ("number", 3)  # stands for any: only the words around it matter
_TEXTS = ("say", "each", "hang_up", "survey")  # what the nodes call what they say
_OFFERS = {key: f"queue_{name}" for key, name in {WAIT: "wait", **CHOICES}.items()}
_FIXED_OFFERS: Mapping[type, Mapping[str, str]] = {
    MessageNode: leaving.OFFERS,
    CallbackNode: calling_back.OFFERS,
    SurveyNode: rating.OFFERS,
    ReadOutNode: reading_out.OFFERS,
}
_OFFERED = {*_OFFERS.values(), *(name for offers in _FIXED_OFFERS.values() for name in offers.values())}
_WITH_KEYS = {"press", "star", "hash", "text_me", *_OFFERED}  # phrases that are said where a node names a key
_LEDGER_TABLES = (
    codes.ACCOUNT_STATE,
    codes.EMPLOYER_STATE,
    codes.DETAIL_KIND,
    codes.LOAN_DETAIL_KIND,
    codes.REPAYMENT_METHOD,
)
_LANGUAGES: tuple[Language, ...] = ("zh", "en")

Saying = tuple[str, Utterance]  # where it is said (`main/welcome`, `voice.yaml: hold`), and what


@dataclass(frozen=True, slots=True)
class Line:
    """One thing to record."""

    name: str
    language: Language
    text: str
    where: tuple[str, ...]

    @property
    def heard(self) -> str:
        """How it is read aloud."""
        return reading(self.text, self.language)

    @property
    def seconds(self) -> float:
        """About how long it takes to say."""
        if self.language == "en":
            return len(self.heard.split()) / _WORDS_A_SECOND
        pauses = sum(mark in PAUSES for mark in self.heard)
        return (len(self.heard) - pauses) / _SYLLABLES_A_SECOND + 0.3 * pauses


def script(sayings: Iterable[Saying]) -> list[Line]:
    """What is to be recorded, in the order of the sayings, then the fragments of numbers and dates."""
    found: dict[str, tuple[Piece, list[str]]] = {}
    for where, utterance in [*sayings, *_closed_sets()]:
        for piece in utterance.pieces:
            if piece.script and not piece.personal and not (piece.fragment and where):
                _, places = found.setdefault(recording_name(piece.script, piece.language), (piece, []))
                places += [where] if where and where not in places else []
    return [Line(name, piece.language, piece.script, tuple(places)) for name, (piece, places) in found.items()]


def to_build(sayings: Iterable[Saying]) -> list[Utterance]:
    """What can be made before anybody calls: every saying, the fixed words around personal ones, and the fragments."""
    built: dict[Utterance, None] = {}
    for _, utterance in [*sayings, *_closed_sets()]:
        fixed = [Utterance((piece,)) for piece in utterance.pieces if not piece.personal]
        built |= dict.fromkeys(one for one in (fixed if utterance.personal else [utterance]) if one)
    return list(built)


def _closed_sets() -> Iterator[Saying]:
    for words in {word: None for table in _LEDGER_TABLES for word in table.values()}:
        yield "ledger", Utterance((Piece(words),))
    for language in _LANGUAGES:
        for words in speech.fragments(language):
            yield "", Utterance((Piece(words, language, fragment=True),))


def to_come(flow: Flow, today: date) -> Iterator[Saying]:
    """What a flow says today, and what it will say once a fact or a season changes: recorded before it is needed."""
    for day in sorted(_days(flow, today)):
        yield from sayings(flow, day)


def _days(flow: Flow, today: date) -> set[str]:
    """Today, and the days from which something else is said."""
    seasons = [season for table in flow.hours.timetables.values() for season in table.seasons]
    turns = {_next(month_day, today) for season in seasons for month_day in (season.first, season.last)}
    facts = {since for fact in flow.facts.values() for since in fact.values if since > today.isoformat()}
    return {today.isoformat(), *facts, *(day.isoformat() for turn in turns for day in (turn, turn + timedelta(days=1)))}


def _next(month_day: MonthDay, today: date) -> date:
    """The next day of that name; the last of February when the 29th is not there."""
    month, day = month_day
    year = today.year + (month_day < (today.month, today.day))
    return date(year, month, min(day, monthrange(year, month)[1]))


def sayings(flow: Flow, day: str) -> Iterator[Saying]:
    """Everything a flow can say on an ISO `day`, in every language that it has; one number stands for all numbers."""
    phrases = flow.phrases
    for name, node in flow.nodes.items():
        for words in filter(None, (getattr(node, text, None) for text in _TEXTS)):
            for language in words:
                yield name, _say(flow, day, words, language, personal=isinstance(node, ReportNode))
        if isinstance(node, MenuNode):
            yield from ((name, option) for option in _options(flow, day, node))
        for words in node.zero.values() if isinstance(node, ReportNode) else ():
            yield from ((name, _say(flow, day, words, language, personal=True)) for language in words)
        if isinstance(node, ReportNode) and node.text_me:
            for language in phrases["text_me"]:
                yield name, _say(flow, day, phrases["text_me"], language, key=_key_name(flow, node.text_me, language))
        for key, phrase in _offers(node).items():
            yield from ((name, offer) for offer in _offer(flow, day, key, phrase))
    for name in sorted(phrases.keys() - _WITH_KEYS):
        for language in phrases[name]:
            yield f"voice.yaml: {name}", _say(flow, day, phrases[name], language)


def _offers(node: object) -> Mapping[str, str]:
    """Key -> phrase of what a node offers without its flow naming the keys."""
    if isinstance(node, TransferNode):
        return {key: _OFFERS[key] for key in (WAIT, *choices(node))} if choices(node) else {}
    return _FIXED_OFFERS.get(type(node), {})


def _offer(flow: Flow, day: str, key: str, phrase: str) -> Iterator[Utterance]:
    for language in flow.phrases[phrase]:
        press = _say(flow, day, flow.phrases["press"], language, key=key)
        yield _say(flow, day, flow.phrases[phrase], language) + press


def _options(flow: Flow, day: str, node: MenuNode) -> Iterator[Utterance]:
    """Each line of a menu with its key, as the engine says it."""
    for key, option in node.menu.items():
        for words in filter(None, (option.say, option.short)):
            for language in words:
                key_name = _key_name(flow, key, language)
                press = _say(flow, day, flow.phrases["press"], language, key=key_name)
                yield _say(flow, day, words, language) + press


def _say(
    flow: Flow, day: str, words: Mapping[Any, str], language: Any, *, personal: bool = False, **values: str
) -> Utterance:
    language = language if language in words else next(iter(words))
    known: dict[str, tuple[str, Any]] = {name: ("text", value) for name, value in values.items()}
    for name in placeholders(words[language]):
        known.setdefault(
            name, flow.known(name, language, datetime.fromisoformat(day).replace(tzinfo=CHINA)) or _SOME_NUMBER
        )
    return Utterance(fill(words[language], known, language, personal=personal))


def _key_name(flow: Flow, key: str, language: Any) -> str:
    names = {"*": flow.phrases["star"], "#": flow.phrases["hash"]}.get(key, {})
    return names.get(language, key)
