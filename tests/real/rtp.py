"""RTP for telephones without a voice: keys by RFC 4733 as a pcap file, and ears that keep and decode what arrives."""

import asyncio
import struct
from pathlib import Path

import numpy as np

from ivr import audio

KEYS = "0123456789*#"
EVENT_TYPE = 101  # of the telephone-event in our SDP
_PCAP_HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
_TONE_MS, _PAUSE_MS, _STEP_MS = 100, 100, 20


def events(key: str) -> list[tuple[int, bytes]]:
    """One key as RFC 4733 events: (milliseconds since it went down, payload), the end sent three times."""
    number = KEYS.index(key)
    going = [
        (ms, struct.pack(">BBH", number, 10, (ms + _STEP_MS) * 8)) for ms in range(0, _TONE_MS - _STEP_MS, _STEP_MS)
    ]
    end = struct.pack(">BBH", number, 0x80 | 10, _TONE_MS * 8)
    return going + [(_TONE_MS, end)] * 3


def packet(payload: bytes, kind: int, sequence: int, timestamp: int, source: int, *, first: bool = False) -> bytes:
    """An RTP packet."""
    return struct.pack(">BBHII", 0x80, kind | first << 7, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, source) + payload


class Fingers:
    """One caller's keys, over a whole call: one stream, its numbers always rising, or a repeated key counts once."""

    def __init__(self) -> None:
        self._sequence, self._timestamp = 1, 8000

    def write(self, keys: str, path: Path) -> float:
        """Keys as a file for SIPp's play_pcap_audio; how many seconds it plays."""
        body, at = _PCAP_HEADER, 0
        for key in keys:
            for n, (ms, payload) in enumerate(events(key)):
                frame = packet(payload, EVENT_TYPE, self._sequence, self._timestamp, 1, first=n == 0)
                self._sequence += 1
                body += _captured(at + ms, frame)
            at += _TONE_MS + _PAUSE_MS
            self._timestamp += (_TONE_MS + _PAUSE_MS) * 8
        self._timestamp += 80_000
        path.write_bytes(body)
        return at / 1000


def _captured(ms: int, rtp: bytes) -> bytes:
    """A packet as if it had been seen on an Ethernet; SIPp fills in the addresses."""
    ethernet = bytes(12) + b"\x08\x00"
    ip = struct.pack(">BBHHHBBHII", 0x45, 0, 28 + len(rtp), 0, 0, 64, 17, 0, 0x7F000001, 0x7F000001)
    udp = struct.pack(">HHHH", 9, 9, 8 + len(rtp), 0)
    frame = ethernet + ip + udp + rtp
    return struct.pack("<IIII", ms // 1000, ms % 1000 * 1000, len(frame), len(frame)) + frame


def _ulaw_table() -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    size = (((code & 0x0F) << 3) + 0x84 << ((code & 0x70) >> 4)) - 0x84
    return np.where(code & 0x80, -size, size).astype(np.int16)


ULAW = _ulaw_table()


class Ear(asyncio.DatagramProtocol):
    """Keeps the G.711 µ-law that arrives at a port."""

    def __init__(self) -> None:
        self._frames: dict[int, bytes] = {}  # by time stamp

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Asterisk sends no header extensions and lists no contributors."""
        if data[1] & 0x7F == 0:
            self._frames.setdefault(struct.unpack_from(">I", data, 4)[0], data[12:])

    def heard(self) -> audio.Sound:
        """Everything, each frame in its place; where nothing came there is silence, but never more than a second."""
        sounds, expected = [audio.silence(0)], None
        for timestamp, payload in sorted(self._frames.items()):
            if expected is not None and timestamp > expected:
                sounds.append(audio.silence(min((timestamp - expected) / audio.RATE, 1.0)))
            sounds.append(ULAW[np.frombuffer(payload, np.uint8)])
            expected = timestamp + len(payload)
        return np.concatenate(sounds)


async def listen(port: int) -> tuple[Ear, asyncio.DatagramTransport]:
    """An ear at a port of the loopback interface."""
    transport, ear = await asyncio.get_running_loop().create_datagram_endpoint(Ear, local_addr=("127.0.0.1", port))
    return ear, transport
