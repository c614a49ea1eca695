"""The staff pages over real HTTP, with a clock that can be moved, and somebody to sit in front of them."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

from aiohttp import ClientResponse, CookieJar, web
from aiohttp.test_utils import TestClient, TestServer
from cryptography.fernet import Fernet
from sqlalchemy.ext.asyncio import AsyncEngine

from desk.bulletin import Bulletins
from desk.figures import Figures
from fund.ledger import Ledger
from fund.pins import LIGHT
from fund.privacy import Privacy
from hotline.bulletins import sound_of
from hotline.context import Contexts
from hotline.desk import Desk
from hotline.exchange import open_telephones
from hotline.settings import Settings
from hotline.sounds import open_prompts
from hotline.staff.app import Staff, bind_staff, open_staff
from hotline.staff.calls import RecentCalls
from hotline.staff.page import COOKIE
from hotline.staff.parts import Parts
from hotline.tapes import Tapes
from ivr.flow import Flow
from ivr.way import met_at, titles
from tests.ivr.golden import BEGIN, flow_of

PASSWORD = "correct horse battery"
PRIVACY = Privacy(b"p" * 32, [Fernet.generate_key().decode()])


class Browser:
    """Somebody's browser: its cookies, and the form token of the page it last saw."""

    def __init__(self, server: TestServer) -> None:
        self.client = TestClient(server, cookie_jar=CookieJar(unsafe=True))
        self.csrf = ""
        self.text = ""

    async def get(self, path: str, **headers: str) -> ClientResponse:
        return await self._seen(await self.client.get(f"/staff{path}", headers=headers, allow_redirects=False))

    async def post(self, path: str, _headers: dict[str, str] | None = None, **form: str) -> ClientResponse:
        data = {"csrf": self.csrf} | form
        reply = await self.client.post(f"/staff{path}", data=data, headers=_headers, allow_redirects=False)
        return await self._seen(reply)

    async def _seen(self, reply: ClientResponse) -> ClientResponse:
        self.text = await reply.text()
        if found := re.search(r'name="csrf" value="([0-9a-f]+)"', self.text):
            self.csrf = found[1]
        return reply

    async def sign_in(self, name: str, password: str = PASSWORD) -> ClientResponse:
        await self.get("/sign-in")
        reply = await self.post("/sign-in", name=name, password=password)
        if reply.status == 303:
            await self.get("")
        return reply

    def plant(self, cookie: str) -> None:
        """Have this cookie, and no other."""
        kept: SimpleCookie = SimpleCookie({COOKIE: cookie})
        kept[COOKIE]["path"] = "/staff"
        self.client.session.cookie_jar.clear()
        self.client.session.cookie_jar.update_cookies(kept, self.client.make_url("/staff"))

    @property
    def cookie(self) -> str:
        return next(iter(self.client.session.cookie_jar)).value


class Office:
    """The pages, and people with each role to open them."""

    def __init__(self, staff: Staff, parts: Parts, server: TestServer) -> None:
        self.staff, self.parts, self.server = staff, parts, server
        self.now = BEGIN
        self._open: list[Browser] = []
        staff.door.clock = lambda: self.now

    def later(self, **time: float) -> None:
        self.now += timedelta(**time)

    async def member(self, name: str, role: str, seat: str = "") -> None:
        """Somebody who has set their password."""
        token = await self.staff.accounts.invite(name, role, self.now, seat)
        await self.staff.accounts.accept(token, PASSWORD, self.now)

    def browser(self) -> Browser:
        browser = Browser(self.server)
        self._open.append(browser)
        return browser

    async def signed_in(self, role: str, seat: str = "") -> Browser:
        """A browser in front of which somebody of this role sits; their name is the role."""
        await self.member(role, role, seat)
        browser = self.browser()
        assert (await browser.sign_in(role)).status == 303
        return browser

    async def trail(self) -> list[tuple[str, str, str]]:
        """(who, action, subject), oldest first."""
        return [(row.name, row.action, row.subject) for row in reversed(await self.staff.door.trail.rows())]

    async def close(self) -> None:
        for browser in self._open:
            await browser.client.close()


@asynccontextmanager
async def office(engine: AsyncEngine, home: Path, **changed: Any) -> AsyncIterator[Office]:
    """Staff pages on this database; `changed` are settings."""
    settings = Settings(_env_file=None, home=home, **changed)  # type: ignore[call-arg]
    staff = open_staff(settings, engine, PRIVACY, cost=LIGHT)
    parts = parts_on(engine, settings)
    app = web.Application()
    bind_staff(app, staff, parts)
    async with TestServer(app) as server:
        its = Office(staff, parts, server)
        yield its
        await its.close()
    staff.stop()


class OneFlow:
    """A flow that never changes."""

    def __init__(self, flow: Flow) -> None:
        self.current = flow

    async def version(self, version: str) -> Flow | None:
        return None


def parts_on(engine: AsyncEngine, settings: Settings) -> Parts:
    """The desk on this database, with a small flow, and a ledger that is away until a test gives one."""
    nodes = {
        "start": {"menu": {"1": {"say": "查询个人账户", "go": "who"}, "2": {"say": "贷款业务", "go": "agent"}}},
        "who": {"identify": "employee", "next": "balance", "failed": "agent"},
        "balance": {"report": "balance", "say": "余额{balance}", "next": "start", "unavailable": "agent"},
    }
    flows = OneFlow(flow_of({"nodes": nodes}))
    texts: Any = None  # nothing here texts
    desk = Desk(engine, PRIVACY, Tapes(settings.recordings_folder, PRIVACY), texts, settings.orders)
    contexts = Contexts(engine, PRIVACY, Ledger(engine), flows, desk.orders, lambda: BEGIN)
    bulletins = Bulletins(engine, lambda: BEGIN)
    figures, recent, board = (
        Figures(engine, lambda: BEGIN),
        RecentCalls(engine),
        open_telephones(settings, engine).board,
    )
    sound = sound_of(open_prompts(settings, PRIVACY))
    topics, stops = titles(flows.current), met_at(flows.current)
    return Parts(desk, figures, contexts, recent, bulletins, sound, lambda: topics, lambda: stops, dict, board)


def moment(hour: int) -> datetime:
    return BEGIN.replace(hour=hour)
