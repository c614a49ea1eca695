"""From words to sound: every utterance as one WAV, made once, and found again by what it says.

What is the same for everybody is kept on disk. What holds a caller's own figures is kept in memory, for minutes, under
a key that is made with a secret and so tells nothing: as a list of parts that are soon all at hand and that callers
share, spliced only when it is fetched.
"""

import asyncio
import hashlib
import hmac
import json
import math
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import structlog

from ivr import audio
from ivr.addresses import GOOD_SECONDS, Addresses
from ivr.recordings import Recordings, write_first, write_whole
from ivr.shelf import Shelf
from ivr.stretches import Stretch, stretches
from ivr.utterance import Piece, Utterance
from ivr.voice import Voice, VoiceFault

log = structlog.get_logger()

_KEPT_SECONDS = GOOD_SECONDS + 300.0  # personal sounds outlast their addresses
_MAKING = 1  # counts up when the same words, voice and recordings come to sound different
_MOST_PERSONAL = 4096  # at a time; each is little more than a list
_MOMENT = (0.0, audio.wav(audio.silence(0.1)))  # of silence, where there is nothing to say
_KEY = re.compile(r"[0-9a-f]{64}")


class NoSuchSound(Exception):
    """Nothing is kept under this key: it was not made on this node, or too long ago. Make the prompt again."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """An utterance as sound: WAV files, each after seconds of silence. Equal keys sound the same."""

    key: str
    personal: bool
    parts: tuple[tuple[float, bytes], ...]

    @property
    def wav(self) -> bytes:
        """All of it as one file, 8 kHz, mono, 16 bit."""
        return self.parts[0][1] if len(self.parts) == 1 else audio.spliced(self.parts)

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return sum(pause + audio.wav_seconds(wav) for pause, wav in self.parts)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What an utterance is made of. Personal sounds are shelved apart: no address without a signature reaches one."""

    key: str
    personal: bool
    parts: Sequence[tuple[float, Stretch]]  # each after seconds of silence

    @property
    def shelf_key(self) -> str:
        return f"personal {self.key}" if self.personal else self.key


class Prompts:
    """Makes and keeps every sound that callers hear."""

    def __init__(
        self,
        folder: Path,
        recordings: Recordings,
        voice: Voice,
        addresses: Addresses,
        *,
        secret: bytes,
        spare: Voice | None = None,
        memory_bytes: int = 24 * 2**20,
    ) -> None:
        """`folder` is for what everybody may hear; `spare` speaks when `voice` fails; `secret` hides what keys say."""
        self._folder, self._recordings, self._voice, self._spare = folder, recordings, voice, spare
        self._addresses, self._secret = addresses, secret
        self._shelf = Shelf[bytes](memory_bytes, len)
        self._personal = Shelf[Prompt](_MOST_PERSONAL, lambda _: 1)
        # Plans of what everybody may hear, remembered; nobody's own words stay here.
        self._common_plan = lru_cache(maxsize=1024)(self._planned)
        self._common_part = lru_cache(maxsize=4096)(self._part)
        self._worker = ThreadPoolExecutor(max_workers=2, thread_name_prefix="voice")

    def close(self) -> None:
        """Finish what is being made."""
        self._worker.shutdown()

    async def prompt(self, utterance: Utterance) -> Prompt:
        """An utterance as sound; the event loop never waits for synthesis or the disk.

        Raises `VoiceFault` only if the spare voice fails too.
        """
        plan = self._plan(utterance, self._voice)
        if prompt := self._at_hand(plan):
            return prompt
        return await asyncio.get_running_loop().run_in_executor(self._worker, self.make, utterance)

    async def address(self, utterance: Utterance, now: datetime) -> str:
        """Where this node has an utterance ready to be fetched by HTTP."""
        return self.address_of(await self.prompt(utterance), now)

    def address_of(self, prompt: Prompt, now: datetime) -> str:
        """Where a prompt just made can be fetched."""
        return self._addresses.of(prompt.key, personal=prompt.personal, now=now)

    async def fetch(self, key: str, ticket: str | None, now: datetime) -> bytes:
        """The WAV at an address. Raises `NoSuchSound`, `AddressRefused`."""
        if ticket is not None:
            self._addresses.check(key, ticket, now)
            prompt = self._personal.get(key)
            wav = prompt.wav if prompt else None
        elif _KEY.fullmatch(key):
            wav = self._shelf.get(key) or await asyncio.to_thread(self._on_disk, key)
        else:
            wav = None
        if wav is None:
            raise NoSuchSound
        return wav

    def make(self, utterance: Utterance, *, makeshift: bool = True) -> Prompt:
        """What `prompt` gives, for threads and commands: this may read the disk, and wait for the voice.

        Raises `VoiceFault`; with `makeshift` only if the spare voice fails too.
        """
        try:
            return self._make(utterance, self._voice)
        except VoiceFault as fault:
            if self._spare is None or not makeshift:
                raise
            log.warning("voice_failed", reason=str(fault))
            return self._make(utterance, self._spare)

    def make_ahead(self, utterance: Utterance) -> bool:
        """Make a sound that everybody may hear, unless it is there; whether it had to be made.

        Raises `VoiceFault`, also where a spare voice would do: that one is for callers, who cannot wait.
        """
        if self._path(self._plan(utterance, self._voice).key).exists():
            return False
        self.make(utterance, makeshift=False)
        return True

    def _make(self, utterance: Utterance, voice: Voice) -> Prompt:
        plan = self._plan(utterance, voice)
        if not plan.personal:
            return self._prompt(plan, ((0.0, self._wav(plan, voice)),))
        return self._prompt(plan, tuple((pause, self._part_wav(part, voice)) for pause, part in plan.parts))

    def _prompt(self, plan: _Plan, parts: tuple[tuple[float, bytes], ...]) -> Prompt:
        """A personal one lives anew for its new address."""
        prompt = Prompt(plan.key, plan.personal, parts)
        if plan.personal:
            self._personal.put(plan.key, prompt, _KEPT_SECONDS)
        return prompt

    def _plan(self, utterance: Utterance, voice: Voice) -> _Plan:
        self._recordings.refresh()
        planned = self._planned if utterance.personal else self._common_plan
        return planned(utterance, voice.identity, self._recordings.edition)

    def _planned(self, utterance: Utterance, identity: str, _edition: object) -> _Plan:
        return self._plan_of(stretches(utterance.pieces, self._recorded), utterance.personal, identity)

    def _recorded(self, piece: Piece) -> str:
        recording = self._recordings.find(piece.script, piece.language) if piece.script else None
        return recording.file if recording else ""

    def _plan_of(self, parts: Sequence[tuple[float, Stretch]], personal: bool, identity: str) -> _Plan:
        content = json.dumps([_MAKING, identity, parts]).encode()
        return _Plan(hmac.digest(self._secret if personal else b"", content, hashlib.sha256).hex(), personal, parts)

    def _single(self, part: Stretch, voice: Voice) -> _Plan:
        """One part as a prompt of its own."""
        return (self._part if part.personal else self._common_part)(part, voice.identity)

    def _part(self, part: Stretch, identity: str) -> _Plan:
        return self._plan_of([(0.0, part)], part.personal, identity)

    def _at_hand(self, plan: _Plan) -> Prompt | None:
        """From what is in memory."""
        if not plan.personal:
            wav = self._shelf.get(plan.key)
            return self._prompt(plan, ((0.0, wav),)) if wav else None
        parts = []
        for pause, part in plan.parts:
            if (wav := self._shelf.get(self._single(part, self._voice).shelf_key)) is None:
                return None
            parts.append((pause, wav))
        return self._prompt(plan, tuple(parts))

    def _part_wav(self, part: Stretch, voice: Voice) -> bytes:
        return self._wav(self._single(part, voice), voice)

    def _wav(self, plan: _Plan, voice: Voice) -> bytes:
        kept = self._shelf.get(plan.shelf_key) or (None if plan.personal else self._on_disk(plan.key))
        if kept is not None:
            return self._keep(plan, kept)
        if len(plan.parts) == 1:
            return self._keep(plan, audio.wav(self._sound(plan.parts[0][1], voice)), new=True)
        parts = [(pause, self._part_wav(part, voice)) for pause, part in plan.parts]
        return self._keep(plan, audio.spliced(parts or [_MOMENT]), new=True)

    def _sound(self, part: Stretch, voice: Voice) -> audio.Sound:
        if part.recorded:
            try:
                return self._recordings.sound(part.recorded)
            except (OSError, ValueError):  # gone, or cut short
                log.error("recording_missing", file=part.recorded)
        return voice.say(part.words, part.language, brisk=part.brisk)

    def _keep(self, plan: _Plan, wav: bytes, *, new: bool = False) -> bytes:
        if new and not plan.personal:
            wav = self._written(plan.key, wav)
        self._shelf.put(plan.shelf_key, wav, _KEPT_SECONDS if plan.personal else math.inf)
        return wav

    def _written(self, key: str, wav: bytes) -> bytes:
        """What everybody hears from now on: of two who made the same at once, the first one's, for voices vary."""
        try:
            if not write_first(self._path(key), wav):
                if (kept := self._on_disk(key)) is not None:
                    return kept
                write_whole(self._path(key), wav)  # what was there is damaged
        except OSError as fault:  # calls go on from memory
            log.error("sound_not_kept", reason=str(fault))
        return wav

    def _on_disk(self, key: str) -> bytes | None:
        try:
            wav = self._path(key).read_bytes()
        except OSError:
            return None
        return wav if audio.is_whole(wav) else None

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.wav"
