"""Work orders: what a caller left for people to do, until it is answered and closed.

An order's number is its day and four digits of chance, easy to say digit by digit: 261125 4821. It opens nothing by
itself: its state is told to the calling number that left it, or to whoever is identified as its account.

    open ─► assigned ─► forwarded ─► answered ─► closed
                 ▲  ◄──────┘             └──┬───────┘
                 └────────────── reopened ◄─┘

A message being recorded is a `draft`: nobody is shown it, and it becomes an order when the caller keeps it, hangs up,
or is lost with the service. Every change, and every look at what is personal, is a row of the order's trail.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal, get_args

from fund.clock import CHINA

END_OF_WORK = time(18)  # something is due by then on its day

Kind = Literal["message", "complaint", "suggestion", "consult"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Priority = Literal["normal", "urgent"]
State = Literal["draft", "open", "assigned", "forwarded", "answered", "closed", "reopened"]
MOVES: Mapping[State, frozenset[State]] = {
    "draft": frozenset({"open"}),
    "open": frozenset({"assigned", "forwarded", "answered", "closed"}),
    "assigned": frozenset({"open", "forwarded", "answered", "closed"}),
    "forwarded": frozenset({"assigned", "answered"}),
    "answered": frozenset({"closed", "reopened"}),
    "closed": frozenset({"reopened"}),
    "reopened": frozenset({"assigned", "forwarded", "answered", "closed"}),
}
UNDONE: tuple[State, ...] = ("open", "assigned", "forwarded", "reopened")  # somebody still waits for an answer
STAMPS: Mapping[str, str] = {"forwarded": "forwarded_at", "answered": "answered_at", "closed": "closed_at"}

AddWorkingDays = Callable[[date, int], date]


class OrderRefused(Exception):
    """The change cannot be made: `word` says why.

    `no_such_order`, `not_from_here` (see MOVES), `outcome_needed` (an answer says something, a closing without an
    answer says why), `not_yours` (another has it), `too_long`, `unknown_kind`.
    """

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


@dataclass(frozen=True, slots=True)
class Terms:
    """Within how many working days an order is passed on, and answered."""

    forward_days: int = 1
    answer_days: int = 3


@dataclass(frozen=True, slots=True)
class Order:
    """One order as anybody of the staff may see it: numbers are masked, texts are not in it."""

    number: str
    kind: Kind
    topic: str
    state: State
    priority: Priority
    channel: str
    call_id: str
    caller_masked: str
    caller_digest: str  # the same as in `calls`: earlier calls and orders of this number
    account_masked: str
    account_digest: str
    recording: str
    assigned_to: str
    opened_at: datetime
    changed_at: datetime
    forward_by: datetime
    answer_by: datetime
    forwarded_at: datetime | None
    answered_at: datetime | None
    closed_at: datetime | None
    forward_reminded_at: datetime | None
    answer_reminded_at: datetime | None

    def late(self, now: datetime) -> bool:
        """Whether somebody waits longer than promised."""
        to_pass_on = self.state in ("open", "assigned") and self.forwarded_at is None
        return self.state in UNDONE and (now > self.answer_by or (to_pass_on and now > self.forward_by))


@dataclass(frozen=True, slots=True, repr=False)
class Personal:
    """What is sealed in an order. Showing it is a look, which `Orders.look` keeps."""

    caller: str
    text: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Change:
    """One row of an order's trail."""

    at: datetime
    who: str
    what: str
    before: str
    after: str
    note: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which orders to list; newest first, `before` gives the next page. Empty means all."""

    states: Sequence[State] = ()
    kind: str = ""
    topic: str = ""
    assigned_to: str = ""
    caller_digest: str = ""
    account_digest: str = ""
    late_at: datetime | None = None
    before: datetime | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class News:
    """Something the caller has not been told yet. `what` is `opened` or `answered`."""

    what: Literal["opened", "answered"]
    order: Order
    personal: Personal


@dataclass(frozen=True, slots=True)
class Reminder:
    """An order that is nearly late, or is: `what` must be done `by`."""

    order: Order
    what: Literal["forward", "answer"]
    by: datetime


def reminders(orders: Sequence[Order], now: datetime, ahead: timedelta) -> list[Reminder]:
    """What staff must be told now: each duty once, `ahead` of its time or later. Pure."""
    due: list[Reminder] = []
    for order in orders:
        if order.state in ("open", "assigned") and not (order.forwarded_at or order.forward_reminded_at):
            due += [Reminder(order, "forward", order.forward_by)]
        if order.state in UNDONE and not order.answer_reminded_at:
            due += [Reminder(order, "answer", order.answer_by)]
    return [each for each in due if now >= each.by - ahead]


def new_number(now: datetime) -> str:
    """The day and four digits of chance: 2611254821."""
    return f"{now.astimezone(CHINA):%y%m%d}{secrets.randbelow(10_000):04d}"


def evening(day: date) -> datetime:
    """When something due on a day is late."""
    return datetime.combine(day, END_OF_WORK, CHINA)
