"""Whoever rings a telephone for us: what `hotline.outbound` asks of a carrier. One file each: `placing_exchange.py`,
`placing_twilio.py`.

A call is known by an id that says what it is for (`out-callback-<request>-3`); a carrier finds it by that id again,
whichever process placed it.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from prometheus_client import Counter

from desk.callbacks import Missed
from ivr.flow import ENTRIES

PLACED = Counter("hotline_outgoing_calls", "Calls that we placed, by how they went", ["purpose", "outcome"])
_CALL = re.compile(rf"out-({'|'.join(ENTRIES)})-(.+)")


@dataclass(frozen=True, slots=True)
class Went:
    """How a call went. `missed`: why it was not picked up, if it was not; `talked`: with one of our people, as far as
    anybody saw; `unseen`: if they asked for one, it is not known whether they were put through.
    """

    missed: Missed
    picked_up: bool
    talked: bool
    unseen: bool = False


class Carrier(Protocol):
    """See above. `start` before use; `stop` mirrors it."""

    agents_first: bool  # a call-back rings one of our people, and then whoever asked for it

    def start(self) -> None: ...

    async def stop(self) -> None: ...

    @property
    def ready(self) -> bool:
        """Whether a call can be placed now."""

    async def up(self) -> frozenset[str] | None:
        """The calls of ours that ring or are talked on, whoever placed them; None while that cannot be seen."""

    async def ring(self, purpose: str, number: str, call: str, queue: str) -> None:
        """Ring up a normalised number. It never raises: what came of it is for `up` and `went` to say."""

    async def went(self, call: str) -> Went:
        """How a call went that is not up any more."""

    def forget(self, but: Collection[str]) -> None:
        """Nobody will ask how any other calls went."""

    def staffed(self, queue: str) -> str:
        """Whose people serve a queue now."""

    def free(self, queue: str) -> int:
        """How many more can be put through to them."""

    def share(self, one: str, other: str) -> bool:
        """Whether somebody serves both queues, and so can take a call of one of them only."""

    def with_people(self, call: str) -> bool:
        """Whether this one is already talking with them."""


def parsed(call: str) -> tuple[str, str]:
    """(purpose, of what) by a call's id; empty for a call that we did not place."""
    found = _CALL.fullmatch(call)
    return (found[1], found[2]) if found else ("", "")
