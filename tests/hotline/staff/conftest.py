"""The staff pages, on each database."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.hotline.staff.desk import Office, office


@pytest.fixture
async def desk(engine: AsyncEngine) -> AsyncIterator[Office]:
    async with office(engine) as its:
        yield its
