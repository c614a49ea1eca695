"""`hotline try`: a call from the terminal, through everything but the sound."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from functools import partial

from desk.bulletin import Bulletins
from fund.clock import CHINA, china_now
from fund.ledger import Ledger
from fund.phone import caller_number
from fund.pins import Pins
from hotline import demo
from hotline.database import open_database
from hotline.desk import Desk
from hotline.flows import load_folder
from hotline.logs import configure
from hotline.migrations import upgrade
from hotline.settings import Settings
from hotline.shown_texts import ShownTexts
from hotline.tapes import Tapes
from hotline.world import FundWorld
from ivr import audio
from ivr.call import Switchboard
from ivr.lines.keyboard import KeyboardLine
from ivr.records import CallRecords
from ivr.rehearsal import FixedFlow
from ivr.versions import NoFlow
from ivr.voice import EmbeddedVoice
from sms.templates import load as load_templates


async def call(
    settings: Settings,
    caller: str,
    at: datetime | None,
    lines: AsyncIterator[str],
    hear: Callable[[str], None],
    tell: Callable[[str], object],
) -> None:
    """One call to its end. `at` moves the whole call to another moment. Raises `NoFlow`.

    `hear` gets what the caller hears, `tell` what is beside the call: which ledger it is on, the texts it would send.
    """
    configure(settings, at_least=logging.ERROR)
    loaded = load_folder(settings, None)
    if loaded.flow is None:
        raise NoFlow(loaded)
    engine, privacy = open_database(settings.own_database_url), settings.privacy()
    await upgrade(engine)
    tell(_which_ledger(settings))
    if not settings.fund_url:
        await demo.prepare(settings, engine, privacy)
    ledger_engine = open_database(settings.ledger_url, read_only=True)
    ledger = Ledger(ledger_engine, settings.ledger_limit_seconds)
    templates, zh = load_templates(settings.sms.templates), settings.language == "zh"
    text = ShownTexts(templates, settings.sms.codes, tell, zh=zh, real=bool(settings.fund_url))
    records = CallRecords(engine, privacy)
    await records.start()
    pins = Pins(engine, privacy, lock_hours=settings.pin_lock_hours)
    flow = loaded.flow
    desk = Desk(engine, privacy, Tapes(settings.recordings_folder, privacy), text, settings.orders)
    desk.calendar, desk.queues = lambda: flow.hours, lambda: flow.queues
    bulletin = Bulletins(engine).words_at
    world = FundWorld(ledger, pins, text, flow.hours.is_open, records.note, bulletin=bulletin, more=desk.answers)
    switchboard = Switchboard(FixedFlow(flow), world, records, clock=_clock(at))
    line = KeyboardLine(lines, hear, lambda queue: hear(f"[转接 {queue}]"), partial(_keep, desk.tapes))
    await switchboard.connect(line, f"keyboard-{secrets.token_hex(8)}", caller_number(caller))
    await records.stop()
    await ledger_engine.dispose()
    await engine.dispose()


def _which_ledger(settings: Settings) -> str:
    zh = settings.language == "zh"
    if not settings.fund_url:
        where = settings.home / "ledger.db"
        unset = "没有设置 HOTLINE_FUND_URL：用演示账本" if zh else "HOTLINE_FUND_URL is unset: the demo ledger"
        return f"[{unset} {where}]"
    return "[账本：HOTLINE_FUND_URL 所指的，只读]" if zh else "[the ledger of HOTLINE_FUND_URL, read only]"


async def _keep(tapes: Tapes, name: str, words: str) -> float:
    """What was typed instead of spoken, said by the embedded voice: the seconds it takes."""
    sound = await asyncio.to_thread(EmbeddedVoice().say, words, "zh")
    await asyncio.to_thread(tapes.save, name, audio.wav(sound))
    return audio.seconds(sound)


def _clock(at: datetime | None) -> Callable[[], datetime]:
    if at is None:
        return china_now
    ahead = at.replace(tzinfo=CHINA) - china_now()
    return lambda: china_now() + ahead
