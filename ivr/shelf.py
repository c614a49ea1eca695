"""Sounds within reach: a bounded store in memory, the least used thrown out first, each until its time is over."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock


class Shelf:
    """Bytes by key, at most `limit_bytes` of them. Safe between threads."""

    def __init__(self, limit_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit, self._clock = limit_bytes, clock
        self._kept: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._lock = Lock()
        self.size = 0

    def put(self, key: str, data: bytes, seconds: float = math.inf) -> None:
        """Keep `data`, for `seconds` if said."""
        with self._lock:
            self._drop(key)
            self._kept[key] = data, self._clock() + seconds
            self.size += len(data)
            while self.size > self._limit:
                self._drop(next(iter(self._kept)))

    def get(self, key: str) -> bytes | None:
        """What is kept under `key`, and still good."""
        with self._lock:
            data, until = self._kept.get(key, (None, 0.0))
            if data is not None and self._clock() >= until:
                self._drop(key)
                return None
            if data is not None:
                self._kept.move_to_end(key)
            return data

    def _drop(self, key: str) -> None:
        data, _ = self._kept.pop(key, (b"", 0.0))
        self.size -= len(data)
