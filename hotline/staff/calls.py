"""The latest calls, masked, for lists."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from ivr.tables import calls

OUTCOMES = {
    "": "进行中",
    "hung_up": "来电人挂机",
    "transferred": "转人工",
    "finished": "自助完成",
    "rescued": "故障转人工",
}


class RecentCalls:
    """Reads `calls`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def rows(
        self, *, outcome: str | None = None, ids: Sequence[str] | None = None, since: datetime | None = None,
        before: datetime | None = None, limit: int = 50,
    ) -> Sequence[Any]:  # fmt: skip
        """Newest first."""
        shown = [column for column in calls.c if column.name not in ("state", "who")]
        query = select(*shown).order_by(calls.c.started_at.desc()).limit(limit)
        query = query if outcome is None else query.where(calls.c.outcome == outcome)
        query = query if ids is None else query.where(calls.c.id.in_(ids))
        query = query if since is None else query.where(calls.c.started_at >= since)
        query = query if before is None else query.where(calls.c.started_at < before)
        async with self._engine.connect() as connection:
            return (await connection.execute(query)).all()

    async def handed_over(self, now: datetime) -> Sequence[Any]:
        """Who was handed over to people in the last half hour."""
        return await self.rows(outcome="transferred", since=now - timedelta(minutes=30), limit=10)

    async def count(self, since: datetime) -> int:
        """How many calls began since then."""
        query = select(func.count()).select_from(calls).where(calls.c.started_at >= since)
        async with self._engine.connect() as connection:
            return int((await connection.execute(query)).scalar_one())
