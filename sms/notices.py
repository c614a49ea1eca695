"""Account notices: the ledger says what happened, we find whom to tell, and the template of that name tells it.

Once by the event's key, and once by what it says: the same notice to the same phone on one day is one notice, whatever
its key. What is turned off or has nobody to go to is no error: the answer says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import structlog

from fund.clock import CHINA
from fund.ledger import Ledger, LedgerAway
from fund.person import Person
from fund.privacy import mask_number
from sms import metrics, opt_outs, repeats
from sms.audit import audit
from sms.errors import Refused
from sms.messages import Status
from sms.notice_facts import OURS, Event, Facts
from sms.sender import Sender, Wish
from sms.store import Store

log = structlog.get_logger(__name__)

NotTold = Literal[
    "no_account",  # the ledger does not know the account
    "no_phone",  # nobody bound a mobile to it, or the employer named no handler
    "turned_off",  # they do not want this kind
]
NO_MOBILE = ("bad_number", "not_mobile", "abroad")  # why a number in the ledger cannot be texted
_AUDIT_EVERY = timedelta(minutes=10)  # of the same client's repeats of one type: a storm must not fill the audit


@dataclass(frozen=True, slots=True)
class Told:
    """What became of an event: the message's id and status, or why there is none. `duplicate`: it was told before."""

    status: Status | NotTold
    id: str | None = None
    duplicate: bool = False


class Notices:
    """Turns events into messages."""

    def __init__(self, store: Store, sender: Sender, ledger: Ledger | None) -> None:
        self.store, self.sender = store, sender
        self._ledger = ledger
        self._audited: dict[tuple[str, str], datetime] = {}

    async def tell(self, client: str, event: Event) -> Told:
        """Queue the notice of an event. Raises `LedgerAway`, `MissingData`, `Refused` (a template that was lost)."""
        told = await self._told_before(client, event) or await self._tell(client, event)
        outcome = "duplicate" if told.duplicate else told.status
        metrics.NOTICES.labels(event.type, outcome).inc()
        if told.duplicate:
            await self._report(client, event)
        return told

    def ignored(self, event: Event) -> list[str]:
        """What the event says that is not ours to know and its template does not read."""
        read = self._names(event.type).keys() - {OURS}
        return sorted(name for name in event.data.model_extra or () if name not in read)

    async def _told_before(self, client: str, event: Event) -> Told | None:
        """By its key, before the ledger is asked anything: a storm costs it nothing."""
        known = await repeats.find(self.store, client, _key(event)) if event.key else None
        return Told(known.status, known.id, duplicate=True) if known else None

    async def _tell(self, client: str, event: Event) -> Told:
        if self._ledger is None:
            raise LedgerAway("no ledger")
        kind: Literal["employee", "employer"] = "employer" if event.type == "employer_behind" else "employee"
        person = await self._ledger.by_number(kind, event.account)
        if person is None:
            return Told("no_account")
        if not (phone := phone_of(person)):
            return Told("no_phone")
        if await self._is_off(phone, event.type):
            return Told("turned_off")
        now = self.sender.outbox.clock()
        params = await Facts(self._ledger, person, now.astimezone(CHINA).date()).params(self._names(event.type), event)
        wish = Wish(phone, event.type, params, client, _key(event) if event.key else None, account=person.account)
        try:
            message = self.sender.compose(wish)
        except Refused as fault:
            if fault.reason in NO_MOBILE:
                return Told("no_phone")
            raise
        added = await self.sender.queue(message)
        return Told(added.status, added.id, added.duplicate)

    def _names(self, type: str) -> Mapping[str, bool]:
        """The template's parameters, and whether each is needed."""
        return {name: param.absent is None for name, param in self.sender.template(type).params.items()}

    async def _is_off(self, phone: str, type: str) -> bool:
        template = self.sender.template(type)
        if not template.may_turn_off:
            return False
        async with self.store.read() as connection:
            return opt_outs.is_off(await opt_outs.read(connection, self.store.phone(phone)), template.kind)

    async def _report(self, client: str, event: Event) -> None:
        """A repeat is always counted, and audited once in a while."""
        now = self.sender.outbox.clock()
        last = self._audited.get((client, event.type))
        if last is not None and now - last < _AUDIT_EVERY:
            return
        self._audited[client, event.type] = now
        log.warning("notices.duplicate", client=client, type=event.type)
        detail = f"{event.type}; more of the same are only counted for a while"
        await audit(self.store, client, "duplicate_notice", mask_number(event.account), detail, now)


def _key(event: Event) -> str:
    return f"event:{event.key}"


def phone_of(person: Person) -> str:
    """Where notices about an account go: the bound phone of an employee, the handler's of an employer; else empty."""
    return person.phone or "" if person.bound or person.kind == "employer" else ""
