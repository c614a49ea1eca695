"""Whose request it is: what a stranger writes into a header is believed from our own proxies only."""

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from multidict import CIMultiDict

from hotline.proxies import caller_address

OURS = ["127.0.0.1/32", "10.0.0.0/8"]


@pytest.mark.parametrize(
    ("trusted", "forwarded", "address"),
    [
        ([], ["203.0.113.7"], "127.0.0.1"),  # no proxy is ours: the header is anybody's
        (OURS, [], "127.0.0.1"),
        (OURS, ["203.0.113.7"], "203.0.113.7"),
        (OURS, ["198.51.100.1, 203.0.113.7, 10.0.0.5"], "203.0.113.7"),
        (OURS, ["198.51.100.1", "203.0.113.7"], "203.0.113.7"),  # the stranger's own line, then the proxy's
        (OURS, ["198.51.100.1", "nonsense"], "nonsense"),
    ],
)
async def test_the_caller_is_the_nearest_address_that_is_not_ours(
    trusted: list[str], forwarded: list[str], address: str
) -> None:
    async def told(request: web.Request) -> web.Response:
        return web.Response(text=caller_address(request, trusted))

    app = web.Application()
    app.router.add_get("/", told)
    async with TestClient(TestServer(app)) as client:
        headers = CIMultiDict(("X-Forwarded-For", each) for each in forwarded)
        assert await (await client.get("/", headers=headers)).text() == address
