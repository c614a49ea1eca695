"""The migrations make the very tables that the code uses, and lose nothing that was there before."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.ext.asyncio import AsyncEngine

import desk.tables
import fund.tables
import hotline.staff.tables
import ivr.tables
import sms.tables
from hotline.database import open_database
from hotline.migrations import upgrade
from tests.databases import Postgres

TABLES = [module.metadata for module in (desk.tables, fund.tables, hotline.staff.tables, ivr.tables, sms.tables)]


@pytest.mark.parametrize("metadata", TABLES, ids=["desk", "fund", "staff", "ivr", "sms"])
async def test_the_migrations_make_these_tables(engine: AsyncEngine, metadata: MetaData) -> None:

    def ours(_: Any, name: str | None, kind: str, *__: object) -> bool:
        return kind != "table" or name in metadata.tables

    def differences(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"include_object": ours, "compare_type": True})
        return list(compare_metadata(context, metadata))

    async with engine.connect() as connection:
        found = await connection.run_sync(differences)
    changes = [change for each in found for change in (each if isinstance(each, list) else [each])]
    assert [change for change in changes if not change[0].endswith("comment")] == []


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without any table, of each engine in turn."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}"
        return
    server: Postgres = request.getfixturevalue("postgres_server")
    server.run("CREATE DATABASE empty")
    yield server.url("empty")
    server.run("DROP DATABASE empty")


async def test_texts_and_their_parts_outlive_the_new_way_to_find_repeats(empty_url: str) -> None:
    engine = open_database(empty_url)
    try:
        await upgrade(engine, "0013")
        async with engine.begin() as connection:
            for name, once in (("one", b"0123456789abcdef"), ("two", None)):
                await connection.execute(_TEXT, {"id": name, "to": b"n" * 16, "once": once})
            await connection.execute(text("INSERT INTO message_part VALUES ('p', 'ref', 'one', 1, 'sent')"))
        await upgrade(engine)
        async with engine.connect() as connection:
            texts = (await connection.execute(text("SELECT id, once_hash FROM message ORDER BY id"))).all()
            parts = (await connection.execute(text("SELECT message FROM message_part"))).all()
        assert [tuple(row) for row in texts] == [("one", b"01234567"), ("two", None)]
        assert [tuple(row) for row in parts] == [("one",)]
    finally:
        await engine.dispose()


_TEXT = text(
    """
    INSERT INTO message (id, lane, status, body, to_hash, to_masked, once_hash, client, template, kind, quiet, operator,
                         parts, cost, created_at, expires_at, attempt, tried, reason)
    VALUES (:id, 'notice', 'sent', '', :to, '139****0001', :once, 'c', 't', '', 'none', 'mobile',
            1, 5, '2026-01-01 00:00:00', '2026-01-02 00:00:00', 1, '', '')
    """
)
