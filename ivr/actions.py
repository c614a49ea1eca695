"""What the engine wants done: the closed list of what a step may ask of the line and of the world.

A step's actions end with exactly one that waits (`Listen`, `Record`, `LookUp`, `Transfer`) or with `HangUp`, unless the
event changed nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ivr.utterance import Utterance


@dataclass(frozen=True, slots=True)
class Entered:
    """A node began; for the records."""

    node: str


@dataclass(frozen=True, slots=True)
class Missed:
    """In the node entered last, nothing came (`silence`) or nothing that fits (`wrong`); for the records."""

    how: Literal["silence", "wrong"]


@dataclass(frozen=True, slots=True)
class Say:
    """Say this. `interruptible`: a key stops it (barge-in) and counts for the `Listen` that follows.

    With a `recording` there are no words: what the caller recorded under that name is played to them.
    """

    utterance: Utterance
    interruptible: bool = True
    recording: str = ""
    seconds: float = 0  # of the recording


@dataclass(frozen=True, slots=True)
class Listen:
    """Wait for keys after what was said: up to `most` of them, ended by `#`.

    `wait_seconds` is the silence allowed, before the first key and between two. `secret` keys are a PIN or a code:
    they must not reach any log, channel variable, page or transcript.
    """

    most: int
    wait_seconds: float
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """Beep, then keep what the caller says under `name`: up to `most_seconds`, a `#`, or that much silence."""

    name: str
    most_seconds: float
    silence_seconds: float


@dataclass(frozen=True, slots=True)
class LookUp:
    """Ask the world `what` (the words are in `ivr.world`); it comes back as `Answered`. `args` may hold a PIN."""

    what: str
    args: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Transfer:
    """Hand the caller over to the people of a queue, or to a number (digits) outside.

    What comes back is `TransferFailed`, `LeftQueue` for one of `keys` pressed while waiting, or `Served`. After
    `overflow_seconds` (0: never) without an answer a caller waits in the general queue, ahead of who came later.
    """

    queue: str
    keys: str = ""
    overflow_seconds: float = 0
    for_good: bool = False  # our own side is broken: the people keep the caller, whatever happens


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the call after what was said."""


Action = Entered | Missed | Say | Listen | Record | LookUp | Transfer | HangUp
