"""The voice side, put together: `open_voice(...)`; the stack it is given stops everything in reverse.

Reads top to bottom: the records, the flows in force, the world they ask, the exchange, and the lines calls come in by.
"""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from urllib.parse import urlsplit

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from desk.bulletin import Bulletins
from fund.clock import china_now
from fund.pins import Pins
from fund.privacy import Privacy
from hotline import demo, health, pages
from hotline.database import open_database
from hotline.desk import Desk
from hotline.exchange import Telephones
from hotline.ground import Ground
from hotline.outbound import Outbound, rules_of
from hotline.placing import Carrier
from hotline.placing_exchange import ByExchange
from hotline.placing_twilio import ByTwilio
from hotline.settings import Settings
from hotline.sounds import Ahead, open_prompts
from hotline.staff.live import Live
from hotline.text import TextService
from hotline.twilio import twilio_line
from hotline.world import FundWorld
from ivr.call import Switchboard
from ivr.lines import asterisk, audio, twilio_http
from ivr.lines.browser import Address
from ivr.loader import load, read_phrases
from ivr.nodes import TextNode
from ivr.prompts import Prompts
from ivr.records import CallRecords, end_lost, forget_callers, remove_old
from ivr.utterance import Utterance
from ivr.versions import FlowVersions
from sms.housekeeping import Chore, Housekeeper


@dataclass(frozen=True)
class VoiceSide:
    """What others may want of it."""

    switchboard: Switchboard
    flows: FlowVersions
    bulletins: Bulletins
    prompts: Prompts
    agi_port: int


async def open_voice(
    stack: AsyncExitStack,
    app: web.Application,
    ground: Ground,
    text: TextService,
    desk: Desk,
    telephones: Telephones,
    live: Live,
    *,
    with_demo: bool,
) -> VoiceSide:
    """Calls are taken as soon as this returns, by every line but those that come through `app`."""
    quick = open_database(ground.settings.own_database_url, flush=False)  # a call does not wait for the disk
    stack.push_async_callback(quick.dispose)
    records = await _open_records(stack, quick, ground, live)
    flows = await _open_flows(stack, ground, text)
    desk.calendar, desk.queues = lambda: flows.current.hours, lambda: flows.current.queues

    pins = Pins(ground.engine, ground.privacy, tries=quick, lock_hours=ground.settings.pin_lock_hours)
    housekeeper = Housekeeper(_chores(ground.engine, ground.privacy, pins, ground.settings))
    housekeeper.start()
    stack.push_async_callback(housekeeper.stop)
    bulletins = Bulletins(ground.engine)
    await bulletins.words_at(china_now())
    carrier = _carrier(ground, telephones)
    outbound = _outbound(ground, text, desk, carrier)
    world = FundWorld(
        ground.ledger,
        pins,
        text,
        lambda name, at: flows.current.hours.is_open(name, at),
        records.note,
        bulletin=bulletins.words_at,
        more={**desk.answers, **(outbound.answers if outbound else {})},
        queue_now=telephones.board.outlook,
    )
    switchboard = Switchboard(flows, world, records)
    await _open_exchange(stack, telephones, switchboard, live)
    if outbound:
        _open_outbound(stack, outbound, ground.settings.outbound.look_seconds)
    prompts = _open_prompts(stack, ground.settings, ground.privacy, flows)
    placed = carrier if isinstance(carrier, ByTwilio) else None
    agi_port = await _open_lines(stack, app, ground, switchboard, desk, prompts, placed, with_demo=with_demo)
    return VoiceSide(switchboard, flows, bulletins, prompts, agi_port)


async def _open_records(stack: AsyncExitStack, quick: AsyncEngine, ground: Ground, live: Live) -> CallRecords:
    records = CallRecords(quick, ground.privacy)
    await records.start()
    stack.push_async_callback(records.stop)
    records.written.append(partial(live.tell, "calls"))
    return records


async def _open_flows(stack: AsyncExitStack, ground: Ground, text: TextService) -> FlowVersions:
    settings = ground.settings
    read = partial(
        load,
        phrases=read_phrases(settings.prompts / "voice.yaml"),
        folder=str(settings.flows),
        texts=text.templates,
    )
    flows = FlowVersions(settings.flows, read, ground.engine)
    await flows.start()
    stack.push_async_callback(flows.stop)
    _agree(text, flows)
    return flows


def _agree(text: TextService, flows: FlowVersions) -> None:
    """No template goes that a menu sends; and a menu that waited for a template is looked at again."""

    def used() -> dict[str, str]:
        return {node.text: f"菜单 {name} " for name, node in flows.current.nodes.items() if isinstance(node, TextNode)}

    async def look_again(_: object) -> None:
        flows.look_again()

    text.wording.used.append(used)
    text.wording.taken_up.append(look_again)


def _open_prompts(stack: AsyncExitStack, settings: Settings, privacy: Privacy, flows: FlowVersions) -> Prompts:
    prompts = open_prompts(settings, privacy)
    stack.callback(prompts.close)
    if settings.sounds_ahead:
        ahead = Ahead(prompts)
        ahead.make(flows.current)
        flows.taken_up.append(ahead.make)
        stack.push_async_callback(ahead.stop)
    return prompts


def _chores(engine: AsyncEngine, privacy: Privacy, pins: Pins, settings: Settings) -> list[Chore]:
    """What the voice side does now and then."""

    def ago(days: int) -> datetime:
        return china_now() - timedelta(days=days)

    return [
        Chore("forget pin tries", 3600, lambda: pins.tidy(china_now())),
        Chore("end lost calls", 3600, lambda: end_lost(engine, privacy, ago(1))),
        Chore("forget callers", 3600, lambda: forget_callers(engine, ago(settings.keep_callers_days))),
        Chore("look at the calendar", 86_400, health.look_at_calendar),
        Chore("remove old calls", 86_400, lambda: remove_old(engine, ago(settings.keep_calls_days))),
    ]


def _carrier(ground: Ground, telephones: Telephones) -> ByExchange | ByTwilio | None:
    """Who places our calls: the telephone exchange; without one, Twilio; or nobody."""
    settings, engine = ground.settings, ground.engine
    if telephones.ami.configured:
        first = settings.callbacks.first == "agent"
        return ByExchange(telephones.ami, telephones.board, engine, settings.outbound, agents_first=first)
    if settings.twilio_voice.on and settings.twilio_voice.number:
        address = settings.public_url.rstrip("/") + twilio_http.PATH
        return ByTwilio(settings.twilio_voice, settings.outbound, engine, address, china_now)
    return None


def _outbound(ground: Ground, text: TextService, desk: Desk, carrier: Carrier | None) -> Outbound | None:
    """Calls that we place: with a carrier, codes can be spoken, who asked is called back, and land lines reminded."""
    desk.call_backs.rules = rules_of(ground.settings.callbacks)
    if carrier is None:
        return None
    outbound = Outbound(
        carrier, desk.call_backs, text.codes.spoken, desk.tell_missed, ground.settings.outbound, lambda: desk.calendar()
    )
    text.codes.call, text.reminders.speak = outbound.code, desk.call_backs.remind
    return outbound


async def _open_exchange(stack: AsyncExitStack, telephones: Telephones, switchboard: Switchboard, live: Live) -> None:
    """Watch the exchange."""
    telephones.close_calls_of(switchboard)
    telephones.board.told.append(partial(live.tell, "board"))
    await telephones.start()
    stack.push_async_callback(telephones.stop)


def _open_outbound(stack: AsyncExitStack, outbound: Outbound, look_seconds: float) -> None:
    """Place calls."""
    outbound.start()
    stack.push_async_callback(outbound.stop)
    dialler = Housekeeper([Chore("call", look_seconds, outbound.tick)])
    dialler.start()
    stack.push_async_callback(dialler.stop)


async def _open_lines(
    stack: AsyncExitStack, app: web.Application, ground: Ground, switchboard: Switchboard, desk: Desk,
    prompts: Prompts, placed: ByTwilio | None, *, with_demo: bool,
) -> int:  # fmt: skip
    """Where the sound is fetched, and the lines that play it: the browser phone, Asterisk, Twilio. Asterisk's port."""
    settings = ground.settings
    app.add_routes(audio.routes(prompts, china_now))
    if with_demo or settings.browser_phone:
        facts = [demo.facts(person) for person in ground.people]
        pages.bind_phone(app, switchboard, _address(prompts), desk.tapes, facts)
    agi = asterisk.asterisk_server(switchboard, _render(prompts), recordings=settings.asterisk_recordings)
    agi_port = await agi.start(settings.agi_host, settings.agi_port)
    stack.push_async_callback(agi.stop)
    third = twilio_line(settings, ground.privacy, ground.engine, app, switchboard, prompts, desk.tapes, placed)
    await stack.enter_async_context(third)
    return agi_port


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
