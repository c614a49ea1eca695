"""Query PINs: set twice after a code, kept as argon2id under a pepper, and three tries before the lock.

A try is counted before it is compared, in one statement, so parallel guesses get no extra ones. It counts for the
account and for the calling number. A right PIN clears the account; the number gets back only what it had spent on that
account, or a guesser could wash off two wrong guesses at others with a call to their own.
"""

import asyncio
import hmac
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal, TypeVar, TypeVarTuple

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from sqlalchemy import String, TextualSelect, bindparam, insert, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from fund.columns import Moment
from fund.privacy import Privacy
from fund.statements import Statement
from fund.tables import PIN_OFFERS, PIN_TRIES, PINS
from fund.weak_pins import is_weak

TRIES = 3
OFFER_MINUTES = 10
HEAVY_KIB = 1024  # memory times passes from which a comparison takes more than about a millisecond

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


def _sql(statement: str, *columns: Any) -> TextualSelect:
    moments = [bindparam(name, type_=Moment) for name in ("at", "until") if f":{name}" in statement]
    strings = [bindparam(name, type_=String) for name in ("account", "number", "hash") if f":{name}" in statement]
    return text(statement).bindparams(*moments, *strings).columns(*columns)


# Counts one try for both, unless either is locked: then no row comes back.
_TRY = Statement(
    "pin try",
    _sql(
        """
        INSERT INTO pin_tries (subject, tries, until)
        SELECT subject, 1, :until
        FROM (SELECT :account AS subject UNION SELECT :number) AS tried
        WHERE subject IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM pin_tries WHERE subject IN (:account, :number) AND tries >= :tries AND until > :at)
        ORDER BY subject
        ON CONFLICT (subject) DO UPDATE SET
            tries = CASE WHEN pin_tries.until > :at THEN pin_tries.tries + 1 ELSE 1 END,
            until = excluded.until
        RETURNING subject, tries, (SELECT hash FROM pins WHERE account = :account) AS hash
        """,
        PIN_TRIES.c.subject,
        PIN_TRIES.c.tries,
        PINS.c.hash,
    ),
)
_LOCKED = Statement(
    "pin lock",
    _sql(
        "SELECT until FROM pin_tries WHERE subject IN (:account, :number) AND tries >= :tries ORDER BY until DESC",
        PIN_TRIES.c.until,
    ),
)
_RIGHT = Statement(
    "pin right",
    _sql(
        """
        UPDATE pin_tries SET tries = CASE WHEN subject = :account OR tries < :spent THEN 0 ELSE tries - :spent END
        WHERE subject IN (:account, :number) RETURNING subject
        """,
        PIN_TRIES.c.subject,
    ),
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
)
_TAKE_OFFER = Statement(
    "pin confirm",
    _sql(
        "DELETE FROM pin_offers WHERE account = :account RETURNING hash, expires_at",
        PIN_OFFERS.c.hash,
        PIN_OFFERS.c.expires_at,
    ),
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
)


class Pins:
    """The PINs of one installation, in our own database.

    `lock_hours`: how long three wrong PINs lock, and how long a wrong one is remembered. `cost` is for PINs set from
    now on; those set before keep theirs. `tries`: the same database, opened so that a
    count need not wait for the disk. A method never logs, and no exception of ours carries a PIN.
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
        self._hasher = PasswordHasher(time_cost=cost.passes, memory_cost=cost.memory_kib, parallelism=cost.lanes)
        self._heavy = cost.memory_kib * cost.passes >= HEAVY_KIB
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="pin")  # two at once bound the memory
        self._nobodys = self._hasher.hash(privacy.key("nobody's pin"))

    async def check(
        self, account: str, calling_number: str | None, pin: str, at: datetime, *, known: bool = True
    ) -> PinCheck:
        """Compare one entry. `calling_number` is None or empty when withheld: then only the account counts.

        `known=False` says that nobody has this account: it counts, takes as long and reads as a wrong PIN does.
        """
        subject, number = self._account(account), self._number(calling_number)
        who = {"account": subject, "number": number, "tries": TRIES}
        counted = await _TRY.fetch(self._tries, **who, at=at, until=at + self._remembered)
        if not counted or any(row["tries"] > TRIES for row in counted):
            return PinCheck("locked", locked_until=await self._locked_until(who, at))
        kept = counted[0]["hash"] if known else None
        if await self._matches(kept or self._nobodys, account, pin) and kept:
            spent = next(row["tries"] for row in counted if row["subject"] == subject)
            await _RIGHT.fetch(self._tries, account=subject, number=number, spent=spent)
            return PinCheck("ok")
        left = TRIES - max(row["tries"] for row in counted)
        if known and not kept:
            return PinCheck("unset", left)
        return PinCheck("wrong", left) if left else PinCheck("locked", locked_until=at + self._remembered)

    async def _locked_until(self, who: dict[str, Any], at: datetime) -> datetime:
        locks = await _LOCKED.fetch(self._tries, **who)
        return locks[0]["until"] if locks else at + self._remembered

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
        await _RIGHT.fetch(self._engine, account=subject, number=None, spent=0)
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

    def _number(self, calling_number: str | None) -> str | None:
        return self._privacy.digest("pin caller", calling_number) if calling_number else None

    def _peppered(self, account: str, pin: str) -> bytes:
        """What is hashed: bound to the account, so that one person's hash is of no use in another's row."""
        return hmac.digest(self._pepper, f"{account}:{pin}".encode(), "sha256")

    async def _hash(self, account: str, pin: str) -> str:
        return await self._costly(self._hasher.hash, self._peppered(account, pin))

    async def _matches(self, kept: str, account: str, pin: str) -> bool:
        return await self._costly(self._verify, kept, self._peppered(account, pin))

    def _verify(self, kept: str, peppered: bytes) -> bool:
        try:
            return self._hasher.verify(kept, peppered)
        except VerifyMismatchError:
            return False

    async def _costly(self, work: Callable[[*_Args], _Result], *args: *_Args) -> _Result:
        """In a thread when it would hold the other calls up."""
        if self._heavy:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)
        return work(*args)
