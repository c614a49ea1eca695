"""The telephone line of a cloud carrier: Twilio carries the call, asks us what to do at each turn, and plays it.

A turn is one request and its answer. The call is parked between two (`ivr.line.Parked`), so nothing of it lives in this
process: any node takes the next turn, from the saved state. Turns are numbered in their addresses, and taken once
(`ivr.lines.twilio_turns`): a repeated request gets the same answer, an old one is led to the present turn.

Twilio waits 15 s. A turn that takes longer than `Switchboard` lets a caller wait in silence is answered in two parts:
first "please wait", then, when Twilio asks again, the rest. Whatever fails, the caller is connected to a person; one
whom we called hears an apology.
"""

import asyncio
from asyncio import Task
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from ivr.actions import Action, HangUp, Listen, LookUp, Record, Say, Transfer
from ivr.line import Parked
from ivr.lines import twiml
from ivr.lines.twilio_settings import TwilioVoiceSettings
from ivr.lines.twilio_tapes import TwilioTapes
from ivr.lines.twilio_turns import Answer
from ivr.lines.twiml import Sound, Ways
from ivr.utterance import Utterance

Speak = Callable[[Utterance], Awaitable[Sound]]


class TwilioLine:
    """See `ivr.line.Line`. Its words become `answer`; words that keep company during a look-up are told at once."""

    name = "twilio"

    def __init__(
        self,
        speak: Speak,
        tapes: TwilioTapes | None,
        settings: TwilioVoiceSettings,
        ways: Ways,
        wait: Callable[[Answer], Awaitable[None]],
        call_id: str,
    ) -> None:
        self._speak, self._tapes, self._settings, self._ways, self._wait = speak, tapes, settings, ways, wait
        self._fallback = twiml.fallback(settings, call_id)
        self._says: list[Say] = []
        self.answer = ""

    async def listen(self, says: Sequence[Say], listen: Listen) -> str | None:
        kept_back = listen.secret and self._settings.pins == "people"
        self.answer = self._fallback if kept_back else await self._twiml(*says, listen)
        raise Parked

    async def record(self, says: Sequence[Say], record: Record) -> float | None:
        if self._tapes is None:
            self._says += says
            return None
        self.answer = await self._twiml(*says, record)
        raise Parked

    async def play(self, says: Sequence[Say]) -> None:
        self._says += says

    async def company(self, says: Sequence[Say], task: "Task[Any]") -> None:
        """Twilio says this once, and the last of it again and again until the answer is there."""
        question = LookUp("")
        first, more = await asyncio.gather(self._twiml(*says, question), self._twiml(*says[-1:], question))
        await self._wait(Answer(first, more))
        await asyncio.wait({task})

    async def transfer(self, says: Sequence[Say], to: Transfer) -> str | None:
        self.answer = self._fallback if to.for_good else await self._twiml(*says, to)
        raise Parked

    async def hang_up(self) -> None:
        self.answer = await self._twiml(HangUp())

    async def _twiml(self, *actions: Action) -> str:
        says = twiml.breaths([*self._says, *(action for action in actions if isinstance(action, Say))])
        self._says = []
        sounds: dict[Utterance | str, Sound] = {}
        for say in says:
            if not say.recording:
                sounds[say.utterance] = await self._speak(say.utterance)
            elif self._tapes and (sound := await self._tapes.sound(say.recording, say.seconds)):
                sounds[say.recording] = sound
        return twiml.respond([*says, actions[-1]], sounds, self._settings, self._ways)
