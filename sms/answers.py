"""Carries out what `sms.deciding` decided about a text, and says what it is answered with.

    text + what we know of the phone (`Peer`) + the moment -> an act -> one `Answer`: a template filled in, or silence

What must last (the open question, what was turned off) goes in with the `Peer` and comes out with the `Answer`;
`sms.inbound` keeps it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from fund.clock import CHINA
from fund.fields import REPORTS, Audience, ReportData, Value
from fund.ledger import LedgerAway
from sms.deciding import MOST_CHOICES, CallBack, Order, Peer, Query, Session, Silence, Switch, Tell, decide
from sms.keywords import Table
from sms.opt_outs import ALL, switched
from sms.report_texts import report_params
from sms.templates import Templates

NO_ACCOUNT = "0"  # stands for a number nobody has


@dataclass(frozen=True, slots=True)
class Look:
    """An account that was looked at for somebody: for the audit."""

    action: str
    outcome: str
    account: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes of a text. No template: silence, and `why`."""

    off: frozenset[str]
    template: str = ""
    params: Mapping[str, Value] = field(default_factory=dict, repr=False)
    session: Session | None = None
    account: str = field(default="", repr=False)
    looks: tuple[Look, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """An account that a phone stands for, and what its holder calls it."""

    account: str = field(repr=False)
    label: str = field(repr=False)


class NoDesk(Exception):
    """Nobody takes call-backs or work orders in this installation: say the hotline's number."""


class World(Protocol):
    """What answers need of the fund and of the desk. The first two raise `LedgerAway`, the others `NoDesk`."""

    async def held(self, phone: str, audience: Audience) -> Sequence[Held]:
        """The accounts a phone stands for: bound by an employee, or registered by employers' handler."""

    async def report(self, name: str, account: str, month: str | None) -> ReportData | None: ...

    async def call_back(self, phone: str, at: datetime) -> None:
        """Ask for a call back; once, however often it is asked for."""

    async def work_order(self, phone: str, number: str) -> tuple[str, str] | None:
        """(number, state in words) of an order this phone opened; the newest for an empty number."""


class Answers:
    """Carries a decision out."""

    def __init__(self, templates: Templates, world: World) -> None:
        self._templates, self._world = templates, world

    async def answer(self, table: Table, peer: Peer, text: str, now: datetime) -> Answer:
        """The one answer to a text."""
        act = decide(table, peer, text, now)
        try:
            match act:
                case Tell():
                    return Answer(peer.off, act.template, act.params, act.session)
                case Silence():
                    return Answer(peer.off, session=peer.session, why=act.why)
                case Switch():
                    return _switched(table, peer, act, now)
                case Query():
                    return await self._query(table, peer, act)
                case CallBack():
                    await self._world.call_back(peer.phone, now)
                    return Answer(peer.off, "callback_confirmed")
                case Order():
                    return await self._order(peer, act)
        except LedgerAway:
            return Answer(peer.off, "reply_away", session=peer.session)
        except NoDesk:
            return Answer(peer.off, "reply_person")

    async def _order(self, peer: Peer, act: Order) -> Answer:
        order = await self._world.work_order(peer.phone, act.number)
        if order is None:
            return Answer(peer.off, "reply_no_records")
        return Answer(peer.off, "reply_work_order", {"number": order[0], "state": order[1]})

    async def _query(self, table: Table, peer: Peer, act: Query) -> Answer:
        report = act.keyword.report or ""
        audience = REPORTS[report].audience
        held = await self._world.held(peer.phone, audience)
        if not held:  # asked all the same, so that how long it takes tells nothing either
            await self._world.report(report, NO_ACCOUNT, act.month or None)
            return Answer(peer.off, "reply_bind_first" if audience == "employee" else "reply_not_employer")
        accounts = [each.account for each in held]
        if act.account not in accounts and len(held) > 1:
            return _which_account(table, peer, act, held)
        account = act.account if act.account in accounts else accounts[0]
        if act.keyword.ask == "month" and not act.month:
            session = Session("month", act.name, (account,))
            return Answer(peer.off, "reply_which_month", {"minutes": table.file.wait}, session)
        return await self._report(peer, act, account)

    async def _report(self, peer: Peer, act: Query, account: str) -> Answer:
        report = act.keyword.report or ""
        data = await self._world.report(report, account, act.month or None)
        there = data is not None and (bool(data.rows) or REPORTS[report].rows is None)
        looks = (Look(f"report:{report}", "ok" if there else "nothing", account),)
        if data is None or not there:
            return Answer(peer.off, "reply_no_records", looks=looks)
        params = report_params(self._templates[act.keyword.template], data, act.month)
        return Answer(peer.off, act.keyword.template, params, account=account, looks=looks)


def _switched(table: Table, peer: Peer, act: Switch, now: datetime) -> Answer:
    """Turned off or on, and confirmed once: again only when it changed something, or on another day."""
    off = switched(peer.off, act.kind, act.on)
    template = "opt_in_confirm" if act.on else "opt_out_confirm"
    midnight = now.astimezone(CHINA).replace(hour=0, minute=0, second=0, microsecond=0)
    if act.quietly or (off == peer.off and peer.told((template,), midnight)):
        return Answer(off, why="switched")
    kind = table.file.kinds.get("all" if act.kind == ALL else act.kind)  # type: ignore[call-overload]
    return Answer(off, template, {"what": kind.title if kind else "提醒"})


def _which_account(table: Table, peer: Peer, act: Query, held: Sequence[Held]) -> Answer:
    end = act.first + MOST_CHOICES
    choices = "；".join(f"{n}.{each.label[:10]}" for n, each in enumerate(held[act.first : end], act.first + 1))
    if end < len(held):
        choices += "；其他单位请回复“更多”"
    session = Session("account", act.name, tuple(each.account for each in held), act.month, first=act.first)
    return Answer(peer.off, "reply_which_account", {"choices": choices, "minutes": table.file.wait}, session)
