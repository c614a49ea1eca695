"""Opens the third line: calls that Twilio carries, which come as HTTP requests to any node."""

from aiohttp import web

from hotline.settings import Settings
from ivr.call import Switchboard, china_now
from ivr.lines import twilio_http
from ivr.lines.twilio import TwilioVoice
from ivr.lines.twilio_turns import Turns
from ivr.lines.twiml import Sound
from ivr.prompts import Prompts
from ivr.utterance import Utterance


def open_twilio(
    settings: Settings, switchboard: Switchboard, turns: Turns, prompts: Prompts, app: web.Application
) -> TwilioVoice:
    """Put `/twilio/...` into the application. Stop it before the records stop."""
    chosen, public = settings.twilio_voice, settings.public_url.rstrip("/")
    audio_url = chosen.audio_url.rstrip("/") or public

    async def speak(utterance: Utterance) -> Sound:
        if chosen.speak == "say":
            return Sound()
        prompt = await prompts.prompt(utterance)
        address = prompts.address_of(prompt, china_now())
        return Sound(audio_url + address[address.rindex("/audio/") :], prompt.seconds)

    voice = TwilioVoice(switchboard, turns, speak, chosen, f"{public}{twilio_http.PATH}/turn")
    gate = twilio_http.Gate(chosen, public, settings.trusted_proxies)
    app.add_routes(twilio_http.routes(voice, gate, chosen))
    return voice
