"""The world of supervisors' tests: the demo ledger on a fixed day, fresh PIN counts for every test, texts to nobody."""

import tempfile
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet

from desk import tables as desk_tables
from fund import demo
from fund.calendar import Calendar
from fund.ledger import Ledger
from fund.pins import LIGHT, Pins
from fund.privacy import Privacy
from fund.tables import metadata
from hotline.database import open_database
from hotline.desk import Desk
from hotline.settings import OrderSettings
from hotline.tapes import Tapes
from hotline.world import Answer, Ask, FundWorld
from ivr.rehearsal import NewWorld
from ivr.world import World

TODAY = date(2026, 3, 2)  # the day the tests' amounts are of
CODE = "000000"  # in tests, the code of every text
SPOKEN_CODE = "135790"  # and of every voice code


@asynccontextmanager
async def demo_ledger() -> AsyncIterator[Ledger]:
    """The demo ledger as it is on the tests' day."""
    with tempfile.TemporaryDirectory() as folder:
        engine = open_database(f"sqlite+aiosqlite:///{Path(folder) / 'ledger'}.db")
        await demo.create(engine, TODAY)
        yield Ledger(engine)
        await engine.dispose()


@asynccontextmanager
async def demo_worlds(ledger: Ledger, hours: Calendar) -> AsyncIterator[NewWorld]:
    """A maker of worlds, in which nobody has tried a PIN yet."""
    with tempfile.TemporaryDirectory() as folder:
        engine = open_database(f"sqlite+aiosqlite:///{Path(folder) / 'own'}.db")
        async with engine.begin() as connection:
            for tables in (metadata, desk_tables.metadata):
                await connection.run_sync(tables.create_all)
        privacy = Privacy(b"rehearsals have no secrets of anybody's", [Fernet.generate_key().decode()])
        pins = Pins(engine, privacy, cost=LIGHT)
        await pins.seed(demo.pins(), datetime.combine(TODAY, datetime.min.time()).astimezone())
        desk = Desk(engine, privacy, Tapes(Path(folder) / "tapes", privacy), _NoTexts(), OrderSettings())
        desk.calendar = lambda: hours

        async def fresh() -> World:
            async with engine.begin() as connection:
                for table in (metadata.tables["pin_tries"], desk_tables.call_backs):
                    await connection.execute(table.delete())
            return FundWorld(ledger, pins, _NoTexts(), hours.is_open, _forget, more={**desk.answers, **_PLACED})

        yield fresh
        await engine.dispose()


async def _read_out(call: str, args: Mapping[str, Any], at: datetime) -> Answer:
    return "ok", {"code": SPOKEN_CODE, "text": "您的住房公积金贷款将在三月五日还款。"}


async def _answered(call: str, args: Mapping[str, Any], at: datetime) -> Answer:
    return "ok", {"queue": "loan"}


_PLACED: Mapping[str, Ask] = {"read_out": _read_out, "answered": _answered}  # calls that we would place


class _NoTexts:
    """Texts that are always sent, and codes that are always `CODE`."""

    def wanted(self, template: str) -> Collection[str]:
        return ()

    async def send_text(self, to: str, template: str, params: dict[str, Any], key: str | None = None) -> str:
        return "rehearsal"

    async def send_code(self, to: str, purpose: str, caller: str) -> str:
        return "rehearsal"

    async def pretend_code(self, number: str, caller: str) -> None:
        return None

    async def check_code(self, id: str, code: str) -> str:
        return "approved" if code == CODE else "pending"


def _forget(*_: object) -> None:
    return None
