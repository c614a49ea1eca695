"""`INSERT` where the row may be there already: SQLite and PostgreSQL say it alike, SQLAlchemy in a dialect each."""

from collections.abc import Callable, Collection
from typing import Any

from sqlalchemy import ColumnElement, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine


def insert_into(engine: AsyncEngine, table: Table) -> Any:
    """`INSERT` that knows `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return sqlite.insert(table) if engine.dialect.name == "sqlite" else postgresql.insert(table)


def insert_new(engine: AsyncEngine, table: Table) -> Any:
    """Leaves alone what is already there: its `rowcount` tells which of the two it was."""
    return insert_into(engine, table).on_conflict_do_nothing()


def put_into(
    engine: AsyncEngine,
    table: Table,
    keys: Collection[str],
    fixed: Collection[str] = (),
    where: Callable[[Any], ColumnElement[bool]] | None = None,
) -> Any:
    """Overwrites the row with the same `keys`, but for what is `fixed`: else its indexes are written anew each time.

    A row that is not as `where` says, of the columns it would get, stays as it is.
    """
    insert = insert_into(engine, table)
    changed = {column.name: column for column in insert.excluded if column.name not in (*keys, *fixed)}
    return insert.on_conflict_do_update(index_elements=list(keys), set_=changed, where=where and where(insert.excluded))
