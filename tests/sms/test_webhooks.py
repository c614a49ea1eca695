"""Webhooks from strangers: forged, replayed, garbled, too large, from behind a proxy that is ours or is not."""

import io
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from fund.privacy import Privacy
from hotline.api.app import add_text_routes
from hotline.database import open_database
from hotline.text import TextService, open_text
from sms.messages import LANES, Message
from sms.outbox import Outcome
from sms.settings import TextSettings
from sms.tables import message, receipt

SECRET = "s" * 16
VENDOR = "203.0.113.9"
PATH = f"/providers/aliyun/receipts?secret={SECRET}"


@pytest.fixture
async def text(engine: AsyncEngine, privacy: Privacy) -> AsyncIterator[TextService]:
    aliyun = {"access_key_id": "k", "access_key_secret": "s", "webhook_secret": SECRET, "allowed": ["203.0.113.0/24"]}
    it = open_text(TextSettings(providers={"aliyun": aliyun}), engine, privacy)
    yield it
    await it.session.close()


@pytest.fixture
async def vendor(text: TextService) -> AsyncIterator[TestClient[Any, Any]]:
    app = web.Application()
    add_text_routes(app, text, public_url="https://sms.example", trusted_proxies=["127.0.0.0/8"])
    async with TestClient(TestServer(app)) as client:
        yield client


def told(ref: str, **more: Any) -> bytes:
    report = {"phone_number": "13900000001", "success": True, "err_code": "DELIVERED", "biz_id": ref, "out_id": ""}
    return json.dumps([report | {"report_time": "2026-03-02 10:00:00"} | more]).encode()


async def post(vendor: TestClient[Any, Any], data: bytes, path: str = PATH, way: str = VENDOR) -> int:
    async with vendor.post(path, data=io.BytesIO(data), headers={"X-Forwarded-For": way}) as reply:
        await reply.read()
        return reply.status


async def on_the_wire(text: TextService) -> str:
    await text.outbox.add(Message(to="13900000001", text="x"))
    (claimed,) = await text.outbox.claim(LANES, 1, 30)
    await text.outbox.record(Outcome(claimed.id, "sent", "aliyun", ("r1",)))
    return claimed.id


async def status(text: TextService) -> str:
    async with text.store.read() as connection:
        return str((await connection.execute(select(message.c.status))).scalar_one())


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("/v1/messages/x", b""),
        (PATH, b'[{"phone_number": "13900000001", "success": true, "biz_id": "r1"}]'),
        ("/sandbox/inbound", b'{"from": "13900000001", "text": "YE"}'),
    ],
)
async def test_without_a_database_one_is_asked_to_come_back(privacy: Privacy, path: str, data: bytes) -> None:
    engine = open_database("postgresql+asyncpg://nobody@127.0.0.1:9/nothing")
    aliyun = {"access_key_id": "k", "access_key_secret": "s", "webhook_secret": SECRET}
    text = open_text(TextSettings(providers={"sandbox": {}, "aliyun": aliyun}), engine, privacy)
    app = web.Application()
    add_text_routes(app, text)
    async with TestClient(TestServer(app)) as client:
        headers = {"Authorization": "Bearer hk_1_2"}
        async with client.request("POST" if data else "GET", path, data=data, headers=headers) as reply:
            assert (reply.status, reply.content_type) == (503, "application/problem+json")
            assert int(reply.headers["Retry-After"]) > 0
    await text.session.close()
    await engine.dispose()


async def test_a_receipt_and_its_replays(text: TextService, vendor: TestClient[Any, Any]) -> None:
    await on_the_wire(text)
    for _ in range(3):
        assert await post(vendor, told("r1")) == 200
    assert await status(text) == "delivered"
    assert await post(vendor, told("r1", success=False, err_code="x")) == 200  # late, and lower: changes nothing
    assert await status(text) == "delivered"


@pytest.mark.parametrize(
    ("path", "way"),
    [
        ("/providers/aliyun/receipts", VENDOR),
        ("/providers/aliyun/receipts?secret=guess", VENDOR),
        (PATH, "198.51.100.1"),
        (PATH, f"{VENDOR}, 198.51.100.1"),  # what the stranger wrote is not believed, what our proxy wrote is
        (PATH, "nonsense"),
    ],
)
async def test_strangers_change_nothing(text: TextService, vendor: TestClient[Any, Any], path: str, way: str) -> None:
    await on_the_wire(text)
    assert await post(vendor, told("r1"), path, way) == 403
    assert await status(text) == "sent"


async def test_a_header_is_not_believed_from_just_anybody(text: TextService) -> None:
    app = web.Application()
    add_text_routes(app, text)  # no proxy is trusted
    async with TestClient(TestServer(app)) as client:
        assert await post(client, told("r1")) == 403


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", 400),
        (b"\xff\xfe", 400),
        (b"{}", 400),
        (b"[1, 2]", 400),
        (b"[" * 100_000, 400),
        (b'{"a":' * 50_000, 400),
        (b"x" * 2_000_000, 413),
    ],
)
async def test_nonsense_is_declined(
    text: TextService, vendor: TestClient[Any, Any], data: bytes, expected: int
) -> None:
    assert await post(vendor, data) == expected
    async with text.store.read() as connection:
        assert (await connection.execute(select(func.count()).select_from(receipt))).scalar_one() == 0
