"""Opens the prompts: recordings first, then the configured voice, then the embedded one; and has them made ahead."""

import asyncio
import time

import structlog

from fund.clock import china_now
from fund.privacy import Privacy
from hotline.settings import Settings
from ivr.addresses import Addresses
from ivr.flow import Flow
from ivr.prompts import Prompts
from ivr.recordings import Recordings
from ivr.script import to_build, to_come
from ivr.voice import CommandVoice, EmbeddedVoice, Voice, pronunciations

log = structlog.get_logger()
BREATH_SECONDS = 0.01  # between two sounds made ahead, for whoever calls meanwhile


def open_prompts(settings: Settings, privacy: Privacy) -> Prompts:
    """Every sound a caller hears; static ones are kept in `home/audio`. Close it at the end."""
    embedded = EmbeddedVoice(pronunciations(settings.prompts / "pronounce.yaml"))
    voice: Voice = CommandVoice(settings.voice_command) if settings.voice_command else embedded
    return Prompts(
        settings.home / "audio",
        Recordings(settings.prompts / "recordings"),
        voice,
        Addresses(settings.audio_url or settings.public_url, privacy.key("audio addresses")),
        secret=privacy.key("audio keys"),
        spare=embedded if settings.voice_command else None,
    )


class Ahead:
    """Makes what callers will hear before they call: at the start, and at once when a menu has changed."""

    def __init__(self, prompts: Prompts) -> None:
        self._prompts = prompts
        self._wanted: Flow | None = None
        self._making: asyncio.Task[None] | None = None
        self._stopped = False

    def make(self, flow: Flow) -> None:
        """Begin; what is being made for a flow before it is left."""
        if self._stopped:  # a menu that changes as the service ends must not hold it up
            return
        self._wanted = flow
        if self._making is None or self._making.done():
            self._making = asyncio.create_task(self._make())

    async def stop(self) -> None:
        """Leave what is not made yet, and begin nothing more."""
        self._wanted, self._stopped = None, True
        if self._making:
            await self._making

    async def _make(self) -> None:
        made: Flow | None = None
        while (flow := self._wanted) is not made and flow:
            made = flow
            try:
                await asyncio.to_thread(self._make_all, flow)
            except Exception as fault:  # the voice, a recording, the disk: each sound is tried again when it is said
                log.warning("sounds_not_made_ahead", fault=type(fault).__name__, reason=str(fault))

    def _make_all(self, flow: Flow) -> None:
        began, count = time.monotonic(), 0
        for utterance in to_build(to_come(flow, china_now().date())):
            if flow is not self._wanted:
                return
            if self._prompts.make_ahead(utterance):
                count += 1
                time.sleep(BREATH_SECONDS)
        log.info("sounds_made_ahead", count=count, seconds=round(time.monotonic() - began, 1))
