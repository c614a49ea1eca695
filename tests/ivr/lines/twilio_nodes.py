"""Our side of a call at Twilio, as tests want it: nodes on real ports, over one real database, at a moment they set."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from aiohttp import web
from cryptography.fernet import Fernet
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from fund.privacy import Privacy
from ivr import audio
from ivr.actions import LookUp
from ivr.addresses import Addresses
from ivr.call import Switchboard
from ivr.events import Answered
from ivr.flow import Flow
from ivr.lines import twilio_http
from ivr.lines.twilio import Speak
from ivr.lines.twilio_calls import TwilioVoice
from ivr.lines.twilio_settings import TwilioVoiceSettings
from ivr.lines.twilio_tapes import Tapes, TwilioTapes
from ivr.lines.twilio_turns import Turns
from ivr.lines.twiml import Sound
from ivr.records import CallRecords
from ivr.rehearsal import FixedFlow
from ivr.tables import calls
from ivr.utterance import Utterance
from ivr.world import World
from tests.ivr.golden import BEGIN
from tests.ivr.lines.fake_twilio import ACCOUNT, MUSIC, PUBLIC, TOKEN, TwilioPhone

PRIVACY = Privacy(b"p" * 32, [Fernet.generate_key().decode()])
PEOPLE = "+8651112345678"
STEP = timedelta(seconds=8)  # between what a caller hears and their next key


@dataclass
class Clock:
    """A moment that stands still until the caller does something."""

    now: datetime = BEGIN

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Node:
    """One node of the hotline."""

    url: str
    records: CallRecords
    voice: TwilioVoice


class NoAnswers:
    """A world that knows nothing."""

    async def look_up(self, call: str, question: LookUp, at: datetime) -> Answered:
        return Answered("unavailable", at)


@dataclass
class Waiting:
    """A world whose answers are waited for."""

    answer: Callable[[LookUp], Awaitable[str]]
    asked: list[LookUp] = field(default_factory=list)

    async def look_up(self, call: str, question: LookUp, at: datetime) -> Answered:
        self.asked.append(question)
        return Answered(await self.answer(question), at)


def settings(**given: Any) -> TwilioVoiceSettings:
    base = {"account_sid": ACCOUNT, "auth_token": TOKEN, "people": PEOPLE, "speak": "say", "music": MUSIC}
    return TwilioVoiceSettings.model_validate(base | given)


async def by_twilio(_: Utterance) -> Sound:
    """Twilio speaks the words itself."""
    return Sound()


@asynccontextmanager
async def node(
    engine: AsyncEngine,
    flow: Flow,
    world: World | None = None,
    clock: Callable[[], datetime] | None = None,
    *,
    proxies: tuple[str, ...] = (),
    speak: Speak = by_twilio,
    answer_seconds: float = 4.0,
    parting_seconds: float = 30.0,
    tapes: Tapes | None = None,
    **given: Any,
) -> AsyncIterator[Node]:
    """A node; leaving it is its death: what it knows is gone."""
    clock = clock or Clock()
    records = CallRecords(engine, PRIVACY)
    await records.start()
    board = Switchboard(FixedFlow(flow), world or NoAnswers(), records, clock=clock)
    chosen = settings(**given)
    url = f"{PUBLIC}{twilio_http.PATH}"
    turns = Turns(engine, PRIVACY)
    addresses = Addresses(f"{PUBLIC}/twilio", b"a secret")
    recordings = TwilioTapes(chosen, tapes, addresses, clock, ready_seconds=2) if tapes else None
    waits = {"answer_seconds": answer_seconds, "parting_seconds": parting_seconds}
    voice = TwilioVoice(board, turns, speak, chosen, url, tapes=recordings, clock=clock, **waits)
    app = web.Application()
    if recordings:
        await recordings.start()
        app.add_routes(twilio_http.tape_routes(recordings))
    app.add_routes(twilio_http.routes(voice, twilio_http.Gate(chosen, PUBLIC, proxies), chosen))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield Node(f"http://127.0.0.1:{runner.addresses[0][1]}", records, voice)
    finally:
        await runner.cleanup()
        await voice.stop()
        if recordings:
            await recordings.stop()
        await records.stop()


async def play(phone: TwilioPhone, clock: Clock, keys: list[str]) -> str:
    """A whole call: what is heard. It is hung up if it is not over by then."""
    await phone.start()
    for pressed in keys:
        if not phone.listening:
            break
        clock.now += STEP
        await phone.press(pressed)
    if not phone.over:
        await phone.hang_up()
    return plain(phone.said)


def tone(seconds: float) -> bytes:
    """Somebody speaking, as far as a telephone can tell, between two silences."""
    at = np.arange(round(seconds * 8000)) / 8000
    wave = (np.sin(at * 2 * np.pi * 220) * 8000).astype(np.int16)
    quiet = np.zeros(4000, np.int16)
    return audio.wav(np.concatenate([quiet, wave, quiet]))


def plain(text: str) -> str:
    """Words alone: how they are cut into prompts is each line's own affair."""
    return re.sub(r"\s+", "", text)


async def outcome(engine: AsyncEngine, call_id: str) -> tuple[str, bool]:
    """(outcome, whether it has ended) of a call in the records."""
    async with engine.connect() as connection:
        query = select(calls.c.outcome, calls.c.ended_at).where(calls.c.id == call_id)
        row = (await connection.execute(query)).one()
    return row.outcome, row.ended_at is not None
