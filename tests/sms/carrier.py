"""A carrier to test against: a real HTTP server that does to a request whatever the test says, and counts."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import TestServer

from sms.errors import OutcomeUnknown, Refused, TryLater
from sms.providers.base import Accepted, HttpProvider, Outgoing, ProviderSettings, Reply, Request


class WireSettings(ProviderSettings):
    url: str
    timeout_seconds: float = 1.5


class Wire(HttpProvider):
    """The smallest HTTP provider: posts JSON, gets `{"ref": ...}`."""

    Settings = WireSettings
    settings: WireSettings

    def build_request(self, message: Outgoing) -> Request:
        body = json.dumps({"id": message.id, "to": message.to, "text": message.signed_text})
        return Request("POST", self.settings.url, {"Content-Type": "application/json"}, body.encode())

    def parse_reply(self, reply: Reply) -> Accepted:
        if reply.status == 429:
            seconds = float(reply.body or 0)
            raise TryLater("throttled", seconds or 0.05, link=not seconds)
        if reply.status == 422:
            raise Refused("blacklisted")
        try:
            return Accepted((json.loads(reply.body)["ref"],))
        except (ValueError, KeyError, TypeError):
            raise OutcomeUnknown("garbage") from None


@dataclass
class Carrier:
    """`script`: what to do with each request in turn; then `ok` for ever."""

    script: list[str] = field(default_factory=list)
    got: list[dict[str, str]] = field(default_factory=list)
    url: str = ""
    hold: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    on_request: Callable[[dict[str, str]], None] | None = None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.got.append(await request.json())
        self.arrived.set()
        what = self.script.pop(0) if self.script else "ok"
        if what == "reset":
            assert request.transport is not None
            request.transport.abort()
        if what == "never":
            await self.hold.wait()
        if what == "half":
            response = web.StreamResponse(headers={"Content-Length": "100"})
            await response.prepare(request)
            await response.write(b'{"ref":')
            assert request.transport is not None
            request.transport.abort()
            return response
        if what == "garbage":
            return web.Response(body=b"\xff<html>")
        if what[:3].isdigit():
            return web.Response(status=int(what[:3]), text=what[3:])
        return web.json_response({"ref": f"ref-{self.got[-1]['id']}"})


@asynccontextmanager
async def carrier(*script: str) -> AsyncIterator[Carrier]:
    it = Carrier(list(script))
    app = web.Application()
    app.router.add_post("/send", it.answer)
    server = TestServer(app)
    await server.start_server()
    it.url = str(server.make_url("/send"))
    yield it
    it.hold.set()
    await server.close()
