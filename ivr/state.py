"""Where a call is: small, plain, and the same after a trip through JSON.

It never holds a secret (PIN, code) and never a figure of the ledger: what was told is looked up again when needed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import Any, Literal, Self

from pydantic_core import to_json

Waiting = Literal["start", "keys", "record", "answer", "transfer", "over"]


@dataclass(slots=True)
class State:
    """One call between two events. Treat it as a value: `ivr.engine.step` copies before it changes anything."""

    version: str  # the flow the call started on, and keeps
    caller: str = ""  # normalised number, empty when withheld
    started: str = ""  # ISO moment
    entry: str = ""  # why we called them; empty: they called us
    language: str = "zh"
    node: str = ""  # full name
    phase: str = ""  # a word inside nodes that take several turns, such as `pin` in identify
    waiting: Waiting = "start"
    parked: int | None = None  # on a line that parks its calls: the turn that led here
    turn: str = ""  # the first node said in this turn: `repeat` and a resumed call begin there
    behind: tuple[str, ...] = ()  # turns to go `back` to, newest last
    silences: int = 0
    wrongs: int = 0
    answers: Mapping[str, str] = field(default_factory=dict)  # what `ask` nodes saved
    person: Mapping[str, str] | None = None  # who was identified last: kind and account
    others: Mapping[str, str] = field(default_factory=dict)  # kind -> account of who was identified before
    pending: Mapping[str, str] = field(default_factory=dict)  # what a phase hands to the next
    overlong: bool = False  # the longest call was reached, and told
    served: bool = False  # people have talked with the caller
    agent: str = ""  # who did
    queue: str = ""  # of which queue
    outcome: str = ""  # how it ended: hung_up, transferred, finished

    @property
    def over(self) -> bool:
        """Whether nothing can happen any more."""
        return self.waiting == "over"

    def began(self) -> datetime:
        """The moment the call started."""
        return datetime.fromisoformat(self.started)

    def copy(self) -> "State":
        """Another with the same values, a quarter of the time of `dataclasses.replace`."""
        return State(*_values(self))

    def to_json(self) -> str:
        """Compact JSON."""
        return to_json(dict(zip(self.__slots__, _values(self), strict=True))).decode()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What `to_json` gave. Fields of other versions of this program are left out."""
        known: dict[str, Any] = {name: value for name, value in json.loads(text).items() if name in cls.__slots__}
        return cls(**known | {"behind": tuple(known.get("behind", ()))})


_values = attrgetter(*State.__slots__)
