"""Real databases for the text side's tests: every test that takes `store` runs on SQLite and on PostgreSQL."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from fund.privacy import Privacy
from hotline.database import open_database
from hotline.migrations import upgrade
from sms.outbox import Outbox
from sms.store import Store
from sms.tables import metadata
from tests.databases import Postgres


@pytest.fixture(scope="session")
def postgres_url(postgres_server: Postgres) -> str:
    """One database for all tests of the text side, emptied after each: migrating it every time would take longer."""
    postgres_server.run("CREATE DATABASE texts")
    return postgres_server.url("texts")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'hotline.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def privacy() -> Privacy:
    return Privacy(b"p" * 32, [Fernet.generate_key().decode()])


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = open_database(database_url)
    await upgrade(engine)
    yield engine
    if engine.dialect.name == "postgresql":
        names = ", ".join(f'"{table.name}"' for table in metadata.sorted_tables)
        async with engine.begin() as connection:
            await connection.execute(text(f"TRUNCATE {names} CASCADE"))
    await engine.dispose()


@pytest.fixture
def store(engine: AsyncEngine, privacy: Privacy) -> Store:
    return Store(engine, privacy)


@pytest.fixture
def outbox(store: Store) -> Outbox:
    return Outbox(store)
