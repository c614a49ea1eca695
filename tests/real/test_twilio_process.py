"""A call at Twilio while the service, a process of its own, is killed without warning, between turns or for good."""

import asyncio
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from signal import SIGKILL

import pytest
from aiohttp import web

from tests.ivr.lines.fake_twilio import ACCOUNT, FALLBACK, PUBLIC, TOKEN, TwilioPhone
from tests.real.running import Running

PEOPLE = "+8651112345678"
SETTINGS = {
    "HOTLINE_PUBLIC_URL": PUBLIC,
    "HOTLINE_TWILIO_VOICE__ACCOUNT_SID": ACCOUNT,
    "HOTLINE_TWILIO_VOICE__AUTH_TOKEN": TOKEN,
    "HOTLINE_TWILIO_VOICE__PEOPLE": PEOPLE,
    "HOTLINE_TWILIO_VOICE__SPEAK": "say",
}
pytestmark = pytest.mark.real


async def _killed_and_started_again(service: Running) -> None:
    await asyncio.to_thread(service.stop, SIGKILL)
    await asyncio.to_thread(service.start)


def _demo(service: Running) -> dict[str, str]:
    """A demo person with a bound phone."""
    command = [sys.executable, "-m", "hotline", "demo", "--json"]
    environment = {"HOTLINE_HOME": str(service.home)}
    people = json.loads(subprocess.check_output(command, env=environment))["people"]
    found: dict[str, str] = next(person for person in people if person["bound"] and person["pin"])
    return found


def _rows(service: Running) -> str:
    """All that is kept of calls."""
    with closing(sqlite3.connect(service.home / "hotline.db")) as database:
        tables = ("calls", "call_steps", "call_audit", "twilio_turns")
        return "\n".join(str(row) for table in tables for row in database.execute(f"SELECT * FROM {table}"))


async def test_the_call_goes_on_after_each_kill(tmp_path: Path) -> None:
    service = Running(tmp_path / "home", **SETTINGS)
    await asyncio.to_thread(service.start)
    try:
        person = await asyncio.to_thread(_demo, service)
        here = f"http://127.0.0.1:{service.port}"
        async with TwilioPhone({PUBLIC: here}, f"+86{person['phone']}") as phone:
            await phone.start()
            await _killed_and_started_again(service)
            await phone.press("1")
            assert "查询密码" in phone.heard[-1]
            await _killed_and_started_again(service)
            await phone.press(f"{person['pin']}#")
            assert "您的账户余额为" in phone.said and "元" in phone.heard[-1]
            assert "中断" not in phone.said, "nobody has noticed"
            url, fields, body = phone.asked[-1]
            await _killed_and_started_again(service)
            assert await phone.post(url, fields) == (200, body), "asked again of the new process"
            await phone.hang_up()
        (call,) = await asyncio.to_thread(service.calls)
        assert (call["line"], call["outcome"], call["id"]) == ("twilio", "hung_up", phone.call_sid)
        assert [step["node"] for step in call["steps"]][-1] == "account/balance"
        assert person["pin"] not in service.events()
        assert person["pin"] not in _rows(service)
        assert TOKEN not in service.log()
    finally:
        await asyncio.to_thread(service.stop)


async def test_the_printed_document_dials_a_person_once_the_service_is_gone(tmp_path: Path) -> None:
    service = Running(tmp_path / "home", **SETTINGS)
    await asyncio.to_thread(service.start)
    command = [sys.executable, "-m", "hotline", "twilio", "fallback"]
    printed = await asyncio.to_thread(subprocess.check_output, command, env=SETTINGS)

    async def static(_: web.Request) -> web.Response:
        return web.Response(body=printed, content_type="text/xml")

    app = web.Application()
    app.router.add_post("/twilio/fallback.xml", static)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    elsewhere = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        places: dict[str, str | list[str]] = {
            FALLBACK: f"{elsewhere}/twilio/fallback.xml",
            PUBLIC: f"http://127.0.0.1:{service.port}",
        }
        async with TwilioPhone(places) as phone:
            await phone.start()
            await asyncio.to_thread(service.stop, SIGKILL)
            await phone.press("1")
            assert phone.fell_back and phone.dialled == [PEOPLE] and "如果没有接通" in phone.heard[-1]
    finally:
        await runner.cleanup()
        service.stop()
