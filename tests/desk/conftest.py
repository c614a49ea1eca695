"""The desk's stores on both databases, with a clock that a test sets."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from cryptography.fernet import Fernet
from sqlalchemy.ext.asyncio import AsyncEngine

from desk.callbacks import CallBacks
from desk.orders import Orders
from desk.surveys import Surveys
from fund.privacy import Privacy

CHINA = ZoneInfo("Asia/Shanghai")


class Clock:
    """Monday, 2 March 2026, ten o'clock, until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 10, tzinfo=CHINA)

    def __call__(self) -> datetime:
        return self.now

    def ahead(self, **by: float) -> datetime:
        self.now += timedelta(**by)
        return self.now


def weekdays(start: date, count: int) -> date:
    """Working days without holidays."""
    while count > 0:
        start += timedelta(days=1)
        count -= start.weekday() < 5
    return start


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def privacy() -> Privacy:
    return Privacy(b"p" * 32, [Fernet.generate_key().decode()])


@pytest.fixture
async def orders(engine: AsyncEngine, privacy: Privacy, clock: Clock) -> Orders:
    return Orders(engine, privacy, weekdays, clock=clock)


@pytest.fixture
async def call_backs(engine: AsyncEngine, privacy: Privacy, clock: Clock) -> CallBacks:
    return CallBacks(engine, privacy, clock=clock)


@pytest.fixture
async def surveys(engine: AsyncEngine, clock: Clock) -> Surveys:
    return Surveys(engine, clock)
