"""A vendor's HTTP service, pretended on a real socket: it keeps every request and misbehaves as it is told."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from struct import pack
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from multidict import CIMultiDict

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Asked:
    """A request as it came in."""

    method: str
    path: str
    query: dict[str, str]
    headers: CIMultiDict[str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


def answer(status: int, body: object, headers: str = "") -> Answer:
    """An answer of JSON, or of bytes as they are."""
    content = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n{headers}\r\n"

    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(head.encode() + content)

    return write


async def half(writer: asyncio.StreamWriter) -> None:
    """Half an answer, and goodbye."""
    writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"Code":"O')
    await writer.drain()
    writer.close()


async def garbage(writer: asyncio.StreamWriter) -> None:
    """Not HTTP at all."""
    writer.write(b"\x00\x01\x02 hello there\r\n\r\n")
    await writer.drain()
    writer.close()


async def never(writer: asyncio.StreamWriter) -> None:
    """The request is taken, and then nothing."""


async def reset(writer: asyncio.StreamWriter) -> None:
    """The connection breaks after the request was taken."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack("ii", 1, 0))
    writer.transport.abort()


MISHAPS: list[tuple[str, Answer]] = [
    ("half an answer", half),
    ("garbage", garbage),
    ("never", never),
    ("reset", reset),
    ("500", answer(500, b"Internal Server Error")),
    ("502 in HTML", answer(502, b"<html>Bad Gateway</html>")),
    ("200 in HTML", answer(200, b"<html>Welcome to the hotel's WLAN</html>")),
    ("200 and nothing", answer(200, b"")),
    ("200 and an empty object", answer(200, {})),
    ("200 and a list", answer(200, [1, 2])),
    ("a redirect", answer(302, b"", "Location: http://127.0.0.1:1/\r\n")),
    ("JSON too deep", answer(200, b"[" * 200_000)),
]


@dataclass
class Peer:
    """Answers each request with the next of `answers`, the last one again and again."""

    answers: list[Answer] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)

    async def start(self) -> None:
        self._serving: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            try:
                while True:
                    self.asked.append(await _asked(reader))
                    await (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])(writer)
            finally:
                writer.close()
                await writer.wait_closed()


async def _asked(reader: asyncio.StreamReader) -> Asked:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().rstrip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = CIMultiDict(line.split(": ", 1) for line in lines)
    body = await reader.readexactly(int(headers.get("Content-Length", "0")))
    parts = urlsplit(target)
    return Asked(method, parts.path, dict(parse_qsl(parts.query)), headers, body)
