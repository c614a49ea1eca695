"""What can happen to a call: the closed list of what a line or the world may tell the engine.

Every event carries its moment (`at`, timezone-aware): the engine owns no clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Started:
    """The line answered a call. `caller` is a normalised number, or empty when it is withheld or unusable.

    `entry` is why we called them (a word of `ivr.flow.ENTRIES`); empty: they called us.
    """

    caller: str
    at: datetime
    entry: str = ""


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys were pressed: `digits` without the finishing `#`; a lone `#` is `"#"`. May hold a PIN: never logged."""

    digits: str = field(repr=False)
    at: datetime


@dataclass(frozen=True, slots=True)
class Silence:
    """The line listened, and no key came in time."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Recorded:
    """The caller has spoken after the beep for so long; None when this line cannot record."""

    seconds: float | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Answered:
    """The world's answer to a `LookUp`: one word (`outcome`) and what belongs to it.

    `outcome` is `unavailable` whenever the world could not answer in time, whatever was asked.
    """

    outcome: str
    at: datetime
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class TransferFailed:
    """A hand-over came back: `why` is `closed`, `full` or `failed`."""

    why: str
    at: datetime


@dataclass(frozen=True, slots=True)
class LeftQueue:
    """The caller, waiting for a person, pressed a key that leads out of the queue."""

    key: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Served:
    """A person has talked with the caller and hung up first: the caller is with us again."""

    agent: str
    seconds: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Resumed:
    """Another node took the call over after the first one died: say again where we were."""

    at: datetime


@dataclass(frozen=True, slots=True)
class HungUp:
    """The caller is gone."""

    at: datetime


Event = Started | Keys | Silence | Recorded | Answered | TransferFailed | LeftQueue | Served | Resumed | HungUp
