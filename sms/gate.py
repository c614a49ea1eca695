"""How fast a provider may be given texts: a rate, a window of unanswered ones, and a share of both kept for codes."""

import time

from sms.messages import Lane


class Gate:
    """Permits of one provider. Take one with `enter` before the wire, give the window back with `leave` after.

    Everybody else stops where the codes' share begins, so a code finds a free place whatever else is going on.
    """

    def __init__(self, rate: float, window: int, code_share: float) -> None:
        self._rate = rate
        self._window = window
        self._kept = {"code": 0.0}
        self._others_kept = code_share
        self._tokens = self._most = max(1.0, rate / 5)  # a fifth of a second's worth may go in one burst
        self._filled_at = time.monotonic()
        self._inside = 0
        self._closed_until = 0.0

    def rate_for(self, lane: Lane) -> float:
        """How many texts of `lane` a second it lets through."""
        return self._rate * (1 - self._kept.get(lane, self._others_kept))

    def room(self, lane: Lane) -> int:
        """How many texts of `lane` could go right now."""
        if time.monotonic() < self._closed_until:
            return 0
        self._fill()
        kept = self._kept.get(lane, self._others_kept)
        window = self._window - self._inside - int(self._window * kept)
        return max(0, min(window, int(self._tokens - self._most * kept)))

    def enter(self, lane: Lane) -> bool:
        """Take a permit; False when there is none now."""
        if self.room(lane) < 1:
            return False
        self._tokens -= 1
        self._inside += 1
        return True

    def leave(self) -> None:
        """The text was answered, or will not be."""
        self._inside -= 1

    def close(self, seconds: float) -> None:
        """The provider asked for a pause."""
        self._closed_until = max(self._closed_until, time.monotonic() + seconds)

    def wait_seconds(self, lane: Lane) -> float:
        """About how long until there is room again."""
        closed = self._closed_until - time.monotonic()
        missing = 1 + self._most * self._kept.get(lane, self._others_kept) - self._tokens
        return max(closed, missing / self._rate, 0.005)

    def _fill(self) -> None:
        now = time.monotonic()
        self._tokens = min(self._most, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
