"""The keywords there are: `flows/sms.yaml` as a table that finds what a text asks for, however it is written.

Every fault of the file is told at once. Nothing here knows who is texting: see `sms.answers`.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from fund.yaml_model import typed, well_written
from fund.yaml_source import BadFile, Fault, Source
from fund.yaml_source import load as load_yaml
from sms.keyword_faults import keyword_faults
from sms.keyword_file import NAMES, Deed, File, KeywordWritten, Kind, KindWritten, Limits
from sms.plain import month_in, plain
from sms.templates import Templates

LONGEST_SENTENCE = 40  # plain characters in which a keyword is looked for
_MONTH_IN_SENTENCE = re.compile(
    r"(20\d\d年?|\d\d年|[今去前]年|[〇零一二三四五六七八九]{2,4}年)?(1[0-2]|0?[1-9]|十[一二]?|[一二三四五六七八九])月|20\d{4}|上+个?月|[本这]个?月",
    re.ASCII,
)
_KINDS: tuple[Deed, ...] = ("turn_off", "turn_on")


@dataclass(frozen=True, slots=True)
class Found:
    """What a text asks for, and what it says besides: a month, a kind of text, the number of a work order."""

    name: str
    keyword: KeywordWritten
    rest: str = ""


@dataclass(frozen=True)
class Table:
    """The keywords in force."""

    file: File
    _words: Mapping[str, str] = field(init=False, repr=False)  # plain word -> name of its keyword
    _kinds: Mapping[str, Kind] = field(init=False, repr=False)
    _close: frozenset[str] = field(init=False, repr=False)
    _courtesy: Sequence[str] = field(init=False, repr=False)  # the longest first, those that are keywords too last
    _naming: re.Pattern[str] = field(init=False, repr=False)  # a word of a kind, or a courtesy

    def __post_init__(self) -> None:
        words = {plain(word): name for name, each in self.file.keywords.items() for word in each.words}
        kinds = {plain(word): kind for kind, each in self.file.kinds.items() for word in each.words}
        courtesy = sorted(_longest_first(plain(word) for word in self.file.courtesy), key=words.__contains__)
        naming = re.compile("|".join(_longest_first([*kinds, *courtesy])))
        values = {"_words": {word: words[word] for word in _longest_first(words)}, "_kinds": kinds}
        close = frozenset(plain(word) for word in self.file.close)
        for name, value in {**values, "_close": close, "_courtesy": courtesy, "_naming": naming}.items():
            object.__setattr__(self, name, value)

    def find(self, text: str, today: date) -> Found | None:
        """What a plain text asks for; None when it is not clear. The first of these that fits decides: the whole text
        or a word with its argument, with ever fewer courtesies; a word with stray digits; a word in a sentence."""
        bare = text
        for bare in self._ever_barer(text):
            if found := self._whole(bare) or self._with_argument(bare, today):
                return found
        return self._with_digits(bare) or self._in_sentence(bare, today)

    def kind(self, text: str) -> Kind | None:
        """The kind of text that plain words name: the one they name besides all (`贷款短信`, `所有的通知`)."""
        said = self._naming.findall(text)
        named = {self._kinds[each] for each in said if each in self._kinds}
        if "".join(said) != text or len(narrower := named - {"all"}) > 1:
            return None
        return next(iter(narrower or named), None)

    def closes(self, text: str) -> bool:
        """Whether a plain text wants no answer any more to what it asked."""
        return not self._close.isdisjoint(self._ever_barer(text))

    def nearest(self, text: str) -> KeywordWritten | None:
        """The keyword somebody may have meant."""
        if not 2 <= len(text) <= 12:
            return None
        worth = [word for word in self._words if len(word) > 1]
        close = difflib.get_close_matches(self.bare(text), worth, n=1, cutoff=0.5)
        return self.file.keywords[self._words[close[0]]] if close else None

    def _found(self, name: str, rest: str = "") -> Found:
        return Found(name, self.file.keywords[name], rest)

    def bare(self, text: str) -> str:
        """`请问我的余额是多少` -> `余额`; a text of nothing but courtesies keeps the last of them."""
        return [text, *self._ever_barer(text)][-1]

    def _ever_barer(self, text: str) -> Iterator[str]:
        """A text, and what is left of it after one courtesy more each time."""
        while text:
            yield text
            text = next((rest for each in self._courtesy for rest in _around(text, each)), "")

    def _whole(self, text: str) -> Found | None:
        name = self.file.menu.get(text) or self._words.get(text)
        return self._found(name) if name else None

    def _with_argument(self, text: str, today: date) -> Found | None:
        """`明细202603`, `3月明细`, `退订贷款`: the longest word at either end whose other end makes sense."""
        for word, name in self._words.items():
            for rest in _around(text, word):
                if said := next((each for each in self._ever_barer(rest) if self._takes(name, each, today)), ""):
                    return self._found(name, said)
        return None

    def _takes(self, name: str, rest: str, today: date) -> bool:
        keyword = self.file.keywords[name]
        if self._words.get(rest) == name and keyword.do in _KINDS:  # `TD退订`
            return True
        if keyword.report == "details":
            return month_in(rest, today) is not None
        if keyword.do == "work_order":
            return re.fullmatch(r"[a-z]?[0-9]{3,16}", rest, re.ASCII) is not None
        return keyword.do in _KINDS and self.kind(rest) is not None

    def _with_digits(self, text: str) -> Found | None:
        """`YE1`, `12329余额`: a word with figures somebody left there."""
        word = text.strip("0123456789")
        if word == text or len(word) < 2 or word not in self._words:
            return None
        found = self._found(self._words[word])
        return None if found.keyword.do in _KINDS else found

    def _in_sentence(self, text: str, today: date) -> Found | None:
        """The one keyword whose characters stand in a sentence. Nothing is done for a sentence: it may say not to
        (`我不想退订`, `不用回电了`)."""
        if len(text) > LONGEST_SENTENCE:
            return None
        inside = [word for word in self._words if len(word) > 1 and not word.isascii() and word in text]
        longest = [word for word in inside if not any(word != other and word in other for other in inside)]
        names = {self._words[word] for word in longest}
        if len(names) != 1:
            return None
        found = self._found(names.pop(), self._month_of(text, longest, today))
        return None if found.keyword.do else found

    def _month_of(self, text: str, words: Iterable[str], today: date) -> str:
        for word in words:
            text = text.replace(word, "")
        named = _MONTH_IN_SENTENCE.search(text)
        return named[0] if named and month_in(named[0], today) else ""


def _longest_first(words: Iterable[str]) -> list[str]:
    return sorted(filter(None, dict.fromkeys(words)), key=len, reverse=True)


def _around(text: str, word: str) -> Iterator[str]:
    """What a text says besides a word at its beginning or end."""
    if text.startswith(word):
        yield text[len(word) :]
    if text.endswith(word):
        yield text[: -len(word)]


class BadKeywords(BadFile):
    """The keywords cannot be used: mend every fault that is told."""


# Without a file, what the law wants is understood, and everything else is answered with the help we can give.
BARE = Table(
    File.model_construct(
        title="",
        wait=10,
        limits=Limits(),
        courtesy=[],
        kinds={"all": KindWritten(title="通知", words=["全部"])},
        keywords={
            "stop": KeywordWritten(title="退订", words=["TD", "T", "R", "退订"], do="turn_off"),
            "start": KeywordWritten(title="开通", words=["KT", "开通"], do="turn_on"),
        },
        menu={},
        tests=[],
    )
)


def load(source: Source, templates: Templates | None) -> Table:
    """The keywords of a file. Raises `BadKeywords` with every fault at once."""
    file, faults = typed(source, File, NAMES)
    written = file or well_written(source, File)
    faults += keyword_faults(source, written, templates) if written else ()
    if not file or any(not fault.warning for fault in faults):
        raise BadKeywords(sorted(faults, key=lambda fault: fault.line))
    return Table(file)


def check(path: Path, templates: Templates | None) -> list[Fault]:
    """Every fault of a file of keywords; empty: it is good."""
    try:
        load(load_yaml(path), templates)
    except BadKeywords as bad:
        return bad.faults
    return []
