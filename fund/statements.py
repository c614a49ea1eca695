"""One statement, one round trip: why a look-up costs a call a tenth of a millisecond of CPU and not a whole one.

SQLAlchemy writes the SQL and converts the values; the driver's own connection runs it, under PostgreSQL one of
SQLAlchemy's pool, under SQLite one of `fund.lanes`. That skips the emulated cursor (four thread changes a statement
under SQLite, a transaction under PostgreSQL). A statement is its own transaction, so whatever must happen together
has to fit into one. Under PostgreSQL it is fastest on an engine opened with `open_database(..., autocommit=True)`,
and right on any.
"""

import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, CursorResult, Insert, Select, TextualSelect, Update
from sqlalchemy.engine import Dialect, Engine
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.types import TypeEngine
from sqlalchemy.util import await_only, greenlet_spawn

from fund.lanes import Lanes, lanes_of

Row = dict[str, Any]
_Result = TypeVar("_Result")
_Found = Sequence[Sequence[Any]]
_Convert = Callable[[Any], Any] | None


class Statement:
    """A Core statement with bind parameters, compiled once for each kind of database it meets.

    It must return columns (`select`, or `returning`). `name` is what logs call it; `by_key`: it only finds a few rows
    by an index.
    """

    def __init__(self, name: str, core: Select[*tuple[Any, ...]] | TextualSelect, *, by_key: bool = False) -> None:
        self.name, self.by_key = name, by_key
        self._core = core
        self._compiled: dict[str, _Compiled] = {}

    async def fetch(self, engine: AsyncEngine, **values: Any) -> list[Row]:
        """Every row it returns, by column name. Raises whatever the driver raises, and then drops the connection."""
        compiled = self._compiled.get(engine.dialect.name)
        if compiled is None:
            compiled = self._compiled[engine.dialect.name] = _Compiled(self._core, engine.dialect)
        sql, arguments = compiled.sql, compiled.arguments(values)
        if engine.dialect.name == "sqlite":
            return compiled.rows(await self._embedded(lanes_of(engine), sql, arguments))
        found: _Found = await greenlet_spawn(
            _on_driver, engine.sync_engine, lambda driver: driver.fetch(sql, *arguments)
        )
        return compiled.rows(found)

    async def _embedded(self, lanes: Lanes, sql: str, arguments: Sequence[Any]) -> _Found:
        if self.by_key:
            return await lanes.glance(sql, arguments)
        run = lanes.read if isinstance(self._core, Select) else lanes.write
        return await run(lambda connection: connection.execute(sql, arguments).fetchall())


class Rows:
    """A change for each of many rows, compiled once for each kind of database.

    An insert (or upsert) of rows that all have these `columns`, or an update whose bind parameters the rows give.
    """

    def __init__(self, core: Insert | Update, columns: Sequence[str] | None = None) -> None:
        self._core, self._columns = core, list(columns) if columns else None
        self._compiled: dict[str, _Compiled] = {}

    def run(self, connection: Connection, rows: Sequence[Row]) -> CursorResult[Any]:
        """Within a transaction. On SQLite the driver gets the rows as they are: half the time of SQLAlchemy's way."""
        if connection.dialect.name != "sqlite":
            return connection.execute(self._core, rows)
        return connection.exec_driver_sql(*self.ready(connection.dialect, rows))

    def ready(self, dialect: Dialect, rows: Sequence[Row]) -> tuple[str, list[tuple[Any, ...]]]:
        """What the driver is given."""
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            compiled = self._compiled[dialect.name] = _Compiled(self._core, dialect, self._columns)
        return compiled.sql, [compiled.arguments(row) for row in rows]


async def write(engine: AsyncEngine, *batches: tuple[Rows, Sequence[Row]]) -> None:
    """All the rows in one transaction. Raises whatever the driver raises; then nothing was written."""
    ready = [rows.ready(engine.dialect, values) for rows, values in batches if values]
    if ready and engine.dialect.name == "sqlite":
        await lanes_of(engine).write(lambda connection: _write_embedded(connection, ready))
    elif ready:
        await greenlet_spawn(_on_driver, engine.sync_engine, lambda driver: _write(driver, ready))


_Batches = Sequence[tuple[str, list[tuple[Any, ...]]]]


def _write_embedded(connection: sqlite3.Connection, batches: _Batches) -> None:
    for sql, rows in batches:
        connection.executemany(sql, rows)


async def _write(driver: Any, batches: _Batches) -> None:
    async with driver.transaction():
        for sql, rows in batches:
            await driver.executemany(sql, rows)


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
        self._binds = [
            (name, _processor(compiled.binds[name].type, dialect, "bind")) for name in compiled.positiontup or ()
        ]
        self._columns = [
            (str(column.key), _processor(column.type, dialect, "result"))
            for column in (() if isinstance(core, Insert | Update) else core.exported_columns.values())
        ]

    def arguments(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        given = {**self._preset, **values}
        return tuple([convert(given[name]) if convert else given[name] for name, convert in self._binds])

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
    return impl.bind_processor(dialect) if way == "bind" else impl.result_processor(dialect, None)


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
