"""The staff pages put together: `open_staff(...)`, then `bind_staff`; `stop` mirrors it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from fund.clock import china_now
from fund.pins import OWASP, Cost
from fund.privacy import Privacy
from hotline.settings import Settings
from hotline.staff import live as stream
from hotline.staff.accounts import Accounts
from hotline.staff.live import Live
from hotline.staff.page import Door, Page, bind
from hotline.staff.pages import agent, bulletin, callbacks, calls, figures, home, orders, people, signing
from hotline.staff.parts import Parts
from hotline.staff.passwords import Passwords
from hotline.staff.render import Renderer
from hotline.staff.sessions import Sessions
from hotline.staff.trail import Trail

STATIC = Path(__file__).parent / "static"
FIRST_NAME = "admin"


@dataclass
class Staff:
    """Everything of the staff side that lives as long as the process."""

    accounts: Accounts
    door: Door
    live: Live
    keep_trail: timedelta

    async def first_link(self) -> str:
        """The address by which the first administrator comes in; empty when there is one already."""
        if await self.accounts.any_administrator():
            return ""
        return self.address(await self.accounts.invite(FIRST_NAME, "administrator", self.door.clock()))

    def address(self, token: str) -> str:
        """Where an invitation leads."""
        return f"{self.door.public_url.rstrip('/')}/staff/first/{token}"

    async def tidy(self) -> None:
        """Remove what is over."""
        at = self.door.clock()
        await self.accounts.tidy(at)
        await self.door.sessions.tidy(at)
        await self.door.trail.remove_old(at - self.keep_trail)

    def stop(self) -> None:
        self.live.stop()
        self.accounts.close()


def open_staff(
    settings: Settings,
    engine: AsyncEngine,
    privacy: Privacy,
    *,
    clock: Callable[[], datetime] = china_now,
    cost: Cost = OWASP,
) -> Staff:
    """The staff side on an open, migrated database."""
    life = timedelta(hours=settings.staff_session_hours)
    door = Door(
        Sessions(engine, timedelta(minutes=settings.staff_idle_minutes), life),
        Trail(engine),
        Renderer(),
        privacy,
        settings.public_url,
        settings.language,
        settings.trusted_proxies,
        clock,
    )
    return Staff(
        Accounts(engine, privacy, Passwords(privacy, cost)), door, Live(), timedelta(days=settings.keep_calls_days)
    )


def all_pages(staff: Staff, parts: Parts) -> list[Page]:
    """Every address below /staff and the role it takes."""
    accounts, live = staff.accounts, staff.live
    return [
        *signing.pages(accounts),
        *home.pages(parts),
        *agent.pages(parts),
        *calls.pages(parts),
        *orders.pages(parts, accounts, live),
        *callbacks.pages(parts, live),
        *bulletin.pages(parts, live),
        *figures.pages(parts),
        *people.pages(accounts),
        *stream.pages(live),
    ]


def bind_staff(app: web.Application, staff: Staff, parts: Parts) -> None:
    """Mount the pages at /staff."""
    staff.door.renderer.name_by(parts.titles, parts.queue_titles)
    inside = web.Application()
    bind(inside, staff.door, all_pages(staff, parts))
    inside.router.add_static("/static", STATIC)
    app.add_subapp("/staff", inside)

    async def let_go(_: web.Application) -> None:
        staff.live.stop()

    app.on_shutdown.append(let_go)
