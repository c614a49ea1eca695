"""What every side stands on: the settings, the keys, our own database and the ledger."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncEngine

from fund.demo import DemoPerson
from fund.ledger import Ledger
from fund.privacy import Privacy
from hotline import demo
from hotline.database import open_database
from hotline.migrations import upgrade
from hotline.settings import Settings


@dataclass(frozen=True)
class Ground:
    """Open as long as the process."""

    settings: Settings
    privacy: Privacy
    engine: AsyncEngine
    ledger: Ledger
    people: list[DemoPerson] = field(default_factory=list)


async def open_ground(stack: AsyncExitStack, settings: Settings, *, with_demo: bool) -> Ground:
    """Our database, migrated, and the ledger; `stack` closes both."""
    privacy = settings.privacy()
    engine = open_database(settings.own_database_url)
    stack.push_async_callback(engine.dispose)
    await upgrade(engine)
    people = await demo.prepare(settings, engine, privacy) if with_demo else []

    ledger_engine = open_database(settings.ledger_url, read_only=True)
    stack.push_async_callback(ledger_engine.dispose)
    ledger = Ledger(ledger_engine, settings.ledger_limit_seconds)
    stack.push_async_callback(ledger.close)
    return Ground(settings, privacy, engine, ledger, people)
