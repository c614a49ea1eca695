"""What callers say of the people they talked to: one rating a call. The official formulas are in `desk.figures`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, get_args

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncEngine

from desk.database import writing
from desk.tables import surveys
from fund.inserts import insert_new

Rating = Literal[
    "satisfied",  # 满意
    "fair",  # 基本满意
    "unsatisfied",  # 不满意
]
RATINGS: tuple[Rating, ...] = get_args(Rating)
Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Rated:
    """One call's rating; `agent` and `queue` are empty when nobody knows them."""

    call_id: str
    at: datetime
    rating: Rating
    agent: str
    queue: str
    topic: str


class Surveys:
    """Keeps ratings."""

    def __init__(self, engine: AsyncEngine, clock: Clock = lambda: datetime.now(UTC)) -> None:
        self._engine, self._clock = engine, clock

    async def rate(self, call_id: str, rating: Rating, *, agent: str = "", queue: str = "", topic: str = "") -> bool:
        """Keep a rating; the first one of a call counts. False when there was one. Raises `ValueError`."""
        if rating not in RATINGS:
            raise ValueError(rating)
        row = {"call_id": call_id, "at": self._clock(), "rating": rating}
        about = {"agent": agent[:64], "queue": queue[:31], "topic": topic[:40]}
        async with writing(self._engine) as connection:
            return (await connection.execute(insert_new(self._engine, surveys).values(**row, **about))).rowcount > 0

    async def remove_old(self, before: datetime) -> int:
        """Remove ratings older than that: how many."""
        async with writing(self._engine) as connection:
            return (await connection.execute(delete(surveys).where(surveys.c.at < before))).rowcount

    async def of_call(self, call_id: str) -> Rated | None:
        """What a call's caller said."""
        async with self._engine.connect() as connection:
            row = (await connection.execute(select(surveys).where(surveys.c.call_id == call_id))).first()
        return Rated(**row._mapping) if row else None

    async def between(self, since: datetime, until: datetime) -> Sequence[Rated]:
        """Every rating from `since` up to `until`, oldest first."""
        wanted = select(surveys).where(surveys.c.at >= since, surveys.c.at < until).order_by(surveys.c.at)
        async with self._engine.connect() as connection:
            return [Rated(**row._mapping) for row in await connection.execute(wanted)]
