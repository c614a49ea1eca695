"""Whose turn it is to write to an SQLite file, among the writers of this process: first come, first served.

SQLite lets one connection write at a time, and whoever finds it taken looks again now and then. While texts are stored
by the thousand there is next to no moment between two transactions: a caller's PIN waited seconds to be counted.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any
from weakref import WeakValueDictionary

from sqlalchemy import Engine

_Finish = Callable[[], Coroutine[Any, Any, None]]


class Turn:
    """One file's."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self._left_open: _Finish | None = None

    async def take(self, finish: _Finish) -> None:
        """For a writer that may leave its transaction open when it releases `lock`: `finish` commits it for others."""
        await self.lock.acquire()
        try:
            await self._close(finish)
        except BaseException:
            self.lock.release()
            raise
        self._left_open = finish

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """Nobody else of this process writes to the file meanwhile, unless they never asked for a turn."""
        async with self.lock:
            await self._close()
            yield

    async def _close(self, own: _Finish | None = None) -> None:
        """Commit what another left open; to the end, even if who comes now goes again."""
        if self._left_open and self._left_open != own:
            await asyncio.shield(self._left_open())


_turns: WeakValueDictionary[str, Turn] = WeakValueDictionary()


def turn_of(engine: Engine) -> Turn:
    """That of the file which `engine` opens: all engines that open it share it, as long as one of them is in use."""
    file = engine.url.database
    if not file or file == ":memory:":
        return Turn()
    turn = _turns.get(file)
    if turn is None:
        turn = _turns[file] = Turn()
    return turn
