"""The staff pages in a real Chromium: the first link, a password, signing in, and every page at two widths.

Whatever the browser complains of (an error, a refusal by the content security policy, a request to elsewhere) fails.
`SCREENSHOTS=folder` keeps a picture of every page.
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, time, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Page, expect
from sqlalchemy import insert

from desk.tables import queue_visits
from fund.clock import CHINA, china_now
from hotline.database import open_database
from hotline.server import Hotline
from ivr.call import Call
from ivr.records import CallRecords
from ivr.state import State
from tests.real.chromium import chromium
from tests.service import service

pytestmark = pytest.mark.real
PASSWORD = "correct horse battery"
EVIL = "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>"
PATHS = [
    "", "/agent", "/queues", "/calls", "/orders", "/callbacks", "/bulletin", "/figures", "/people", "/trail",
]  # fmt: skip
WAYS = [
    ("account/who", "account/balance", "account/menu"), ("withdrawal/start",), ("loan/start",), ("loan/start", "main/agent"),
    ("account/who", "main/agent"), ("main/agent",), ("deposit/start",), (),
]  # fmt: skip


class Watched:
    """A page, and what the browser complained of while it was open."""

    def __init__(self, page: Page, port: int) -> None:
        self.page, self.port = page, port
        self.complaints: list[str] = []
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda fault: self.complaints.append(str(fault)))
        page.on("request", lambda request: self._own(request.url))

    def _own(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob") and parts.port != self.port:
            self.complaints.append(f"went to {url}")

    async def open(self, path: str) -> Page:
        await self.page.goto(f"http://127.0.0.1:{self.port}/staff{path}")
        return self.page

    async def looks_right(self, name: str) -> None:
        """Nothing sticks out sideways, every field has a name, and nobody complained."""
        page = self.page
        assert not await page.evaluate("document.documentElement.scrollWidth > window.innerWidth"), name
        nameless = await page.evaluate(
            "[...document.querySelectorAll('input:not([type=hidden]), select, textarea')]"
            ".filter(it => !it.labels.length && !it.ariaLabel).map(it => it.outerHTML)"
        )
        assert nameless == [], name
        if folder := os.environ.get("SCREENSHOTS"):
            await page.screenshot(path=f"{folder}/staff-{name}.png", full_page=True)
        assert self.complaints == [], name


@asynccontextmanager
async def watched(browser: Browser, port: int, width: int, **more: str) -> AsyncIterator[Watched]:
    context = await browser.new_context(viewport={"width": width, "height": 844 if width < 800 else 900}, **more)  # type: ignore[arg-type]
    yield Watched(await context.new_page(), port)
    await context.close()


async def came_in(seen: Watched, hotline: Hotline) -> None:
    """By the first link to a password, and signed in with it."""
    await seen.open((await hotline.staff.first_link()).partition("/staff")[2])
    await seen.page.fill("#password", PASSWORD)
    await seen.page.fill("#again", PASSWORD)
    await seen.page.keyboard.press("Enter")
    await expect(seen.page.locator(".notice.good")).to_contain_text("密码已设置")
    await signed_in(seen, "admin")


async def signed_in(seen: Watched, name: str) -> None:
    await seen.open("/sign-in")
    await seen.page.fill("#name", name)
    await seen.page.fill("#password", PASSWORD)
    await seen.page.keyboard.press("Enter")
    await expect(seen.page.locator("h1")).to_contain_text("首页")


async def a_busy_fortnight(hotline: Hotline) -> None:
    """Calls, visits, orders and call-backs as a small centre has them; the same each time."""
    chance, privacy = random.Random(12329), hotline.settings.privacy()
    engine = open_database(hotline.settings.own_database_url)
    records, today = CallRecords(engine, privacy), china_now().date()
    await records.start()
    visits = []
    for n in range(240):
        began = datetime.combine(
            today - timedelta(days=n % 14), time(chance.choice([8, 9, 9, 10, 10, 11, 14, 15, 16, 20])), CHINA
        )
        began += timedelta(seconds=chance.randrange(3000))
        way = ("main/welcome", "main/main", *chance.choice(WAYS))
        people = way[-1] == "main/agent"
        outcome = "transferred" if people else chance.choice(["hung_up", "finished"])
        state = State(
            hotline.staff.door.language, f"1390000{n % 180:04}", began.isoformat(), node=way[-1], outcome=outcome
        )
        call = Call(f"asterisk-{n}", "asterisk", state)
        call.steps = [(node, began + timedelta(seconds=8 * k)) for k, node in enumerate(way)]
        call.missed = chance.choice([[], [], ["silence"], ["wrong"]])
        call.ended_at = began + timedelta(seconds=chance.randrange(40, 400))
        await records.save(call)
        if people:
            waited, answered = chance.choice([4, 9, 12, 20, 65]), chance.random() < 0.9
            visits.append({
                "call_id": call.id, "queue": chance.choice(["general", "loan"]), "entered_at": began, "estimate_seconds": 15,
                "answered_at": began + timedelta(seconds=waited) if answered else None, "agent": "agent1" if answered else "",
                "left_at": call.ended_at, "how": "served" if answered else "hung_up",
            })  # fmt: skip
    await records.stop()
    async with engine.begin() as connection:
        await connection.execute(insert(queue_visits), visits)
    await engine.dispose()
    desk = hotline.desk
    await desk.orders.open(
        "complaint", topic="loan", caller="13900000007", text="电话等了很久没有人接。", priority="urgent"
    )
    await desk.orders.open("consult", topic=EVIL[:40], caller="13900000008", text=EVIL)
    await desk.orders.open("suggestion", caller="13900000009", text="希望增加网点。")
    await desk.call_backs.ask("13900000007", reason="loan")
    for n in range(12):
        await desk.surveys.rate(f"asterisk-{n}", "unsatisfied" if n == 5 else "fair" if n % 4 == 0 else "satisfied")


@pytest.mark.parametrize("width", [390, 1440])
async def test_every_page_at_both_widths(tmp_path: Path, width: int) -> None:
    async with service(tmp_path) as hotline, chromium() as browser:
        await a_busy_fortnight(hotline)
        async with watched(browser, hotline.port, width) as seen:
            await came_in(seen, hotline)
            for path in PATHS:
                await seen.open(path)
                await seen.looks_right(f"{path.strip('/') or 'home'}-{width}")
            await seen.open("/orders")
            await seen.page.click("text=咨询 >> xpath=ancestor::tr >> a")
            await expect(seen.page.locator("h1")).to_contain_text("工单")
            await seen.looks_right(f"order-{width}")
            assert await seen.page.title() != "broken" and await seen.page.inner_text(".words >> nth=0") == EVIL
            await seen.open("/calls/asterisk-3")
            await seen.looks_right(f"call-{width}")


async def test_a_day_at_the_desk(tmp_path: Path) -> None:
    """A supervisor is invited and works on an order; another page hears of it by itself; the session ends everywhere."""
    async with service(tmp_path) as hotline, chromium() as browser, watched(browser, hotline.port, 1440) as admin:
        await came_in(admin, hotline)
        page = await admin.open("/people")
        await page.fill("[name=name] >> nth=0", "wang")
        await page.select_option("[name=role] >> nth=0", "supervisor")
        await page.click("text=生成链接")
        link = await page.input_value("[readonly]")
        async with watched(browser, hotline.port, 390) as wang:
            await wang.open(link.partition("/staff")[2])
            await wang.page.fill("#password", PASSWORD)
            await wang.page.fill("#again", PASSWORD)
            await wang.page.click("text=保存密码")
            await signed_in(wang, "wang")
            await wang.open("/orders")
            await expect(wang.page.locator("#orders")).to_contain_text("没有记录")
            await wang.page.click("summary")
            await wang.page.fill("#text", "缴存证明怎么开?")
            await admin.open("/orders")
            await wang.page.click("details button")
            await expect(wang.page.locator(".notice.good")).to_contain_text("已保存")
            await expect(admin.page.locator("#orders")).to_contain_text("咨询", timeout=15_000)
            await wang.page.click("text=我来办理")
            await wang.page.fill("#outcome", "可在网上大厅打印。")
            await wang.page.click("button:has-text('已答复')")
            await expect(wang.page.locator("h1")).to_contain_text("已答复")
            await expect(admin.page.locator("#orders")).to_contain_text("已答复", timeout=15_000)
            await admin.open("/people")
            await admin.page.click("[aria-label='停用 wang']")
            await expect(admin.page.locator(".notice.good")).to_contain_text("已停用")
            await wang.open("/orders")
            await expect(wang.page.locator("h1")).to_contain_text("工作台")
            assert wang.complaints == []
        page = await admin.open("/trail")
        for told in ("邀请", "登记工单", "领取工单", "工单状态", "停用"):
            await expect(page.locator("tbody")).to_contain_text(told)
        assert admin.complaints == []


async def test_a_live_page_survives_its_service_and_leaves_with_its_session(tmp_path: Path) -> None:
    """A proxy answers for a service that restarts, and the page goes on; whoever is shut out sees the door, not the data."""
    async with service(tmp_path) as hotline, chromium() as browser, watched(browser, hotline.port, 1440) as seen:
        await came_in(seen, hotline)
        accounts, now = hotline.staff.accounts, china_now()
        await accounts.accept(await accounts.invite("wang", "administrator", now), PASSWORD, now)
        page = seen.page
        await page.route("**/staff/live?*", lambda route: route.fulfill(status=502))
        await seen.open("/orders")
        await expect(page.locator("#live")).to_be_visible()
        await hotline.desk.orders.open("suggestion", text="希望增加网点。")
        await page.unroute("**/staff/live?*")
        await expect(page.locator("#live")).to_be_hidden(timeout=15_000)
        await expect(page.locator("#orders")).to_contain_text("建议", timeout=15_000)
        await accounts.disable("admin", now)
        await expect(page.locator("h1")).to_contain_text("工作台", timeout=30_000)


async def test_what_was_chosen_is_sent_though_the_page_changed_meanwhile(tmp_path: Path) -> None:
    """Others ask to be called back while an outcome is being chosen: with the keyboard, and by whoever looked away."""
    async with service(tmp_path) as hotline, chromium() as browser, watched(browser, hotline.port, 1440) as seen:
        await came_in(seen, hotline)
        desk, page = hotline.desk.call_backs, seen.page
        one, other = [(await desk.ask(f"1390000000{n}")).request.id for n in range(2)]

        async def choose(id: str, outcome: str) -> None:
            await seen.open("/callbacks")
            await page.locator(f"form[action$='{id}/close'] select").select_option(outcome)

        async def closed(id: str) -> str:
            await expect(page.locator(".notice.good")).to_contain_text("已保存")
            return found.outcome if (found := await desk.find(id)) else ""

        await choose(one, "wrong_number")
        await page.focus(f"form[action$='{one}/close'] select")
        await page.keyboard.press("Tab")
        async with page.expect_response("**/staff/callbacks"):  # the page hears of it
            await desk.ask("13900000002")
            hotline.staff.live.tell("callbacks")
        await page.keyboard.press("Enter")
        assert await closed(one) == "wrong_number"

        await choose(other, "refused")
        await page.click("h1")
        await desk.ask("13900000003")
        hotline.staff.live.tell("callbacks")
        await expect(page.locator("#callbacks")).to_contain_text("*******0003", timeout=15_000)
        await page.click(f"form[action$='{other}/close'] button")
        assert await closed(other) == "refused"


async def test_more_pages_are_open_than_a_browser_has_connections(tmp_path: Path) -> None:
    """Those that nobody sees keep none; one that is looked at again shows what happened meanwhile."""
    async with service(tmp_path) as hotline, chromium() as browser, watched(browser, hotline.port, 1440) as seen:
        await came_in(seen, hotline)
        page, hide = seen.page, "Object.defineProperty(document, 'hidden', {{value: {}, configurable: true}})"
        for _ in range(7):
            await page.evaluate(f"{hide.format('true')}; document.dispatchEvent(new Event('visibilitychange'))")
            page = await page.context.new_page()
            await page.goto(f"http://127.0.0.1:{hotline.port}/staff/orders", timeout=15_000)
        await hotline.desk.orders.open("suggestion", text="希望增加网点。")
        await seen.page.evaluate(f"{hide.format('false')}; document.dispatchEvent(new Event('visibilitychange'))")
        await expect(seen.page.locator("a.card[href='/staff/orders'] .figure")).to_have_text("1", timeout=15_000)
        assert seen.complaints == []


async def test_a_call_appears_at_the_desk_while_it_lasts(tmp_path: Path) -> None:
    """Somebody dials on the browser phone; the list of calls shows it live, and where it went."""
    async with service(tmp_path) as hotline, chromium() as browser, watched(browser, hotline.port, 1440) as desk:
        await came_in(desk, hotline)
        await desk.open("/calls")
        phone = await browser.new_page()
        await phone.goto(f"http://127.0.0.1:{hotline.port}/phone")
        await expect(phone.locator("#hint")).to_contain_text("135790")
        await phone.click("#call")
        await expect(desk.page.locator("#calls")).to_contain_text("进行中", timeout=20_000)
        await desk.page.click("#calls tbody a")
        await expect(desk.page.locator("#context")).to_contain_text("来电号码已绑定账户")
        await phone.keyboard.press("3")
        await expect(desk.page.locator("#context ol.way")).to_contain_text("贷款", timeout=20_000)
        await phone.keyboard.press("0")
        await expect(desk.page.locator("#context ol.way")).to_contain_text("转人工", timeout=20_000)
        if folder := os.environ.get("SCREENSHOTS"):
            await desk.page.screenshot(path=f"{folder}/staff-live-call.png", full_page=True)
        assert desk.complaints == []


async def test_a_bulletin_is_heard_before_it_is_on(tmp_path: Path) -> None:
    """In Chinese and in English; what cannot be said is told; what is heard is what is typed."""
    async with service(tmp_path) as hotline, chromium() as browser, watched(browser, hotline.port, 390) as seen:
        await came_in(seen, hotline)
        for listen, refused in (("试听", "没有可以读的字"), ("Listen", "nothing to say")):
            page = await seen.open("/bulletin")
            await page.fill("#text", "因系统升级,余额查询暂停,预计18:00恢复。")
            await page.click(f"text={listen}")
            await expect(page.locator("#heard")).to_be_visible(timeout=20_000)
            async with asyncio.timeout(20):
                while await page.evaluate("document.getElementById('heard').currentTime") < 0.3:
                    await asyncio.sleep(0.1)
            assert 2 < await page.evaluate("document.getElementById('heard').duration") < 15
            await seen.looks_right(f"bulletin-heard-{listen}")
            await page.fill("#text", "。。。")
            await expect(page.locator("#heard")).to_be_hidden()
            await page.click(f"text={listen}")
            await expect(page.locator("#faults")).to_contain_text(refused, timeout=20_000)
            seen.complaints = [said for said in seen.complaints if "422" not in said]  # the browser's own words for it
            await seen.open("/bulletin")
            await expect(page.locator("#now")).to_contain_text("没有公告" if listen == "试听" else "no bulletin")
            await page.click("text=English" if listen == "试听" else "text=中文")
        assert seen.complaints == []


async def test_the_keyboard_is_enough(tmp_path: Path) -> None:
    """From the address bar to signing in by Tab and Enter alone; what has the focus is to be seen."""
    async with (
        service(tmp_path) as hotline,
        chromium() as browser,
        watched(browser, hotline.port, 1440, color_scheme="dark") as seen,
    ):
        await came_in(seen, hotline)
        page = await seen.open("")
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.textContent") == "跳到正文"
        for _ in range(20):
            await page.keyboard.press("Tab")
            if await page.evaluate("document.activeElement.textContent.trim()") == "统计":
                break
        assert await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        await page.keyboard.press("Enter")
        await expect(page.locator("h1")).to_contain_text("统计")
        await seen.looks_right("figures-dark")
        await page.click("text=English")
        await expect(page.locator("h1")).to_contain_text("Figures")
        await seen.looks_right("figures-english")


async def test_contrast_is_enough_for_tired_eyes(tmp_path: Path) -> None:
    """Every colour of text on its ground, light and dark: 4.5 to 1 at least."""
    css = (await asyncio.to_thread(Path("hotline/staff/static/staff.css").read_text, "utf-8")).split(
        "@media (prefers-color-scheme: dark)"
    )
    schemes = [dict(_colours(part)) for part in (css[0], css[1].partition("@media")[0])]
    pairs = [
        ("ink", "card"),
        ("ink", "ground"),
        ("soft", "card"),
        ("soft", "ground"),
        ("accent", "card"),
        ("accent", "ground"),
    ]
    pairs += [
        ("on-accent", "accent"),
        ("accent", "tint"),
        ("good", "good-tint"),
        ("warn", "warn-tint"),
        ("bad", "bad-tint"),
        ("bad", "ground"),
    ]
    for scheme in schemes:
        for text, ground in pairs:
            assert _contrast(scheme[text], scheme[ground]) >= 4.5, (text, ground)


def _colours(css: str) -> list[tuple[str, str]]:
    import re

    return re.findall(r"--([a-z-]+): #([0-9a-f]{3,6});", css)


def _contrast(one: str, other: str) -> float:
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    whole = "".join(each * 2 for each in colour) if len(colour) == 3 else colour
    parts = [int(whole[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
