"""Recipients' files as they come: CSV or NDJSON, UTF-8 with or without a BOM, or GBK; read in pieces of any size. Pure.

Feed bytes, get rows with their line numbers. What cannot be read is a `Fault` with its line, and reading goes on in the
next one; only a file whose first line makes no sense is refused as a whole.
"""

import codecs
import csv
import io
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sms.errors import Refused

LONGEST = 16_384  # characters of one row, and
MOST_LINES = 50  # its lines: with more, a quote was never closed
ENCODINGS = ("utf-8-sig", "gb18030")
EVIDENCE = 64  # bytes by which the encoding is told, from the first on that is not ASCII


@dataclass(frozen=True, slots=True)
class Row:
    """One recipient. Values are as they stand in the file."""

    line: int
    to: str
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """A line that cannot be used, and why: a word, never its content."""

    line: int
    reason: str


class Text:
    """Bytes to characters: UTF-8 if the first that are not ASCII are, else GB18030; what fits neither becomes U+FFFD.

    Every kind of line break becomes a line feed.
    """

    def __init__(self) -> None:
        self.encoding = ""
        self._held = b""
        self._decoder: codecs.IncrementalDecoder | None = None
        self._breaks = io.IncrementalNewlineDecoder(None, translate=True)

    def decode(self, data: bytes, final: bool = False) -> str:
        if self._decoder is None:
            data = self._held + data
            strange = re.search(rb"[^\x00-\x7f]", data)
            plain = strange.start() if strange else len(data)
            if len(data) - plain < EVIDENCE and not final:
                self._held = data[plain:]
                return self._breaks.decode(data[:plain].decode("ascii"))
            self.encoding = _encoding_of(data)
            self._decoder = codecs.getincrementaldecoder(self.encoding)("replace")
        return self._breaks.decode(self._decoder.decode(data, final), final)


def _encoding_of(data: bytes) -> str:
    for encoding in ENCODINGS:
        try:
            codecs.getincrementaldecoder(encoding)("strict").decode(data, final=False)
        except UnicodeDecodeError:
            continue
        return encoding
    return ENCODINGS[0]


class Rows(ABC):
    """A file being read. `ignored`: columns that nothing asks for."""

    def __init__(self, params: Iterable[str]) -> None:
        self.params = list(params)
        self.ignored: list[str] = []
        self.text = Text()
        self._line = 0  # how many are done with
        self._open = ""  # the beginning of the next, of which no more is kept than shows that it is too long

    def feed(self, data: bytes) -> Iterator[Row | Fault]:
        """The rows that `data` completes."""
        *lines, self._open = (self._open + self.text.decode(data)).split("\n")
        self._open = self._open[: LONGEST + 1]
        yield from self._read(lines)

    def end(self) -> Iterator[Row | Fault]:
        """The rows that were left open. Raises `Refused` when the file has none at all."""
        last = self._open + self.text.decode(b"", final=True)
        yield from self._read(last.split("\n"), final=True)

    @abstractmethod
    def _read(self, lines: list[str], final: bool = False) -> Iterator[Row | Fault]:
        """The rows of whole lines."""


class CsvRows(Rows):
    """CSV with a header line: `to` (or 手机号) and a column for each parameter; other columns are ignored."""

    def __init__(self, params: Iterable[str]) -> None:
        super().__init__(params)
        self._header: list[str] | None = None
        self._lines: list[str] = []  # not done with: of a row whose quote is still open

    def _read(self, lines: list[str], final: bool = False) -> Iterator[Row | Fault]:
        self._lines += lines
        at = 0
        while (at := (yield from self._whole(at))) < len(self._lines):
            rest = self._lines[at : at + MOST_LINES]
            if not (final or len(rest) == MOST_LINES or self._forgotten(rest) or sum(map(len, rest)) > LONGEST):
                break
            self._line += 1
            at += 1
            yield Fault(self._line, "line_too_long" if len(rest[0]) > LONGEST else "unclosed_quote")
        del self._lines[:at]
        if final and self._header is None:
            raise Refused("empty_file")

    def _whole(self, at: int) -> Generator[Row | Fault, None, int]:
        """The rows from the line `at` on, up to one that is not whole or makes no sense; returns where that begins."""
        taken, over = at, False

        def lines() -> Iterator[str]:
            nonlocal taken, over
            while taken < min(len(self._lines), at + MOST_LINES):
                taken += 1
                yield self._lines[taken - 1] + "\n"
            over = True  # and the reader gives what it has, as if the quote were closed

        for values in _readable(csv.reader(lines())):
            if over or len(self._lines[at]) > LONGEST or self._forgotten(self._lines[at:taken], values):
                break
            found = self._row(self._line + 1, values)
            self._line += taken - at
            at = taken
            if found:
                yield found
        return at

    def _forgotten(self, lines: list[str], values: Sequence[str] = ()) -> bool:
        """Whether a quote was left open: the second line is a row by itself, or what came of them all is none."""
        if len(lines) < 2 or self._header is None:
            return False
        columns = len(self._header)
        second = lines[1].replace('"', "").split(",")
        is_row = len(second) == columns and any(map(str.isdigit, second[self._header.index("to")]))
        return is_row or (bool(values) and len(values) != columns)

    def _row(self, line: int, values: list[str]) -> Row | Fault | None:
        if not any(map(str.strip, values)):
            return None
        if self._header is None:
            self._header = self._columns(values)
            return None
        if len(values) != len(self._header):
            return Fault(line, "wrong_column_count")
        if any("\ufffd" in value for value in values):
            return Fault(line, "wrong_encoding")
        named = dict(zip(self._header, values, strict=True))
        return Row(line, named["to"], {name: named[name] for name in self.params})

    def _columns(self, values: list[str]) -> list[str]:
        header = ["to" if name.strip() in ("手机号", "手机号码", "phone") else name.strip() for name in values]
        missing = [name for name in ("to", *self.params) if name not in header]
        if missing:
            raise Refused(f"wrong_columns: {', '.join(missing)}")
        if doubled := [name for name in ("to", *self.params) if header.count(name) > 1]:
            raise Refused(f"doubled_column: {', '.join(doubled)}")
        self.ignored = [name for name in header if name and name != "to" and name not in self.params]
        return header


def _readable(rows: Iterator[list[str]]) -> Iterator[list[str]]:
    """Up to one that is longer than the library reads."""
    with suppress(csv.Error):
        yield from rows


class JsonRows(Rows):
    """NDJSON: an object a line, `to` and the parameters beside it, or under `params`."""

    def _read(self, lines: list[str], final: bool = False) -> Iterator[Row | Fault]:
        for line in lines:
            self._line += 1
            if line.strip():
                yield self._row(line)
        if final and self._line == 1 and not lines[0]:
            raise Refused("empty_file")

    def _row(self, text: str) -> Row | Fault:
        if len(text) > LONGEST:
            return Fault(self._line, "line_too_long")
        if "\ufffd" in text:
            return Fault(self._line, "wrong_encoding")
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return Fault(self._line, "not_json")
        if not isinstance(found, dict) or not isinstance(found.get("to"), str):
            return Fault(self._line, "no_number")
        params = found.get("params", found)
        if not isinstance(params, dict):
            return Fault(self._line, "wrong_params")
        return Row(self._line, found["to"], {name: params[name] for name in self.params if name in params})
