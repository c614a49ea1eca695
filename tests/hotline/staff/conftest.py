"""The staff pages, on each database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.hotline.staff.desk import Office, office


@pytest.fixture
async def desk(engine: AsyncEngine, tmp_path: Path) -> AsyncIterator[Office]:
    async with office(engine, tmp_path) as its:
        yield its
