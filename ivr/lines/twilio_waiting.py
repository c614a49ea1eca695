"""What a caller hears who waits in a queue at Twilio: how many are ahead, what may be done instead, and music. Pure."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from twilio.twiml.voice_response import VoiceResponse

from ivr.actions import Say
from ivr.flow import Flow
from ivr.lines.twilio_settings import TwilioVoiceSettings
from ivr.lines.twiml import Sounds, Ways, speak
from ivr.speech import Value
from ivr.transferring import CHOICES
from ivr.utterance import Utterance, fill


def words(flow: Flow, language: str, keys: str, form: Mapping[str, str]) -> list[Say]:
    """The caller's place, and the keys that lead out of the queue, as the `transfer` node has offered them before."""
    ahead = max(0, int(form.get("QueuePosition") or 1) - 1)
    minutes = max(1, math.ceil(int(form.get("AvgQueueTime") or 0) * (ahead + 1) / 60))
    place = "queue_ahead" if ahead else "queue_next"
    says = [_phrase(flow, language, place, ahead=("number", ahead), minutes=("number", minutes))]
    for key in keys:
        offer, press = f"queue_{CHOICES[key]}", {"key": ("text", key)}
        says.append(Say(_phrase(flow, language, offer).utterance + _phrase(flow, language, "press", **press).utterance))
    return says


def wait(says: Sequence[Say], sounds: Sounds, settings: TwilioVoiceSettings, ways: Ways, keys: str) -> str:
    """The words, then music, again and again; any key is told to us."""
    response = VoiceResponse()
    here = ways.waiting(keys)
    gather = response.gather(
        input="dtmf", action=here, method="POST", action_on_empty_result=True, finish_on_key="", num_digits=1, timeout=1
    )
    speak(gather, says, sounds, settings)
    gather.play(settings.music)
    response.redirect(here, method="POST")
    return str(response)


def leave() -> str:
    """Out of the queue: Twilio asks what comes then, at the `action` of the `<Enqueue>`."""
    response = VoiceResponse()
    response.leave()
    return str(response)


def _phrase(flow: Flow, language: str, name: str, **values: tuple[str, Value]) -> Say:
    phrase: Mapping[str, Any] = flow.phrases[name]
    spoken: Any = language if language in phrase else "zh"
    return Say(Utterance(fill(phrase[spoken], values, spoken, personal=False)))
