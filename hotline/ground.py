"""What every side stands on: the settings, the keys, our own database and the ledger."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from fund.demo import DemoPerson
from fund.ledger import Ledger
from fund.privacy import Privacy
from hotline import demo
from hotline.database import open_database
from hotline.migrations import TooNew, upgrade
from hotline.settings import Settings

log = structlog.get_logger()


class NoDatabase(Exception):
    """Our own database cannot be reached, migrated or written to; the cause, in its driver's words."""

    def __init__(self, fault: Exception) -> None:
        cause = fault.orig if isinstance(fault, DBAPIError) and fault.orig else fault
        super().__init__(f"{type(cause).__name__}: {cause}")


@dataclass(frozen=True)
class Ground:
    """Open as long as the process."""

    settings: Settings
    privacy: Privacy
    engine: AsyncEngine
    ledger: Ledger
    people: list[DemoPerson] = field(default_factory=list)


async def open_ground(stack: AsyncExitStack, settings: Settings, *, with_demo: bool) -> Ground:
    """Our database, migrated, and the ledger; `stack` closes both. Raises `NoDatabase`, `TooNew`, `NoDemo`."""
    privacy = settings.privacy()
    engine = open_database(settings.own_database_url)
    stack.push_async_callback(engine.dispose)
    try:
        await upgrade(engine)
    except TooNew:
        raise
    except Exception as fault:  # whatever the driver raises, there is no starting without it
        raise NoDatabase(fault) from fault
    try:
        people = await demo.prepare(settings, engine, privacy) if with_demo else []
    except DBAPIError as fault:
        raise NoDatabase(fault) from fault
    if not settings.fund_url and not with_demo:
        log.warning("no_ledger_set", cure="set HOTLINE_FUND_URL; until then callers' queries go to people")

    ledger_engine = open_database(settings.ledger_url, read_only=True)
    stack.push_async_callback(ledger_engine.dispose)
    ledger = Ledger(ledger_engine, settings.ledger_limit_seconds)
    stack.push_async_callback(ledger.close)
    return Ground(settings, privacy, engine, ledger, people)
