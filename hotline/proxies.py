"""Whose request it is behind our own proxies: what anybody may write into a header is believed from them only."""

from collections.abc import Sequence

from aiohttp import web

from fund.networks import within


def caller_address(request: web.Request, trusted: Sequence[str]) -> str:
    """The nearest address that is not one of our own proxies (`trusted`, networks)."""
    written = ",".join(request.headers.getall("X-Forwarded-For", ()))  # some proxies add a line of their own
    way = [part.strip() for part in written.split(",") if part.strip()]
    for hop in reversed([*way, request.remote or ""]):
        if not within(hop, trusted):
            return hop
    return request.remote or ""
