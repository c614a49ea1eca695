"""One pretended vendor a test, and one session to reach it."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.sms.providers.peer import Peer


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    peer = Peer()
    await peer.start()
    yield peer
    await peer.stop()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session
