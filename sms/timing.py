"""When a text may go: quiet hours, and when a failed try is tried again. Pure: the clock comes in."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta

from fund.clock import CHINA
from sms.messages import Quiet

ADVERTISING = (time(8), time(21))  # by regulation, whatever is configured

TRIES = 6
_FIRST_SECONDS = 2.0
_LONGEST_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Day:
    """The hours service notices may go out, local time; `start` is before `end`."""

    start: time = time(8)
    end: time = time(21)


def allowed_at(moment: datetime, quiet: Quiet, day: Day | None) -> datetime:
    """`moment` if a text of this kind may go then, else the next moment it may; without a `day` there is no night.

    Aware in, aware out.
    """
    if quiet == "none" or day is None:
        return moment
    start, end = ADVERTISING if quiet == "advertising" else (day.start, day.end)
    local = moment.astimezone(CHINA)
    if start <= local.time() < end:
        return moment
    opens = datetime.combine(local if local.time() < start else local + timedelta(days=1), start, CHINA)
    return opens.astimezone(moment.tzinfo)


def next_try(attempt: int, now: datetime, expires_at: datetime, after_seconds: float, jitter: float) -> datetime | None:
    """When to try again after `attempt` tries (1, 2, ...); None when it is not worth it any more.

    Doubles from 2 s to 15 min, never before `after_seconds` (the provider's wish), spread by `jitter` (0 to 1) over
    another half, so that what failed together does not come back together.
    """
    if attempt >= TRIES:
        return None
    wait = min(_FIRST_SECONDS * 2 ** (attempt - 1), _LONGEST_SECONDS)
    again = now + timedelta(seconds=max(wait, after_seconds) * (1 + jitter / 2))
    return again if again < expires_at else None


def finished_at(start: datetime, count: int, rate: float, quiet: Quiet, day: Day | None) -> datetime:
    """When `count` texts at `rate` a second will all have gone, nights left out. Aware in, aware out."""
    moment, left = allowed_at(start, quiet, day), timedelta(seconds=count / rate)
    while quiet != "none" and day is not None:
        closes = _closes(moment, quiet, day)
        if moment + left <= closes:
            break
        left -= closes - moment
        moment = allowed_at(closes, quiet, day)
    return moment + left


def _closes(moment: datetime, quiet: Quiet, day: Day) -> datetime:
    return datetime.combine(moment.astimezone(CHINA), ADVERTISING[1] if quiet == "advertising" else day.end, CHINA)
