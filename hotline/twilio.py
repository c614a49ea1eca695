"""Opens the third line: calls that Twilio carries, which come as HTTP requests to any node."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from fund.clock import china_now
from fund.privacy import Privacy
from hotline.placing_twilio import ByTwilio
from hotline.settings import Settings
from hotline.tapes import Tapes
from ivr.addresses import Addresses
from ivr.call import Switchboard
from ivr.lines import twilio_http
from ivr.lines.twilio import Speak
from ivr.lines.twilio_calls import TwilioVoice
from ivr.lines.twilio_tapes import TwilioTapes
from ivr.lines.twilio_turns import Turns
from ivr.lines.twiml import Sound
from ivr.prompts import Prompts
from ivr.utterance import Utterance
from sms.housekeeping import Chore, Housekeeper


@asynccontextmanager
async def twilio_line(
    settings: Settings,
    privacy: Privacy,
    engine: AsyncEngine,
    app: web.Application,
    switchboard: Switchboard,
    prompts: Prompts,
    tapes: Tapes,
    placed: ByTwilio | None = None,
) -> AsyncIterator[None]:
    """`/twilio/...` in the application, when it is set up. Leave it before the records stop.

    `placed`: what places calls by Twilio, if anything does.
    """
    chosen, public = settings.twilio_voice, settings.public_url.rstrip("/")
    if not chosen.on:
        yield
        return
    audio_url = chosen.audio_url.rstrip("/") or public
    addresses = Addresses(f"{audio_url}/twilio", privacy.key("twilio tape addresses"))
    recordings = TwilioTapes(chosen, tapes, addresses, china_now)
    await recordings.start()
    turns, address = Turns(engine, privacy), f"{public}{twilio_http.PATH}"
    speak = _speaker(prompts, audio_url) if chosen.speak == "play" else _by_twilio
    voice = TwilioVoice(switchboard, turns, speak, chosen, address, tapes=recordings)
    gate = twilio_http.Gate(chosen, public, settings.trusted_proxies)
    app.add_routes(twilio_http.routes(voice, gate, chosen, placed.told if placed else None))
    app.add_routes(twilio_http.tape_routes(recordings))
    chores = Housekeeper([Chore("end forgotten calls", 600, voice.end_forgotten)])
    chores.start()
    try:
        yield
    finally:
        await chores.stop()
        await voice.stop()
        await recordings.stop()


def _speaker(prompts: Prompts, audio_url: str) -> Speak:
    """Our own sound, at addresses that reach this node."""

    async def speak(utterance: Utterance) -> Sound:
        prompt = await prompts.prompt(utterance)
        address = prompts.address_of(prompt, china_now())
        return Sound(audio_url + address[address.rindex("/audio/") :], prompt.seconds)

    return speak


async def _by_twilio(_: Utterance) -> Sound:
    return Sound()
