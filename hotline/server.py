"""The composition root: every part of the hotline, opened in order, closed in reverse. Read it top to bottom."""

import asyncio
import ctypes
import gc
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiohttp import web

from desk.figures import Figures
from fund.clock import china_now
from fund.demo import DemoPerson
from hotline import health, pages
from hotline.api import callbacks as callbacks_api
from hotline.api import calls as calls_api
from hotline.api import context as context_api
from hotline.api import orders as orders_api
from hotline.api import queues as queues_api
from hotline.api import reports as reports_api
from hotline.api.app import add_text_routes
from hotline.bulletins import sound_of
from hotline.context import Contexts
from hotline.desk import Desk
from hotline.exchange import Telephones, open_telephones
from hotline.ground import Ground, open_ground
from hotline.seat import SeatWebhook
from hotline.settings import Settings
from hotline.staff.app import Staff, bind_staff, open_staff
from hotline.staff.calls import RecentCalls
from hotline.staff.parts import Parts
from hotline.tapes import Tapes
from hotline.text import TextService, open_text
from hotline.text_world import TextWorld
from hotline.voice import open_voice
from ivr.call import Switchboard
from ivr.way import met_at, queue_titles, titles
from sms.housekeeping import Chore, Housekeeper

GARBAGE_EVERY = 20_000  # objects
SWITCH_SECONDS = 0.001  # how long a database's thread waits for the interpreter; a code changes threads a dozen times
log = structlog.get_logger()


@dataclass
class Hotline:
    """The running service: what the command line and the tests may want to look at."""

    settings: Settings
    port: int
    agi_port: int
    switchboard: Switchboard | None
    text: TextService
    desk: Desk
    staff: Staff
    telephones: Telephones
    people: list[DemoPerson] = field(default_factory=list)


@asynccontextmanager
async def open_hotline(settings: Settings, *, with_demo: bool = False, only: str = "") -> AsyncIterator[Hotline]:
    """Everything, running. `only`: `sms` leaves the voice side out."""
    async with AsyncExitStack() as stack:
        ground = await open_ground(stack, settings, with_demo=with_demo)
        engine, app = ground.engine, web.Application()
        text, desk = await _open_text_and_desk(stack, ground)
        telephones = open_telephones(settings, engine)
        staff = _open_staff(stack, ground)

        figures = Figures(engine, china_now)
        more = [*calls_api.routes(engine), *reports_api.routes(figures, china_now, settings.language)]
        more += [*callbacks_api.routes(desk), *orders_api.routes(desk), *queues_api.routes(telephones.board)]
        voice = None
        if only != "sms":
            voice = await open_voice(stack, app, ground, text, desk, telephones, staff.live, with_demo=with_demo)
            flows = voice.flows
            contexts = Contexts(engine, ground.privacy, ground.ledger, flows, desk.orders, china_now)
            more += context_api.routes(contexts, text.audit)
            await _open_seat(stack, settings, contexts, voice.switchboard)
            recent, board = RecentCalls(engine), telephones.board
            spoken = voice.bulletins, sound_of(voice.prompts)
            topics, stops, queues = (
                lambda: titles(flows.current), lambda: met_at(flows.current), lambda: queue_titles(flows.current),
            )  # fmt: skip
            bind_staff(app, staff, Parts(desk, figures, contexts, recent, *spoken, topics, stops, queues, board))

        health.bind_health(app, engine, ground.ledger, voice.flows if voice else None)
        add_text_routes(app, text, more, settings.public_url, settings.trusted_proxies, ground.people)
        there = {resource.canonical for resource in app.router.resources()}
        pages.bind_start(app, {"/phone", "/sandbox", "/staff"} - there)
        port = await _listen(stack, app, settings)
        switchboard, agi_port = (voice.switchboard, voice.agi_port) if voice else (None, 0)
        log.info("hotline_open", port=port, agi_port=agi_port, only=only or "everything")
        yield Hotline(settings, port, agi_port, switchboard, text, desk, staff, telephones, ground.people)
        log.info("hotline_closing", calls=len(switchboard.calls) if switchboard else 0)


async def _open_text_and_desk(stack: AsyncExitStack, ground: Ground) -> tuple[TextService, Desk]:
    """The text side, and the people's side; each asks the other."""
    settings, engine, privacy = ground.settings, ground.engine, ground.privacy
    answers = TextWorld(ground.ledger)
    text = open_text(settings.sms, engine, privacy, ground.ledger, keywords=settings.keywords, world=answers)
    stack.push_async_callback(text.stop)
    await text.start()

    desk = Desk(engine, privacy, Tapes(settings.recordings_folder, privacy), text, settings.orders)
    stack.push_async_callback(desk.stop)
    desk.start()
    answers.desk = desk
    return text, desk


def _open_staff(stack: AsyncExitStack, ground: Ground) -> Staff:
    staff = open_staff(ground.settings, ground.engine, ground.privacy)
    stack.callback(staff.stop)
    chores = Housekeeper([Chore("tidy staff", 3600, staff.tidy)])
    chores.start()
    stack.push_async_callback(chores.stop)
    return staff


async def _open_seat(stack: AsyncExitStack, settings: Settings, contexts: Contexts, switchboard: Switchboard) -> None:
    """The centre's own seat software, if it wants to be told."""
    if not settings.seat_webhook_url:
        return
    secret, full = settings.seat_webhook_secret.get_secret_value(), settings.seat_webhook_full
    seat = SeatWebhook(settings.seat_webhook_url, secret, contexts, china_now, full=full)
    await seat.start()
    stack.push_async_callback(seat.stop)
    switchboard.handing_over.append(seat.hand_over)


async def _listen(stack: AsyncExitStack, app: web.Application, settings: Settings) -> int:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, settings.host, settings.port)
    await site.start()
    return int(runner.addresses[0][1])


async def serve_until_told(settings: Settings, *, with_demo: bool, only: str, ready: Any) -> None:
    """Run until SIGINT or SIGTERM; `ready(hotline, link)` once everything listens; `link`: the way in for the
    first administrator, or empty."""
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with open_hotline(settings, with_demo=with_demo, only=only) as hotline:
        link = "" if only == "sms" else await hotline.staff.first_link()  # without the staff pages it leads nowhere
        gc.collect()
        gc.freeze()  # what is loaded now stays: looking through it again and again stops everybody for 0.1 s
        gc.set_threshold(GARBAGE_EVERY, 20, 20)  # a thousand texts on their way are many objects, and no garbage
        sys.setswitchinterval(SWITCH_SECONDS)
        _give_back()
        ready(hotline, link)
        await stop.wait()


def _give_back() -> None:
    """The memory that starting took and is not needed any more, which glibc would keep: some 20 MB."""
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
