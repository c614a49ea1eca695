"""The words of the text side: lanes, statuses and the one rule they follow, and what a message is made of. Pure."""

import itertools
import os
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Lane = Literal[
    "code",  # a verification code: at once, by its own workers, never held by quiet hours
    "reply",  # the answer to a text somebody just sent us
    "notice",  # something happened on an account
    "campaign",  # many people, one template
]
LANES: tuple[Lane, ...] = ("code", "reply", "notice", "campaign")  # the order they are served in

Status = Literal[
    "queued",  # stored, not tried or to be tried again
    "sending",  # written down before the wire; a crash now makes it `unknown`
    "unknown",  # it may have gone: wait for a receipt or a person, never resend by itself
    "sent",  # the provider has it
    "failed",  # it did not and will not arrive
    "delivered",  # the telephone has it
]
STATUSES: tuple[Status, ...] = ("queued", "sending", "unknown", "sent", "failed", "delivered")
FINAL: frozenset[Status] = frozenset({"failed", "delivered"})

Quiet = Literal[
    "none",  # may go at any hour: codes, replies, legal notices
    "service",  # kept out of the configured night
    "advertising",  # 08:00-21:00 only, whatever is configured
]

_RANK = {status: rank for rank, status in enumerate(STATUSES)}


def climb(now: Status, news: Status) -> Status:
    """The status after `news`: whichever stands higher. So receipts may come doubled, late or in any order.

    A telephone that has the text outranks a provider that gave up on it.
    """
    return news if _RANK[news] > _RANK[now] else now


def of_parts(total: int, parts: Mapping[int, Status]) -> Status:
    """One status for a message of `total` parts (1, 2, ...): failed if any failed, delivered only when all are."""
    seen = set(parts.values())
    if "failed" in seen:
        return "failed"
    if len(parts) == total and seen == {"delivered"}:
        return "delivered"
    return "sent"


@dataclass(slots=True)  # not frozen: freezing one costs as much as all else in making it
class Message:
    """One text to one number, ready to be queued. `text` is without the signature, which is added once, at the edge."""

    to: str  # normalised: 13900000001
    text: str
    template: str = ""
    params: Mapping[str, str] = field(default_factory=dict)  # as rendered, in the template's order
    signature: str = ""  # 镇江公积金, without 【】
    lane: Lane = "notice"
    kind: str = ""  # account, loan, employer, policy: what people may turn off; empty: they may not
    client: str = ""  # the API key's name, or the part of this system that asked
    key: str | None = None  # two messages of one client with one key are one message
    once: str = ""  # two messages to one number with the same are a repeat, whoever asked, by whatever key
    quiet: Quiet = "none"
    not_before: datetime | None = None
    expires_at: datetime | None = None
    campaign: str | None = None
    account: str = ""  # whose account it is about; only its digest is stored
    parts: int = 1
    cost: int = 0  # in fen, as estimated when queued
    id: str = field(default_factory=lambda: new_id())


_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_count = itertools.count(int.from_bytes(os.urandom(4), "big"))
_chances: deque[bytes] = deque()


def _chance() -> bytes:
    """6 bytes of chance, drawn for many at once: each draw lets another thread have the interpreter."""
    while True:
        try:
            return _chances.pop()
        except IndexError:
            drawn = os.urandom(6 * 256)
            _chances.extend(drawn[at : at + 6] for at in range(0, len(drawn), 6))


def is_id(text: str) -> bool:
    """Whether `text` looks like one of ours."""
    return len(text) == 26 and text.isascii() and text.isalnum()


def new_id() -> str:
    """26 characters that sort by time: 48 bits of milliseconds, 32 of a counter, 48 of chance."""
    value = time.time_ns() // 1_000_000 << 80 | (next(_count) & 0xFFFFFFFF) << 48 | int.from_bytes(_chance(), "big")
    return "".join([_PAIRS[value >> shift & 1023] for shift in range(120, -10, -10)])
