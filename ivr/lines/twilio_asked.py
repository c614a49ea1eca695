"""What Twilio asks, as what happened to the call. Pure; `ivr.lines.twiml` is the way back."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from fund.phone import caller_number
from ivr.events import Event, Keys, LeftQueue, Recorded, Served, Silence, Started, TransferFailed
from ivr.flow import ENTRIES
from ivr.keys import ALLOWED

ENDED = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})  # CallStatus
# How Twilio writes a caller it cannot or may not tell: ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN, UNAVAILABLE in digits.
WITHHELD = frozenset({"+266696687", "+7378742833", "+2562533", "+8566696", "+86282452253"})
# What became of a hand-over, as DialCallStatus and QueueResult. Anything else means that people were reached.
NOT_REACHED = {
    "busy": "full",
    "no-answer": "closed",
    "failed": "failed",
    "canceled": "failed",
    "queue-full": "full",
    "error": "failed",
    "system-error": "failed",
    "leave": "failed",
}
ELSEWHERE = frozenset({"hangup", "redirected"})  # the caller, waiting in a queue, hung up or was taken away
PLACED = rf"out-(?:{'|'.join(ENTRIES)})-[0-9A-Za-z-]{{1,60}}"  # the id of a call that we placed; others have Twilio's


def placed_for(call_id: str) -> str:
    """Why we placed a call: a word of `ENTRIES`; empty when they called us."""
    return call_id.split("-")[1] if re.fullmatch(PLACED, call_id) else ""


def reached_people(form: Mapping[str, str]) -> bool:
    """Whether a request tells that the other side has talked with people, who have hung up."""
    result = form.get("DialCallStatus") or form.get("QueueResult") or ""
    return bool(result) and result not in NOT_REACHED and result not in ELSEWHERE


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of Twilio's for one turn. `told` is what the address says, `form` what Twilio says."""

    call_id: str
    n: int
    told: Mapping[str, int] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict, repr=False)
    tape: str = ""  # what was recorded is kept under this name
    left_by: str = ""  # the key by which the caller has left a queue

    @property
    def part(self) -> int | None:
        """Set when Twilio asks again because we told it to: nothing new was heard."""
        return self.told.get("part")

    @property
    def caller(self) -> str:
        """The normalised number of the other side, empty when it is withheld."""
        number = self.form.get("To" if placed_for(self.call_id) else "From", "")
        return "" if number in WITHHELD else caller_number(number)

    @property
    def result(self) -> str:
        """What became of a hand-over, if that is what this is about."""
        return self.form.get("DialCallStatus") or self.form.get("QueueResult") or ""

    @property
    def ended(self) -> bool:
        """Whether the caller is gone."""
        return self.form.get("CallStatus") in ENDED or self.result in ELSEWHERE

    def keys(self, now: float) -> str:
        """What was pressed; `#` for the finishing key alone, empty for silence.

        Twilio does not promise to tell these two apart. When it does not, time does: silence is never this early.
        """
        digits = "".join(key for key in self.form.get("Digits", "") if key in ALLOWED)
        if digits or not self.told.get("most"):
            return digits
        finished = self.form.get("FinishedOnKey")
        early = finished is None and now < self.told.get("quiet", 0)
        return "#" if finished == "#" or early else ""

    def event(self, at: datetime) -> Event | None:
        """What happened, or None when nothing new did."""
        if not self.n:
            return Started(self.caller, at, placed_for(self.call_id))
        if self.part is not None:
            return None
        if self.tape:
            return Recorded(float(self.form.get("RecordingDuration") or 0), at)
        if self.left_by:
            return LeftQueue(self.left_by, at)
        if self.result in NOT_REACHED:
            return TransferFailed(NOT_REACHED[self.result], at)
        if self.result:
            return Served("", int(self.form.get("DialCallDuration") or 0), at)
        keys = self.keys(at.timestamp())
        return Keys(keys, at) if keys else Silence(at)

    def closes_the_field_before(self, now: float) -> bool:
        """Whether this is only the `#` after a field that was full without it."""
        return self.keys(now) == "#" and now < self.told.get("closing", 0)

    @property
    def filled(self) -> bool:
        """Whether a field of several keys was full, so that a `#` may still follow."""
        most = self.told.get("most", 0)
        return most > 1 and len(self.form.get("Digits", "")) == most and self.form.get("FinishedOnKey") != "#"
