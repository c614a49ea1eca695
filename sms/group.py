"""Group commit: whatever waits while one transaction is being written shares the next one."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

RUSH_SECONDS = 0.5  # longer than a transaction takes
Item = TypeVar("Item")
Result = TypeVar("Result")

_Waiting = tuple[Sequence[Item], asyncio.Future[Sequence[Result]]]


class GroupCommit(Generic[Item, Result]):
    """`await group(item)` returns its result once the transaction that holds it is on the disk.

    `await group.all(items)` does so for several, which are written together or not at all. `write` is given the items
    of one transaction, about `most()` of them that gathered within `pause_seconds()`, and returns as many results. What
    cannot be written takes nobody else down with it: whoever shared the transaction is then written apart.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        most: Callable[[], int] = lambda: 200,
        pause_seconds: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._write = write
        self._most = most
        self._pause_seconds = pause_seconds
        self._waiting: list[_Waiting[Item, Result]] = []
        self._size = 0  # items that wait
        self._writer: asyncio.Task[None] | None = None
        self._behind_at = float("-inf")

    async def __call__(self, item: Item) -> Result:
        return (await self.all([item]))[0]

    async def all(self, items: Sequence[Item]) -> Sequence[Result]:
        """The results of `items`, in their order."""
        if not items:
            return []
        future: asyncio.Future[Sequence[Result]] = asyncio.get_running_loop().create_future()
        self._waiting.append((items, future))
        self._size += len(items)
        if self._size >= self._most():
            self._behind_at = time.monotonic()
        if self._writer is None:
            self._writer = asyncio.create_task(self._run())
        return await future

    @property
    def rush(self) -> bool:
        """Whether more than fits into one transaction was waiting just now."""
        return time.monotonic() - self._behind_at < RUSH_SECONDS

    async def _run(self) -> None:
        try:
            while self._waiting:
                if (pause := self._pause_seconds()) and self._size < self._most():
                    await asyncio.sleep(pause)
                await self._commit(self._next())
        finally:
            self._writer = None

    def _next(self) -> list[_Waiting[Item, Result]]:
        size, taken, most = 0, 0, self._most()
        while taken < len(self._waiting) and size < most:
            size += len(self._waiting[taken][0])
            taken += 1
        batch, self._waiting = self._waiting[:taken], self._waiting[taken:]
        self._size -= size
        return batch

    async def _commit(self, batch: list[_Waiting[Item, Result]]) -> None:
        try:
            results = await self._write([item for items, _ in batch for item in items])
        except Exception as fault:
            if len(batch) == 1 or isinstance(fault, OSError) or getattr(fault, "connection_invalidated", False):
                _fail(batch, fault)
            else:
                for one in batch:
                    await self._commit([one])
        else:
            at = 0
            for items, future in batch:
                if not future.done():
                    future.set_result(results[at : at + len(items)])
                at += len(items)


def _fail(batch: list[_Waiting[Item, Result]], fault: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(fault)
