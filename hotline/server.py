"""The composition root: every part of the hotline, opened in order, closed in reverse. Read it top to bottom."""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import structlog
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from desk.bulletin import Bulletins
from desk.figures import Figures
from fund.demo import DemoPerson
from fund.ledger import Ledger
from fund.pins import Pins
from hotline import demo, health, pages
from hotline.api import callbacks as callbacks_api
from hotline.api import calls as calls_api
from hotline.api import context as context_api
from hotline.api import orders as orders_api
from hotline.api import queues as queues_api
from hotline.api import reports as reports_api
from hotline.api.app import add_text_routes
from hotline.context import Contexts
from hotline.database import open_database
from hotline.desk import Desk
from hotline.exchange import Telephones, open_telephones
from hotline.migrations import upgrade
from hotline.outbound import TICK_SECONDS, Outbound
from hotline.seat import SeatWebhook
from hotline.settings import Settings
from hotline.sounds import open_prompts
from hotline.staff.app import Staff, bind_staff, open_staff
from hotline.staff.calls import RecentCalls
from hotline.staff.parts import Parts
from hotline.tapes import Tapes
from hotline.text import TextService, open_text
from hotline.text_world import TextWorld
from hotline.twilio import twilio_line
from hotline.world import FundWorld
from ivr.call import Switchboard, china_now
from ivr.lines import asterisk, audio
from ivr.lines.browser import Address
from ivr.loader import load, read_phrases
from ivr.prompts import Prompts
from ivr.records import CallRecords, forget_callers, remove_old
from ivr.utterance import Utterance
from ivr.versions import FlowVersions
from ivr.way import queue_titles, titles
from sms.housekeeping import Chore, Housekeeper

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
        privacy = settings.privacy()
        engine = open_database(settings.own_database_url)
        stack.push_async_callback(engine.dispose)
        await upgrade(engine)
        people = await demo.prepare(settings, engine, privacy) if with_demo else []

        ledger_engine = open_database(settings.ledger_url, read_only=True)
        stack.push_async_callback(ledger_engine.dispose)
        ledger = Ledger(ledger_engine, settings.ledger_limit_seconds)
        stack.push_async_callback(ledger.close)

        answers = TextWorld(ledger)
        text = open_text(settings.sms, engine, privacy, ledger, keywords=settings.keywords, world=answers)
        stack.push_async_callback(text.stop)
        await text.start()

        desk = Desk(engine, privacy, Tapes(settings.recordings_folder, privacy), text, settings.orders)
        stack.push_async_callback(desk.stop)
        desk.start()
        answers.desk = desk

        app = web.Application()
        figures = Figures(engine, china_now)
        telephones = open_telephones(settings, engine)
        more = [*calls_api.routes(engine), *reports_api.routes(figures, china_now)]
        more += [*callbacks_api.routes(desk), *orders_api.routes(desk), *queues_api.routes(telephones.board)]

        staff = open_staff(settings, engine, privacy)
        stack.callback(staff.stop)
        staff_chores = Housekeeper([Chore("tidy staff", 3600, staff.tidy)])
        staff_chores.start()
        stack.push_async_callback(staff_chores.stop)

        switchboard = None
        agi_port = 0
        if only != "sms":
            quick = open_database(settings.own_database_url, flush=False)  # a call does not wait for the disk
            stack.push_async_callback(quick.dispose)
            records = CallRecords(quick, privacy)
            await records.start()
            stack.push_async_callback(records.stop)
            records.written.append(partial(staff.live.tell, "calls"))

            flows = FlowVersions(
                settings.flows,
                partial(
                    load,
                    phrases=read_phrases(settings.prompts / "voice.yaml"),
                    folder=str(settings.flows),
                    texts=set(text.templates),
                ),
                engine,
            )
            await flows.start()
            stack.push_async_callback(flows.stop)
            desk.calendar, desk.queues = lambda: flows.current.hours, lambda: flows.current.queues

            pins = Pins(engine, privacy, tries=quick, lock_hours=settings.pin_lock_hours)
            housekeeper = Housekeeper(_chores(engine, pins, settings))
            housekeeper.start()
            stack.push_async_callback(housekeeper.stop)
            bulletins = Bulletins(engine)
            await bulletins.words_at(china_now())
            outbound = _outbound(telephones, engine, desk, text, settings)
            stack.push_async_callback(outbound.stop)
            world = FundWorld(
                ledger,
                pins,
                text,
                lambda name, at: flows.current.hours.is_open(name, at),
                records.note,
                bulletin=bulletins.words_at,
                more={**desk.answers, **outbound.answers},
                queue_now=telephones.board.outlook,
            )
            switchboard = Switchboard(flows, world, records)
            telephones.close_calls_of(switchboard)
            telephones.board.told.append(partial(staff.live.tell, "board"))
            await telephones.start()
            stack.push_async_callback(telephones.stop)
            dialler = Housekeeper([Chore("call", TICK_SECONDS, outbound.tick)])
            dialler.start()
            stack.push_async_callback(dialler.stop)
            prompts = open_prompts(settings, privacy)
            stack.callback(prompts.close)
            app.add_routes(audio.routes(prompts, china_now))
            if with_demo or settings.browser_phone:
                facts = [demo.facts(person) for person in people]
                pages.bind_phone(app, switchboard, _address(prompts), desk.tapes, facts)
            agi = asterisk.asterisk_server(switchboard, _render(prompts), recordings=settings.asterisk_recordings)
            agi_port = await agi.start(settings.agi_host, settings.agi_port)
            stack.push_async_callback(agi.stop)
            third = twilio_line(settings, privacy, engine, app, switchboard, prompts, desk.tapes)
            await stack.enter_async_context(third)
            contexts = Contexts(engine, privacy, ledger, flows, desk.orders, china_now)
            more += context_api.routes(contexts, text.audit)
            if settings.seat_webhook_url:
                secret, full = settings.seat_webhook_secret.get_secret_value(), settings.seat_webhook_full
                seat = SeatWebhook(settings.seat_webhook_url, secret, contexts, china_now, full=full)
                await seat.start()
                stack.push_async_callback(seat.stop)
                switchboard.handing_over.append(seat.hand_over)
            recent, board = RecentCalls(engine), telephones.board
            topics, queues = (lambda: titles(flows.current)), (lambda: queue_titles(flows.current))
            parts = Parts(desk, figures, contexts, recent, bulletins, topics, queues, board)
            bind_staff(app, staff, parts)
            health.bind_health(app, engine, ledger, flows)
        else:
            health.bind_health(app, engine, ledger, None)

        add_text_routes(app, text, more, settings.public_url, settings.trusted_proxies)
        there = {resource.canonical for resource in app.router.resources()}
        pages.bind_start(app, {"/phone", "/sandbox", "/staff"} - there)
        port = await _listen(stack, app, settings)
        log.info("hotline_open", port=port, agi_port=agi_port, only=only or "everything")
        yield Hotline(settings, port, agi_port, switchboard, text, desk, staff, telephones, people)
        log.info("hotline_closing", calls=len(switchboard.calls) if switchboard else 0)


def _outbound(
    telephones: Telephones, engine: AsyncEngine, desk: Desk, text: TextService, settings: Settings
) -> Outbound:
    """Calls that we place; with an exchange, codes can be spoken."""
    outbound = Outbound(
        telephones.ami, telephones.board, engine, desk.call_backs, text.codes.spoken,
        settings.outbound, settings.callbacks, lambda: desk.calendar(),
    )  # fmt: skip
    if telephones.ami.configured:
        text.codes.call = outbound.code
    return outbound


def _chores(engine: AsyncEngine, pins: Pins, settings: Settings) -> list[Chore]:
    """What the voice side does now and then."""

    def ago(days: int) -> datetime:
        return china_now() - timedelta(days=days)

    return [
        Chore("forget pin tries", 3600, lambda: pins.tidy(china_now())),
        Chore("forget callers", 3600, lambda: forget_callers(engine, ago(settings.keep_callers_days))),
        Chore("look at the calendar", 86_400, health.look_at_calendar),
        Chore("remove old calls", 86_400, lambda: remove_old(engine, ago(settings.keep_calls_days))),
    ]


def _address(prompts: Prompts) -> Address:
    """Where a page fetches an utterance: on its own host, whatever that is called."""

    async def address(utterance: Utterance) -> str:
        return urlsplit(await prompts.address(utterance, china_now())).path

    return address


def _render(prompts: Prompts) -> asterisk.Render:
    """Where Asterisk fetches an utterance, and how long it takes to play."""

    async def render(utterance: Utterance) -> asterisk.Audio:
        prompt = await prompts.prompt(utterance)
        return asterisk.Audio(prompts.address_of(prompt, china_now()), prompt.seconds)

    return render


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
        link = await hotline.staff.first_link()
        gc.collect()
        gc.freeze()  # what is loaded now stays: looking through it again and again stops everybody for 0.1 s
        ready(hotline, link)
        await stop.wait()
