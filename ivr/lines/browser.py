"""The browser phone at `/phone`: real prompt audio over HTTP, keys and words over a WebSocket.

Messages to the page: `{"n", "say": [{"text", "url", "interruptible"}], "listen": {"most", "secret"} | null}`,
`{"n", "say", "record": {"most", "silence"}}`, `{"transfer": queue}`, `{"over": true}`.
Messages from it: `{"key": "5"}`, `{"played": n}` when the n-th message has been played to its end, and what the
microphone hears as 16-bit samples, closed by `{"recorded": n, "rate": 48000}`; a rate of 0: there is no microphone.
The page plays; this line keeps the time: silence is counted from the end of the prompt.
"""

import asyncio
import base64
import json
from asyncio import Task
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol

import numpy as np
from aiohttp import WSMsgType, web

from ivr import audio
from ivr.actions import Listen, Record, Say, Transfer
from ivr.keys import Keypad
from ivr.line import Gone
from ivr.utterance import Utterance

Address = Callable[[Utterance], Awaitable[str]]
MOST_RATE = 192_000
LONGEST_PROMPT_SECONDS = 180  # a page that never says it has played is treated as one that has


class Tapes(Protocol):
    """Where what callers say is kept: WAV files by name."""

    def save(self, name: str, wav: bytes) -> None: ...

    def load(self, name: str) -> bytes:
        """Raises `OSError`."""


class BrowserLine:
    """One page's call. Keep it `reading` for as long as the call lasts."""

    name = "browser"

    def __init__(self, socket: web.WebSocketResponse, address: Address, tapes: Tapes) -> None:
        self._socket, self._address, self._tapes = socket, address, tapes
        self._samples, self._room = bytearray(), 0  # of what the microphone hears, while it is wanted
        self._recorded: tuple[int, int] = (0, 0)  # the number of the message that asked, and the rate
        self._keypad = Keypad()
        self._changed = asyncio.Event()
        self._played = self._sent = 0
        self._gone = False

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        """Take what the page sends, until it goes away or the call is over."""
        task = asyncio.create_task(self._read())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type is WSMsgType.TEXT:
                self._take(message.data)
            elif message.type is WSMsgType.BINARY and len(self._samples) < self._room:
                self._samples += message.data
        self._gone = True
        self._changed.set()

    def _take(self, data: str) -> None:
        try:
            message = json.loads(data)
        except (ValueError, RecursionError):
            return
        match message:
            case {"key": str(key)}:
                self._keypad.press(key[:1])
            case {"played": int(number)}:
                self._played = max(self._played, number)
            case {"recorded": int(number), "rate": int(rate)}:
                self._recorded = number, rate
        self._changed.set()

    async def listen(self, says: Sequence[Say], listen: Listen) -> str | None:
        says = await self._must_hear(says)
        number = await self._send(says, listen)
        digits, finished = self._keypad.take(listen.most)
        while not finished:
            playing = self._played < number and not digits
            if not await self._change(LONGEST_PROMPT_SECONDS if playing else listen.wait_seconds):
                self._keypad.forget_closing()
                return digits or None
            digits, finished = self._keypad.take(listen.most, digits)
        return digits

    async def record(self, says: Sequence[Say], record: Record) -> float | None:
        await self._play_out(says)
        self._keypad.forget()
        self._samples, self._room = bytearray(), round(record.most_seconds * MOST_RATE * 2)
        number = await self._send((), None, {"most": record.most_seconds, "silence": record.silence_seconds})
        async with asyncio.timeout(record.most_seconds + LONGEST_PROMPT_SECONDS):
            while self._recorded[0] != number:
                await self._change(LONGEST_PROMPT_SECONDS)
        self._room = 0
        rate = self._recorded[1]
        if not 8000 <= rate <= MOST_RATE:
            return None
        sound = await asyncio.to_thread(_telephone, bytes(self._samples), rate)
        await asyncio.to_thread(self._tapes.save, record.name, audio.wav(sound))
        return audio.seconds(sound)

    async def _must_hear(self, says: Sequence[Say]) -> Sequence[Say]:
        """Prompts that keys may not cut, up to the last of them, are played before listening; the rest comes back."""
        last = max((n for n, say in enumerate(says) if not say.interruptible), default=-1)
        await self._play_out(says[: last + 1])
        return says[last + 1 :]

    async def play(self, says: Sequence[Say]) -> None:
        await self._play_out(says)

    async def company(self, says: Sequence[Say], task: "Task[Any]") -> None:
        await self._play_out(says)
        await asyncio.wait({task})

    async def transfer(self, says: Sequence[Say], to: Transfer) -> str | None:
        await self._play_out(says)
        await self._tell({"transfer": to.queue})
        return None

    async def hang_up(self) -> None:
        await self._tell({"over": True})

    async def _play_out(self, says: Sequence[Say]) -> None:
        if not says:
            return
        number = await self._send(says, None)
        while self._played < number and self._keypad.idle:
            if not await self._change(LONGEST_PROMPT_SECONDS):
                return

    async def _send(self, says: Sequence[Say], listen: Listen | None, record: dict[str, float] | None = None) -> int:
        self._sent += 1
        spoken = [await self._spoken(say) | {"interruptible": say.interruptible} for say in says]
        wanted = {"most": listen.most, "secret": listen.secret} if listen else None
        await self._tell({"n": self._sent, "say": spoken, "listen": wanted, "record": record})
        return self._sent

    async def _spoken(self, say: Say) -> dict[str, Any]:
        if not say.recording:
            return {"text": say.utterance.text, "url": await self._address(say.utterance)}
        try:
            wav = await asyncio.to_thread(self._tapes.load, say.recording)
        except OSError:
            wav = audio.wav(audio.silence(0.1))
        return {"text": "（您的录音）", "url": "data:audio/wav;base64," + base64.b64encode(wav).decode()}

    async def _tell(self, message: dict[str, Any]) -> None:
        if self._gone or self._socket.closed:
            raise Gone
        try:
            await self._socket.send_json(message)
        except ConnectionError:
            raise Gone from None

    async def _change(self, seconds: float) -> bool:
        """Wait until the page has sent something; False when the time is up."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return False
        self._changed.clear()
        if self._gone:
            raise Gone
        return True


def _telephone(samples: bytes, rate: int) -> audio.Sound:
    """What the microphone heard, as telephone sound without the silence at its ends."""
    whole = samples[: len(samples) // 2 * 2]
    return audio.prepared(np.frombuffer(whole, "<i2").astype(np.float32) / np.float32(32768), rate)
