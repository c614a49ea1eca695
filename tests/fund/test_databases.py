"""The test databases themselves: real, of both engines, and fresh each time."""

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine


@pytest.mark.parametrize("turn", [1, 2])
async def test_each_test_has_a_database_of_its_own(engine: AsyncEngine, turn: int) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE mark (turn integer)"))
        await connection.execute(text("INSERT INTO mark VALUES (:turn)"), {"turn": turn})
        assert (await connection.execute(text("SELECT turn FROM mark"))).scalars().all() == [turn]
