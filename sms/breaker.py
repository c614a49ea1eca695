"""A circuit breaker: a provider that keeps failing is left alone, then tried with a few texts. Pure; time comes in."""

from collections import deque
from dataclasses import dataclass, field
from typing import Literal

State = Literal[
    "closed",  # all is well
    "open",  # left alone until the pause is over
    "half_open",  # a few probes may go; their answers decide
]


@dataclass(slots=True)
class Breaker:
    """Opens when at least `share` of the last `window` outcomes failed, or `in_a_row` did; probes after `pause`.

    Times are seconds of one steady clock. Each failed probe doubles the pause, up to `longest`.
    """

    share: float = 0.5
    window: int = 20
    in_a_row: int = 5
    pause_seconds: float = 5.0
    longest_seconds: float = 300.0
    probes: int = 2
    state: State = "closed"
    _outcomes: deque[bool] = field(default_factory=deque)
    _row: int = 0
    _pause: float = 0.0
    _opened_at: float = 0.0
    _probing: int = 0

    def allows(self, now: float) -> bool:
        """Whether one more text may go; a yes while half open is one of the probes."""
        if self.state == "open" and not self.rest_seconds(now):
            self.state, self._probing = "half_open", 0
        if self.state == "half_open":
            if self._probing >= self.probes:
                return False
            self._probing += 1
        return self.state != "open"

    def rest_seconds(self, now: float) -> float:
        """How long the provider is still left alone. After that texts must come again, or nobody could probe."""
        return max(0.0, self._opened_at + self._pause - now) if self.state == "open" else 0.0

    def took(self) -> None:
        """A text went well."""
        self._row = 0
        if self.state == "half_open":
            self._close()
        self._remember(True)

    def failed(self, now: float) -> None:
        """A text did not go, or nobody knows whether it did."""
        self._row += 1
        self._remember(False)
        if self.state == "half_open":
            self._open(now, self._pause * 2)
        elif self.state == "closed" and self._too_many():
            self._open(now, self.pause_seconds)

    def gave_back(self) -> None:
        """A text that was allowed never went for reasons of ours: its probe is free again."""
        if self.state == "half_open":
            self._probing = max(0, self._probing - 1)

    def _too_many(self) -> bool:
        full = len(self._outcomes) == self.window
        return self._row >= self.in_a_row or (full and self._outcomes.count(False) >= self.share * self.window)

    def _remember(self, well: bool) -> None:
        self._outcomes.append(well)
        if len(self._outcomes) > self.window:
            self._outcomes.popleft()

    def _open(self, now: float, pause: float) -> None:
        self.state, self._opened_at, self._pause = "open", now, min(pause, self.longest_seconds)

    def _close(self) -> None:
        self.state = "closed"
        self._outcomes.clear()
