"""Dead letters: texts that nothing will happen to by itself. A person looks, and releases or drops each.

A text gets here when a provider refused it, when it failed too often, when its outcome stayed unknown, or when its
body cannot be opened. Releasing is the one way a status goes down again: whoever does it knows it may arrive twice.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, func, select, tuple_, update

from fund.privacy import Unreadable
from sms.callbacks import Listeners
from sms.errors import Refused
from sms.messages import Lane, Status
from sms.store import Clock, Store, utc_now
from sms.tables import message

NEW_LIFE = timedelta(days=1)  # at least, for a released text


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A text that waits for a person. `status` is failed (it did not go) or unknown (it may have)."""

    id: str
    status: Status
    reason: str
    lane: Lane
    template: str
    client: str
    to_masked: str
    provider: str | None
    attempt: int
    parts: int
    created_at: datetime
    dead_at: datetime


class DeadLetters:
    """Lists them, shows one, releases it into the queue again, drops it. `client`: only that client's; empty: all."""

    def __init__(self, store: Store, clock: Clock = utc_now) -> None:
        self.store = store
        self.clock = clock
        self.listeners = Listeners(store, clock)

    async def list(
        self, most: int = 100, client: str = "", after: datetime | None = None, after_id: str = ""
    ) -> Sequence[DeadLetter]:
        """The newest first; `after` and `after_id`, the last one's `dead_at` and id, ask for those behind it."""
        place = tuple_(message.c.dead_at, message.c.id)  # many get here in one moment
        wanted = select(*_COLUMNS).where(message.c.dead_at.is_not(None), *_of(client))
        if after:
            wanted = wanted.where(place < (after, after_id))
        newest = wanted.order_by(message.c.dead_at.desc(), message.c.id.desc()).limit(most)
        async with self.store.read() as connection:
            rows = (await connection.execute(newest)).all()
        return [DeadLetter(**row._mapping) for row in rows]

    async def count(self, client: str = "") -> int:
        """How many there are."""
        async with self.store.read() as connection:
            counted = select(func.count()).where(message.c.dead_at.is_not(None), *_of(client))
            return (await connection.execute(counted)).scalar_one()

    async def show(self, id: str, client: str = "") -> tuple[DeadLetter, str]:
        """One of them, and its text; empty when that was removed or cannot be read. Raises `Refused`: `not_found`."""
        async with self.store.read() as connection:
            wanted = select(*_COLUMNS, message.c.body).where(*_dead(id, client))
            row = (await connection.execute(wanted)).one_or_none()
        if row is None:
            raise Refused("not_found")
        facts = dict(row._mapping)
        return DeadLetter(**{name: facts[name] for name in _NAMES}), self._text(facts["body"])

    def _text(self, body: bytes) -> str:
        try:
            opened = json.loads(self.store.privacy.open(body)) if body else {}
        except Unreadable:
            return ""
        signature = f"【{opened['signature']}】" if opened.get("signature") else ""
        return f"{signature}{opened.get('text', '')}"

    async def release(self, id: str, client: str = "") -> None:
        """Into the queue again, with its tries and providers forgotten. Raises `Refused`.

        `not_found`; `too_late` for a code, which helps nobody any more; `no_text` when its content is gone.
        """
        letter, text = await self.show(id, client)
        if letter.lane == "code":
            raise Refused("too_late")
        if not text:
            raise Refused("no_text")
        now = self.clock()
        life = case((message.c.expires_at > now + NEW_LIFE, message.c.expires_at), else_=now + NEW_LIFE)
        again = {"status": "queued", "due_at": now, "dead_at": None, "done_at": None, "sent_at": None}
        await self._change(id, client, **again, expires_at=life, attempt=0, tried="", reason="released")

    async def drop(self, id: str, client: str = "") -> None:
        """Out of the dead letters: it will not be sent. A late receipt may still say that it arrived."""
        dropped = case((message.c.status == "unknown", "dropped"), else_=message.c.reason)
        await self._change(id, client, status="failed", reason=dropped, dead_at=None, done_at=self.clock())

    async def _change(self, id: str, client: str, **columns: Any) -> None:
        change = update(message).where(*_dead(id, client)).values(**columns)
        async with self.store.write() as connection:
            if (await connection.execute(change.returning(message.c.id))).first() is None:
                raise Refused("not_found")
            news = await connection.run_sync(self.listeners.note, {id: columns["status"]})
        if news:
            self.listeners.wake.set()


_NAMES = DeadLetter.__slots__
_COLUMNS = [message.c[name] for name in _NAMES]


def _of(client: str) -> list[Any]:
    return [message.c.client == client] if client else []


def _dead(id: str, client: str) -> list[Any]:
    return [message.c.id == id, message.c.dead_at.is_not(None), *_of(client)]
