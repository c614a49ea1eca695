"""Real databases for the text side's tests: every test that takes `store` runs on SQLite and on PostgreSQL."""

import pytest
from cryptography.fernet import Fernet
from sqlalchemy.ext.asyncio import AsyncEngine

from fund.privacy import Privacy
from sms.outbox import Outbox
from sms.store import Store


@pytest.fixture
def privacy() -> Privacy:
    return Privacy(b"p" * 32, [Fernet.generate_key().decode()])


@pytest.fixture
def store(engine: AsyncEngine, privacy: Privacy) -> Store:
    return Store(engine, privacy)


@pytest.fixture
def outbox(store: Store) -> Outbox:
    return Outbox(store)
