"""aiosqlite with one change of threads a statement instead of four.

SQLAlchemy opens a cursor, executes, fetches and closes, and aiosqlite hands each of these to the connection's thread.
On a busy machine every hand-over waits for its turn, so a verification code spent more time between threads than in
the database. Here a statement runs and is fetched in one go; what takes no time is done where we are. The connection
is used by one task at a time, as before, and SQLite itself is built to be called from any thread.
"""

import sqlite3
from collections.abc import Iterable
from typing import Any, Self

from aiosqlite import Connection, Cursor


class OneHopCursor(Cursor):
    """Executes and fetches together; `fetchall` gives what was fetched."""

    _rows: list[Any]

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, sql: str, parameters: Iterable[Any] | None = None) -> Self:
        self._rows = await self._conn._execute(self._run, sql, parameters or ())  # type: ignore[no-untyped-call]
        return self

    def _run(self, sql: str, parameters: Any) -> list[Any]:
        self._cursor.execute(sql, parameters)
        return self._cursor.fetchall() if self._cursor.description else []

    async def fetchall(self) -> list[Any]:
        rows, self._rows = self._rows, []
        return rows

    async def fetchmany(self, size: int | None = None) -> list[Any]:
        size = size or self._cursor.arraysize
        rows, self._rows = self._rows[:size], self._rows[size:]
        return rows

    async def fetchone(self) -> Any:
        rows = await self.fetchmany(1)
        return rows[0] if rows else None

    async def close(self) -> None:
        self._cursor.close()


class OneHopConnection(Connection):
    """Commits and rolls back only when there is something to."""

    def cursor(self) -> OneHopCursor:  # type: ignore[override]
        return OneHopCursor(self, self._conn.cursor())

    async def commit(self) -> None:
        if self._conn.in_transaction:
            await super().commit()

    async def rollback(self) -> None:
        if self._conn.in_transaction:
            await super().rollback()


def connect(database: str, **options: Any) -> OneHopConnection:
    """For SQLAlchemy's `async_creator_fn`; await it to have it open."""
    options["check_same_thread"] = False
    made = OneHopConnection(lambda: sqlite3.connect(database, **options), iter_chunk_size=64)
    made._thread.daemon = True
    return made
