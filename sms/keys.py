"""Who may ask for texts: API keys with scopes, a channel, a rate and the templates they may use.

A key reads `hk_<id>_<secret>`; only a hash of the secret is kept (it is 256 bits of chance, so a plain one will do).
"""

import asyncio
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from sqlalchemy import delete, insert, select, update

from sms.callbacks import new_secret
from sms.errors import Refused
from sms.store import Clock, Store, utc_now
from sms.tables import api_key

Scope = Literal[
    "messages",  # send single texts, and look up one's own
    "codes",  # send and check verification codes
    "events",  # tell what happened in the ledger
    "campaigns",  # text many people
    "calls",  # look at the hotline's calls
    "callbacks",  # ask for call-backs, list them, take them back
    "orders",  # look at what became of work orders
    "context",  # who is calling and why, unmasked: for the seat software of the people who pick up
    "reports",  # the figures the centre reports
]
SCOPES: tuple[Scope, ...] = get_args(Scope)
CHANNELS = {"60": "hotline", "70": "text", "10": "app", "20": "WeChat", "40": "web hall", "50": "terminal"}
OURS = frozenset({"hotline", "text", "reminders"})  # the clients of texts that this system sends by itself
_REMEMBER_SECONDS = 1.0  # a key that another process revokes works no longer than this


@dataclass(frozen=True, slots=True)
class Client:
    """The holder of a key. `rate` is in requests a second; no `templates` means all."""

    name: str
    scopes: frozenset[str]
    channel: str
    rate: int
    templates: frozenset[str]

    def check_template(self, template: str) -> None:
        """Raises `Refused` with `template_not_allowed` where the key is for others only."""
        if self.templates and template not in self.templates:
            raise Refused("template_not_allowed")


class Keys:
    """Makes, lists, revokes and recognises keys."""

    def __init__(self, store: Store, clock: Clock = utc_now) -> None:
        self.store = store
        self.clock = clock
        self._known: dict[bytes, tuple[float, Client | None]] = {}
        self._asked: dict[bytes, asyncio.Task[Client | None]] = {}

    async def add(
        self,
        name: str,
        scopes: Sequence[str],
        channel: str,
        rate: int = 100,
        templates: Sequence[str] = (),
        callback: str = "",
    ) -> str:
        """A new key, shown this once. `callback`: the address that is told what became of its texts (`sms.callbacks`).
        A name whose key was revoked gets another: its holder is the same client, and its texts stay its own.

        Raises `Refused`: `unknown_scope: ...`, `unknown_channel`, `bad_name`, `reserved_name`, `bad_template`,
        `bad_address`, `name_taken`.
        """
        _check(name, scopes, channel, templates, callback)
        id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        row = {
            "id": id,
            "name": name,
            "secret_hash": _hash(secret),
            "scopes": " ".join(scopes),
            "channel": channel,
            "rate": rate,
            "templates": " ".join(templates),
            "callback_url": callback,
            "callback_secret": self.store.privacy.seal(new_secret()) if callback else None,
            "created_at": self.clock(),
        }
        async with self.store.write() as connection:
            ended = delete(api_key).where(api_key.c.name == name, api_key.c.revoked_at.is_not(None))
            await connection.execute(ended)
            taken = await connection.execute(select(api_key.c.id).where(api_key.c.name == name))
            if taken.first():
                raise Refused("name_taken")
            await connection.execute(insert(api_key).values(**row))
        return f"hk_{id}_{secret}"

    async def rows(self) -> Sequence[Any]:
        """All keys, without their secrets, oldest first."""
        wanted = [column for column in api_key.c if column.name not in ("secret_hash", "callback_secret")]
        async with self.store.read() as connection:
            return (await connection.execute(select(*wanted).order_by(api_key.c.created_at))).all()

    async def callback_secret(self, name: str) -> str:
        """What the holder of a key checks the signatures of its callbacks with; empty: it has none."""
        async with self.store.read() as connection:
            wanted = select(api_key.c.callback_secret).where(api_key.c.name == name)
            sealed = (await connection.execute(wanted)).scalar_one_or_none()
        return self.store.privacy.open(sealed) if sealed else ""

    async def revoke(self, name: str) -> bool:
        """End a key: here at once, in other processes within a second. False: none of that name, or it has ended."""
        living = update(api_key).where(api_key.c.name == name, api_key.c.revoked_at.is_(None))
        async with self.store.write() as connection:
            done = await connection.execute(living.values(revoked_at=self.clock()).returning(api_key.c.id))
        self._known.clear()
        return done.first() is not None

    async def client(self, key: str) -> Client | None:
        """Whose key this is; None for a wrong, unknown or revoked one."""
        if not key.isascii():
            return None
        fingerprint = hashlib.sha256(key.encode()).digest()
        until, client = self._known.get(fingerprint, (0.0, None))
        if time.monotonic() < until:
            return client
        if fingerprint not in self._asked:  # one look-up for all who ask at once
            self._asked[fingerprint] = asyncio.create_task(self._remember(key, fingerprint))
        return await asyncio.shield(self._asked[fingerprint])

    async def _remember(self, key: str, fingerprint: bytes) -> Client | None:
        try:
            client = await self._look_up(key)
        finally:
            del self._asked[fingerprint]
        if len(self._known) > 10_000:  # somebody is guessing
            self._known.clear()
        self._known[fingerprint] = (time.monotonic() + _REMEMBER_SECONDS, client)
        return client

    async def _look_up(self, key: str) -> Client | None:
        mark, _, rest = key.partition("_")
        id, _, secret = rest.partition("_")
        if mark != "hk" or len(id) > 16:
            return None
        async with self.store.read() as connection:
            row = (await connection.execute(select(api_key).where(api_key.c.id == id))).first()
        if row is None or row.revoked_at is not None or not hmac.compare_digest(row.secret_hash, _hash(secret)):
            return None
        return Client(row.name, frozenset(row.scopes.split()), row.channel, row.rate, frozenset(row.templates.split()))


def _check(name: str, scopes: Sequence[str], channel: str, templates: Sequence[str], callback: str) -> None:
    if not re.fullmatch(r"[\w.-]{1,64}", name):
        raise Refused("bad_name")
    if name in OURS:
        raise Refused("reserved_name")
    if unknown := set(scopes) - set(SCOPES):
        raise Refused(f"unknown_scope: {' '.join(sorted(unknown))}")
    if channel not in CHANNELS:
        raise Refused("unknown_channel")
    if not all(re.fullmatch(r"\w+", template) for template in templates):  # an empty one would allow them all
        raise Refused("bad_template")
    if callback and not _can_be_told(callback):
        raise Refused("bad_address")


def _can_be_told(address: str) -> bool:
    """Whether it is an address that can be posted to."""
    try:
        parts = urlsplit(address)
        host, _ = (parts.hostname or "").encode("idna"), parts.port  # an empty or over-long label, a port of none
    except ValueError:
        return False
    return host != b"" and re.fullmatch(r"https?://\S+", address) is not None


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
