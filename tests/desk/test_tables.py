"""The migrations make the very tables that the desk uses."""

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from desk.tables import metadata


async def test_the_migrations_make_these_tables(engine: AsyncEngine) -> None:

    def ours(_: Any, name: str | None, kind: str, *__: object) -> bool:
        return kind != "table" or name in metadata.tables

    def differences(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"include_object": ours, "compare_type": True})
        return list(compare_metadata(context, metadata))

    async with engine.connect() as connection:
        found = await connection.run_sync(differences)
    changes = [change for each in found for change in (each if isinstance(each, list) else [each])]
    assert [change for change in changes if change[0] != "modify_comment"] == []
