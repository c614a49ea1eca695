"""A newcomer texts 余额 from the demo phone in a real browser, and reads the answer as it arrives."""

import os
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Page, expect

from tests.real.chromium import chromium
from tests.service import service

pytestmark = pytest.mark.real


async def text(page: Page, words: str) -> None:
    await page.fill("#reply", words)
    await page.keyboard.press("Enter")


@pytest.mark.parametrize("width", [390, 1440])
async def test_a_text_is_answered_on_the_page(tmp_path: Path, width: int) -> None:
    async with service(tmp_path) as hotline, chromium() as browser:
        page = await browser.new_page(viewport={"width": width, "height": 844})
        faults: list[str] = []
        page.on("pageerror", lambda fault: faults.append(str(fault)))
        await page.goto(f"http://127.0.0.1:{hotline.port}/sandbox?to=13900000001")
        await expect(page.locator("#texts")).to_contain_text("还没有短信")
        await text(page, "餘額！")
        await expect(page.locator("#texts .out")).to_contain_text("餘額！")
        await expect(page.locator("#texts .in")).to_contain_text("余额12345.67元", timeout=20_000)
        await text(page, "明细")
        await expect(page.locator("#texts .in").last).to_contain_text("请回复要查询的月份", timeout=20_000)
        await page.fill("#number", "")
        await page.press("#number", "Tab")
        await page.get_by_role("button", name="李样本 未绑定").click()
        await expect(page.locator("#number")).to_have_value("13900000002")
        await expect(page.locator("#texts")).not_to_contain_text("12345.67元", timeout=20_000)
        await text(page, "YE")
        await expect(page.locator("#texts .in")).to_contain_text("绑定方法", timeout=20_000)
        assert not faults
        assert not await page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
        if folder := os.environ.get("SCREENSHOTS"):
            await page.screenshot(path=f"{folder}/sandbox-{width}.png")


async def test_the_people_stay_and_the_newest_text_is_seen(tmp_path: Path) -> None:
    async with service(tmp_path) as hotline, chromium() as browser, aiohttp.ClientSession() as session:
        here = f"http://127.0.0.1:{hotline.port}/sandbox"
        for n in range(8):
            await session.post(f"{here}/inbound", json={"from": f"1381234500{n}", "text": "帮助"})
        page = await browser.new_page(viewport={"width": 390, "height": 844})
        await page.goto(here)
        await expect(page.locator("#texts .in")).to_have_count(8, timeout=20_000)
        await page.reload()
        await expect(page.locator("#texts .in")).to_have_count(8)
        await expect(page.locator("#texts .in").last).to_be_in_viewport(ratio=1)
        one = page.get_by_role("button", name="李样本 未绑定")
        await one.focus()
        async with page.expect_response(lambda reply: "messages" in reply.url):
            pass
        await page.wait_for_timeout(200)
        await expect(one).to_be_focused()
        await one.click()
        await page.reload()
        await expect(page.locator("#number")).to_have_value("13900000002")
        await expect(one).to_be_visible()


async def test_a_notice_arrives_while_one_looks(tmp_path: Path) -> None:
    async with service(tmp_path) as hotline, chromium() as browser, aiohttp.ClientSession() as session:
        page = await browser.new_page()
        await page.goto(f"http://127.0.0.1:{hotline.port}/sandbox?to=13900000001")
        key = (tmp_path / "keys" / "demo_api_key").read_text().strip()
        event = {"type": "deposit", "key": "k1", "account": "321000001", "data": {"amount": "720.00"}}
        headers = {"Authorization": f"Bearer {key}"}
        async with session.post(f"http://127.0.0.1:{hotline.port}/v1/events", json=event, headers=headers) as reply:
            assert reply.status == 202
        await expect(page.locator("#texts .in")).to_contain_text("缴存入账720.00元", timeout=20_000)
