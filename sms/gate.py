"""How fast a provider may be given texts: a rate, a window of unanswered ones, and a share of both kept for codes."""

import time

from sms.messages import Lane

_SLOWEST = 1 / 64  # of the full rate
_RECOVERY_SECONDS = 60.0


class Gate:
    """Permits of one provider. Take one with `enter` before the wire, give the window back with `leave` after.

    Everybody else stops where the codes' share begins, so a code finds a free place whatever else is going on. Whoever
    asked for a pause is given half as many a second after it, and in a minute all of them again.
    """

    def __init__(self, rate: float, window: int, code_share: float) -> None:
        self._rate = self._full_rate = rate
        self._window = window
        self._kept = {"code": 0.0}
        self._others_kept = code_share
        self._least = 1 / (1 - code_share) + 1e-6  # one text of others beside the codes' share, however slow it is
        self._tokens = self._most
        self._filled_at = time.monotonic()
        self._inside = 0
        self._closed_until = 0.0

    def rate_for(self, lane: Lane) -> float:
        """How many texts of `lane` a second it lets through."""
        return self._full_rate * (1 - self._kept.get(lane, self._others_kept))

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
        now = time.monotonic()
        if now >= self._closed_until:  # not once for each of those that were under way together
            self._rate = max(self._rate / 2, self._full_rate * _SLOWEST)
        self._closed_until = max(self._closed_until, now + seconds)

    def wait_seconds(self, lane: Lane) -> float:
        """About how long until there is room again."""
        closed = self._closed_until - time.monotonic()
        missing = 1 + self._most * self._kept.get(lane, self._others_kept) - self._tokens
        return max(closed, missing / self._rate, 0.005)

    @property
    def _most(self) -> float:
        """A fifth of a second's worth may go in one burst."""
        return max(self._least, self._rate / 5)

    def _fill(self) -> None:
        now = time.monotonic()
        passed = now - self._filled_at
        self._rate = min(self._full_rate, self._rate + passed * self._full_rate / _RECOVERY_SECONDS)
        self._tokens = min(self._most, self._tokens + passed * self._rate)
        self._filled_at = now
