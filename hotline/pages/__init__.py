"""The pages people open in a browser: the start page and the browser phone. Nothing is loaded from outside."""

import asyncio
import secrets
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import WSCloseCode, web

from fund.phone import caller_number
from ivr.call import Switchboard
from ivr.lines.browser import Address, BrowserLine, Tapes

HERE = Path(__file__).parent
POLICY = (
    "default-src 'self'; media-src 'self' data:; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
    "frame-ancestors 'none'"
)
FIRST_WORD_SECONDS = 10
MOST_BYTES = 256 * 1024  # of one message: about a second of a microphone


def bind_start(app: web.Application, absent: Collection[str]) -> None:
    """`/`, which leads to the rest; `absent` are the addresses that this service does not have."""
    lines = (HERE / "start.html").read_text("utf-8").splitlines()
    shown = "\n".join(line for line in lines if not any(f'href="{path}"' in line for path in absent))

    async def start(_: web.Request) -> web.Response:
        return web.Response(text=shown, content_type="text/html", headers={"Content-Security-Policy": POLICY})

    async def icon(_: web.Request) -> web.Response:
        return web.Response(status=204, headers={"Cache-Control": "max-age=86400"})

    app.router.add_get("/", start)
    app.router.add_get("/favicon.ico", icon)


def bind_phone(
    app: web.Application, switchboard: Switchboard, address: Address, tapes: Tapes, people: Sequence[Any]
) -> None:
    """`/phone` and what it needs; it calls as any number one likes. `people`: demo people to choose from."""
    for path, name in {
        "/phone": "phone.html",
        "/phone.css": "phone.css",
        "/phone.js": "phone.js",
        "/microphone.js": "microphone.js",
    }.items():
        app.router.add_get(path, _page(HERE / name))

    async def who(_: web.Request) -> web.Response:
        return web.json_response({"people": list(people)})

    open_sockets: set[web.WebSocketResponse] = set()

    async def call(request: web.Request) -> web.StreamResponse:
        return await _call(request, switchboard, partial(BrowserLine, address=address, tapes=tapes), open_sockets)

    async def let_go(_: web.Application) -> None:
        await asyncio.gather(*(socket.close(code=WSCloseCode.GOING_AWAY) for socket in set(open_sockets)))

    app.on_shutdown.append(let_go)  # an open page would hold up the end of the service for seconds
    app.router.add_get("/phone/people", who)
    app.router.add_get("/phone/call", call)


def _page(path: Path) -> Any:
    async def page(_: web.Request) -> web.FileResponse:
        return web.FileResponse(path, headers={"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"})

    return page


async def _call(
    request: web.Request,
    switchboard: Switchboard,
    new_line: Callable[[web.WebSocketResponse], BrowserLine],
    open_sockets: set[web.WebSocketResponse],
) -> web.StreamResponse:
    if not _same_site(request):
        raise web.HTTPForbidden(text="calls are made from our own page")
    socket = web.WebSocketResponse(heartbeat=20, max_msg_size=MOST_BYTES)
    await socket.prepare(request)
    open_sockets.add(socket)
    try:
        caller = await _caller(socket)
        if caller is not None:
            line = new_line(socket)
            async with line.reading():
                await switchboard.connect(line, f"browser-{secrets.token_hex(8)}", caller)
        await socket.close()
    finally:
        open_sockets.discard(socket)
    return socket


def _same_site(request: web.Request) -> bool:
    origin = request.headers.get("Origin")
    return origin is None or origin.partition("://")[2] == request.host


async def _caller(socket: web.WebSocketResponse) -> str | None:
    """The number the page says it calls from; None when it says nothing of the kind."""
    try:
        message = await socket.receive_json(timeout=FIRST_WORD_SECONDS)
    except (TypeError, ValueError, RecursionError, TimeoutError):
        return None
    return caller_number(str(message.get("caller", ""))) if isinstance(message, dict) else None
