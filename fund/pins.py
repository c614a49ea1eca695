"""Query PINs: set twice after a code, kept as argon2id under a pepper, and three tries before a lock.

A try is counted before it is compared, in one statement, so parallel guesses get no extra ones. It counts for the
account and for the calling number, across calls:

- An account has a count, and its own phone has one for that account. Wrong ones from the own phone count on both, but
  it is held to its own only: whoever guesses from elsewhere locks out everybody else, never the owner at that phone.
- Every third wrong one locks, longer each time: a quarter of an hour, an hour, `lock_hours`. A wrong one is forgotten
  `lock_hours` after the last, so nine guesses at an account are the most anybody gets in that time.
- Who withholds the number shares one count with all who do: 30 wrong ones in an hour of the clock, then no more.

A right PIN clears the account's count; the number gets back only what was spent on that account, or a guesser could
wash off two wrong guesses at others with a call to their own. A new PIN clears all of the account's.
"""

import asyncio
import hmac
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal, TypeVar, TypeVarTuple

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import VerifyMismatchError
from sqlalchemy import String, TextualSelect, bindparam, insert, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from fund.columns import Moment
from fund.privacy import Privacy
from fund.statements import Statement
from fund.tables import PIN_OFFERS, PIN_TRIES, PINS
from fund.weak_pins import is_weak

TRIES = 3
FIRST_LOCK, SECOND_LOCK = timedelta(minutes=15), timedelta(hours=1)
WITHHELD_AN_HOUR = 30  # wrong ones of all who withhold their number
OFFER_MINUTES = 10
HEAVY_KIB = 1024  # memory times passes from which a comparison takes more than about a millisecond, and a thread

_Args = TypeVarTuple("_Args")
_Result = TypeVar("_Result")

Outcome = Literal[
    "ok",  # this is the PIN
    "wrong",  # it is not, or nobody has this account
    "locked",  # not even compared, or the last try was wrong: no phone queries until then
    "unset",  # the account has no PIN yet
]


@dataclass(frozen=True)
class PinCheck:
    """What a PIN was worth. `attempts_left` when `wrong` or `unset`; `locked_until` is set when `locked`."""

    outcome: Outcome
    attempts_left: int = 0
    locked_until: datetime | None = None


@dataclass(frozen=True)
class Cost:
    """What one comparison costs: memory in KiB, passes over it, threads."""

    memory_kib: int
    passes: int
    lanes: int


OWASP = Cost(19_456, 2, 1)  # OWASP's recommendation for argon2id
LIGHT = Cost(64, 1, 1)  # for demo PINs, which are no secret: a thousand in a moment


_MOMENTS = ("at", "until", "first", "second")
_STRINGS = ("account", "number", "shared", "owner", "hash")


def _sql(statement: str, *columns: Any) -> TextualSelect:
    moments = [bindparam(name, type_=Moment) for name in _MOMENTS if f":{name}" in statement]
    strings = [bindparam(name, type_=String) for name in _STRINGS if f":{name}" in statement]
    return text(statement).bindparams(*moments, *strings).columns(*columns)


# A row of `pin_tries` whose lock lasts. `until` is when the row is forgotten, so it also tells when the last try was.
_IS_LOCKED = f"""
    pin_tries.until > :at AND CASE
        WHEN pin_tries.subject = :shared THEN pin_tries.tries >= {WITHHELD_AN_HOUR}
        WHEN pin_tries.tries = {TRIES} THEN pin_tries.until > :first
        WHEN pin_tries.tries = {2 * TRIES} THEN pin_tries.until > :second
        ELSE pin_tries.tries >= {3 * TRIES} END
"""
# Counts one try for both, unless either is locked: then fewer than two rows come back. The condition stands twice, as
# a try side by side with this one may lock a row after the first look.
_TRY = Statement(
    "pin try",
    _sql(
        f"""
        INSERT INTO pin_tries (subject, tries, until)
        SELECT subject, 1, :until
        FROM (SELECT :account AS subject UNION SELECT :number) AS tried
        WHERE NOT EXISTS (SELECT 1 FROM pin_tries WHERE subject IN (:account, :number) AND {_IS_LOCKED})
        ORDER BY subject
        ON CONFLICT (subject) DO UPDATE SET
            tries = CASE WHEN pin_tries.until > :at THEN pin_tries.tries + 1 ELSE 1 END,
            until = excluded.until
        WHERE NOT ({_IS_LOCKED})
        RETURNING subject, tries, (SELECT hash FROM pins WHERE account = :owner) AS hash
        """,
        PIN_TRIES.c.subject,
        PIN_TRIES.c.tries,
        PINS.c.hash,
    ),
    by_key=True,
)
_COUNTS = Statement(
    "pin lock",
    _sql(
        "SELECT subject, tries, until FROM pin_tries WHERE subject IN (:account, :number)",
        PIN_TRIES.c.subject,
        PIN_TRIES.c.tries,
        PIN_TRIES.c.until,
    ),
    by_key=True,
)
# What is given back must not leave a count as if its lock had just begun: then it is remembered a little shorter.
_RIGHT = Statement(
    "pin right",
    _sql(
        f"""
        UPDATE pin_tries SET
            tries = CASE WHEN subject = :account OR tries < :spent THEN 0 ELSE tries - :spent END,
            until = CASE tries - :spent WHEN {TRIES} THEN :first WHEN {2 * TRIES} THEN :second ELSE until END
        WHERE subject IN (:account, :number) RETURNING subject
        """,
        PIN_TRIES.c.subject,
    ),
    by_key=True,
)
_OFFER = Statement(
    "pin offer",
    _sql(
        """
        INSERT INTO pin_offers (account, hash, expires_at) VALUES (:account, :hash, :until)
        ON CONFLICT (account) DO UPDATE SET hash = excluded.hash, expires_at = excluded.expires_at
        RETURNING account
        """,
        PIN_OFFERS.c.account,
    ),
    by_key=True,
)
_TAKE_OFFER = Statement(
    "pin confirm",
    _sql(
        "DELETE FROM pin_offers WHERE account = :account RETURNING hash, expires_at",
        PIN_OFFERS.c.hash,
        PIN_OFFERS.c.expires_at,
    ),
    by_key=True,
)
_SET = Statement(
    "pin set",
    _sql(
        """
        INSERT INTO pins (account, hash, set_at) VALUES (:account, :hash, :at)
        ON CONFLICT (account) DO UPDATE SET hash = excluded.hash, set_at = excluded.set_at
        RETURNING account
        """,
        PINS.c.account,
    ),
    by_key=True,
)


class Pins:
    """The PINs of one installation, in our own database.

    `lock_hours`: the longest lock, and how long a wrong PIN is remembered. `cost` is for PINs set from now on; those
    set before keep theirs. `tries`: the same database, opened so that a count need not wait for the disk. A method
    never logs, and no exception of ours carries a PIN.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        privacy: Privacy,
        *,
        tries: AsyncEngine | None = None,
        lock_hours: float = 24,
        cost: Cost = OWASP,
    ) -> None:
        self._engine, self._tries = engine, tries or engine
        self._privacy = privacy
        self._pepper = privacy.key("pin")
        self._remembered = timedelta(hours=lock_hours)
        self._locks = [min(lock, self._remembered) for lock in (FIRST_LOCK, SECOND_LOCK, self._remembered)]
        self._hasher = PasswordHasher(time_cost=cost.passes, memory_cost=cost.memory_kib, parallelism=cost.lanes)
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="pin")  # two at once bound the memory
        self._checking: set[asyncio.Task[PinCheck]] = set()
        self._nobodys = self._hasher.hash(privacy.key("nobody's pin"))

    async def check(
        self, account: str, calling_number: str | None, pin: str, at: datetime, *, known: bool = True, own: bool = False
    ) -> PinCheck:
        """Compare one entry. `calling_number` is None or empty when withheld; `own`: it is the account's own phone.

        `known=False` says that nobody has this account: it counts, takes as long and reads as a wrong PIN does. Once
        begun it goes on to its end: whoever hangs up over a right PIN has no try counted.
        """
        checking = asyncio.create_task(self._check(account, calling_number, pin, at, known=known, own=own))
        self._checking.add(checking)
        checking.add_done_callback(self._checking.discard)
        return await asyncio.shield(checking)

    async def _check(
        self, account: str, calling_number: str | None, pin: str, at: datetime, *, known: bool, own: bool
    ) -> PinCheck:
        shared = "" if calling_number else self._privacy.digest("pin caller", f"withheld {at:%Y-%m-%dT%H}")
        number = shared or self._privacy.digest("pin caller", calling_number or "")
        subject = self._own(account) if own else self._account(account)
        who = {"account": subject, "number": number}
        times = {"at": at, "until": at + self._remembered, "first": at + self._left(0), "second": at + self._left(1)}
        counted = await _TRY.fetch(self._tries, **who, **times, shared=shared, owner=self._account(account))
        if len(counted) < 2:
            return PinCheck("locked", locked_until=await self._locked_until(who, at, shared))
        kept = counted[0]["hash"] if known else None
        if await self._matches(kept or self._nobodys, account, pin) and kept:
            spent = next(row["tries"] for row in counted if row["subject"] == subject)
            await _RIGHT.fetch(self._tries, **who, first=times["first"], second=times["second"], spent=spent)
            return PinCheck("ok")
        left = min(_left(row["tries"], shared=row["subject"] == shared) for row in counted)
        if own:
            others = self._account(account)
            await _TRY.fetch(self._tries, account=others, number=others, **times, shared="", owner=others)
        if known and not kept:
            return PinCheck("unset", left)
        if left:
            return PinCheck("wrong", left)
        return PinCheck("locked", locked_until=await self._locked_until(who, at, shared))

    def _left(self, nth: int) -> timedelta:
        """How much of the memory of a try is left when the `nth` lock ends."""
        return self._remembered - self._locks[nth]

    async def _locked_until(self, who: dict[str, Any], at: datetime, shared: str) -> datetime:
        """When the last of the locks of these two ends."""
        ends = [at]
        for row in await _COUNTS.fetch(self._tries, **who):
            if row["subject"] == shared and row["tries"] >= WITHHELD_AN_HOUR:
                ends.append(at.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1))
            elif row["subject"] != shared and row["tries"] and row["tries"] % TRIES == 0:
                ends.append(row["until"] - self._left(min(row["tries"] // TRIES, 3) - 1))
        return max(ends)

    async def offer(
        self,
        account: str,
        pin: str,
        id_card: str | None,
        birth: date | None,
        at: datetime,
        phone: str | None = None,
    ) -> Literal["ok", "weak"]:
        """The first entry of a new PIN, kept for the second for ten minutes unless it is too easy to guess."""
        if is_weak(pin, account, id_card, birth, phone):
            return "weak"
        kept = await self._hash(account, pin)
        until = at + timedelta(minutes=OFFER_MINUTES)
        await _OFFER.fetch(self._engine, account=self._account(account), hash=kept, until=until)
        return "ok"

    async def confirm(self, account: str, pin: str, at: datetime) -> Literal["set", "differs", "expired"]:
        """The second entry. Right or wrong it uses the offer up; right, it is the PIN and the account's lock ends."""
        subject = self._account(account)
        offers = await _TAKE_OFFER.fetch(self._engine, account=subject)
        if not offers or offers[0]["expires_at"] <= at:
            return "expired"
        kept = offers[0]["hash"]
        if not await self._matches(kept, account, pin):
            return "differs"
        await _SET.fetch(self._engine, account=subject, hash=kept, at=at)
        for count in (subject, self._own(account)):
            await _RIGHT.fetch(self._engine, account=count, number=count, first=at, second=at, spent=0)
        return "set"

    async def seed(self, pins: Iterable[tuple[str, str]], at: datetime) -> None:
        """Set many at once, as (account, PIN); an account that has one keeps it. For the demo."""
        async with self._engine.begin() as connection:
            there = set((await connection.execute(select(PINS.c.account))).scalars())
            missing = [
                {"account": subject, "hash": self._hasher.hash(self._peppered(account, pin)), "set_at": at}
                for account, pin in pins
                if (subject := self._account(account)) not in there
            ]
            if missing:
                await connection.execute(insert(PINS), missing)

    async def tidy(self, at: datetime) -> None:
        """Remove tries and offers whose time is over."""
        async with self._engine.begin() as connection:
            await connection.execute(PIN_TRIES.delete().where(PIN_TRIES.c.until <= at))
            await connection.execute(PIN_OFFERS.delete().where(PIN_OFFERS.c.expires_at <= at))

    def _account(self, account: str) -> str:
        return self._privacy.digest("pin account", account)

    def _own(self, account: str) -> str:
        """The count of the account's own phone."""
        return self._privacy.digest("pin own phone", account)

    def _peppered(self, account: str, pin: str) -> bytes:
        """What is hashed: bound to the account, so that one person's hash is of no use in another's row."""
        return hmac.digest(self._pepper, f"{account}:{pin}".encode(), "sha256")

    async def _hash(self, account: str, pin: str) -> str:
        return await self._in_thread(self._hasher.hash, self._peppered(account, pin))

    async def _matches(self, kept: str, account: str, pin: str) -> bool:
        peppered, cost = self._peppered(account, pin), extract_parameters(kept)
        if cost.memory_cost * cost.time_cost < HEAVY_KIB:
            return self._verify(kept, peppered)
        return await self._in_thread(self._verify, kept, peppered)

    def _verify(self, kept: str, peppered: bytes) -> bool:
        try:
            return self._hasher.verify(kept, peppered)
        except VerifyMismatchError:
            return False

    async def _in_thread(self, work: Callable[[*_Args], _Result], *args: *_Args) -> _Result:
        """It would hold the other calls up."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)


def _left(tries: int, *, shared: bool) -> int:
    """How many more tries there are before a lock."""
    return max(WITHHELD_AN_HOUR - tries, 0) if shared else -tries % TRIES
