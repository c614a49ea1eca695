"""Who waited in which queue, how long, and who answered: one row a visit, written as it goes on.

A row is written when the caller enters, is answered and leaves, so that a service that dies between two of these loses
nothing: what was open is read back when the link to the exchange stands again. Several nodes that watch one exchange
write the same rows.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncEngine

from desk.picture import Visit
from desk.tables import queue_visits
from fund.inserts import put_into

_OLDEST = timedelta(days=1)  # an open row older than that is of a call that ended while nobody watched


class Visits:
    """The `queue_visits` table."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._put = put_into(engine, queue_visits, ("call_id", "entered_at"))

    async def write(self, visits: Sequence[Visit]) -> None:
        """Keep these visits as they are now; of several states of one the last counts."""
        rows = {(row["call_id"], row["entered_at"]): row for row in map(_row, visits)}
        if rows:
            async with self._engine.begin() as connection:
                await connection.execute(self._put, list(rows.values()))

    async def remove_old(self, before: datetime) -> int:
        """Remove visits that began before that moment: how many."""
        async with self._engine.begin() as connection:
            return (await connection.execute(delete(queue_visits).where(queue_visits.c.entered_at < before))).rowcount

    async def open(self) -> list[Visit]:
        """The visits that nobody has seen the end of."""
        columns = queue_visits.c
        recent = columns.entered_at > datetime.now(UTC) - _OLDEST
        query = select(queue_visits).where(columns.left_at.is_(None), recent).order_by(columns.entered_at)
        async with self._engine.connect() as connection:
            return [
                Visit(row.call_id, row.queue, row.entered_at, row.estimate_seconds, row.answered_at, row.agent)
                for row in await connection.execute(query)
            ]


def _row(visit: Visit) -> dict[str, object]:
    """Names are the exchange's own: one that does not fit is cut, or no visit would be written after it."""
    return {
        "call_id": visit.call_id[:80],
        "queue": visit.queue[:31],
        "entered_at": visit.entered_at,
        "estimate_seconds": visit.estimate_seconds,
        "answered_at": visit.answered_at,
        "agent": visit.agent[:64],
        "left_at": visit.left_at,
        "how": visit.how,
    }
