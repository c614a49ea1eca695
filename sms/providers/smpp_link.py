"""One SMPP 3.4 connection, bound as a transceiver: units framed, numbered, answered and timed.

Section 4 and 5 of the specification (v3.4, issue 1.2) tell the same in tables. What texts and receipts mean is the
business of `sms.providers.smpp`; how many may be unanswered is its gate's.
"""

import asyncio
import contextlib
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

HEADER = struct.Struct(">IIII")  # length of the whole, command, status, sequence number
ANSWER = 0x80000000  # the bit that makes a command its answer
NACK, SUBMIT, DELIVER, UNBIND, BIND, ENQUIRE = 0x80000000, 0x04, 0x05, 0x06, 0x09, 0x15
OK, UNKNOWN_COMMAND, NOT_NOW, NEVER = 0x00, 0x03, 0x64, 0x65  # command_status
NO_ANSWER_WANTED = frozenset({0x0B, 0x102})  # outbind, alert_notification
VERSION = 0x34
INTERNATIONAL = 1  # type of number: it begins with the country's code
LAST_NUMBER = 0x7FFFFFFF
LONGEST = 70_000  # bytes of a unit: the header, 64 KB of a message_payload, and the rest
ENQUIRE_SECONDS = 30.0  # of silence, then the other side is asked whether it is there
MOST_NEWS = 1000  # deliveries that wait to be taken; more are asked for again later

Answer = tuple[int, bytes]  # status, body


class LinkLost(Exception):
    """The connection ended, or was never bound; what it had not answered may have been taken."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A deliver_sm: a text from a telephone, or a receipt. `answer` it when it is safe."""

    sequence: int
    source: str  # with a + when it is said to be international
    destination: str
    esm_class: int
    data_coding: int
    content: bytes
    fields: Mapping[int, bytes] = field(default_factory=dict)  # optional ones, by tag


class Link(asyncio.Protocol):
    """Open it, `ask`, take what is in `news`, and `keep` it until it is lost."""

    def __init__(self, timeout_seconds: float) -> None:
        self.news: asyncio.Queue[Delivery] = asyncio.Queue()
        self._timeout_seconds = timeout_seconds
        self._number = 0
        self._asked: dict[int, tuple[float, asyncio.Future[Answer]]] = {}  # by sequence number, the oldest first
        self._buffer = bytearray()
        self._heard_at = time.monotonic()
        self._lost = asyncio.Event()
        self._transport: asyncio.Transport | None = None

    async def open(self, host: str, port: int, tls: bool, system_id: str, password: str, system_type: str) -> None:
        """Connect and bind. Raises `LinkLost`, `OSError`, `TimeoutError`."""
        body = b"".join(map(word, (system_id, password, system_type))) + bytes((VERSION, 0, 0)) + word("")
        async with asyncio.timeout(self._timeout_seconds):
            await asyncio.get_running_loop().create_connection(lambda: self, host, port, ssl=tls or None)
            status, _ = await self.ask(BIND, body)
        if status != OK:
            raise LinkLost(f"bind refused: {status:08x}")

    async def keep(self) -> None:
        """Give up on what is not answered, ask whether the other side is there; returns when the connection is lost."""
        while not self._lost.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(1.0, self._timeout_seconds / 4)):
                    await self._lost.wait()
            now = time.monotonic()
            self._give_up(now)
            if not self.is_open or now - self._heard_at > ENQUIRE_SECONDS + self._timeout_seconds:
                self.drop()  # also one whose goodbye the other side does not take in
            elif now - self._heard_at > ENQUIRE_SECONDS and not self._asked:
                self.ask(ENQUIRE).add_done_callback(lambda done: done.exception())  # any answer will do, or none

    async def close(self) -> None:
        """Say goodbye, if there is somebody."""
        try:
            if self.is_open:
                with contextlib.suppress(LinkLost, TimeoutError):
                    async with asyncio.timeout(min(1.0, self._timeout_seconds)):
                        await self.ask(UNBIND)
        finally:
            self.drop()

    def drop(self) -> None:
        """End it now."""
        if self._transport is not None:
            self._transport.abort()

    @property
    def is_open(self) -> bool:
        """Whether what is asked now goes onto the wire."""
        return self._transport is not None and not self._transport.is_closing()

    def ask(self, command: int, body: bytes = b"") -> asyncio.Future[Answer]:
        """A unit onto the wire, its answer to come; it raises `LinkLost`, `TimeoutError`."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._number = self._number % LAST_NUMBER + 1
        self._asked[self._number] = (time.monotonic() + self._timeout_seconds, future)
        self._write(command, OK, self._number, body)
        return future

    def answer(self, delivery: Delivery, status: int = OK) -> None:
        """It is safe with us; or it is not (`status`), and may be asked for again."""
        self._write(DELIVER | ANSWER, status, delivery.sequence, b"\0")

    def _give_up(self, now: float) -> None:
        for number, (until, future) in list(self._asked.items()):
            if until > now:
                break
            del self._asked[number]
            if not future.done():
                future.set_exception(TimeoutError())

    def _write(self, command: int, status: int, number: int, body: bytes = b"") -> None:
        if self._transport is not None:
            self._transport.write(HEADER.pack(HEADER.size + len(body), command, status, number) + body)

    # what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, fault: Exception | None) -> None:
        self._lost.set()
        for _, future in self._asked.values():
            if not future.done():
                future.set_exception(LinkLost("connection lost"))
        self._asked.clear()

    def data_received(self, data: bytes) -> None:
        self._heard_at = time.monotonic()
        self._buffer += data
        at = 0
        while len(self._buffer) - at >= HEADER.size:
            length, command, status, number = HEADER.unpack_from(self._buffer, at)
            if not HEADER.size <= length <= LONGEST:  # not SMPP, or out of step
                return self.drop()
            if len(self._buffer) - at < length:
                break
            self._take(command, status, number, bytes(self._buffer[at + HEADER.size : at + length]))
            at += length
        del self._buffer[:at]

    def _take(self, command: int, status: int, number: int, body: bytes) -> None:
        if command & ANSWER:
            _, future = self._asked.pop(number, (0.0, None))
            if future is not None and not future.done():
                future.set_result((status, body))
        elif command == DELIVER:
            self._deliver(number, body)
        elif command == ENQUIRE:
            self._write(ENQUIRE | ANSWER, OK, number)
        elif command == UNBIND:
            self._write(UNBIND | ANSWER, OK, number)
            if self._transport is not None:
                self._transport.close()
        elif command not in NO_ANSWER_WANTED:
            self._write(NACK, UNKNOWN_COMMAND, number)

    def _deliver(self, number: int, body: bytes) -> None:
        if self.news.qsize() >= MOST_NEWS:
            return self._write(DELIVER | ANSWER, NOT_NOW, number, b"\0")
        try:
            self.news.put_nowait(delivery(number, body))
        except (IndexError, ValueError, struct.error):  # cut short
            self._write(DELIVER | ANSWER, NEVER, number, b"\0")


def word(text: str) -> bytes:
    """A C-octet string."""
    return text.encode("latin-1") + b"\0"


def first_word(body: bytes) -> str:
    """The C-octet string a body begins with."""
    return body.partition(b"\0")[0].decode("latin-1")


def submit_sm(
    source: tuple[int, int, str], destination: tuple[int, int, str], content: bytes, *,
    esm_class: int, data_coding: int, validity: str,
) -> bytes:  # fmt: skip
    """The body of a submit_sm that wants a receipt. Addresses are (type of number, numbering plan, number)."""
    return b"".join(
        (
            b"\0",  # service_type
            bytes(source[:2]),
            word(source[2]),
            bytes(destination[:2]),
            word(destination[2]),
            bytes((esm_class, 0, 0, 0)),  # protocol_id, priority_flag, schedule_delivery_time: none
            word(validity),
            # registered_delivery, replace_if_present_flag, the coding, no message of the centre's own, the length
            bytes((1, 0, data_coding, 0, len(content))),
            content,
        )
    )


def delivery(number: int, body: bytes) -> Delivery:
    """The unit in the body of a deliver_sm. Raises `IndexError`, `ValueError`, `struct.error` when it is cut short."""
    at = body.index(0) + 3  # service_type, and the kind of the source's number
    international = body[at - 2] == INTERNATIONAL
    source, at = _word_at(body, at)
    if international and source[:1].isdigit():
        source = f"+{source}"  # 13105550123 is Los Angeles then, and somebody's mobile at home otherwise
    destination, at = _word_at(body, at + 2)
    esm_class, at = body[at], at + 3  # and protocol_id, priority_flag
    at = body.index(0, body.index(0, at) + 1) + 1  # schedule_delivery_time, validity_period
    data_coding, length = body[at + 2], body[at + 4]
    at += 5
    content, at = body[at : at + length], at + length
    if len(body) < at:
        raise ValueError("cut short")
    return Delivery(number, source, destination, esm_class, data_coding, content, dict(_fields(body, at)))


def _word_at(body: bytes, at: int) -> tuple[str, int]:
    end = body.index(0, at)
    return body[at:end].decode("latin-1"), end + 1


def _fields(body: bytes, at: int) -> list[tuple[int, bytes]]:
    found = []
    while at < len(body):
        tag, length = struct.unpack_from(">HH", body, at)
        found.append((tag, body[at + 4 : at + 4 + length]))
        at += 4 + length
    return found
