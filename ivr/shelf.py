"""Sounds within reach: a bounded store in memory, the least used thrown out first, each until its time is over."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

_Sound = TypeVar("_Sound")


class Shelf(Generic[_Sound]):
    """Sounds by key, at most `limit` in all, as `size_of` measures them. Safe between threads."""

    def __init__(
        self, limit: int, size_of: Callable[[_Sound], int], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit, self._size_of, self._clock = limit, size_of, clock
        self._kept: OrderedDict[str, tuple[_Sound, float]] = OrderedDict()
        self._lock = Lock()
        self.size = 0

    def put(self, key: str, sound: _Sound, seconds: float = math.inf) -> None:
        """Keep it, for `seconds` if said."""
        with self._lock:
            self._drop(key)
            self._kept[key] = sound, self._clock() + seconds
            self.size += self._size_of(sound)
            while self.size > self._limit:
                self._drop(next(iter(self._kept)))

    def get(self, key: str) -> _Sound | None:
        """What is kept under `key`, and still good."""
        with self._lock:
            if (kept := self._kept.get(key)) is None:
                return None
            sound, until = kept
            if self._clock() >= until:
                self._drop(key)
                return None
            self._kept.move_to_end(key)
            return sound

    def _drop(self, key: str) -> None:
        if kept := self._kept.pop(key, None):
            self.size -= self._size_of(kept[0])
