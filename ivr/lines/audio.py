"""Prompts over HTTP, for an Asterisk that shares no disk with this node: GET (or HEAD) /audio/...

What everybody may hear can be kept for a year, since its address changes with its sound. What is personal must not be
kept at all.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from aiohttp import web

from ivr.addresses import AddressRefused
from ivr.prompts import NoSuchSound, Prompts

_FOR_EVER = "public, max-age=31536000, immutable"
_NOT_AT_ALL = "private, no-store"


def routes(prompts: Prompts, clock: Callable[[], datetime]) -> list[web.RouteDef]:
    """The two addresses that `ivr.addresses` makes."""

    async def audio(request: web.Request) -> web.Response:
        key, ticket = request.match_info["key"], request.match_info.get("ticket")
        try:
            wav = await prompts.fetch(key, ticket, clock())
        except NoSuchSound:
            return _problem(404, "no-such-sound", "No sound is kept at this address.")
        except AddressRefused:
            return _problem(403, "address-refused", "The address of this sound is wrong or over.")
        if ticket:
            return web.Response(body=wav, content_type="audio/wav", headers={"Cache-Control": _NOT_AT_ALL})
        headers = {"Cache-Control": _FOR_EVER, "ETag": f'"{key}"'}
        if request.headers.get("If-None-Match") == headers["ETag"]:
            return web.Response(status=304, headers=headers)
        return web.Response(body=wav, content_type="audio/wav", headers=headers)

    return [web.get("/audio/{key}.wav", audio), web.get("/audio/{ticket}/{key}.wav", audio)]


def _problem(status: int, kind: str, detail: str) -> web.Response:
    title = kind.replace("-", " ")
    body: dict[str, Any] = {"type": f"/problems/{kind}", "title": title, "status": status, "detail": detail}
    return web.json_response(body, status=status, content_type="application/problem+json")
