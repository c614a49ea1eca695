"""One statement, one round trip: why a look-up costs a call a tenth of a millisecond of CPU and not a whole one.

SQLAlchemy writes the SQL and converts the values; the driver's own connection runs it, under PostgreSQL one of
SQLAlchemy's pool, under SQLite one of `fund.lanes`. That skips the emulated cursor (four thread changes a statement
under SQLite, a transaction under PostgreSQL). A statement is its own transaction, so whatever must happen together
has to fit into one. Under PostgreSQL it is fastest on an engine opened with `open_database(..., autocommit=True)`,
and right on any.
"""

import re
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, TypeVar

from sqlalchemy import Connection, Insert, LargeBinary, Select, TextualSelect, Update
from sqlalchemy.engine import Dialect, Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoFreeConnection
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.types import TypeEngine
from sqlalchemy.util import await_only, greenlet_spawn

from fund.lanes import Lanes, NotNow, lanes_of

NO_DATABASE = (SQLAlchemyError, OSError)  # also what the driver says of itself when it cannot connect, or is too slow
_HARMLESS = (OSError, sqlite3.OperationalError, NoFreeConnection)  # TimeoutError is an OSError
FEW_ROWS = 100  # what SQLite writes in about a millisecond

Row = dict[str, Any]
_Result = TypeVar("_Result")
_Found = Sequence[Sequence[Any]]
_Convert = Callable[[Any], Any] | None

BLOCKS = (256, 16)  # rows of one insert on SQLite; what is left goes one by one


def cause_of(fault: BaseException) -> str:
    """What went wrong with a database, without values: databases quote the data in some of their messages."""
    fault = getattr(fault, "orig", None) or fault
    state: str | None = getattr(fault, "sqlstate", None)
    harmless = state[:2] not in {"22", "23"} if state else isinstance(fault, _HARMLESS)
    return f"{type(fault).__name__}: {fault}" if harmless else type(fault).__name__


class _Prepared:
    """What is compiled once for each kind of database it meets."""

    _core: Select[*tuple[Any, ...]] | TextualSelect | Insert | Update

    def __init__(self, columns: Sequence[str] | None = None) -> None:
        self._columns = list(columns) if columns else None
        self._compiled: dict[str, _Compiled] = {}

    def _for(self, dialect: Dialect) -> "_Compiled":
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            compiled = self._compiled[dialect.name] = _Compiled(self._core, dialect, self._columns)
        return compiled


class Statement(_Prepared):
    """A Core statement with bind parameters, compiled once for each kind of database it meets.

    It must return columns (`select`, or `returning`). `name` is what logs call it; `by_key`: it only finds or changes a
    few rows by an index.
    """

    def __init__(self, name: str, core: Select[*tuple[Any, ...]] | TextualSelect, *, by_key: bool = False) -> None:
        super().__init__()
        self.name, self.by_key = name, by_key
        self._core = core

    async def fetch(self, engine: AsyncEngine, **values: Any) -> list[Row]:
        """Every row it returns, by column name. Raises whatever the driver raises, and then drops the connection."""
        compiled = self._for(engine.dialect)
        sql, arguments = compiled.sql, compiled.arguments(values)
        if engine.dialect.name == "sqlite":
            return compiled.rows(await self._embedded(lanes_of(engine), sql, arguments))
        found: _Found = await greenlet_spawn(
            _on_driver, engine.sync_engine, lambda driver: driver.fetch(sql, *arguments)
        )
        return compiled.rows(found)

    async def _embedded(self, lanes: Lanes, sql: str, arguments: Sequence[Any]) -> _Found:
        reads = isinstance(self._core, Select)
        if self.by_key and reads:
            return await lanes.glance(sql, arguments)
        run = lanes.note if self.by_key else lanes.read if reads else lanes.write
        return await run(lambda connection: connection.execute(sql, arguments).fetchall())


class Rows(_Prepared):
    """A change for each of many rows, compiled once for each kind of database.

    An insert (or upsert) of rows that all have these `columns`, or an update whose bind parameters the rows give.
    """

    def __init__(self, core: Insert | Update, columns: Sequence[str] | None = None) -> None:
        super().__init__(columns)
        self._core = core

    def run(self, connection: Connection, rows: Sequence[Row]) -> int:
        """Within a transaction; how many rows were changed.

        On SQLite the driver gets the rows as they are, half the time of SQLAlchemy's way. Many rows are inserted by one
        statement: a thread gives the interpreter up for each, and on a busy machine waits long to have it back.
        """
        if connection.dialect.name != "sqlite":
            return connection.execute(self._core, rows).rowcount
        sql, ready = self.ready(connection.dialect, rows)
        changed, at = 0, 0
        for block in BLOCKS if isinstance(self._core, Insert) else ():
            statement = _repeated(sql, block)
            while at + block <= len(ready):
                values = tuple(chain.from_iterable(ready[at : at + block]))
                changed += connection.exec_driver_sql(statement, values).rowcount
                at += block
        return changed + (connection.exec_driver_sql(sql, ready[at:]).rowcount if ready[at:] else 0)

    def ready(self, dialect: Dialect, rows: Sequence[Row]) -> tuple[str, list[tuple[Any, ...]]]:
        """What the driver is given."""
        compiled = self._for(dialect)
        return compiled.sql, [compiled.arguments(row) for row in rows]


async def write(engine: AsyncEngine, *batches: tuple[Rows, Sequence[Row]]) -> None:
    """All the rows in one transaction. Raises whatever the driver raises; then nothing was written."""
    ready = [rows.ready(engine.dialect, values) for rows, values in batches if values]
    if ready and engine.dialect.name == "sqlite":
        lanes = lanes_of(engine)
        run = lanes.note if sum(len(rows) for _, rows in ready) <= FEW_ROWS else lanes.write
        await run(lambda connection: _write_embedded(connection, ready))
    elif ready:
        await greenlet_spawn(_on_driver, engine.sync_engine, lambda driver: _write(driver, ready))


def write_now(engine: AsyncEngine, *batches: tuple[Rows, Sequence[Row]]) -> bool:
    """The same without a wait, for few rows; or not at all, where that cannot be."""
    if engine.dialect.name != "sqlite":
        return False
    ready = [rows.ready(engine.dialect, values) for rows, values in batches if values]
    try:
        lanes_of(engine).note_now(lambda connection: _write_embedded(connection, ready))
    except (NotNow, sqlite3.Error):  # a thread will tell what is wrong
        return False
    return True


_Batches = Sequence[tuple[str, list[tuple[Any, ...]]]]


def _write_embedded(connection: sqlite3.Connection, batches: _Batches) -> None:
    for sql, rows in batches:
        connection.executemany(sql, rows)


async def _write(driver: Any, batches: _Batches) -> None:
    async with driver.transaction():
        for sql, rows in batches:
            await driver.executemany(sql, rows)


@lru_cache
def _repeated(insert: str, times: int) -> str:
    """An SQL insert of one row as an insert of several."""
    before, row, after = re.split(r"(?<=VALUES )(\([?, ]+\))", insert, maxsplit=1)
    return before + ", ".join([row] * times) + after


class _Compiled:
    """The SQL of one kind of database, and how values go in and come out."""

    def __init__(
        self,
        core: Select[*tuple[Any, ...]] | TextualSelect | Insert | Update,
        dialect: Dialect,
        columns: list[str] | None = None,
    ) -> None:
        compiled = core.compile(dialect=dialect, column_keys=columns)
        self.sql = str(compiled)
        self._preset = compiled.params
        self._binds = list(compiled.positiontup or ())
        converters = [
            (at, _processor(compiled.binds[name].type, dialect, "bind")) for at, name in enumerate(self._binds)
        ]
        self._converters = [(at, convert) for at, convert in converters if convert]
        self._columns = [
            (str(column.key), _processor(column.type, dialect, "result"))
            for column in (() if isinstance(core, Insert | Update) else core.exported_columns.values())
        ]

    def arguments(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        given = {**self._preset, **values}
        made = [given[name] for name in self._binds]
        for at, convert in self._converters:
            made[at] = convert(made[at])
        return tuple(made)

    def rows(self, found: _Found) -> list[Row]:
        return [
            {
                name: convert(value) if convert else value
                for (name, convert), value in zip(self._columns, row, strict=True)
            }
            for row in found
        ]


def _processor(kind: TypeEngine[Any], dialect: Dialect, way: str) -> _Convert:
    impl = kind.dialect_impl(dialect)
    if way == "result":
        return impl.result_processor(dialect, None)
    if isinstance(impl, LargeBinary) and dialect.name == "sqlite":
        return None  # bytes are written as they are
    return impl.bind_processor(dialect)


def _on_driver(engine: Engine, work: Callable[[Any], Awaitable[_Result]]) -> _Result:
    """One trip through the pool of asyncpg connections, inside the greenlet that lets the pool wait."""
    connection = engine.raw_connection()
    while getattr(connection.driver_connection, "is_closed", bool)():  # asyncpg knows that its server went away
        connection.invalidate()
        connection = engine.raw_connection()
    try:
        return await_only(work(connection.driver_connection))
    except BaseException:
        connection.invalidate()  # nobody knows what state it is in
        raise
    finally:
        connection.close()
