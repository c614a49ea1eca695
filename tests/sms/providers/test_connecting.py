"""Providers that do not answer: none is taken to have a text it was never sent, none keeps others from being asked."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import aiohttp
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from fund.privacy import Privacy
from hotline.text import open_text
from sms.errors import NotSent
from sms.providers import PROVIDERS
from sms.providers.base import Accepted, Outgoing
from sms.settings import TextSettings
from tests.sms.providers.peer import Peer, answer, never

ACCOUNTS: dict[str, dict[str, Any]] = {
    "aliyun": {"access_key_id": "k", "access_key_secret": "s", "webhook_secret": "s" * 16, "allowed": ["10.0.0.0/8"]},
    "tencent": {"secret_id": "k", "secret_key": "s", "app_id": "1400006666"},
    "twilio": {"account_sid": "AC" + "0" * 32, "auth_token": "s", "sender": "+15005550006"},
}
MESSAGE = Outgoing("01JD0000000000000000000000", "13900000001", "您好", "镇江公积金", provider_template="1")


@pytest.fixture
def black_hole() -> Iterator[str]:
    """A port that does not answer: as many wait there as may."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            with suppress(BlockingIOError):
                waiting.connect(listening.getsockname())
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize("kind", ACCOUNTS)
async def test_a_peer_that_does_not_even_connect(session: aiohttp.ClientSession, black_hole: str, kind: str) -> None:
    settings = PROVIDERS[kind].Settings(**ACCOUNTS[kind], endpoint=black_hole, timeout_seconds=0.6)
    with pytest.raises(NotSent):
        await PROVIDERS[kind](kind, settings, session).send(MESSAGE)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_slow_providers_keep_no_connection_from_others(peer: Peer, engine: AsyncEngine, privacy: Privacy) -> None:
    away = Peer([never])
    await away.start()
    providers = {
        "tencent": ACCOUNTS["tencent"] | {"endpoint": away.url},
        "twilio": ACCOUNTS["twilio"] | {"endpoint": peer.url, "timeout_seconds": 2},
    }
    text = open_text(TextSettings(providers=providers), engine, privacy)
    peer.answers = [answer(201, {"sid": "SM1", "status": "queued"})]
    slow = [asyncio.create_task(text.providers["tencent"].send(MESSAGE)) for _ in range(150)]
    while len(away.asked) < 100:
        await asyncio.sleep(0.01)
    assert await text.providers["twilio"].send(MESSAGE) == Accepted(("SM1",))
    for each in slow:
        each.cancel()
    await asyncio.gather(*slow, return_exceptions=True)
    await text.session.close()
    await away.stop()
