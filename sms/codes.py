"""Verification codes: made, sent, checked once, and hard to guess.

A code is never stored, hashed or not: it is derived from the pepper and from 32 bytes of chance kept in its row, and
bound to purpose, phone and id. So a resend carries the same code, and the database alone leads to none. A check is
counted before it is compared. Rolling limits (`sms.code_limits`) are not reset by a new code.

A code that a caller asks for from another telephone than the one it goes to is a verification of its own, of the client
`BY_OTHERS`, counted apart from what the phone's owner asks for: so a stranger uses up no send, no wait and no try of
the owner's. Such codes are few: `others_a_day` for one phone, `caller_a_day` for one calling number.
"""

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Any, Literal

from sqlalchemy import Executable, delete, func, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningUpdate

from fund.networks import address_of
from fund.privacy import mask_number
from sms import code_limits, metrics
from sms.code_limits import Counted, Limit
from sms.errors import Refused, TryLater
from sms.messages import Message, new_id
from sms.numbers import recipient
from sms.sender import Sender, Wish
from sms.settings import CodeSettings
from sms.store import Store
from sms.tables import code_event, verification

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
_LOOK_AGAIN = timedelta(seconds=10)  # counting an hour's codes at each of them would take longer than sending one

BY_OTHERS = "hotline:others"
WITHHELD = "withheld"  # stands for every calling number that is not shown

Channel = Literal["sms", "voice"]
State = Literal[
    "pending",  # not used yet; a wrong code leaves it pending
    "approved",  # this check was right; there is no second time
    "expired",  # too late, or used before
    "exhausted",  # too many wrong codes, for this one or from this phone
]
_Row = Mapping[str, Any]
Call = Callable[[str, str], Awaitable[None]]  # (phone, of what): ring up and read out what `spoken(of what)` then gives


@dataclass(frozen=True, slots=True)
class Begun:
    """A verification under way. `resend_after`: the same request is answered with the same code from then on."""

    id: str
    status: State
    to_masked: str
    expires_at: datetime
    resend_after: datetime


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found. `used`: it is `expired` because it was approved before."""

    status: State
    attempts_left: int
    used: bool = False


class Codes:
    """Verifications. `call` places the voice call, and raises `TryLater`; None: there is no telephone."""

    def __init__(self, store: Store, sender: Sender, settings: CodeSettings, call: Call | None = None) -> None:
        self.store = store
        self.sender = sender
        self.settings = settings
        self.call = call
        self.clock = sender.outbox.clock
        self._key = store.privacy.key("codes")
        self._low: dict[str, tuple[datetime, bool]] = {}  # clients: when looked at, whether too few codes are used
        self._fixed = {store.phone(recipient(number)): code for number, code in settings.test_numbers.items()}

    async def begin(
        self, client: str, raw: str, purpose: str, address: str | None = None, channel: Channel = "sms"
    ) -> Begun:
        """Send a code, or the one under way again. Raises `Refused`, or `TryLater` when a limit is reached.

        `address`: where it is asked for, an IP address; for the client `BY_OTHERS` a calling number, or `WITHHELD`.
        """
        with self.store.hurry():
            return await self._begin(client, raw, purpose, address, channel)

    async def _begin(self, client: str, raw: str, purpose: str, address: str | None, channel: Channel) -> Begun:
        to = recipient(raw, self.sender.abroad)
        if purpose not in self.settings.purposes:
            raise Refused("unknown_purpose")
        if channel == "voice" and self.call is None:
            raise Refused("no_voice_channel")
        who = {"client": client, "purpose": purpose, "to": to, "channel": channel}
        real = self.store.phone(to) not in self._fixed
        limits = self._limits(client, to, address) if real else []
        async with self.store.write() as connection:
            await self._alone(connection, self.store.phone(to), limits)
            under_way = await self._under_way(connection, client, to, purpose)
            if real:
                await self._within(connection, client, limits)
            row = await (self._again(connection, under_way) if under_way else self._fresh(connection, who))
            texts = [self._text(row, to)] if real and channel == "sms" else []
            if texts:
                await self.sender.outbox.add_within(connection, texts)
        self._announce(texts)
        if real and channel == "voice" and self.call:
            try:
                await self.call(to, _try(row))
            except Exception:
                await self._take_back(row, under_way, limits)
                raise
        metrics.CODES.labels(purpose, "sent").inc()
        return self._begun(row)

    async def spoken(self, of: str) -> str:
        """The code of a voice call under way, for whoever reads it out; empty when it is not good any more."""
        pending = select(verification).where(
            verification.c.id == of.partition("-")[0],
            verification.c.status == "pending",
            verification.c.expires_at > self.clock(),
        )
        async with self.store.read() as connection:
            row = await _first(connection, pending)
        return self._code(row) if row else ""

    async def pretend(self, client: str, nobody: str, address: str | None = None) -> None:
        """Count a code that goes to nobody, so that no limit tells `nobody` from somebody. Raises `TryLater`."""
        limits = self._limits(client, nobody, address)
        async with self.store.write() as connection:
            await self._alone(connection, self.store.phone(nobody), limits)
            await self._within(connection, client, limits)

    async def check(self, client: str, id: str, code: str) -> Checked | None:
        """Count, then compare. None: no such verification of this client."""
        async with self.store.write() as connection:
            row = await self._counted(connection, client, id)
        if row is None:
            return await self._why_not(client, id)
        right = hmac.compare_digest(self._code(row).encode(), code.encode("utf-8", "replace"))
        async with self.store.write() as connection:
            return await (self._approve(connection, row) if right else self._wrong(connection, row))

    def template(self, purpose: str) -> str:
        """What tells a code for a purpose."""
        own = f"code_{purpose}"
        return own if own in self.sender.templates else "code"

    def _code(self, row: _Row) -> str:
        """Six digits that only this installation can derive from the row."""
        if fixed := self._fixed.get(row["to_hash"]):  # a test number's
            return fixed.get_secret_value()
        bound = b"\0".join([row["purpose"].encode(), row["to_hash"], row["id"].encode(), row["nonce"]])
        return f"{int.from_bytes(hmac.digest(self._key, bound, hashlib.sha256)) % 1_000_000:06d}"

    async def _alone(self, connection: AsyncConnection, to_hash: bytes, limits: Sequence[Limit] = ()) -> None:
        """One request a phone, an address and a network at a time, so that nobody slips through a limit side by side.

        SQLite has one writer. All codes of a client in turn would be slow, and its day is too long for a few to matter.
        """
        if not self.store.sqlite:
            whose = {to_hash} | {limit.who for limit in limits if limit.what != "client"}
            for lock in sorted(int.from_bytes(who[:8], signed=True) for who in whose):  # one order: no deadlock
                await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": lock})

    async def _under_way(self, connection: AsyncConnection, client: str, to: str, purpose: str) -> _Row | None:
        """The code that may be sent again: it lives on until it could be asked for once more."""
        lives = max(timedelta(minutes=1), timedelta(seconds=self.settings.wait_seconds))
        pending = (
            select(verification)
            .where(
                verification.c.to_hash == self.store.phone(to),
                verification.c.purpose == purpose,
                verification.c.client == client,
                verification.c.status == "pending",
                verification.c.attempts < self.settings.attempts,
                verification.c.expires_at >= self.clock() + lives,
            )
            .order_by(verification.c.created_at.desc())
        )
        return await _first(connection, pending)

    async def _within(self, connection: AsyncConnection, client: str, limits: Sequence[Limit]) -> None:
        """Count this request against every limit. Raises `TryLater`; then nothing is counted."""
        now = self.clock()
        waits = await code_limits.waits(connection, limits, now)
        longest, reason = max((wait, limit.reason) for wait, limit in zip(waits, limits, strict=True))
        if longest > 0:
            raise TryLater(reason, longest)
        await self._converting(connection, client, now)
        await code_limits.count(connection, _sent(limits), now)

    def _limits(self, client: str, to: str, address: str | None) -> list[Limit]:
        s, others = self.settings, client == BY_OTHERS
        phone = self._counted_as(client, self.store.phone(to))
        limits = [
            Limit("sent", phone, 1, timedelta(seconds=s.wait_seconds), "too_soon"),
            Limit("sent", phone, s.sends_an_hour, HOUR, "too_many_sends"),
            Limit("sent", phone, s.others_a_day if others else s.sends_a_day, DAY, "too_many_sends"),
            Limit("wrong", phone, s.wrong_an_hour, HOUR, "too_many_wrong_codes"),
            Limit("wrong", phone, s.wrong_a_day, DAY, "too_many_wrong_codes"),
            Limit("client", self.store.digest("client", client), s.client_a_day, DAY, "client_limit"),
        ]
        if address and others:
            here, withheld = self.store.digest("caller", address), address == WITHHELD
            most, span = (s.withheld_an_hour, HOUR) if withheld else (s.caller_a_day, DAY)
            limits.append(Limit("caller", here, most, span, "caller_limit"))
        elif address:
            ip = _ip(address)
            here, network = self.store.digest("address", str(ip)), self.store.digest("network", _network_of(ip))
            limits.append(Limit("address", here, s.address_an_hour, HOUR, "address_limit"))
            limits.append(Limit("network", network, s.network_an_hour, HOUR, "network_limit"))
        return limits

    def _counted_as(self, client: str, to_hash: bytes) -> bytes:
        """Under whom what concerns a phone is counted: what others ask for, apart."""
        return self.store.digest("asked by others", to_hash.hex()) if client == BY_OTHERS else to_hash

    async def _converting(self, connection: AsyncConnection, client: str, now: datetime) -> None:
        """A client whose codes are hardly ever used is pumping texts: stop it. Raises `TryLater`."""
        looked, low = self._low.get(client, (now - HOUR, False))
        if not now - _LOOK_AGAIN < looked <= now:
            low = await self._converts_too_little(connection, client, now)
            self._low[client] = (now, low)
        if low:
            raise TryLater("conversion_too_low", 600)

    async def _converts_too_little(self, connection: AsyncConnection, client: str, now: datetime) -> bool:
        settled = verification.c.created_at < now - timedelta(minutes=self.settings.minutes)
        recent = verification.c.created_at > now - HOUR
        used = func.count().filter(verification.c.status == "approved")
        real = verification.c.to_hash.not_in(list(self._fixed))  # a monitor may let its codes expire
        counted = select(func.count(), used).where(verification.c.client == client, settled, recent, real)
        sent, approved = (await connection.execute(counted)).one()
        enough: bool = sent >= self.settings.conversion_sample
        return enough and approved < self.settings.conversion_floor * sent

    async def _fresh(self, connection: AsyncConnection, who: Mapping[str, str]) -> _Row:
        now = self.clock()
        row = {
            "id": new_id(),
            "client": who["client"],
            "purpose": who["purpose"],
            "channel": who["channel"],
            "to_hash": self.store.phone(who["to"]),
            "to_masked": mask_number(who["to"]),
            "nonce": secrets.token_bytes(32),
            "status": "pending",
            "attempts": 0,
            "sends": 1,
            "created_at": now,
            "sent_at": now,
            "expires_at": now + timedelta(minutes=self.settings.minutes),
        }
        await connection.execute(insert(verification).values(**row))
        return row

    async def _again(self, connection: AsyncConnection, row: _Row) -> _Row:
        changes = {"sends": row["sends"] + 1, "sent_at": self.clock()}
        await connection.execute(update(verification).where(verification.c.id == row["id"]).values(**changes))
        return {**row, **changes}

    def _text(self, row: _Row, to: str) -> Message:
        left = row["expires_at"] - row["sent_at"]
        params = {"code": self._code(row), "minutes": left // timedelta(minutes=1)}
        template = self.template(row["purpose"])
        return self.sender.compose(
            Wish(to, template, params, row["client"], key=_try(row), expires_at=row["expires_at"])
        )

    def _announce(self, texts: Sequence[Message]) -> None:
        self.sender.outbox.announce(texts)
        for each in texts:
            metrics.of(metrics.ADDED, each.lane, each.template).inc()

    async def _take_back(self, row: _Row, before: _Row | None, limits: Sequence[Limit]) -> None:
        """Nobody can be rung up: it is as if the code had not been asked for."""
        mine = verification.c.id == row["id"]
        async with self.store.write() as connection:
            await code_limits.take_back(connection, _sent(limits))
            if before:
                was = {name: before[name] for name in ("sends", "sent_at")}
                await connection.execute(update(verification).where(mine).values(was))
            else:
                await connection.execute(delete(verification).where(mine))

    async def _counted(self, connection: AsyncConnection, client: str, id: str) -> _Row | None:
        """Take one attempt from a pending verification, and count it as wrong until it proves right."""
        now = self.clock()
        whose = select(verification.c.to_hash).where(verification.c.id == id, verification.c.client == client)
        to_hash = (await connection.execute(whose)).scalar_one_or_none()
        if to_hash is None:
            return None
        await self._alone(connection, to_hash)
        counted_as = self._counted_as(client, to_hash)
        if to_hash not in self._fixed and await self._guessing(connection, counted_as, now):
            pending = update(verification).where(verification.c.id == id, verification.c.status == "pending")
            await connection.execute(pending.values(status="exhausted"))
            return None
        row = await _first(connection, self._take_attempt(id, now))
        if row is not None:
            await code_limits.count(connection, [("wrong", counted_as)], now)
        return row

    def _take_attempt(self, id: str, now: datetime) -> ReturningUpdate[Any]:
        usable = (
            verification.c.id == id,
            verification.c.status == "pending",
            verification.c.attempts < self.settings.attempts,
            verification.c.expires_at > now,
        )
        counted = update(verification).where(*usable).values(attempts=verification.c.attempts + 1)
        return counted.returning(*verification.c)

    async def _guessing(self, connection: AsyncConnection, who: bytes, now: datetime) -> bool:
        s = self.settings
        hour = Limit("wrong", who, s.wrong_an_hour, HOUR, "")
        day = Limit("wrong", who, s.wrong_a_day, DAY, "")
        return max(await code_limits.waits(connection, [hour, day], now)) > 0

    async def _approve(self, connection: AsyncConnection, row: _Row) -> Checked:
        """The code was right: use it up, and take back its count."""
        used = (
            update(verification)
            .where(verification.c.id == row["id"], verification.c.status == "pending")
            .values(status="approved")
        )
        if (await connection.execute(used.returning(verification.c.id))).first() is None:
            return Checked("expired", 0, used=True)  # the same right code, twice at once: it counts once
        await code_limits.take_back(connection, [("wrong", self._counted_as(row["client"], row["to_hash"]))])
        metrics.CODES.labels(row["purpose"], "approved").inc()
        return Checked("approved", self.settings.attempts - row["attempts"])

    async def _wrong(self, connection: AsyncConnection, row: _Row) -> Checked:
        metrics.CODES.labels(row["purpose"], "wrong").inc()
        left = self.settings.attempts - row["attempts"]
        if left == 0:
            spent = update(verification).where(verification.c.id == row["id"], verification.c.status == "pending")
            await connection.execute(spent.values(status="exhausted"))
        return Checked("pending" if left else "exhausted", left)

    async def _why_not(self, client: str, id: str) -> Checked | None:
        async with self.store.read() as connection:
            found = select(verification.c.status, verification.c.attempts).where(
                verification.c.id == id, verification.c.client == client
            )
            row = (await connection.execute(found)).first()
        if row is None:
            return None
        spent = row.status == "exhausted" or (row.status == "pending" and row.attempts >= self.settings.attempts)
        return Checked("exhausted" if spent else "expired", 0, used=row.status == "approved")

    def _begun(self, row: _Row) -> Begun:
        again = row["sent_at"] + timedelta(seconds=self.settings.wait_seconds)
        return Begun(row["id"], "pending", row["to_masked"], row["expires_at"], again)

    async def forget(self) -> None:
        """Drop events no limit looks at any more, and verifications past their use; for the housekeeper."""
        now = self.clock()
        async with self.store.write() as connection:
            await connection.execute(delete(code_event).where(code_event.c.at < now - DAY))
            old = or_(verification.c.expires_at < now - DAY, verification.c.created_at < now - 2 * DAY)
            await connection.execute(delete(verification).where(old))


def _try(row: _Row) -> str:
    """What one sending of a code is called."""
    return f"{row['id']}-{row['sends']}"


def _sent(limits: Sequence[Limit]) -> Counted:
    """What a code that is sent counts as."""
    return {(limit.what, limit.who) for limit in limits if limit.what != "wrong"}


async def _first(connection: AsyncConnection, statement: Executable) -> _Row | None:
    row = (await connection.execute(statement)).first()
    return dict(row._mapping) if row else None


def _ip(address: str) -> IPv4Address | IPv6Address:
    try:
        return address_of(address)
    except ValueError:
        raise Refused("bad_address") from None


def _network_of(ip: IPv4Address | IPv6Address) -> str:
    """The neighbourhood of an address: its /24, or its /48."""
    return str(ip_network((ip, 24 if ip.version == 4 else 48), strict=False))
