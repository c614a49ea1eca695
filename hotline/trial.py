"""`hotline try`: a call from the terminal, through everything but the sound."""

import logging
import secrets
from collections.abc import AsyncIterator, Callable
from datetime import datetime

from desk.bulletin import Bulletins
from fund.ledger import Ledger
from fund.phone import caller_number
from fund.pins import Pins
from hotline import demo
from hotline.database import open_database
from hotline.flows import load_folder
from hotline.logs import configure
from hotline.migrations import upgrade
from hotline.settings import Settings
from hotline.text import open_text
from hotline.world import FundWorld
from ivr.call import CHINA, Switchboard, china_now
from ivr.lines.keyboard import KeyboardLine
from ivr.records import CallRecords
from ivr.rehearsal import FixedFlow
from ivr.versions import NoFlow


async def call(
    settings: Settings, caller: str, at: datetime | None, lines: AsyncIterator[str], hear: Callable[[str], None]
) -> None:
    """One call to its end. `at` moves the whole call to another moment. Raises `NoFlow`."""
    configure(settings, at_least=logging.ERROR)
    loaded = load_folder(settings, None)
    if loaded.flow is None:
        raise NoFlow(loaded)
    engine, privacy = open_database(settings.own_database_url), settings.privacy()
    await upgrade(engine)
    if not settings.fund_url:
        await demo.prepare(settings, engine, privacy)
    ledger_engine = open_database(settings.ledger_url, read_only=True)
    ledger = Ledger(ledger_engine, settings.ledger_limit_seconds)
    text = open_text(settings.sms, engine, privacy, ledger)
    await text.start()
    records = CallRecords(engine, privacy)
    await records.start()
    pins = Pins(engine, privacy, lock_hours=settings.pin_lock_hours)
    world = FundWorld(ledger, pins, text, loaded.flow.hours.is_open, records.note, bulletin=Bulletins(engine).words_at)
    switchboard = Switchboard(FixedFlow(loaded.flow), world, records, clock=_clock(at))
    line = KeyboardLine(lines, hear, lambda queue: hear(f"[转接 {queue}]"))
    await switchboard.connect(line, f"keyboard-{secrets.token_hex(8)}", caller_number(caller))
    await records.stop()
    await text.stop()
    await ledger_engine.dispose()
    await engine.dispose()


def _clock(at: datetime | None) -> Callable[[], datetime]:
    if at is None:
        return china_now
    ahead = at.replace(tzinfo=CHINA) - china_now()
    return lambda: china_now() + ahead
