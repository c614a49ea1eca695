"""Answers the voice engine's questions from the fund, the PINs, the timetables and the text side.

Whoever looked at what is noted here, with every account masked; PINs and codes pass through and are kept nowhere.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import date, datetime
from typing import Any, Protocol

import structlog

from fund.ledger import Ledger, LedgerAway
from fund.person import Person
from fund.phone import is_mobile
from fund.pins import Pins
from ivr.actions import LookUp
from ivr.events import Answered
from sms.errors import Refused, TryLater

log = structlog.get_logger()
SENIOR_YEARS = 65  # national measures on ageing-friendly service: from 65, a person first
NO_ACCOUNT = "0"  # stands for a number nobody has
PURPOSE = "reset_pin"

Answer = tuple[str, Mapping[str, Any]]
Ask = Callable[[str, Mapping[str, Any], datetime], Awaitable[Answer]]
Note = Callable[[str, str, str, str, datetime], None]  # call, action, outcome, account, moment


class Texts(Protocol):
    """What a call may ask of the text side. Sending raises `Refused` or `TryLater`."""

    def wanted(self, template: str) -> Collection[str]:
        """The parameters of a template; none for one that is not there."""

    async def send_text(self, to: str, template: str, params: dict[str, Any], key: str | None = None) -> str: ...

    async def send_code(self, to: str, purpose: str, caller: str) -> str:
        """A code for `to`, which `caller` (empty: withheld) asks for; few, when that is somebody else's phone."""

    async def pretend_code(self, number: str, caller: str) -> None:
        """Send nothing, but say `TryLater` as often as to somebody who exists."""

    async def check_code(self, id: str, code: str) -> str: ...


IsOpen = Callable[[str, datetime], bool]
QueueNow = Callable[[str], Answer]
Bulletin = Callable[[datetime], Awaitable[str]]


def no_exchange(queue: str) -> Answer:
    """Nobody knows the queues: the line looks for itself."""
    return "unavailable", {}


async def no_bulletin(at: datetime) -> str:
    """Nothing is switched on."""
    return ""


class FundWorld:
    """The world of a real call."""

    def __init__(
        self,
        ledger: Ledger,
        pins: Pins,
        texts: Texts,
        is_open: IsOpen,
        note: Note,
        *,
        queue_now: QueueNow = no_exchange,
        bulletin: Bulletin = no_bulletin,
        more: Mapping[str, Ask] | None = None,
    ) -> None:
        """`queue_now`: how a queue is, as `Board.outlook` tells it; `bulletin`: what everybody hears first, if any.

        `more`: the answers of the people's side.
        """
        self._ledger, self._pins, self._texts, self._is_open, self._note = ledger, pins, texts, is_open, note
        self._queue_now, self._bulletin = queue_now, bulletin
        self._answers: dict[str, Ask] = {
            "caller": self._caller,
            "identify": self._identify,
            "report": self._report,
            "hours": self._hours,
            "queue": self._queue,
            "bulletin": self._say_first,
            "text": self._text,
            "text_report": self._text_report,
            "send_code": self._send_code,
            "check_code": self._check_code,
            "offer_pin": self._offer_pin,
            "confirm_pin": self._confirm_pin,
        } | dict(more or {})

    async def look_up(self, call: str, question: LookUp, at: datetime) -> Answered:
        """The answer to one of the questions of `ivr.world`."""
        try:
            outcome, data = await self._answers[question.what](call, question.args, at)
        except LedgerAway:
            outcome, data = "unavailable", {}
        return Answered(outcome, at, data)

    async def _caller(self, call: str, args: Mapping[str, Any], at: datetime) -> Answer:
        person = await self._ledger.by_phone(args["number"]) if args["number"] else None
        if person is None:
            return "unknown", {}
        return ("senior" if person.birth and _age(person.birth, at.date()) >= SENIOR_YEARS else "bound"), {}

    async def _identify(self, call: str, args: Mapping[str, Any], at: datetime) -> Answer:
        person = await self._person(args)
        account = person.account if person else args.get("number", NO_ACCOUNT)
        known, own = person is not None, _from_their_own_phone(person, args["caller"])
        checked = await self._pins.check(account, args["caller"], args["pin"], at, known=known, own=own)
        how = "identify:number" if args.get("number") else "identify:phone"
        self._note(call, how, checked.outcome, account, at)
        match checked.outcome:
            case "ok":
                return "ok", {"account": account}
            case "unset" if args.get("number"):  # that this account exists is told to its own phone only
                return ("wrong", {"left": checked.attempts_left}) if checked.attempts_left else ("locked", {})
            case "wrong":
                return "wrong", {"left": checked.attempts_left}
            case outcome:
                return outcome, {}

    async def _person(self, args: Mapping[str, Any]) -> Person | None:
        if number := args.get("number"):
            return await self._ledger.by_number(args.get("kind", "employee"), number)
        return await self._ledger.by_phone(args["caller"])

    async def _report(self, call: str, args: Mapping[str, Any], at: datetime) -> Answer:
        data = await self._ledger.report(args["report"], args["account"], args.get("month"))
        self._note(call, f"report:{args['report']}", "ok" if data else "nothing", args["account"], at)
        return ("ok", {"values": data.values, "rows": data.rows}) if data else ("nothing", {})

    async def _hours(self, call: str, args: Mapping[str, Any], at: datetime) -> Answer:
        return ("open" if self._is_open(args["hours"], at) else "closed"), {}

    async def _say_first(self, call: str, args: Mapping[str, Any], at: datetime) -> Answer:
        text = await self._bulletin(at)
        return ("on", {"text": text}) if text else ("off", {})

    async def _queue(self, call: str, args: Mapping[str, Any], at: datetime) -> Answer:
        return self._queue_now(args["queue"])

    async def _text(self, call: str, args: Mapping[str, Any], at: datetime) -> Answer:
        return await self._send(args["to"], args["template"], {}, f"{call}:{args['template']}:{at:%H%M%S}")

    async def _text_report(self, call: str, args: Mapping[str, Any], at: datetime) -> Answer:
        data = await self._ledger.report(args["report"], args["account"])
        if data is None:
            return "failed", {}
        self._note(call, f"text:{args['report']}", "sent", args["account"], at)
        template = f"report_{args['report']}"
        wanted = self._texts.wanted(template)
        params = {name: value for name, value in data.values.items() if name in wanted}
        return await self._send(args["to"], template, params, f"{call}:{at:%H%M%S}")

    async def _send(self, to: str, template: str, params: dict[str, Any], key: str) -> Answer:
        if not is_mobile(to):
            return "failed", {}
        try:
            await self._texts.send_text(to, template, params, key)
        except (Refused, TryLater):
            return "failed", {}
        return "sent", {}

    async def _send_code(self, call: str, args: Mapping[str, Any], at: datetime) -> Answer:
        person = await self._person(args)
        if person is None and not args.get("number"):
            return "unbound", {}
        try:
            if person is None or not person.bound or not person.phone:
                # Nothing is sent, and nothing tells that from the rest: whether an account exists is nobody's business.
                await self._texts.pretend_code(args.get("number", NO_ACCOUNT), args["caller"])
                return "code_sent", {"verification": "none", "account": NO_ACCOUNT}
            verification = await self._texts.send_code(person.phone, PURPOSE, args["caller"])
        except TryLater:
            return "too_often", {}
        except Refused:
            return "unavailable", {}
        self._note(call, "send_code", "sent", person.account, at)
        return "code_sent", {"verification": verification, "account": person.account}

    async def _check_code(self, call: str, args: Mapping[str, Any], at: datetime) -> Answer:
        if args["account"] == NO_ACCOUNT:
            return "wrong", {}
        status = await self._texts.check_code(args["verification"], args["code"])
        return {"approved": "approved", "pending": "wrong"}.get(status, "expired"), {}

    async def _offer_pin(self, call: str, args: Mapping[str, Any], at: datetime) -> Answer:
        person = await self._ledger.by_number("employee", args["account"])
        if person is None:
            return "unavailable", {}
        outcome = await self._pins.offer(args["account"], args["pin"], person.id_card, person.birth, at, person.phone)
        return ("offered" if outcome == "ok" else "weak"), {}

    async def _confirm_pin(self, call: str, args: Mapping[str, Any], at: datetime) -> Answer:
        outcome = await self._pins.confirm(args["account"], args["pin"], at)
        self._note(call, "set_pin", outcome, args["account"], at)
        return outcome, {}


def _from_their_own_phone(person: Person | None, caller: str) -> bool:
    """Whether the calling number is the one the ledger has for this person."""
    return person is not None and bool(caller) and person.phone == caller


def _age(birth: date, today: date) -> int:
    return today.year - birth.year - ((today.month, today.day) < (birth.month, birth.day))
