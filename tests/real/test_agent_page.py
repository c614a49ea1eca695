"""An agent's page in a real Chromium, over the real exchange: who it is before the telephone is picked up, and a pause.

The caller and the agent's telephone are softphones; Asterisk queues the one and rings the other; the page hears of it.
`SCREENSHOTS=folder` keeps a picture at both widths of each moment.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.async_api import Browser, Locator, expect

from tests.real.asterisk import SECRETS, Asterisk
from tests.real.baresip import agent, caller
from tests.real.chromium import chromium
from tests.real.exchange import Exchange, linked
from tests.real.running import Running
from tests.real.spoken import PHRASES, said, sound
from tests.real.test_staff_pages import PASSWORD, Watched, signed_in, watched

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]
PIN, BALANCE = "135790", ("money", Decimal("12345.67"))  # of the demo person 13900000001
PATIENT = 40_000  # milliseconds: on a busy machine a page takes its time
SEEN_SECONDS = 15.0  # from the first ring of the telephone until the page shows who it is


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """A service that watches an Asterisk."""
    with linked(tmp_path_factory.mktemp("agent-page")) as opened:
        yield opened


@asynccontextmanager
async def at_the_desk(browser: Browser, running: Running) -> AsyncIterator[Watched]:
    """The page of an agent whom the administrator has invited for the telephone `agent1`."""
    first = re.search(r"/staff(/first/\S+)", running.log())
    assert first
    async with watched(browser, running.port, 1440) as admin:
        await set_password(admin, first[1])
        await signed_in(admin, "admin")
        page = await admin.open("/people")
        await page.fill("[name=name] >> nth=0", "zhou")
        await page.fill("[name=seat] >> nth=0", "agent1")
        await page.click("text=生成链接")
        link = await page.input_value("[readonly]")
    async with watched(browser, running.port, 1440) as seen:
        await set_password(seen, link.partition("/staff")[2])
        await signed_in(seen, "zhou")
        await seen.open("/agent")
        yield seen


async def set_password(seen: Watched, path: str) -> None:
    await seen.open(path)
    await seen.page.fill("#password", PASSWORD)
    await seen.page.fill("#again", PASSWORD)
    await seen.page.keyboard.press("Enter")
    await expect(seen.page.locator(".notice.good")).to_contain_text("密码已设置", timeout=PATIENT)


async def pictured(seen: Watched, name: str) -> None:
    """At both widths it looks right; a picture of each, if wanted."""
    for width, height in ((390, 844), (1440, 900)):
        await seen.page.set_viewport_size({"width": width, "height": height})
        await seen.looks_right(f"agent-{name}-{width}")


async def queued(asterisk: Asterisk, wanted: str, seconds: float = 15) -> str:
    """What the exchange itself tells of agent1 in the general queue, once that is in it."""
    deadline, line = time.monotonic() + seconds, ""
    while time.monotonic() < deadline:
        told = await asyncio.to_thread(asterisk.run, "queue show hotline-general")
        line = next((line for line in told.splitlines() if "agent1" in line), "")
        if wanted in line:
            return line
        await asyncio.sleep(0.2)
    raise AssertionError(f"{wanted!r} is not in {line!r}")


async def telephone_is_there(asterisk: Asterisk) -> None:
    async with asyncio.timeout(20):
        while "agent1/sip:" not in await asyncio.to_thread(asterisk.run, "pjsip show contacts"):
            await asyncio.sleep(0.2)


async def test_who_waits_is_known_before_the_ring_and_a_pause_is_a_pause(exchange: Exchange, tmp_path: Path) -> None:
    running, asterisk = exchange
    telephone = agent(tmp_path / "desk", "agent1", SECRETS["AGENT1_SECRET"], asterisk.sip_port, answers=False)
    phone = caller(tmp_path / "caller")
    async with telephone, chromium() as browser, at_the_desk(browser, running) as seen:
        page, me, who = seen.page, seen.page.locator("#me"), seen.page.locator("#caller")
        await telephone_is_there(asterisk)
        await expect(me).to_contain_text("空闲", timeout=PATIENT)
        await pictured(seen, "free")

        await page.select_option("[name=reason]", "lunch")
        await page.click("button[value=pause]")
        await expect(me).to_contain_text("午餐", timeout=PATIENT)
        await queued(asterisk, "paused:lunch")

        async with phone:
            await phone.dial(f"sip:12329@127.0.0.1:{asterisk.sip_port}")
            await phone.hears(sound(running, said("您好，欢迎致电镇江市住房公积金热线。")))
            await phone.press("1")
            await phone.hears(sound(running, said(PHRASES["ask_pin_bound"]["zh"])))
            await phone.press(PIN + "#")
            await phone.hears(sound(running, said("您的账户余额为{balance}。", personal=True, balance=BALANCE)))
            await phone.press("0")
            await phone.hears(sound(running, said(PHRASES["queue_keys"]["zh"])))
            await phone.press("1")  # everybody pauses: to wait all the same

            # who waits is there to see, though no telephone rings
            waiting = page.locator("#waiting")
            await expect(waiting.locator("li >> nth=0")).to_contain_text("*******0001", timeout=PATIENT)
            await pictured(seen, "waiting")
            await waiting.locator("a >> nth=0").click()
            await known(page.locator("#context"))
            await seen.open("/agent")

            await page.click("button[value=unpause]")
            await telephone.until("CALL_INCOMING")
            rang = time.monotonic()
            await expect(who.locator(".tag.good")).to_contain_text("振铃", timeout=PATIENT)
            await known(who)
            seconds = time.monotonic() - rang
            assert seconds < SEEN_SECONDS, f"the page showed it {seconds:.1f} s after the first ring"
            await pictured(seen, "ringing")
            assert "paused" not in await queued(asterisk, "agent1")

            await telephone.command("accept")
            await expect(who.locator(".tag.good")).to_contain_text("通话中", timeout=PATIENT)
            await pictured(seen, "talking")
            await telephone.command("hangup")
            await expect(who).to_contain_text("当前没有来电", timeout=PATIENT)
            await expect(me).to_contain_text("空闲", timeout=PATIENT)
            await running.call_at("people/rate")
            await phone.command("hangup")
            await phone.until("CALL_CLOSED")
        assert seen.complaints == []
        print(f"shown {seconds:.2f} s after the first ring")


async def known(who: Locator) -> None:
    """Who it is, how we know, and why they call."""
    for told in ("已验证：绑定手机和查询密码", "转人工", "账户余额"):
        await expect(who).to_contain_text(told, timeout=PATIENT)
