"""Which numbers a file has named already: on the disk, so that a file of any size is checked in the same memory."""

import sqlite3
from collections.abc import Sequence
from types import TracebackType
from typing import Self


class Seen:
    """A temporary set of digests; gone when closed."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)  # a temporary file, spilled only when it grows
        self._database.execute("PRAGMA cache_size=-8000")
        self._database.execute("CREATE TABLE seen (digest BLOB PRIMARY KEY) WITHOUT ROWID")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self._database.close()

    def new(self, digests: Sequence[bytes]) -> list[bool]:
        """Whether each is seen for the first time."""
        add = "INSERT OR IGNORE INTO seen VALUES (?)"
        self._database.execute("BEGIN")
        fresh = [self._database.execute(add, (digest,)).rowcount == 1 for digest in digests]
        self._database.execute("COMMIT")
        return fresh
