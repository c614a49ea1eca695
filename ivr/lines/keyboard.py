"""The terminal as a telephone: each line typed is keys pressed, an empty line is silence, the end of input hangs up.

What is heard is printed one prompt a line, so a call can be played by a person, a script or a test.
"""

import asyncio
from asyncio import Task
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from ivr.actions import Listen, Record, Say, Transfer
from ivr.keys import Keypad
from ivr.line import Gone

Keep = Callable[[str, str], Awaitable[float]]  # (name, words): says them onto a recording, and for how many seconds


class KeyboardLine:
    """A line whose caller types. `lines` yields what is typed; `hear` gets every prompt's text.

    Where a caller would speak, the next line typed is what they say; without `keep` it cannot be recorded.
    """

    name = "keyboard"

    def __init__(
        self,
        lines: AsyncIterator[str],
        hear: Callable[[str], None],
        notice: Callable[[str], None],
        keep: Keep | None = None,
    ) -> None:
        self._lines, self._hear, self._notice, self._keep = lines, hear, notice, keep
        self._keypad = Keypad()

    async def listen(self, says: Sequence[Say], listen: Listen) -> str | None:
        await self.play(says)
        digits, finished = self._keypad.take(listen.most)
        while not finished:
            typed = await self._typed()
            if not typed:  # an empty line: time passes, and what was pressed so far counts
                self._keypad.forget_closing()
                return digits or None
            self._keypad.press(typed)
            digits, finished = self._keypad.take(listen.most, digits)
            if digits and not finished:
                return digits  # a line is what was pressed before the caller paused
        return digits

    async def record(self, says: Sequence[Say], record: Record) -> float | None:
        await self.play(says)
        if self._keep is None:
            return None
        self._hear("（录音）")
        self._keypad.forget()
        words = await self._typed()
        return await self._keep(record.name, words) if words else 0.0

    async def play(self, says: Sequence[Say]) -> None:
        for say in says:
            self._hear("（播放录音）" if say.recording else say.utterance.text)

    async def company(self, says: Sequence[Say], task: "Task[Any]") -> None:
        await self.play(says)
        await asyncio.wait({task})

    async def transfer(self, says: Sequence[Say], to: Transfer) -> str | None:
        await self.play(says)
        self._notice(to.queue)
        return None

    async def hang_up(self) -> None:
        return None

    async def _typed(self) -> str:
        try:
            return (await anext(self._lines)).strip()
        except StopAsyncIteration:
            raise Gone from None
