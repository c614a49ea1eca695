"""What nobody should send, on a running service: each gets an answer that says so, and the next caller is served."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import WSMsgType

from hotline.server import Hotline
from tests.service import service

TEXT = {"to": "13900000001", "template": "policy_notice", "params": {"news": "政策"}}


@pytest.fixture
async def hotline(tmp_path: Path) -> AsyncIterator[Hotline]:
    async with service(tmp_path) as it:
        yield it


@pytest.fixture
async def http(hotline: Hotline) -> AsyncIterator[aiohttp.ClientSession]:
    key = await hotline.text.keys.add("hall", ["messages", "calls", "orders", "reports"], "40")
    headers = {"Authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession(f"http://127.0.0.1:{hotline.port}", headers=headers) as session:
        yield session


async def test_moments_at_the_ends_of_the_calendar(http: aiohttp.ClientSession) -> None:
    for moment in ("9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"):
        for name in ("not_before", "expires_at"):
            async with http.post("/v1/messages", json=TEXT | {name: moment}) as reply:
                assert (reply.status, (await reply.json())["errors"][0]["field"]) == (422, name)
        for path in ("/v1/calls", "/v1/orders"):
            async with http.get(path, params={"before": moment}) as reply:
                assert reply.status == 422
    for day in ("9999-12-31", "0001-01-01"):
        for query in ({"from": day, "to": day}, {"to": day}):
            async with http.get("/v1/reports/days", params=query) as reply:
                assert reply.status == 422


async def test_a_character_that_postgresql_cannot_keep(http: aiohttp.ClientSession) -> None:
    async with http.post("/v1/messages", json=TEXT | {"key": "a\0b"}) as reply:
        assert (reply.status, (await reply.json())["type"]) == (422, "urn:hotline:problem:invalid")
    for path in ("/v1/calls/%00", "/v1/messages/x%00", "/v1/orders?topic=%00"):
        async with http.get(path.replace("%00", "\0")) as reply:
            assert reply.status == 422


@pytest.mark.parametrize("first", ["[" * 100_000, "keys", "9" * 5000, "null", b"\0"])
async def test_a_page_that_says_no_number_gets_no_call(
    http: aiohttp.ClientSession, hotline: Hotline, first: str | bytes
) -> None:
    async with http.ws_connect("/phone/call") as socket:
        await (socket.send_str(first) if isinstance(first, str) else socket.send_bytes(first))
        assert (await socket.receive(timeout=10)).type is WSMsgType.CLOSE
    assert hotline.switchboard and not hotline.switchboard.calls


async def test_nonsense_in_a_call_leaves_it_listening(http: aiohttp.ClientSession) -> None:
    async with http.ws_connect("/phone/call") as socket:
        await socket.send_json({"caller": "13900000001"})
        welcome = await socket.receive_json(timeout=30)
        for nonsense in ("[" * 100_000, "keys", "null", '{"key": ""}', '{"played": 1e400}'):
            await socket.send_str(nonsense)
        await socket.send_json({"key": "1"})
        assert "查询密码" in str(await socket.receive_json(timeout=30))
        assert welcome["listen"]
