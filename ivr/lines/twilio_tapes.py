"""What callers say on a call at Twilio: fetched from there, kept here, removed there; and played to them again.

A recording is announced twice, by the request that follows it and by its own callback, and may not be ready at the
first. Whichever comes first brings it; a caller who has hung up is waited for that long.
"""

import asyncio
import re
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

import aiohttp
import structlog

from ivr import audio
from ivr.addresses import Addresses, AddressRefused
from ivr.lines.twilio_settings import TwilioVoiceSettings
from ivr.lines.twiml import Sound

log = structlog.get_logger()
READY_SECONDS = 6.0  # how long a recording that is not ready yet is asked for again
ASK_SECONDS = 0.3
_NAME = re.compile(r"[0-9A-Za-z]{1,32}-[0-9]{1,4}")


class Tapes(Protocol):
    """Where what callers say is kept: WAV files by name. Calls block on the disk."""

    def save(self, name: str, wav: bytes) -> None: ...

    def load(self, name: str) -> bytes:
        """Raises `OSError`."""


class TwilioTapes:
    """The recordings of our account at Twilio, on their way to us. `start` before use."""

    def __init__(
        self,
        settings: TwilioVoiceSettings,
        tapes: Tapes,
        addresses: Addresses,
        clock: Callable[[], datetime],
        *,
        ready_seconds: float = READY_SECONDS,
    ) -> None:
        self._tapes, self._addresses, self._clock, self._ready_seconds = tapes, addresses, clock, ready_seconds
        account = settings.account_sid
        self._ours = re.compile(
            rf"{re.escape(settings.endpoint)}/2010-04-01/Accounts/{account}/Recordings/RE[0-9a-fA-F]{{32}}"
        )
        token = settings.auth_token.get_secret_value()
        self._login = {"Authorization": aiohttp.encode_basic_auth(account, token)}
        self._session: aiohttp.ClientSession | None = None
        self._bringing: dict[str, asyncio.Task[float | None]] = {}

    async def start(self) -> None:
        """Open the way to Twilio."""
        self._session = aiohttp.ClientSession(headers=self._login, timeout=aiohttp.ClientTimeout(total=10))

    async def stop(self) -> None:
        """Let what is on its way arrive, and close."""
        if self._bringing:
            await asyncio.wait(self._bringing.values(), timeout=self._ready_seconds)
        if self._session:
            await self._session.close()

    async def bring(self, name: str, url: str) -> float | None:
        """Fetch and keep a recording under our own name: its seconds; None when it cannot be had (yet)."""
        if not (_NAME.fullmatch(name) and self._ours.fullmatch(url)):
            log.warning("twilio_recording_refused", tape=name)
            return None
        if name not in self._bringing:
            self._bringing[name] = task = asyncio.create_task(self._bring(name, url))
            task.add_done_callback(lambda _: self._bringing.pop(name, None))
        return await asyncio.shield(self._bringing[name])

    async def sound(self, name: str, seconds: float) -> Sound | None:
        """Where Twilio can fetch what was recorded; None when it is not on this node."""
        try:
            await asyncio.to_thread(self._tapes.load, name)
        except OSError:
            return None
        return Sound(self._addresses.of(name, personal=True, now=self._clock()), seconds)

    async def fetch(self, name: str, ticket: str) -> bytes:
        """The WAV at such an address. Raises `AddressRefused`, `OSError`."""
        if not _NAME.fullmatch(name):
            raise AddressRefused
        self._addresses.check(name, ticket, self._clock())
        return await asyncio.to_thread(self._tapes.load, name)

    async def _bring(self, name: str, url: str) -> float | None:
        try:
            seconds = audio.seconds(audio.unwav(await asyncio.to_thread(self._tapes.load, name)))
        except OSError:  # not here yet
            try:
                seconds = await asyncio.to_thread(self._save, name, await self._ready(url))
            except (aiohttp.ClientError, TimeoutError, OSError, audio.NotAudio) as fault:
                log.error("twilio_recording_not_brought", tape=name, fault=type(fault).__name__)
                return None
        await self._remove(url)
        return seconds

    def _save(self, name: str, wav: bytes) -> float:
        """In a thread: as we keep it, its seconds."""
        sound = audio.prepared(*audio.read(wav))
        self._tapes.save(name, audio.wav(sound))
        return audio.seconds(sound)

    async def _ready(self, url: str) -> bytes:
        """The sound, once Twilio has it."""
        assert self._session
        async with asyncio.timeout(self._ready_seconds):
            while True:
                async with self._session.get(f"{url}.wav", allow_redirects=False) as reply:
                    if reply.status != 404:
                        reply.raise_for_status()
                        return await reply.read()
                await asyncio.sleep(ASK_SECONDS)

    async def _remove(self, url: str) -> None:
        """Each time that it is told of, for it may have failed the first time."""
        assert self._session
        try:
            async with self._session.delete(f"{url}.json", allow_redirects=False) as reply:
                if reply.status not in (204, 404):
                    log.warning("twilio_recording_not_removed", status=reply.status)
        except (aiohttp.ClientError, TimeoutError) as fault:
            log.warning("twilio_recording_not_removed", fault=type(fault).__name__)
