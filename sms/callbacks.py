"""What became of its texts, told to the system that sent them: signed, and again until it listens.

A key with a callback address gets a POST for each new status of a text it sent one by one (campaigns are asked about by
GET). Headers and signature are those of https://www.standardwebhooks.com, so every language has a library to check
them. A status is written down in the same transaction as the change itself, and told at least once: `webhook-id` is
the same each time, and since statuses only climb, whoever hears two out of order keeps the higher one.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import structlog
from sqlalchemy import Connection, Select, bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from fund.privacy import Unreadable
from fund.statements import Statement
from sms.messages import Status, new_id
from sms.store import Clock, Store, utc_now
from sms.tables import api_key, callback, message

log = structlog.get_logger(__name__)

TRIES = 10
PAUSES = (5, 30, 120, 600, 1800, 3600, 2 * 3600, 4 * 3600, 8 * 3600)  # seconds after each failed try: 19 hours in all
TIMEOUT_SECONDS = 10.0
_OF_ONE_TEXT = (400, 409, 413, 422)  # a listener that answers so would hear other news
_AT_ONCE = 50
_POLL_SECONDS = 1.0
_LEASE = timedelta(seconds=60)
SECRET_PREFIX = "whsec_"
_REMEMBER_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Listener:
    """Where a client wants to be told, and what it checks the signature with."""

    url: str
    secret: bytes


class Listeners:
    """Who wants to be told, and the news kept for them. A new key is known within a quarter of a second."""

    def __init__(self, store: Store, clock: Clock = utc_now) -> None:
        self.store = store
        self.clock = clock
        self.wake = asyncio.Event()  # there is something to tell
        self._known: dict[str, Listener] = {}
        self._read_at = float("-inf")

    def known(self, connection: Connection) -> dict[str, Listener]:
        """By client."""
        if (now := time.monotonic()) > self._read_at + _REMEMBER_SECONDS:
            rows = connection.execute(_LISTENERS).all()
            self._known = {name: each for name, url, sealed in rows if (each := self._open(name, url, sealed))}
            self._read_at = now
        return self._known

    def _open(self, name: str, url: str, sealed: bytes) -> Listener | None:
        try:
            return Listener(url, secret_bytes(self.store.privacy.open(sealed)))
        except Unreadable:
            log.error("callback.secret_unreadable", client=name)
            return None

    def note(self, connection: Connection, ids: Mapping[str, Status]) -> bool:
        """Write down that these texts have these statuses, within the transaction that gave them to them.

        Whether there is anything to tell: set `wake` once it is committed.
        """
        listeners = self.known(connection)
        if not listeners or not ids:
            return False
        theirs = (message.c.id.in_(list(ids)), message.c.client.in_(listeners), message.c.campaign.is_(None))
        wanted = select(message.c.id, message.c.client, message.c.status, message.c.reason).where(*theirs)
        found = connection.execute(wanted).all()
        news = [_row(row, self.clock()) for row in found if row.status == ids[row.id]]  # else it is news no more
        if news:
            connection.execute(insert(callback), news)
        return bool(news)


class Callbacks:
    """Tells what is noted."""

    def __init__(self, listeners: Listeners, session: aiohttp.ClientSession) -> None:
        self.listeners = listeners
        self.store = listeners.store
        self.clock = listeners.clock
        self.session = session

    async def run(self) -> None:
        """Tell, for ever; cancel to end. Any number of processes may."""
        while True:
            self.listeners.wake.clear()
            try:
                tried = await self.turn()
            except Exception as fault:  # the database is away: the news waits in it
                log.error("callback.turn_failed", fault=type(fault).__name__)
                tried = 0
            if not tried:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_POLL_SECONDS):
                        await self.listeners.wake.wait()

    async def turn(self) -> int:
        """Tell what is due now; how many were tried."""
        if not await _NEWS.fetch(self.store.engine, now=self.clock()):
            return 0
        async with self.store.read() as connection:
            listeners = await connection.run_sync(self.listeners.known)
            if not listeners or (await connection.execute(self._due(listeners).limit(1))).first() is None:
                return 0
        rows = await self._claim(listeners)
        answers = await asyncio.gather(*(self._tell(listeners[row.client], row) for row in rows))
        done = [row.id for row, status in zip(rows, answers, strict=True) if _taken(status)]
        async with self.store.write() as connection:
            if done:
                await connection.execute(delete(callback).where(callback.c.id.in_(done)))
            for row, status in zip(rows, answers, strict=True):
                if not _taken(status):
                    await self._later(connection, row, alone=status in _OF_ONE_TEXT)
        return len(rows)

    def _due(self, listeners: Iterable[str]) -> Select[tuple[str]]:
        waiting = (callback.c.due_at <= self.clock(), callback.c.attempt < TRIES, callback.c.client.in_(listeners))
        return select(callback.c.id).where(*waiting).order_by(callback.c.id)

    async def _claim(self, listeners: Iterable[str]) -> Sequence[Any]:
        """The oldest due ones, out of the way of other processes until the lease ends."""
        due = self._due(listeners).limit(_AT_ONCE).with_for_update(skip_locked=True)
        taken = (
            update(callback)
            .where(callback.c.id.in_(due.scalar_subquery()))
            .values(due_at=self.clock() + _LEASE, attempt=callback.c.attempt + 1)
            .returning(*callback.c)
        )
        async with self.store.write() as connection:
            return sorted((await connection.execute(taken)).all(), key=lambda row: str(row.id))

    async def _tell(self, listener: Listener, row: Any) -> int:
        """The status of the answer, 0 for none."""
        news = {"id": row.message, "status": row.status, "reason": row.reason, "at": row.at.isoformat()}
        body = json.dumps(news).encode()
        headers = signed_headers(listener.secret, row.id, self.clock(), body)
        limit = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        try:
            async with self.session.post(
                listener.url, data=body, headers=headers, allow_redirects=False, timeout=limit
            ) as reply:
                status, why = reply.status, str(reply.status)
        except Exception as fault:  # whatever is wrong with one address, the others are told
            status, why = 0, type(fault).__name__
        if not _taken(status):
            log.warning("callback.not_taken", client=row.client, message=row.message, attempt=row.attempt, why=why)
        return status

    async def _later(self, connection: AsyncConnection, row: Any, *, alone: bool = False) -> None:
        """Another try after a while, none after the last.

        Unless it is `alone` that the listener did not want it, none of the client's other news goes before it.
        """
        if row.attempt >= TRIES:
            log.error("callback.given_up", client=row.client, message=row.message)
            return
        again = self.clock() + timedelta(seconds=PAUSES[row.attempt - 1])
        await connection.execute(update(callback).where(callback.c.id == row.id).values(due_at=again))
        if alone:
            return
        others = (callback.c.client == row.client, callback.c.due_at < again, callback.c.attempt == 0)
        await connection.execute(update(callback).where(*others).values(due_at=again))


# Made once: building a statement costs more than running it.
_LISTENERS = select(api_key.c.name, api_key.c.callback_url, api_key.c.callback_secret).where(
    api_key.c.callback_url != "", api_key.c.revoked_at.is_(None)
)
_NEWS = Statement(
    "news to tell",
    select(callback.c.id).where(callback.c.due_at <= bindparam("now"), callback.c.attempt < TRIES).limit(1),
    by_key=True,
)


def _taken(status: int) -> bool:
    return 200 <= status < 300


def _row(row: Any, now: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "client": row.client,
        "message": row.id,
        "status": row.status,
        "reason": row.reason,
        "at": now,
        "attempt": 0,
        "due_at": now,
    }


def new_secret() -> str:
    """A secret to sign with, as the listeners' libraries want it."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def secret_bytes(secret: str) -> bytes:
    """The key within `whsec_...`."""
    return base64.b64decode(secret.removeprefix(SECRET_PREFIX))


def signed_headers(secret: bytes, id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The headers of one webhook: its id, its time, and the signature over both and the body."""
    seconds = str(int(at.timestamp()))
    digest = hmac.digest(secret, b".".join([id.encode(), seconds.encode(), body]), hashlib.sha256)
    return {
        "Content-Type": "application/json",
        "webhook-id": id,
        "webhook-timestamp": seconds,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
