"""How long a caller will wait: one plain estimate, from who is ahead, who works, and how long talks have taken. Pure.

With `working` people who each take `service` seconds, one of them becomes free every `service / working` seconds on
average; whoever has n callers ahead and nobody free waits for n + 1 of those moments. The figure is rounded up where it
is told, and its error against what then happened is counted (`desk.board`).
"""

from collections.abc import Sequence
from math import ceil

USUAL_SECONDS = 180.0  # a talk, until there are enough of them to know better
USUAL_COUNTS = 3  # as if so many usual talks had been
RECENT = 20  # talks remembered


def service_seconds(talks: Sequence[float]) -> float:
    """How long a talk takes, by the recent ones."""
    recent = talks[-RECENT:]
    return (sum(recent) + USUAL_SECONDS * USUAL_COUNTS) / (len(recent) + USUAL_COUNTS)


def expected_wait(ahead: int, free: int, working: int, service: float) -> int | None:
    """Seconds until a caller with `ahead` others in front is answered; None when nobody works."""
    if working == 0:
        return None
    if ahead < free:
        return 0
    return round((ahead - free + 1) * service / working)


def told_minutes(seconds: int) -> int:
    """What a caller is told: whole minutes, rounded up, never none."""
    return max(1, ceil(seconds / 60))
