"""The start page, and the browser phone: only in the demo unless it is asked for, since it calls as any number."""

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest

from hotline.server import open_hotline
from hotline.settings import Settings


async def status_and_text(port: int, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as reply:
        return reply.status, await reply.text()


@pytest.mark.parametrize(("demo", "asked", "phone"), [(True, False, 200), (False, False, 404), (False, True, 200)])
async def test_the_browser_phone(tmp_path: Path, demo: bool, asked: bool, phone: int) -> None:
    settings = Settings(_env_file=None, home=tmp_path, port=0, agi_port=0, browser_phone=asked)  # type: ignore[call-arg]
    async with open_hotline(settings, with_demo=demo) as hotline:
        _, start = await status_and_text(hotline.port, "/")
        for path in ("/phone", "/phone/people", "/phone/call"):
            status, _ = await status_and_text(hotline.port, path)
            assert (status == 404) == (phone == 404), path
    assert ('href="/phone"' in start) == (phone == 200)
    assert 'href="/staff"' in start and 'href="/sandbox"' in start


async def test_the_text_side_alone_has_a_start_page_too(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, home=tmp_path, port=0, agi_port=0)  # type: ignore[call-arg]
    async with open_hotline(settings, only="sms") as hotline:
        status, start = await status_and_text(hotline.port, "/")
    assert status == 200 and 'href="/sandbox"' in start
    assert 'href="/phone"' not in start and 'href="/staff"' not in start


async def test_the_text_side_alone_knows_who_has_a_demo_phone(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, home=tmp_path, port=0, agi_port=0)  # type: ignore[call-arg]
    async with open_hotline(settings, only="sms", with_demo=True) as hotline:
        _, people = await status_and_text(hotline.port, "/sandbox/people")
    first = json.loads(people)["people"][0]
    assert first == {"name": "张示例", "phone": "13900000001", "bound": True}, "and no PIN"


async def test_an_open_browser_phone_hears_that_the_service_stops(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, home=tmp_path, port=0, agi_port=0)  # type: ignore[call-arg]
    async with aiohttp.ClientSession() as session:
        async with open_hotline(settings, with_demo=True) as hotline:
            socket = await session.ws_connect(f"http://127.0.0.1:{hotline.port}/phone/call")
            await socket.send_json({"caller": "13900000001"})
            assert (await socket.receive_json())["say"]
            ended = asyncio.create_task(socket.receive())
        await ended
    assert socket.close_code == aiohttp.WSCloseCode.GOING_AWAY
