"""A newcomer opens /phone in a real browser, dials, keys the PIN, and hears the balance."""

import asyncio
import os
from pathlib import Path

import pytest
import soxr
from playwright.async_api import Page, expect

from desk.order import Wanted
from ivr import audio
from ivr.voice import EmbeddedVoice
from tests import hearing
from tests.real.chromium import chromium
from tests.service import service

pytestmark = pytest.mark.real
BALANCE = "一万两千三百四十五元六角七分"


async def dialled(page: Page, port: int) -> list[str]:
    """An open call; what the page fetched as sound is in the list that comes back."""
    fetched: list[str] = []
    page.on("response", lambda answer: fetched.append(answer.url) if "/audio/" in answer.url and answer.ok else None)
    faults: list[str] = []
    page.on("pageerror", lambda fault: faults.append(str(fault)))
    await page.goto(f"http://127.0.0.1:{port}/phone")
    await expect(page.locator("#hint")).to_contain_text("135790")
    await page.click("#call")
    await expect(page.locator("#log")).to_contain_text("欢迎致电", timeout=40_000)
    assert not faults
    return fetched


@pytest.mark.parametrize("width", [390, 1440])
async def test_a_balance_is_heard(tmp_path: Path, width: int) -> None:
    async with service(tmp_path) as hotline, chromium() as browser:
        page = await browser.new_page(viewport={"width": width, "height": 844})
        fetched = await dialled(page, hotline.port)
        await page.click("[data-key='1']")
        await expect(page.locator("#status")).to_contain_text("请输入", timeout=40_000)
        for key in "135790":
            await page.click(f"[data-key='{key}']")
        await expect(page.locator("#log")).to_contain_text(BALANCE, timeout=40_000)
        log = await page.inner_text("#log")
        assert "135790" not in log and log.count("•") == 6
        async with asyncio.timeout(20):
            while not any(url.count("/") == 5 for url in fetched):  # the balance is fetched at a signed address
                await asyncio.sleep(0.1)
        overflow = await page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
        assert not overflow
        if folder := os.environ.get("SCREENSHOTS"):
            await page.screenshot(path=f"{folder}/phone-{width}.png")
        await page.click("#call")
        await expect(page.locator("#status")).to_contain_text("通话已结束")


async def test_a_person_is_one_key_away(tmp_path: Path) -> None:
    async with service(tmp_path) as hotline, chromium() as browser:
        page = await browser.new_page()
        await dialled(page, hotline.port)
        await page.keyboard.press("0")
        await expect(page.locator("#log")).to_contain_text("转接到 general", timeout=40_000)


async def test_a_page_of_another_site_cannot_call(tmp_path: Path) -> None:
    async with service(tmp_path) as hotline, chromium() as browser:
        page = await browser.new_page()
        await page.goto("data:text/html,<p>elsewhere")
        opened = await page.evaluate(
            "url => new Promise(done => { const s = new WebSocket(url);"
            " s.onopen = () => done(true); s.onerror = () => done(false); })",
            f"ws://127.0.0.1:{hotline.port}/phone/call",
        )
        assert opened is False


def a_microphone(folder: Path, sound: audio.Sound) -> list[str]:
    """What gives Chromium a microphone that hears this, again and again."""
    wide = soxr.resample(sound, audio.RATE, 48_000)
    data = audio.wav(wide)
    data = data[:24] + (48_000).to_bytes(4, "little") + (96_000).to_bytes(4, "little") + data[32:]
    (folder / "microphone.wav").write_bytes(data)
    return [
        "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={folder / 'microphone.wav'}",
    ]  # fmt: skip


async def to_the_beep(page: Page, port: int) -> None:
    await dialled(page, port)
    await page.click("[data-key='8']")
    await expect(page.locator("#log")).to_contain_text("投诉，请按", timeout=40_000)
    await page.click("[data-key='1']")
    await expect(page.locator("#log")).to_contain_text("请在提示音后讲话", timeout=40_000)
    await page.click("[data-key='9']")  # straight to the beep


async def test_a_message_is_spoken_into_a_microphone(tmp_path: Path) -> None:
    question = EmbeddedVoice().say("请问退休提取要带哪些材料？", "zh")
    spoken = audio.joined([question, audio.silence(0.7)])
    async with service(tmp_path / "home") as hotline, chromium(*a_microphone(tmp_path, spoken)) as browser:
        page = await browser.new_page()
        await to_the_beep(page, hotline.port)
        await expect(page.locator("#status")).to_contain_text("请讲话", timeout=40_000)
        await page.wait_for_timeout(round(audio.seconds(spoken) * 2500))  # it is heard more than twice
        await page.click("[data-key='#']")
        await expect(page.locator("#log")).to_contain_text("留言已经录下", timeout=40_000)
        await page.click("[data-key='2']")
        await expect(page.locator("#log")).to_contain_text("（您的录音）", timeout=40_000)
        await page.click("[data-key='1']")
        await expect(page.locator("#log")).to_contain_text("编号是", timeout=40_000)
        (order,) = await hotline.desk.orders.list(Wanted())
        assert (order.kind, order.topic) == ("complaint", "")
        recorded = audio.unwav(await hotline.desk.listen(order.number, "tester"))
    hearing.assert_in_order(recorded, [("question", question)], whole=["question"])


async def test_a_browser_without_a_microphone_says_so(tmp_path: Path) -> None:
    async with service(tmp_path) as hotline, chromium() as browser:
        page = await browser.new_page()
        await to_the_beep(page, hotline.port)
        await expect(page.locator("#log")).to_contain_text("没有可用的麦克风", timeout=40_000)
        await expect(page.locator("#log")).to_contain_text("现在无法录音", timeout=40_000)
        await expect(page.locator("#log")).to_contain_text("我们会拨打您的来电号码", timeout=40_000)
        assert await hotline.desk.orders.list(Wanted()) == []
