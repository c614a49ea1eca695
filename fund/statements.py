"""One statement, one round trip: why a look-up costs a call a quarter of a millisecond and not a whole one.

SQLAlchemy writes the SQL and converts the values; the driver's own connection runs it. That skips the emulated
cursor (four thread changes a statement under SQLite, a transaction under PostgreSQL). A statement is its own
transaction, so whatever must happen together has to fit into one.
"""

from asyncio import CancelledError
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Insert, Select, Update
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.types import TypeEngine

Row = dict[str, Any]
_Convert = Callable[[Any], Any] | None


class Statement:
    """A Core statement with bind parameters, compiled once for each kind of database it meets.

    It must return columns (`select`, or `returning`). `name` is what logs call it.
    """

    def __init__(self, name: str, core: Select[Any] | Insert | Update) -> None:
        self.name = name
        self._core = core
        self._compiled: dict[str, _Compiled] = {}

    async def fetch(self, engine: AsyncEngine, **values: Any) -> list[Row]:
        """Every row it returns, by column name. Raises whatever the driver raises, and then drops the connection."""
        compiled = self._compiled.get(engine.dialect.name)
        if compiled is None:
            compiled = self._compiled[engine.dialect.name] = _Compiled(self._core, engine.dialect)
        async with engine.connect() as connection:
            try:
                found = await _run(await _driver(connection), compiled.sql, compiled.arguments(values))
            except BaseException:
                await connection.invalidate()  # nobody knows what state it is in
                raise
        return compiled.rows(found)


class _Compiled:
    """The SQL of one kind of database, and how values go in and come out."""

    def __init__(self, core: Select[Any] | Insert | Update, dialect: Dialect) -> None:
        compiled = core.compile(dialect=dialect)
        self.sql = str(compiled)
        self._preset = compiled.params
        self._binds = [
            (name, _processor(compiled.binds[name].type, dialect, "bind")) for name in compiled.positiontup or ()
        ]
        self._columns = [
            (str(column.key), _processor(column.type, dialect, "result")) for column in core.exported_columns.values()
        ]

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        given = {**self._preset, **values}
        return [convert(given[name]) if convert else given[name] for name, convert in self._binds]

    def rows(self, found: Sequence[Sequence[Any]]) -> list[Row]:
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


async def _driver(connection: AsyncConnection) -> Any:
    """The `asyncpg.Connection` or `aiosqlite.Connection` inside."""
    return (await connection.get_raw_connection()).driver_connection


async def _run(driver: Any, sql: str, arguments: list[Any]) -> Sequence[Sequence[Any]]:
    if hasattr(driver, "fetch"):  # asyncpg: prepares each text once per connection, commits by itself
        return await driver.fetch(sql, *arguments)  # type: ignore[no-any-return]
    try:
        rows = await driver.execute_fetchall(sql, arguments)
    except CancelledError:
        await driver.interrupt()  # or its thread works on for nobody
        raise
    if driver.in_transaction:  # unless the engine is in autocommit
        await driver.commit()
    return rows  # type: ignore[no-any-return]
