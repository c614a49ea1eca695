"""A call to the hotline, brought to a moment at which much may happen to the service."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager

from fund.demo.people import Who, everybody
from tests.real.asterisk import Asterisk
from tests.real.baresip import Baresip
from tests.real.running import Running

PIN = "135790"  # of the demo person 13900000001


def pin_only() -> list[Who]:
    """People who are asked for nothing but the PIN, and not offered a person first."""
    bound = [who for who in everybody() if who.bound and who.pin and not who.special and who.state == "01"]
    return [who for who in bound if who.birth.year > 1965]


@contextmanager
def slow_ledger(running: Running) -> Iterator[None]:
    """Nobody can read the ledger meanwhile."""
    with closing(sqlite3.connect(running.home / "ledger.db", isolation_level=None)) as ledger:
        ledger.execute("BEGIN EXCLUSIVE")
        yield
        ledger.execute("ROLLBACK")


@asynccontextmanager
async def call_at(moment: str, phone: Baresip, running: Running, asterisk: Asterisk) -> AsyncIterator[None]:
    """A call brought to the moment at which the service is to be lost."""
    before = len(running.calls())
    await phone.dial(f"sip:12329@127.0.0.1:{asterisk.sip_port}")
    await running.call_at("main/main", after=before)
    if moment == "prompt":
        await asyncio.sleep(1)
        yield
        return
    await phone.press("1")
    await running.call_at("account/who")
    await asyncio.sleep(1)
    if moment == "identification":
        await phone.press(PIN[:3])
        yield
        return
    with slow_ledger(running):
        await phone.press(PIN)
        await asyncio.sleep(1.2)  # "please wait" is being said
        yield
