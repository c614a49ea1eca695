"""Recipients' files as they come: CSV or NDJSON, UTF-8 with or without a BOM, or GBK; read in pieces of any size. Pure.

Feed bytes, get rows with their line numbers. What cannot be read is a `Fault` with its line; only a file whose first
line makes no sense is refused as a whole.
"""

import codecs
import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sms.errors import Refused

LONGEST = 16_384  # characters of one row; more is a quote that was never closed
ENCODINGS = ("utf-8-sig", "gb18030")


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


class Rows(Protocol):
    """A file being read."""

    def feed(self, data: bytes) -> Iterator[Row | Fault]:
        """The rows that `data` completes."""

    def end(self) -> Iterator[Row | Fault]:
        """The last row, if it had no line break."""


class Text:
    """Bytes to characters: UTF-8 if the first piece is, else GB18030; what fits neither becomes U+FFFD."""

    def __init__(self) -> None:
        self.encoding = ""
        self._decoder: codecs.IncrementalDecoder | None = None

    def decode(self, data: bytes, final: bool = False) -> str:
        if self._decoder is None:
            self.encoding = _encoding_of(data)
            self._decoder = codecs.getincrementaldecoder(self.encoding)("replace")
        return self._decoder.decode(data, final)


def _encoding_of(data: bytes) -> str:
    for encoding in ENCODINGS:
        try:
            codecs.getincrementaldecoder(encoding)("strict").decode(data, final=False)
        except UnicodeDecodeError:
            continue
        return encoding
    return ENCODINGS[0]


class CsvRows:
    """CSV with a header line: `to` (or 手机号) and a column for each parameter; other columns are ignored."""

    def __init__(self, params: Iterable[str]) -> None:
        self.params = list(params)
        self.ignored: list[str] = []
        self.text = Text()
        self._open = ""
        self._line = 0
        self._header: list[str] | None = None

    def feed(self, data: bytes) -> Iterator[Row | Fault]:
        self._open += self.text.decode(data)
        whole, self._open = _whole_rows(self._open)
        yield from self._rows(whole)
        if len(self._open) > LONGEST:
            yield Fault(self._line + 1, "unclosed_quote")
            self._open = ""

    def end(self) -> Iterator[Row | Fault]:
        last = self._open + self.text.decode(b"", final=True)
        self._open = ""
        if last.count('"') % 2:
            yield Fault(self._line + 1, "unclosed_quote")
        elif last.strip():
            yield from self._rows(last)
        if self._header is None:
            raise Refused("empty_file")

    def _rows(self, text: str) -> Iterator[Row | Fault]:
        if not text:
            return
        reader = csv.reader(text.splitlines(keepends=True))
        start = self._line
        while True:
            line = start + reader.line_num + 1
            try:
                values = next(reader)
            except StopIteration:
                break
            except csv.Error:
                yield Fault(line, "unreadable")
                continue
            if self._header is None:
                self._header = self._columns(values)
            elif values:
                yield self._row(line, values)
        self._line = start + reader.line_num

    def _columns(self, values: list[str]) -> list[str]:
        header = ["to" if name.strip() in ("手机号", "手机号码", "phone") else name.strip() for name in values]
        missing = [name for name in ("to", *self.params) if name not in header]
        if missing:
            raise Refused(f"wrong_columns: {', '.join(missing)}")
        if len(set(header)) < len(header):
            raise Refused("doubled_column")
        self.ignored = [name for name in header if name != "to" and name not in self.params]
        return header

    def _row(self, line: int, values: list[str]) -> Row | Fault:
        assert self._header is not None
        if len(values) != len(self._header):
            return Fault(line, "wrong_column_count")
        if any("\ufffd" in value for value in values):
            return Fault(line, "wrong_encoding")
        named = dict(zip(self._header, values, strict=True))
        return Row(line, named["to"], {name: named[name] for name in self.params})


def _whole_rows(text: str) -> tuple[str, str]:
    """Split after the last line break that is not inside quotes."""
    end = text.rfind("\n") + 1
    while end and text.count('"', 0, end) % 2:
        end = text.rfind("\n", 0, end - 1) + 1
    return text[:end], text[end:]


class JsonRows:
    """NDJSON: an object a line, `to` and the parameters beside it, or under `params`."""

    def __init__(self, params: Iterable[str]) -> None:
        self.params = list(params)
        self.ignored: list[str] = []
        self.text = Text()
        self._open = ""
        self._line = 0

    def feed(self, data: bytes) -> Iterator[Row | Fault]:
        *lines, self._open = (self._open + self.text.decode(data)).split("\n")
        for line in lines:
            yield from self._rows(line)
        if len(self._open) > LONGEST:
            yield Fault(self._line + 1, "line_too_long")
            self._open = ""

    def end(self) -> Iterator[Row | Fault]:
        last = self._open + self.text.decode(b"", final=True)
        self._open = ""
        yield from self._rows(last)
        if not self._line:
            raise Refused("empty_file")

    def _rows(self, line: str) -> Iterator[Row | Fault]:
        self._line += 1
        if line.strip():
            yield self._row(line)

    def _row(self, text: str) -> Row | Fault:
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
