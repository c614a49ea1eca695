"""Every call that Twilio carries: each turn is taken once, on one node, and answered alike wherever it is asked.

What this node remembers makes repeats quick and carries calls on while the database is away; the truth is in the
database (`ivr.lines.twilio_turns`).
"""

import asyncio
import time
from asyncio import Task
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from fund.clock import china_now
from ivr.actions import Say
from ivr.call import Switchboard
from ivr.events import Event, Recorded
from ivr.lines import twilio_waiting, twiml
from ivr.lines.twilio import Speak, TwilioLine
from ivr.lines.twilio_asked import Asked, placed_for
from ivr.lines.twilio_settings import TwilioVoiceSettings
from ivr.lines.twilio_tapes import TwilioTapes
from ivr.lines.twilio_turns import Answer, Away, Claim, Turns
from ivr.lines.twiml import Sounds, Ways

log = structlog.get_logger()

DESPAIR_SECONDS = 25.0  # a turn without a word for so long has failed
FOLLOW_SECONDS = 0.2  # how often a turn that another node takes is looked at
CLOSING_SECONDS = 3.0  # how long a `#` after a full field belongs to that field
FORGOTTEN = timedelta(hours=5)  # no call at Twilio is longer than four hours
MOST_REMEMBERED = 10_000
STOP_SECONDS = 2.0


class _Turn:
    """A turn on this node: what is known of its answer, and whoever waits for it."""

    def __init__(self, n: int) -> None:
        self.n, self.began = n, time.monotonic()
        self.ours = False  # taken here, so that the state kept here is that after it
        self.over = False  # nothing comes after it
        self.answer: Answer | None = None
        self.task: Task[None] | None = None
        self._changed = asyncio.Condition()

    async def set(self, answer: Answer) -> None:
        """Tell the answer, or the first part of it."""
        async with self._changed:
            self.answer = answer
            self._changed.notify_all()

    async def part(self, part: int, seconds: float) -> str | None:
        """The first words, or the last (1), or the words meanwhile; None when there is nothing to tell in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(lambda: self.answer and (self.answer.done or not part))
        if not self.answer:
            return None
        return (self.answer.last or self.answer.more or self.answer.first) if part else self.answer.first


class TwilioVoice:
    """Every call that Twilio carries: `answer` each turn, `close` what has ended."""

    def __init__(
        self,
        switchboard: Switchboard,
        turns: Turns,
        speak: Speak,
        settings: TwilioVoiceSettings,
        address: str,
        *,
        tapes: TwilioTapes | None = None,
        clock: Callable[[], datetime] = china_now,
        answer_seconds: float = 4.0,
        parting_seconds: float = 30.0,
    ) -> None:
        """`address`: the public address of `/twilio/voice`. Twilio gives up on an answer after 15 s.

        `parting_seconds`: how long the end of a call waits for the recording it broke off.
        """
        self._switchboard, self._turns, self._speak = switchboard, turns, speak
        self._settings, self._address = settings, address
        self._clock, self._answer_seconds, self._parting_seconds = clock, answer_seconds, parting_seconds
        self._tapes = tapes
        self._parting: dict[str, Task[None]] = {}  # calls that have ended, whose recording is still to come
        self._here: dict[str, _Turn] = {}  # the last turn of each call this node has heard of

    async def stop(self) -> None:
        """Let our own turns under way come to their end, for a moment: what they did is kept for the next node.

        Those that another node takes are not waited for; a message whose recording has not come is settled later.
        """
        under_way = {turn.task for turn in self._here.values() if turn.ours and turn.task and not turn.task.done()}
        if under_way:
            await asyncio.wait(under_way, timeout=STOP_SECONDS)
        left = [*self._parting.values(), *(turn.task for turn in self._here.values() if turn.task)]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def answer(self, asked: Asked) -> str:
        """What Twilio is to do now."""
        if asked.closes_the_field_before(self._clock().timestamp()):
            return self._lead_to(asked.call_id, asked.n - 1)
        turn = self._here.get(asked.call_id)
        if turn is None or turn.n < asked.n:
            turn = self._begin(asked, turn)
        elif turn.n > asked.n:
            return self._lead_to(asked.call_id, turn.n)
        words = await turn.part(asked.part or 0, self._answer_seconds)
        if words is None and time.monotonic() - turn.began > DESPAIR_SECONDS:
            log.error("twilio_turn_lost", call=asked.call_id, turn=asked.n)
            return twiml.fallback(self._settings, asked.call_id)
        return words or twiml.redirect(self._ways(asked).again(asked.part or 0), pause_seconds=1)

    async def close(self, call_id: str) -> None:
        """The call has ended, as Twilio says; late, early or again, it ends once.

        Whoever hangs up while speaking has left a message: its recording is told of later than the end.
        """
        turn = self._here.get(call_id)
        if turn and turn.task:
            await asyncio.wait({turn.task}, timeout=self._answer_seconds)
        _, state = await self._switchboard.parked(call_id)
        if not state or state.waiting != "record":
            await self._end(call_id)
        elif call_id not in self._parting:
            self._parting[call_id] = asyncio.create_task(self._end_later(call_id))

    async def wait(self, call_id: str, n: int, keys: str, form: Mapping[str, str]) -> str:
        """What a caller hears who waits in a queue at Twilio, since turn `n`; one of `keys` leads out of it."""
        pressed = form.get("Digits", "")[:1]
        if pressed and pressed in keys:
            await self._note_leaving(call_id, n, pressed)
            return twilio_waiting.leave()
        says, sounds = await self._waiting_words(call_id, keys, form)
        return twilio_waiting.wait(says, sounds, self._settings, Ways(self._turns_url(call_id), n, 0), keys)

    async def _waiting_words(self, call_id: str, keys: str, form: Mapping[str, str]) -> tuple[list[Say], Sounds]:
        try:
            flow, state = await self._switchboard.parked(call_id)
            says = twiml.breaths(twilio_waiting.words(flow, state.language if state else "zh", keys, form))
            return says, {say.utterance: await self._speak(say.utterance) for say in says}
        except Exception:  # the music plays on
            log.exception("twilio_wait_failed", call=call_id)
            return [], {}

    async def _note_leaving(self, call_id: str, n: int, key: str) -> None:
        """For the turn that comes next, here or on another node."""
        turn = self._here.get(call_id)
        if turn and turn.answer:
            turn.answer = replace(turn.answer, left_by=key)
        with suppress(Away):
            if answer := await self._turns.latest(call_id):
                await self._turns.answer(call_id, n, replace(answer, left_by=key), self._clock())

    async def end_forgotten(self) -> None:
        """End calls of whose end Twilio has told nobody: no status callback is set, or it was lost."""
        with suppress(Away):
            for call_id in await self._turns.forgotten(self._clock() - FORGOTTEN):
                log.warning("twilio_call_forgotten", call=call_id)
                await self._end(call_id)

    async def recorded(self, call_id: str, tape: str, url: str) -> None:
        """A recording is ready at Twilio."""
        if self._tapes:
            await self._tapes.bring(tape, url)
        if call_id in self._parting:
            await self._end(call_id)

    async def _end_later(self, call_id: str) -> None:
        await asyncio.sleep(self._parting_seconds)
        await self._end(call_id)

    async def _end(self, call_id: str) -> None:
        parting = self._parting.pop(call_id, None)
        if parting and parting is not asyncio.current_task():
            parting.cancel()
        with suppress(Away):
            await self._turns.close(call_id, self._clock())
        await self._switchboard.close(TwilioLine.name, call_id)
        turn = self._here.setdefault(call_id, _Turn(-1))
        turn.over = True
        await turn.set(Answer(twiml.hung_up()))

    def _begin(self, asked: Asked, before: _Turn | None) -> _Turn:
        self._here.pop(asked.call_id, None)
        self._here[asked.call_id] = turn = _Turn(asked.n)
        while len(self._here) > MOST_REMEMBERED:
            self._here.pop(next(iter(self._here)))
        turn.task = asyncio.create_task(self._run(turn, asked, before))
        return turn

    async def _run(self, turn: _Turn, asked: Asked, before: _Turn | None) -> None:
        try:
            if before and before.task:
                await asyncio.wait({before.task})
            if before and before.over:
                turn.over = True
                await turn.set(Answer(twiml.hung_up()))
                return
            if asked.result == "leave":
                asked = replace(asked, left_by=await self._left_by(asked.call_id, before))
            await self._take(turn, asked, await self._claim(turn, asked, before))
        except Exception:  # whatever it was, the caller reaches a person
            log.exception("twilio_turn_failed", call=asked.call_id, turn=asked.n)
            await turn.set(Answer(twiml.fallback(self._settings, asked.call_id)))

    async def _left_by(self, call_id: str, before: _Turn | None) -> str:
        with suppress(Away):
            if answer := await self._turns.latest(call_id):
                return answer.left_by
        return before.answer.left_by if before and before.answer else ""

    async def _claim(self, turn: _Turn, asked: Asked, before: _Turn | None) -> Claim:
        """The turn, once it is ours or somebody has answered it."""
        while True:
            try:
                claim = await self._turns.claim(asked.call_id, asked.n, self._clock())
            except Away:
                known = not asked.n or (before is not None and before.ours and before.n == asked.n - 1)
                return Claim("ours" if known else "adopted")
            if claim.is_ != "taken" or (claim.answer and claim.answer.done):
                return claim
            if claim.answer:
                await turn.set(claim.answer)
            await asyncio.sleep(FOLLOW_SECONDS)

    async def _take(self, turn: _Turn, asked: Asked, claim: Claim) -> None:
        match claim.is_:
            case "ours" | "adopted":
                turn.ours = True
                news = claim.is_ == "ours" or not asked.n
                await self._play(turn, asked, asked.event(self._clock()) if news else None)
            case "taken":
                assert claim.answer
                await turn.set(claim.answer)
            case "stale":
                await turn.set(Answer(self._lead_to(asked.call_id, claim.n)))
            case "over":
                await turn.set(Answer(twiml.hung_up()))

    async def _play(self, turn: _Turn, asked: Asked, heard: Event | None) -> None:
        if isinstance(heard, Recorded):
            heard = await self._brought(asked, heard)
        if asked.ended:
            await self._end(asked.call_id)
            return

        async def wait(answer: Answer) -> None:
            await self._keep(asked, answer)
            await turn.set(answer)

        line = TwilioLine(self._speak, self._tapes, self._settings, self._ways(asked), wait, asked.call_id)
        call = await self._switchboard.connect(line, asked.call_id, asked.caller, heard, asked.n)
        answer = replace(turn.answer, last=line.answer) if turn.answer else Answer(line.answer)
        turn.over = call.ended_at is not None
        if await self._keep(asked, answer, over=turn.over):
            await turn.set(answer)
        else:  # the caller hung up meanwhile, as another node was told
            await self._end(asked.call_id)

    async def _brought(self, asked: Asked, heard: Recorded) -> Recorded:
        """The recording is here; if it is not yet, its own callback brings it, and its length is as Twilio says."""
        url = asked.form.get("RecordingUrl", "")
        seconds = await self._tapes.bring(asked.tape, url) if self._tapes and url else None
        return heard if seconds is None else replace(heard, seconds=seconds)

    async def _keep(self, asked: Asked, answer: Answer, *, over: bool = False) -> bool:
        with suppress(Away):
            return await self._turns.answer(asked.call_id, asked.n, answer, self._clock(), over=over)
        return True

    def _ways(self, asked: Asked) -> Ways:
        now = self._clock().timestamp()
        closing = now + CLOSING_SECONDS if asked.filled else 0
        return Ways(self._turns_url(asked.call_id), asked.n, now, closing)

    def _lead_to(self, call_id: str, n: int) -> str:
        return twiml.redirect(Ways(self._turns_url(call_id), n, 0).again(1))

    def _turns_url(self, call_id: str) -> str:
        """Where a call's turns are asked for; Twilio knows a call of ours by another id, so ours is in the address."""
        return f"{self._address}/{call_id}/turn" if placed_for(call_id) else f"{self._address}/turn"
