"""The telephone line: a call that Asterisk carries and this service leads, by FastAGI.

Asterisk's dialplan is the caller's safety net (`deploy/asterisk/extensions.conf`), and three things here hold it up:
`HOTLINE_NEXT` says what comes after us, and when it is not set the dialplan asks again; `TIMEOUT(absolute)` is moved
ahead before each thing that takes time, so that a frozen service loses the call to people; and a connection on which we
stay silent too long is closed (`ivr.lines.agi`).

A frozen service holds a caller for the rest of the prompt, one wait of the node and `SILENT_SECONDS`, and in a field of
several keys `PAUSE_SECONDS` more for each key of a command: with the usual wait of 5 s, people are called 9 s after the
end of a menu, 16 s after the end of the question for a PIN. So keys that follow each other quickly come in one command,
and after a pause the next command waits anew: a slow caller has the node's whole wait for every key.

Asterisk throws away keys pressed between two commands. That gap is a few milliseconds when we answer at once, and no
two keys are so close (a key lasts 0.08 s with Asterisk, and its pause 0.045 s); when we do not, keys are overheard and
kept.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import groupby
from types import MappingProxyType
from typing import Any, TypeVar

import structlog

from fund.clock import china_now
from fund.phone import caller_number
from ivr.actions import Listen, Record, Say, Transfer
from ivr.call import Switchboard
from ivr.events import Event, LeftQueue, Served, Started, TransferFailed
from ivr.flow import LAST_RESORT_QUEUE
from ivr.keys import Keypad
from ivr.line import Parked
from ivr.lines.agi import ALL_KEYS, AgiCall, AgiServer, Digits, ProtocolFault
from ivr.utterance import Utterance

log = structlog.get_logger()

SILENT_SECONDS = 4.0  # a caller who hears nothing for so long, outside a question's own wait, is taken from us
PAUSE_SECONDS = 1.4  # keys no further apart come in one command: unhurried fingers press about one a second,
BURST_KEYS = 6  # and so many at most
OVERHEAR_SECONDS = 0.08  # after so long without a command, keys are overheard
RECORDINGS = "/var/spool/asterisk/hotline"  # which this service sees as HOTLINE_RECORDINGS
RATE = 8000  # samples a second
CLOSING_SECONDS = 3.0  # how long a `#` after a full field belongs to that field
_CALL_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_QUEUE = re.compile(r"[a-z][a-z0-9_]{0,30}")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Audio:
    """A sound that Asterisk can play: an http(s) address, or a file of a disk it shares, without `.wav`; its length."""

    address: str
    seconds: float


Words = Utterance | Audio  # what is said; a caller's own recording is a sound already
Render = Callable[[Utterance], Awaitable[Audio]]
_NOTHING = Utterance()


class AsteriskLine:
    """See `ivr.line.Line`."""

    name = "asterisk"

    def __init__(self, agi: AgiCall, render: Render, *, most_waiting: int = 50, recordings: str = RECORDINGS) -> None:
        """`most_waiting`: a queue with so many callers is full. `recordings`: Asterisk's folder of what callers say."""
        self._agi, self._render, self._most_waiting = agi, render, most_waiting
        self._recordings = recordings
        self._keys = Keypad()
        self._loop = asyncio.get_running_loop()
        self._gap: asyncio.TimerHandle | None = None
        self._closing: asyncio.TimerHandle | None = None
        self._paced: dict[str, float] = {}
        self.told = False  # whether the dialplan knows what comes after us

    async def listen(self, says: Sequence[Say], listen: Listen) -> str | None:
        """Say, then collect keys; what can be interrupted is played by the command that collects."""
        *before, (last, interruptible) = self._breaths(says) or [(_NOTHING, True)]
        for words, cut in before:
            await self._speak(words, cut)
        if not interruptible:
            await self._speak(last, False)
            last = _NOTHING
        digits = await self._collect(last, listen)
        self._rest()
        return digits

    async def record(self, says: Sequence[Say], record: Record) -> float | None:
        """Say; a key leads to the beep at once and to nothing else. Asterisk writes the file on its own disk."""
        await self.play(says)
        self._busy()
        self._keys.forget()
        deadline = record.most_seconds + SILENT_SECONDS
        await self._agi.set_variable("TIMEOUT(absolute)", f"{deadline:.1f}")
        file, silence = f"{self._recordings}/{record.name}", round(record.silence_seconds)
        samples = await self._agi.record_file(file, "#", round(record.most_seconds * 1000), silence)
        self._rest()
        if samples is None:
            log.error("cannot_record", folder=self._recordings)
            return None
        return samples / RATE

    async def play(self, says: Sequence[Say]) -> None:
        """Say, to the end or to a key."""
        for words, interruptible in self._breaths(says):
            await self._speak(words, interruptible)
        self._rest()

    async def company(self, says: Sequence[Say], task: "asyncio.Task[Any]") -> None:
        """Say while `task` runs, and the last of it again every few seconds."""
        while not (task.done() or self._agi.gone):
            await self.play(says)
            self._overhear()
            await asyncio.wait({task}, timeout=SILENT_SECONDS - 1)
            says = says[-1:]

    async def transfer(self, says: Sequence[Say], to: Transfer) -> str | None:
        """Say, then let the dialplan queue the caller, unless nobody is there or too many wait already.

        It comes back to us, perhaps on another node, when the people are done (`came_back`).
        """
        await self.play(says)
        if to.for_good:
            await self.leave("people", to.queue)
            return None
        outside = to.queue.isdigit()
        if not outside and (why := await self._obstacle(to.queue)):
            return why
        await self._agi.set_variable("HOTLINE_KEYS", to.keys)
        await self._agi.set_variable("HOTLINE_OVERFLOW", f"{to.overflow_seconds:.0f}")
        await self.leave("number" if outside else "queue", to.queue)
        raise Parked

    async def hang_up(self) -> None:
        """Let the dialplan hang up."""
        await self.leave("hangup")

    async def leave(self, what: str, queue: str = "") -> None:
        """Tell the dialplan what comes next, and give the call back to it."""
        self._busy()
        await self._agi.set_variable("HOTLINE_QUEUE", queue)
        await self._agi.set_variable("HOTLINE_NEXT", what)
        self.told = True
        self._agi.close()

    # speaking and collecting

    def _breaths(self, says: Sequence[Say]) -> list[tuple[Words, bool]]:
        """What stands side by side and is interruptible alike is said in one breath: one sound, no gaps."""
        breaths: list[tuple[Words, bool]] = []
        for (interruptible, recording), together in groupby(says, lambda say: (say.interruptible, say.recording)):
            if recording:
                seconds = max(say.seconds for say in together)
                breaths.append((Audio(f"{self._recordings}/{recording}", seconds), interruptible))
            else:
                breaths.append((sum((say.utterance for say in together), _NOTHING), interruptible))
        return breaths

    async def _speak(self, words: Words, interruptible: bool) -> None:
        escape, at = ALL_KEYS if interruptible else "", 0
        while words and not (interruptible and not self._keys.idle):
            key, at = await self._played(words, 0, partial(self._agi.stream_file, escape=escape, offset=at))
            if not key:
                return
            self._keys.press(key)  # if it was only the `#` of the field before, go on from where it cut us off

    async def _collect(self, words: Words, listen: Listen) -> str | None:
        digits, finished = self._keys.take(listen.most)
        while not finished:
            room = min(listen.most - len(digits), BURST_KEYS)
            heard = await self._played(
                _NOTHING if digits else words,
                listen.wait_seconds + (room - 1) * PAUSE_SECONDS,
                partial(self._keys_of, wait_seconds=listen.wait_seconds, most=room),
                self._pace(listen.wait_seconds, room),
            )
            self._keys.press(heard.digits + "#" * (heard.ended_by == "key"))
            digits, finished = self._keys.take(listen.most, digits)
            if heard.ended_by == "timeout" and not heard.digits:
                break
        self._expect_closing()
        return digits or None

    async def _keys_of(self, file: str, wait_seconds: float, most: int) -> Digits:
        return await self._agi.get_data(file, round(wait_seconds * 1000) if most == 1 else 0, most)

    def _pace(self, wait_seconds: float, most: int) -> dict[str, float]:
        """What the channel must be told of the time for several keys, and does not know yet."""
        wanted = {} if most == 1 else {"response": wait_seconds, "digit": PAUSE_SECONDS}
        told, self._paced = self._paced, self._paced | wanted
        return {name: seconds for name, seconds in wanted.items() if told.get(name) != seconds}

    async def _played(
        self,
        words: Words,
        wait_seconds: float,
        command: Callable[[str], Awaitable[T]],
        pace: Mapping[str, float] = MappingProxyType({}),
    ) -> T:
        """Run a command with the sound of these words, once more if the sound was not there.

        Asterisk loses a sound that two calls fetch at the same time for the first time.
        """
        for last_try in (False, True):
            audio = words if isinstance(words, Audio) else await self._render(words) if words else Audio("", 0)
            self._busy()
            times = {"absolute": audio.seconds + wait_seconds + SILENT_SECONDS, **pace}
            await self._agi.set_variables({f"TIMEOUT({name})": f"{seconds:.1f}" for name, seconds in times.items()})
            try:
                return await command(audio.address)
            except FileNotFoundError:
                log.warning("sound_not_played", sound=audio.address.rpartition("/")[2], last_try=last_try)
                if last_try:
                    raise
                if isinstance(words, Audio):
                    words = Audio("silence/1", 1)  # a recording that is gone is no reason to lose the call
        raise AssertionError

    async def _obstacle(self, queue: str) -> str | None:
        """Why a caller cannot be sent to this queue now."""
        if not _QUEUE.fullmatch(queue):
            return "failed"
        self._busy()
        name = f"hotline-{queue}"
        answer = await self._agi.evaluate(
            f"${{QUEUE_EXISTS({name})}}/${{QUEUE_MEMBER({name},logged)}}/${{QUEUE_WAITING_COUNT({name})}}"
        )
        exists, logged_in, waiting = (int(part or 0) for part in answer.split("/"))
        if not exists:
            return "failed"
        if not logged_in:
            return "closed"
        return "full" if waiting >= self._most_waiting else None

    # the gap between two commands

    def _busy(self) -> None:
        if self._gap:
            self._gap.cancel()

    def _rest(self) -> None:
        self._busy()  # a field may have been full before anything was said
        self._gap = self._loop.call_later(OVERHEAR_SECONDS, self._overhear)

    def _overhear(self) -> None:
        self._agi.overhear(self._keys.press)

    def _expect_closing(self) -> None:
        if self._closing:
            self._closing.cancel()
        self._closing = self._loop.call_later(CLOSING_SECONDS, self._keys.forget_closing)


def came_back(fields: Mapping[str, str], at: datetime) -> Event | None:
    """Why the dialplan gives a call to us, by AGI()'s arguments: people had it, or we placed it; None otherwise."""
    match [fields.get(f"agi_arg_{n}", "") for n in (1, 2, 3)]:
        case ["left", str(key), _] if re.fullmatch(r"[0-9*#]", key):
            return LeftQueue(key, at)
        case ["served", str(agent), str(seconds)] if re.fullmatch(r"\d{1,6}", seconds):
            return Served(agent[:40], int(seconds), at)
        case ["outgoing", str(purpose), _]:
            return Started("", at, purpose)
        case ["unanswered", "closed" | "full" | "failed" as why, _]:
            return TransferFailed(why, at)
    return None


def _id_of(fields: Mapping[str, str]) -> str:
    """The channel's own id; where an agent was rung first, the call's, since the channel is only one end of it."""
    placed = fields.get("agi_arg_3", "") if fields.get("agi_arg_1") == "outgoing" else ""
    return placed or fields["agi_uniqueid"]


def asterisk_server(
    switchboard: Switchboard, render: Render, *, most_calls: int = 2000, recordings: str = RECORDINGS
) -> AgiServer:
    """A FastAGI server that gives each call to the switchboard, and each call back to the dialplan with an answer."""

    async def answer(agi: AgiCall) -> None:
        call_id = _id_of(agi.fields)
        if not _CALL_ID.fullmatch(call_id):
            raise ProtocolFault("not a call id")
        line = AsteriskLine(agi, render, recordings=recordings)
        caller = caller_number(agi.fields.get("agi_callerid", ""))
        await switchboard.connect(line, call_id, caller, came_back(agi.fields, china_now()))
        if not (line.told or agi.gone):
            await line.leave("people", LAST_RESORT_QUEUE)

    return AgiServer(answer, most_calls=most_calls)
