"""Texts that people send us: kept before anything else happens, each once, long ones put together from their parts.

A provider repeats what we did not acknowledge, and sends parts in any order, late or never. Who answers is
`sms.replies`; what is answered, `sms.deciding`.
"""

import asyncio
import json
from collections.abc import Callable, Sequence, Set
from datetime import datetime, timedelta
from typing import Any, cast

import structlog
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from fund.privacy import Unreadable, mask_number
from sms import metrics
from sms.errors import Refused
from sms.group import GroupCommit
from sms.messages import new_id
from sms.numbers import recipient
from sms.providers.base import Inbound
from sms.store import Clock, Store, utc_now
from sms.tables import inbound, inbound_part

log = structlog.get_logger(__name__)

MOST_PARTS = 20
MOST_CHARACTERS = 2000
_REPEATED_WITHIN = timedelta(minutes=1)  # how soon somebody's newest words, without an id or a time, are a repeat
_PARTS_WAIT = timedelta(minutes=2)  # after the last part that came; then the text is what is there
_PARTS_KEPT = timedelta(hours=1)  # so that a part that comes late or again is known; phones reuse their numbers


class Inbox:
    """Takes texts in. `new` is called after the commit when there is something to answer."""

    def __init__(
        self, store: Store, new: Callable[[], None], abroad: frozenset[str] = frozenset(), clock: Clock = utc_now
    ) -> None:
        self.store, self.clock = store, clock
        self._new, self._abroad = new, abroad
        self._take = GroupCommit(self._take_many)

    async def take(self, provider: str, texts: Sequence[Inbound]) -> None:
        """Texts of one webhook, pull or connection; back when they are on the disk."""
        for what in await asyncio.gather(*(self._take((provider, each)) for each in texts)):
            metrics.INBOUND.labels(provider, what).inc()

    async def _take_many(self, texts: Sequence[tuple[str, Inbound]]) -> list[str]:
        """What became of each: new, ignored (nobody we can answer), repeat, part or late_part."""
        async with self.store.write() as connection:
            became = await self._keep_wholes(connection, texts)
            for n, (provider, text) in enumerate(texts):
                if _is_part(text):
                    became[n] = await self._keep_part(connection, provider, text)
        self._new()
        return [became[n] for n in range(len(texts))]

    async def join_late(self) -> None:
        """Put together what will not become whole any more, forget parts nobody will repeat; for the housekeeper."""
        now = self.clock()
        part = inbound_part.c
        waiting = select(part.group_hash).where(part.joined_at.is_(None)).group_by(part.group_hash)
        over = waiting.having(func.max(part.received_at) < now - _PARTS_WAIT)
        async with self.store.write() as connection:
            for group in (await connection.execute(over)).scalars().all():
                await self._join(connection, group)
            await connection.execute(delete(inbound_part).where(part.joined_at < now - _PARTS_KEPT))
        self._new()

    async def _keep_wholes(self, connection: AsyncConnection, texts: Sequence[tuple[str, Inbound]]) -> dict[int, str]:
        """All texts that are not parts, in a few statements."""
        rows = {
            n: self._row(provider, self._fingerprint(provider, text), text.sender, text.to, text.text)
            for n, (provider, text) in enumerate(texts)
            if not _is_part(text)
        }
        nameless = {n for n in rows if not (texts[n][1].id or texts[n][1].at)}
        found = select(inbound.c.fingerprint).where(
            inbound.c.fingerprint.in_([row["fingerprint"] for n, row in rows.items() if n not in nameless])
        )
        known = set((await connection.execute(found)).scalars()) if len(nameless) < len(rows) else set()
        newest = await self._newest(connection, {rows[n]["from_hash"] for n in nameless}) if nameless else {}
        became, new = dict.fromkeys(rows, "repeat"), []
        for n, row in rows.items():
            words = (row["provider"], texts[n][1].to, texts[n][1].text[:MOST_CHARACTERS])
            if row["fingerprint"] in known or (n in nameless and newest.get(row["from_hash"]) == words):
                continue
            known.add(row["fingerprint"])
            newest[row["from_hash"]] = words
            new.append(row)
            became[n] = row["state"]
        if new:
            await connection.execute(self.store.insert_new(inbound), new)
        return became

    async def _newest(self, connection: AsyncConnection, who: Set[bytes]) -> dict[bytes, tuple[str, str, str]]:
        """The newest text of each of these phones, if it just came: its provider, to whom, and its words."""
        lately = inbound.c.received_at >= self.clock() - _REPEATED_WITHIN
        theirs = (
            select(inbound).where(inbound.c.from_hash.in_(who), lately).order_by(inbound.c.received_at, inbound.c.id)
        )
        newest = {row.from_hash: row for row in await connection.execute(theirs)}
        bodies = {who: self._open(row.body) for who, row in newest.items()}
        return {who: (newest[who].provider, body["to"], body["text"]) for who, body in bodies.items()}

    def _sender(self, raw: str) -> str:
        try:
            return recipient(raw, self._abroad)
        except Refused:
            return ""

    def _fingerprint(self, provider: str, text: Inbound) -> bytes:
        """What tells a repeat: the provider's id, else the moment; without either only the words can, see `_newest`."""
        if text.id:
            return self._digest(provider, "id", text.id)
        if text.at:
            sender = self._sender(text.sender) or text.sender
            return self._digest(provider, sender, text.to, text.text, text.at.isoformat())
        return self._digest("nameless", new_id())

    def _mark(self, text: str) -> str:
        """What is kept of a part once it is joined: enough to know it again."""
        return self._digest("part", text).hex()

    def _digest(self, *words: str) -> bytes:
        return self.store.digest("inbound", "\0".join(words))

    def _row(self, provider: str, fingerprint: bytes, raw: str, to: str, text: str) -> dict[str, Any]:
        sender = self._sender(raw)
        return {
            "id": new_id(),
            "provider": provider,
            "fingerprint": fingerprint,
            "from_hash": self.store.phone(sender or raw),
            "from_masked": mask_number(sender or raw)[:20],
            "body": self._sealed(sender or raw, to, text[:MOST_CHARACTERS]),
            "received_at": self.clock(),
            "state": "new" if sender else "ignored",
        }

    def _sealed(self, sender: str, to: str, text: str) -> bytes:
        return self.store.privacy.seal(json.dumps({"from": sender, "to": to, "text": text}, ensure_ascii=False))

    async def _keep_part(self, connection: AsyncConnection, provider: str, text: Inbound) -> str:
        group = self._digest(provider, self._sender(text.sender) or text.sender, "group", text.group, str(text.parts))
        there = {row.part: row for row in await _parts(connection, group)}
        joined = any(row.joined_at for row in there.values())
        if text.part not in there and joined:
            return "late_part"
        if text.part in there:
            kept = self._open(there[text.part].body)["text"]
            if kept == (self._mark(text.text) if joined else text.text):
                return "late_part" if joined else "repeat"
            if not joined:
                await self._join(connection, group)  # what is there is all there will be
            await connection.execute(delete(inbound_part).where(inbound_part.c.group_hash == group))
            there = {}  # the phone has begun to count anew: this is another text
        row = {
            "group_hash": group,
            "part": text.part,
            "parts": text.parts,
            "provider": provider,
            "body": self._sealed(text.sender, text.to, text.text),
            "received_at": self.clock(),
        }
        await connection.execute(self.store.insert_new(inbound_part), [row])
        if len(there) + 1 == text.parts:
            await self._join(connection, group)
        return "part"

    async def _join(self, connection: AsyncConnection, group: bytes) -> None:
        """One text of the parts that are there, in their order."""
        rows = await _parts(connection, group)
        bodies = [self._open(row.body) for row in rows]
        first: datetime = min(row.received_at for row in rows)
        text = "".join(body["text"] for body in bodies)
        fingerprint = self._digest("joined", group.hex(), first.isoformat(), text)
        row = self._row(rows[0].provider, fingerprint, bodies[0]["from"], bodies[0]["to"], text)
        await connection.execute(self.store.insert_new(inbound), [row])
        for row, body in zip(rows, bodies, strict=True):
            change = update(inbound_part).where(inbound_part.c.group_hash == group, inbound_part.c.part == row.part)
            mark = self._sealed("", "", self._mark(body["text"]))
            await connection.execute(change.values(body=mark, joined_at=self.clock()))

    def _open(self, sealed: bytes) -> dict[str, str]:
        """What was kept; nothing when its key is lost: the rest is still worth reading."""
        try:
            return cast(dict[str, str], json.loads(self.store.privacy.open(sealed)))
        except Unreadable:
            log.error("inbound.unreadable")
            return {"from": "", "to": "", "text": ""}


def _is_part(text: Inbound) -> bool:
    return 1 <= text.part <= text.parts <= MOST_PARTS and text.parts > 1


async def _parts(connection: AsyncConnection, group: bytes) -> Sequence[Any]:
    wanted = select(inbound_part).where(inbound_part.c.group_hash == group).order_by(inbound_part.c.part)
    return (await connection.execute(wanted)).all()
