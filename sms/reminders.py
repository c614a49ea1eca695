"""Reminders: once a day the ledger is asked who should hear from us, and each is texted once an occasion.

Read page by page and queued with the cursor in one transaction: any size in the same memory, and a restart goes on
where it was. What is once is the message's key, so that a run may be repeated whenever somebody is unsure.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any

import structlog
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from fund.clock import CHINA
from fund.ledger import Ledger, LedgerAway
from fund.occasions import Occasion, Page
from sms import metrics
from sms.errors import Refused
from sms.messages import Message
from sms.notices import NO_MOBILE, phone_of
from sms.numbers import land_line
from sms.outbox import key_hash
from sms.reminder_kinds import KINDS, REMINDERS
from sms.sender import Sender, Wish
from sms.settings import ReminderKind
from sms.store import Store
from sms.tables import message, opt_out, reminder_run

log = structlog.get_logger(__name__)

CLIENT = "reminders"  # whose messages these are
Speak = Callable[[str, str, str], Awaitable[bool]]  # number, words, key: call and tell; False: asked for before
_LEASE = timedelta(minutes=2)  # a run nobody has taken further for so long is somebody else's


@dataclass(slots=True)
class Counts:
    """What became of a run's occasions."""

    found: int = 0
    queued: int = 0  # in a dry run: what would be
    repeated: int = 0  # reminded of this very thing before
    no_phone: int = 0
    turned_off: int = 0
    spoken: int = 0  # no mobile, but a land line: called
    refused: int = 0  # the ledger's values do not fit the template


@dataclass(frozen=True, slots=True)
class Run:
    """How far one day's reminders of a kind are."""

    kind: ReminderKind
    day: date
    after: str
    counts: Counts
    done_at: datetime | None


class Reminders:
    """Does the day's reminders. Any number of processes may: each run is one's at a time.

    `speak` has a land line called and told; None: there is no telephone.
    """

    def __init__(
        self, store: Store, sender: Sender, ledger: Ledger | None, at: time | None, kinds: frozenset[ReminderKind]
    ) -> None:
        self.store, self.sender = store, sender
        self._ledger, self._at, self._kinds = ledger, at, kinds
        self.speak: Speak | None = None

    async def tick(self) -> None:
        """Do what is due today and not done; for the housekeeper. Without an hour to do it at, nothing is."""
        local = self._now().astimezone(CHINA)
        if self._at is None or self._ledger is None or local.time() < self._at:
            return
        for kind in KINDS:
            if self._is_daily(kind) and (run := await self._claim(kind, local.date())):
                await self._finish(run)

    def in_season(self) -> list[ReminderKind]:
        """What there is an occasion for today, whatever is set."""
        today = self._now().astimezone(CHINA).date()
        return [kind for kind in KINDS if REMINDERS[kind].in_season(today)]

    def _is_daily(self, kind: ReminderKind) -> bool:
        """Whether `tick` does it today."""
        return self._at is not None and kind in self._kinds and kind in self.in_season()

    async def now(self, kind: ReminderKind) -> Counts:
        """Do a kind now, whatever the hour and the day, from the beginning. Raises `LedgerAway`."""
        today = self._now().astimezone(CHINA).date()
        run = await self._claim(kind, today, again=True)
        if run is None:
            raise Refused("reminders_under_way")
        try:
            run = await self._follow(run)
        except LedgerAway:
            await self._let_go(run)
            raise
        if self.speak is None and run.counts.no_phone and self._is_daily(kind):
            async with self.store.write() as connection:  # to the service, which has the telephone for land lines
                await self._save(connection, replace(run, after="", done_at=None), lease=False)
        return run.counts

    async def dry(self, kind: ReminderKind) -> Counts:
        """What `now` would do, without doing it. Raises `LedgerAway`."""
        today = self._now().astimezone(CHINA).date()
        counts = Counts()
        async for page in REMINDERS[kind].pages(self._there(), today, ""):
            messages = self._messages(kind, today, page.occasions, counts)
            async with self.store.read() as connection:
                wanted = await self._wanted(connection, messages, counts)
                known = await self._known(connection, wanted)
            counts.repeated += known
            counts.queued += len(wanted) - known
        return counts

    async def runs(self, most: int = 30) -> Sequence[Run]:
        """The latest runs, newest first."""
        wanted = select(reminder_run).order_by(reminder_run.c.day.desc(), reminder_run.c.kind).limit(most)
        async with self.store.read() as connection:
            return [_run(row) for row in await connection.execute(wanted)]

    async def _claim(self, kind: ReminderKind, day: date, *, again: bool = False) -> Run | None:
        """The run of a day, if it is ours to do: not done (unless `again`), and in nobody's hands."""
        now = self._now()
        fresh = {"kind": kind, "day": day, "after": "", "counts": json.dumps(asdict(Counts()))}
        mine = (reminder_run.c.kind == kind, reminder_run.c.day == day)
        async with self.store.write() as connection:
            await connection.execute(self.store.insert_new(reminder_run), [fresh])
            row = (await connection.execute(select(reminder_run).where(*mine).with_for_update())).one()
            if (row.done_at and not again) or (row.lease_until and row.lease_until > now):
                return None
            begin = fresh | {"done_at": None} if again or not row.after else {}
            change = update(reminder_run).where(*mine).values(**begin, lease_until=now + _LEASE)
            row = (await connection.execute(change.returning(*reminder_run.c))).one()
        return _run(row)

    async def _finish(self, run: Run) -> None:
        try:
            run = await self._follow(run)
        except LedgerAway:
            await self._let_go(run)  # how far it was is on the disk; the next tick goes on
            log.warning("reminders.ledger_away", kind=run.kind)
            return
        log.info("reminders.done", kind=run.kind, **asdict(run.counts))

    async def _follow(self, run: Run) -> Run:
        """From where a run is to its end."""
        async for page in REMINDERS[run.kind].pages(self._there(), run.day, run.after):
            run = await self._queue(run, page)
        done = Run(run.kind, run.day, run.after, run.counts, self._now())
        async with self.store.write() as connection:
            await self._save(connection, done, lease=False)
        return done

    async def _queue(self, run: Run, page: Page) -> Run:
        """One page into the outbox, and the cursor after it: both or neither."""
        counts = Counts(**asdict(run.counts))
        messages = self._messages(run.kind, run.day, page.occasions, counts)
        await self._speak(run, page.occasions, counts)
        async with self.store.write() as connection:
            wanted = await self._wanted(connection, messages, counts)
            added = await self.sender.outbox.add_within(connection, wanted) if wanted else []
            counts.repeated += sum(each.duplicate for each in added)
            counts.queued += sum(not each.duplicate for each in added)
            further = Run(run.kind, run.day, page.last, counts, None)
            await self._save(connection, further, lease=True)
        self.sender.outbox.announce(wanted)
        for name, before in asdict(run.counts).items():
            metrics.REMINDERS.labels(run.kind, name).inc(getattr(counts, name) - before)
        return further

    def _messages(self, kind: ReminderKind, day: date, occasions: Sequence[Occasion], counts: Counts) -> list[Message]:
        """A message for everybody who can be texted."""
        messages = []
        for occasion in occasions:
            counts.found += 1
            if not (phone := phone_of(occasion.person)):
                counts.no_phone += 1
                continue
            try:
                messages.append(self.sender.compose(_wish(kind, day, phone, occasion)))
            except Refused as fault:
                if fault.reason in NO_MOBILE:
                    counts.no_phone += 1
                    continue
                counts.refused += 1
                log.warning("reminders.refused", kind=kind, reason=fault.reason)
        return messages

    async def _speak(self, run: Run, occasions: Sequence[Occasion], counts: Counts) -> None:
        """Have those called who cannot be texted; once for their key, so a page may be gone through again."""
        for occasion in occasions if self.speak else ():
            number = land_line(phone_of(occasion.person))
            if not (self.speak and number):
                continue
            wish = _wish(run.kind, run.day, number, occasion)
            try:
                text = self.sender.template(wish.template).render(wish.params).text
            except Refused as fault:
                log.warning("reminders.refused", kind=run.kind, reason=fault.reason)
                continue
            counts.no_phone -= 1
            fresh = await self.speak(number, text.replace("本短信", "本次提醒"), f"{wish.client} {wish.key}")
            counts.spoken += fresh
            counts.repeated += not fresh

    async def _wanted(self, connection: AsyncConnection, messages: Sequence[Message], counts: Counts) -> list[Message]:
        """Those who have not turned this kind of notice off."""
        hashes = {self.store.phone(each.to) for each in messages if each.kind}
        off: set[tuple[bytes, str]] = set()
        if hashes:
            found = select(opt_out.c.to_hash, opt_out.c.kind).where(opt_out.c.to_hash.in_(hashes))
            off = {(to_hash, kind) for to_hash, kind in await connection.execute(found)}
        wanted = [each for each in messages if not off & _ways_off(self.store.phone(each.to), each.kind)]
        counts.turned_off += len(messages) - len(wanted)
        return wanted

    async def _known(self, connection: AsyncConnection, messages: Sequence[Message]) -> int:
        """How many of these have been queued before."""
        hashes = [key_hash(each.client, each.key) for each in messages]
        found = await connection.execute(select(message.c.id).where(message.c.key_hash.in_(hashes)))
        return len(found.all())

    async def _let_go(self, run: Run) -> None:
        mine = update(reminder_run).where(reminder_run.c.kind == run.kind, reminder_run.c.day == run.day)
        async with self.store.write() as connection:
            await connection.execute(mine.values(lease_until=None))

    async def _save(self, connection: AsyncConnection, run: Run, *, lease: bool) -> None:
        mine = update(reminder_run).where(reminder_run.c.kind == run.kind, reminder_run.c.day == run.day)
        until = self._now() + _LEASE if lease else None
        values = {"after": run.after, "counts": json.dumps(asdict(run.counts)), "done_at": run.done_at}
        await connection.execute(mine.values(**values, lease_until=until))

    def _now(self) -> datetime:
        return self.sender.outbox.clock()

    def _there(self) -> Ledger:
        if self._ledger is None:
            raise LedgerAway("no ledger")
        return self._ledger


def _wish(kind: ReminderKind, day: date, phone: str, occasion: Occasion) -> Wish:
    reminder, account = REMINDERS[kind], occasion.person.account
    key = f"{kind} {account} {reminder.once(occasion.values, day)}"
    return Wish(phone, reminder.template, reminder.params(occasion.values), CLIENT, key, account=account)


def _ways_off(to_hash: bytes, kind: str) -> set[tuple[bytes, str]]:
    return {(to_hash, kind), (to_hash, "*")} if kind else set()


def _run(row: Any) -> Run:
    return Run(row.kind, row.day, row.after, Counts(**json.loads(row.counts)), row.done_at)
