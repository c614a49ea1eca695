"""What the engine wants done, as TwiML. Pure: the sounds are made, and every address is known, before this is called.

How Twilio takes it:
- Only what stands inside `<Gather>` stops at a key; keys pressed before it are lost. So what must be heard to its end,
  and all before it, stands in front of the `<Gather>`, and the rest inside.
- Silence, or the finishing key alone, is told to us only with `actionOnEmptyResult`.
- A recording without a sound goes on to the next verb, and asks for nothing.
- A finishing key is never told as a digit: one key of a menu is taken without one, so that `#` and `*` are keys too.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from twilio.twiml.voice_response import VoiceResponse

from fund.phone import e164
from ivr.actions import Action, HangUp, Listen, LookUp, Record, Say, Transfer
from ivr.lines.twilio_asked import placed_for
from ivr.lines.twilio_settings import TwilioVoiceSettings
from ivr.utterance import Utterance

EARLY_SECONDS = 1.0  # no silence is reported sooner than it can be over, less this
NOT_REACHED = "如果没有接通，请您稍后再拨。感谢您的来电，再见。"
SORRY = "对不起，打扰您了。如果需要帮助，请拨打0511-12329。再见。"


@dataclass(frozen=True, slots=True)
class Sound:
    """A sound that Twilio can fetch, and its length; without an address Twilio speaks the words itself."""

    address: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Ways:
    """The addresses of one call's turns: this one is `n`. `closing`: until then a `#` ends the field before it."""

    turns: str  # https://hotline.example/twilio/voice/turn
    n: int
    now: float  # seconds since the epoch
    closing: float = 0.0

    def onward(self, **told: float | str) -> str:
        """The next turn, which is told this."""
        told |= {"closing": self.closing} if self.closing > self.now else {}
        query = urlencode({name: value if isinstance(value, str) else round(value) for name, value in told.items()})
        return f"{self.turns}/{self.n + 1}" + (f"?{query}" if query else "")

    def again(self, part: int) -> str:
        """This turn: its first words (0), or what comes after those that keep company during a look-up (1)."""
        return f"{self.turns}/{self.n}?part={part}"

    def waiting(self, keys: str) -> str:
        """Where Twilio asks what a caller hears who waits in a queue, and tells which of `keys` they press."""
        return f"{self.turns.rpartition('/')[0]}/wait/{self.n}" + (f"?{urlencode({'keys': keys})}" if keys else "")

    def recording(self, tape: str) -> str:
        """Where Twilio tells that a recording is ready."""
        return f"{self.turns.rpartition('/')[0]}/recording?tape={tape}"


def breaths(says: Sequence[Say]) -> list[Say]:
    """What stands side by side and is interruptible alike is said in one breath; a recording is one of its own."""
    breaths: list[Say] = []
    for (interruptible, recording), together in groupby(says, lambda say: (say.interruptible, say.recording)):
        if recording:
            breaths += together
        else:
            breaths.append(Say(sum((say.utterance for say in together), Utterance()), interruptible))
    return [breath for breath in breaths if breath.recording or breath.utterance]


Sounds = Mapping[Utterance | str, Sound]  # of each utterance, and of each recording by its name


def respond(actions: Sequence[Action], sounds: Sounds, settings: TwilioVoiceSettings, ways: Ways) -> str:
    """The actions of a step, from the first `Say` to the one that waits. A `LookUp` that takes long asks again."""
    says = breaths([action for action in actions if isinstance(action, Say)])
    speaker = _Speaker(sounds, settings)
    response = VoiceResponse()
    if not isinstance(actions[-1], Listen):
        speaker.speak(response, says)
    match actions[-1]:
        case Listen() as listen:
            _listen(response, says, listen, speaker, ways)
        case Record() as record:
            _record(response, record, ways)
        case Transfer(to, keys):
            place = e164(to) if to.isdigit() else settings.place(to)
            _hand_over(response, place, settings, ways.waiting(keys), action=ways.onward(), method="POST")
        case LookUp():
            response.redirect(ways.again(1), method="POST")
        case HangUp():
            response.hangup()
        case other:
            raise TypeError(f"{type(other).__name__} is not where a turn ends")
    return str(response)


def redirect(address: str, *, pause_seconds: int = 0) -> str:
    """Ask there, after a pause."""
    response = VoiceResponse()
    if pause_seconds:
        response.pause(length=pause_seconds)
    response.redirect(address, method="POST")
    return str(response)


def hung_up() -> str:
    """Nothing more is said."""
    response = VoiceResponse()
    response.hangup()
    return str(response)


def fallback(settings: TwilioVoiceSettings, call_id: str = "") -> str:
    """A person, without any more of our service: a document that may lie on any web server.

    It cannot know whether the person was reached, so what comes after must be true either way. Whom we called
    (`call_id`) is not sent to people because we are broken.
    """
    response = VoiceResponse()
    ours = placed_for(call_id)
    if not ours:
        _hand_over(response, settings.people, settings)
    language, voice = settings.voice("zh")
    response.say(SORRY if ours else NOT_REACHED, language=language, voice=voice)
    return str(response)


def speak(into: Any, says: Sequence[Say], sounds: Sounds, settings: TwilioVoiceSettings) -> None:
    """Say these, in a response or a `<Gather>`."""
    _Speaker(sounds, settings).speak(into, says)


@dataclass(frozen=True, slots=True)
class _Speaker:
    """Puts words into a response, or into a `<Gather>` of it."""

    sounds: Sounds
    settings: TwilioVoiceSettings

    def speak(self, into: Any, says: Sequence[Say]) -> None:
        for say in says:
            if address := self._sound(say).address:
                into.play(address)
                continue
            for language, pieces in groupby(say.utterance.pieces, lambda piece: piece.language):
                code, voice = self.settings.voice(language)
                into.say(Utterance(tuple(pieces)).text, language=code, voice=voice)

    def seconds(self, says: Sequence[Say]) -> float:
        """How long this takes at least: what Twilio speaks itself counts as nothing."""
        return sum(self._sound(say).seconds for say in says)

    def _sound(self, say: Say) -> Sound:
        """A recording that is not here is nothing said."""
        return self.sounds.get(say.recording or say.utterance, Sound())


def _listen(response: Any, says: Sequence[Say], listen: Listen, speaker: _Speaker, ways: Ways) -> None:
    outside = max((n for n, say in enumerate(says, 1) if not say.interruptible), default=0)
    speaker.speak(response, says[:outside])
    quiet = ways.now + speaker.seconds(says) + listen.wait_seconds - EARLY_SECONDS
    onward = ways.onward(most=listen.most, quiet=quiet)
    gather = response.gather(
        input="dtmf",
        action=onward,
        method="POST",
        action_on_empty_result=True,
        finish_on_key="" if listen.most == 1 else "#",
        num_digits=listen.most,
        timeout=max(1, math.ceil(listen.wait_seconds)),
    )
    speaker.speak(gather, says[outside:])
    response.redirect(onward, method="POST")  # only for whoever speaks TwiML and does not tell silence


def _record(response: Any, record: Record, ways: Ways) -> None:
    onward = ways.onward(tape=record.name)
    response.record(
        action=onward,
        method="POST",
        max_length=math.ceil(record.most_seconds),
        timeout=math.ceil(record.silence_seconds),
        finish_on_key="#",
        play_beep=True,
        trim="do-not-trim",
        recording_status_callback=ways.recording(record.name),
        recording_status_callback_method="POST",
    )
    response.redirect(onward, method="POST")  # an empty recording asks for nothing


def _hand_over(response: Any, place: str, settings: TwilioVoiceSettings, wait_url: str = "", **after: str) -> None:
    if place.startswith("queue:"):
        response.enqueue(place.removeprefix("queue:"), wait_url=wait_url, wait_url_method="POST", **after)
        return
    people = place.split(",")
    dial = response.dial(
        timeout=settings.ring_seconds,
        caller_id=settings.caller_id or None,
        sequential=True if len(people) > 1 else None,
        **after,
    )
    for person in people:
        (dial.sip if person.startswith("sip") else dial.number)(person)
