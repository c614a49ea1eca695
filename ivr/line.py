"""What a line must be able to do: the seam between a call and whatever carries it (Asterisk, a browser, a terminal)."""

from asyncio import Task
from collections.abc import Sequence
from typing import Any, Protocol

from ivr.actions import Listen, Record, Say, Transfer


class Gone(Exception):
    """The caller hung up, or the line broke: the call is over on this node."""


class Parked(Exception):
    """The caller's answer comes elsewhere and later: this step is over, the call is not (`Switchboard.connect`)."""


class Line(Protocol):
    """One call's line. Every method may raise `Gone`, and one that waits for the caller or for people `Parked`.

    `says` are spoken in order; an interruptible one stops at a key, which counts for what is listened for next.
    """

    name: str

    async def listen(self, says: Sequence[Say], listen: Listen) -> str | None:
        """Say, then collect up to `listen.most` keys ended by `#`: the digits, `"#"` for it alone, None for silence.

        After a full field, a `#` that follows at once ends that field and is not a key of its own.
        """

    async def record(self, says: Sequence[Say], record: Record) -> float | None:
        """Say, beep, and keep what the caller says, as 8 kHz WAV: the seconds of it; None when this line cannot."""

    async def play(self, says: Sequence[Say]) -> None:
        """Say, to the end or to a key."""

    async def company(self, says: Sequence[Say], task: "Task[Any]") -> None:
        """Say while `task` runs, keep keys for the next `listen`, and return once both are done."""

    async def transfer(self, says: Sequence[Say], to: Transfer) -> str | None:
        """Say, then hand the caller to people. None when handed over; else why not: `closed`, `full`, `failed`."""

    async def hang_up(self) -> None:
        """End the call."""
