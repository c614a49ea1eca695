"""Callers for measuring: SIP and RTP by hand, so that the moment of each key and of each answer is known.

A caller knows a prompt by its first loud frame, decoded and compared, and so hears whether what comes is what should
come. Many callers share one signalling socket; each has its own for sound.
"""

import asyncio
import itertools
import re
import struct
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ivr import audio
from tests.real.rtp import EVENT_TYPE, KEYS, ULAW, packet

ADDRESS = "127.0.0.1"
FRAME = 160  # samples in a packet
LOUD = 300.0  # RMS of the frame by which a prompt is known
PATIENCE_SECONDS = 8.0  # without the answer for so long, a call has failed
KEY_SECONDS, GAP_SECONDS = 0.1, 0.1
_numbers = itertools.count(1)


class CallFailed(Exception):
    """Not answered, or not the answer that should come."""


@dataclass(frozen=True)
class Sign:
    """A prompt's first loud frame, and how long after its beginning that is. Figures come later, so all begin alike."""

    name: str
    frame: NDArray[np.float64]
    late_seconds: float

    def matches(self, payload: bytes) -> bool:
        """Whether a packet is that frame, but for what G.711 loses."""
        heard = ULAW[np.frombuffer(payload, np.uint8)].astype(np.float64)
        if len(heard) != FRAME or heard @ heard / FRAME < (LOUD / 2) ** 2:
            return False
        off = heard - self.frame
        return bool(off @ off < 0.02 * (self.frame @ self.frame))


def sign(name: str, sound: audio.Sound) -> Sign:
    """By what a prompt is known."""
    for at in range(0, len(sound) - FRAME, FRAME):
        frame = sound[at : at + FRAME].astype(np.float64)
        if (frame @ frame / FRAME) ** 0.5 > LOUD:
            return Sign(name, frame, at / audio.RATE)
    raise ValueError(f"{name} is silent")


class _Signalling(asyncio.DatagramProtocol):
    """One socket for the signalling of every call."""

    def __init__(self) -> None:
        self.answers: dict[str, asyncio.Queue[str]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.DatagramTransport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        text = data.decode("utf-8", "replace")
        if not text.startswith("SIP/2.0 "):  # a request of the other side: BYE, or OPTIONS
            kept = [line for line in text.split("\r\n") if re.match(r"(Via|From|To|Call-ID|CSeq):", line)]
            self.transport.sendto("\r\n".join(["SIP/2.0 200 OK", *kept, "Content-Length: 0", "", ""]).encode(), addr)
        found = re.search(r"^Call-ID: (\S+)", text, re.MULTILINE)
        if found and found[1] in self.answers:
            self.answers[found[1]].put_nowait(text)


class _Ear(asyncio.DatagramProtocol):
    """Waits for one prompt at a time."""

    def __init__(self) -> None:
        self._sign: Sign | None = None
        self._heard: asyncio.Future[float] | None = None

    def datagram_received(self, data: bytes, addr: object) -> None:
        if self._sign and data[1] & 0x7F == 0 and self._sign.matches(data[12:]):
            if self._heard and not self._heard.done():
                self._heard.set_result(time.perf_counter() - self._sign.late_seconds)
            self._sign = None

    def expect(self, sign: Sign) -> asyncio.Future[float]:
        """The moment at which this prompt begins."""
        self._sign, self._heard = sign, asyncio.get_running_loop().create_future()
        return self._heard


@dataclass
class Script:
    """A call: the first prompt, then the keys of each turn with the prompt that answers the last of them."""

    first: Sign
    turns: list[tuple[str, Sign]]
    listen_seconds: float = 0.5  # of each prompt, before the next keys
    stay_seconds: float = 1.0  # in the last


@dataclass
class Tally:
    """What happened to the calls of one run."""

    done: int = 0
    failed: list[str] = field(default_factory=list)
    reaction_seconds: list[float] = field(default_factory=list)  # from the end of a key to the first of the prompt
    up: int = 0  # calls in progress


class Telephones:
    """Any number of callers. `open` before use, `close` after."""

    def __init__(self, sip_port: int) -> None:
        self._sip_port = sip_port
        self._signalling = _Signalling()

    async def open(self) -> None:
        """Take a port."""
        loop = asyncio.get_running_loop()
        remote = (ADDRESS, self._sip_port)
        transport, _ = await loop.create_datagram_endpoint(lambda: self._signalling, (ADDRESS, 0), remote)
        self._port = transport.get_extra_info("sockname")[1]

    def close(self) -> None:
        """Give it back."""
        self._signalling.transport.close()

    async def call(self, number: str, caller: str, script: Script, tally: Tally) -> None:
        """One call from beginning to end."""
        loop = asyncio.get_running_loop()
        sound, ear = await loop.create_datagram_endpoint(_Ear, (ADDRESS, 0))
        leg = _Leg(self._signalling, self._sip_port, self._port, number, caller)
        try:
            first = ear.expect(script.first)
            media_port = await leg.dial(sound.get_extra_info("sockname")[1])
            tally.up += 1
            try:
                await self._talk(ear, first, _Fingers(sound, media_port), script, tally)
            finally:
                tally.up -= 1
                await leg.hang_up()
            tally.done += 1
        except (CallFailed, TimeoutError) as fault:
            tally.failed.append(str(fault) or "no answer to BYE")
        finally:
            sound.close()

    async def _talk(
        self, ear: _Ear, answer: asyncio.Future[float], fingers: "_Fingers", script: Script, tally: Tally
    ) -> None:
        await _within(answer, script.first.name)
        for keys, sign in script.turns:
            await asyncio.sleep(script.listen_seconds)
            pressed, answer = await fingers.press(keys, ear, sign)
            tally.reaction_seconds.append(await _within(answer, sign.name) - pressed)
        await asyncio.sleep(script.stay_seconds)


async def _within(moment: asyncio.Future[float], name: str) -> float:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await moment
    except TimeoutError:
        raise CallFailed(f"did not hear {name}") from None


class _Fingers:
    """Presses keys by RFC 4733."""

    def __init__(self, transport: asyncio.DatagramTransport, port: int) -> None:
        self._transport, self._to = transport, (ADDRESS, port)
        self._sequence, self._timestamp = 1, 8000

    async def press(self, keys: str, ear: _Ear, sign: Sign) -> tuple[float, asyncio.Future[float]]:
        """Press them all: when the last was let go, and when its answer comes."""
        for key in keys[:-1]:
            await self._press(key)
            await asyncio.sleep(GAP_SECONDS)
        answer = ear.expect(sign)
        return await self._press(keys[-1]), answer

    async def _press(self, key: str) -> float:
        number = KEYS.index(key)
        self._timestamp += 4000
        for n, duration in enumerate((160, 320)):
            self._send(struct.pack(">BBH", number, 10, duration), first=n == 0)
        await asyncio.sleep(KEY_SECONDS)
        released = time.perf_counter()
        for _ in range(3):
            self._send(struct.pack(">BBH", number, 0x8A, 800))
        return released

    def _send(self, payload: bytes, *, first: bool = False) -> None:
        self._transport.sendto(packet(payload, EVENT_TYPE, self._sequence, self._timestamp, 7, first=first), self._to)
        self._sequence += 1


class _Leg:
    """The signalling of one call."""

    def __init__(self, signalling: _Signalling, sip_port: int, port: int, number: str, caller: str) -> None:
        self._signalling, self._port = signalling, port
        self._uri = f"sip:{number}@{ADDRESS}:{sip_port}"
        self._from = f"<sip:{caller}@{ADDRESS}:{port}>"
        self._id = f"bench-{next(_numbers)}-{port}"
        self._to = f"<{self._uri}>"
        self._answers: asyncio.Queue[str] = asyncio.Queue()

    async def dial(self, media_port: int) -> int:
        """Call; the port to which sound is to be sent, once answered."""
        self._signalling.answers[self._id] = self._answers
        sdp = (
            f"v=0\r\no=- 1 1 IN IP4 {ADDRESS}\r\ns=-\r\nc=IN IP4 {ADDRESS}\r\nt=0 0\r\n"
            f"m=audio {media_port} RTP/AVP 0 {EVENT_TYPE}\r\na=rtpmap:0 PCMU/8000\r\n"
            f"a=rtpmap:{EVENT_TYPE} telephone-event/8000\r\na=fmtp:{EVENT_TYPE} 0-15\r\n"
        )
        answer = await self._ask("INVITE", 1, sdp)
        to = re.search(r"^To: (.+?)\r$", answer, re.MULTILINE)
        port = re.search(r"^m=audio (\d+)", answer, re.MULTILINE)
        if not answer.startswith("SIP/2.0 200") or not to or not port:
            raise CallFailed(answer.partition("\r\n")[0] or "not answered")
        self._to = to[1]
        self._send("ACK", 1, "")
        return int(port[1])

    async def hang_up(self) -> None:
        """End the call."""
        try:
            await self._ask("BYE", 2, "")
        finally:
            del self._signalling.answers[self._id]

    async def _ask(self, method: str, sequence: int, body: str) -> str:
        """Send until there is a final answer."""
        wait_seconds = 0.5
        async with asyncio.timeout(PATIENCE_SECONDS * 2):
            self._send(method, sequence, body)
            while True:
                try:
                    answer = await asyncio.wait_for(self._answers.get(), wait_seconds)
                except TimeoutError:
                    wait_seconds *= 2
                    self._send(method, sequence, body)
                    continue
                if re.match(r"SIP/2.0 [2-6]", answer) and f"CSeq: {sequence} {method}" in answer:
                    return answer
                wait_seconds = PATIENCE_SECONDS  # it is being worked on

    def _send(self, method: str, sequence: int, body: str) -> None:
        lines: Iterable[str] = (
            f"{method} {self._uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {ADDRESS}:{self._port};rport;branch=z9hG4bK{self._id}{method}",
            f"From: {self._from};tag={self._id}",
            f"To: {self._to}",
            f"Call-ID: {self._id}",
            f"CSeq: {sequence} {method}",
            f"Contact: {self._from}",
            "Max-Forwards: 70",
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
        )
        self._signalling.transport.sendto(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
