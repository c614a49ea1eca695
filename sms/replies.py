"""Answers the texts in the `inbound` table, each once: what was decided and the reply's row are one transaction.

A crash before it leaves the text `new`, and it is answered after the restart; after it, the outbox does the rest.
"""

import asyncio
import contextlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import structlog
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from fund.privacy import Unreadable, mask_number
from sms import metrics, opt_outs
from sms.answers import Answer, Answers
from sms.deciding import Peer, Session
from sms.errors import Refused
from sms.keywords import KeywordFile
from sms.messages import Message, new_id
from sms.sender import Sender, Wish
from sms.store import Clock, Store, utc_now
from sms.tables import audit, inbound, message, text_session
from sms.timing import HOME

log = structlog.get_logger(__name__)

CLIENT = "text"  # whose messages the replies are
TOGETHER = 200  # texts read at a time
AT_ONCE = 16  # people answered at the same time: the ledger may be slow
_LOOK_SECONDS = 5.0  # how often other processes' texts are looked for
_LAST_NOTICE = timedelta(days=30)  # a bare TD is about the last notice within so long


class Replies:
    """Answers until stopped."""

    def __init__(
        self, store: Store, sender: Sender, keywords: KeywordFile, answers: Answers, clock: Clock = utc_now
    ) -> None:
        self.store, self.sender, self.clock = store, sender, clock
        self._keywords, self._answers = keywords, answers
        self._new = asyncio.Event()
        self._room = asyncio.Semaphore(AT_ONCE)

    def wake(self) -> None:
        """There may be something to answer."""
        self._new.set()

    async def run(self) -> None:
        """Answer whatever comes. A database that is away is asked again; nothing is lost meanwhile."""
        while True:
            self._new.clear()
            try:
                while await self.answer_new() == TOGETHER:
                    pass
            except (SQLAlchemyError, OSError) as fault:
                log.error("replies.database", fault=type(fault).__name__)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):  # `wait_for` of Python 3.11 may swallow the end of the task
                    await self._new.wait()

    async def answer_new(self) -> int:
        """Answer the oldest texts that wait: one person's in their order, different people's at once. How many."""
        waiting = select(inbound).where(inbound.c.state == "new").order_by(inbound.c.id).limit(TOGETHER)
        async with self.store.read() as connection:
            rows = (await connection.execute(waiting)).all()
        by_sender = groupby(sorted(rows, key=lambda row: (row.from_hash, row.id)), key=lambda row: row.from_hash)
        await asyncio.gather(*(self._answer_all(list(of_one)) for _, of_one in by_sender))
        return len(rows)

    async def forget_sessions(self) -> None:
        """Remove questions that nobody answered in time; for the housekeeper."""
        async with self.store.write() as connection:
            await connection.execute(delete(text_session).where(text_session.c.expires_at < self.clock()))

    async def _answer_all(self, rows: Sequence[Any]) -> None:
        async with self._room:
            for row in rows:
                await self._answer(row)

    async def _answer(self, row: Any) -> None:
        try:
            body = json.loads(self.store.privacy.open(row.body))
        except Unreadable:
            log.error("replies.unreadable", inbound=row.id)
            async with self.store.write() as connection:
                await _settle(connection, row.id, "failed", None)
            return
        now = self.clock()
        async with self.store.read() as connection:
            peer = await self._peer(connection, row.from_hash, body["from"], now)
        answer = await self._decided(row.id, peer, body["text"], now)
        reply = self._composed(row.id, peer, answer)
        async with self.store.write() as connection:
            if await _settle(connection, row.id, "answered" if reply else "ignored", reply.id if reply else None):
                await self._keep(connection, row, peer, answer, now)
                if reply:
                    await self.sender.outbox.add_within(connection, [reply])
        if reply:
            self.sender.outbox.announce([reply])
        metrics.REPLIES.labels(answer.template or "silence").inc()
        log.info("texts.answered", inbound=row.id, template=answer.template, why=answer.why)

    async def _decided(self, id: str, peer: Peer, text: str, now: datetime) -> Answer:
        """The answer; an apology if there is a fault of ours in finding it."""
        try:
            return await self._answers.answer(self._keywords.table, peer, text, now)
        except Exception as fault:
            log.error("replies.fault", inbound=id, fault=type(fault).__name__)
            return Answer(peer.off, "reply_away")

    def _composed(self, id: str, peer: Peer, answer: Answer) -> Message | None:
        """The message that answers; the apology when what was found cannot be written; None for silence."""
        for template, params in ((answer.template, answer.params), ("reply_away", {})):
            if not answer.template:
                return None
            wish = Wish(peer.phone, template, params, CLIENT, f"inbound:{id}", account=answer.account)
            try:
                return self.sender.compose(wish)
            except Refused as fault:
                log.error("replies.refused", inbound=id, template=template, reason=fault.reason)
        return None

    async def _keep(self, connection: AsyncConnection, row: Any, peer: Peer, answer: Answer, now: datetime) -> None:
        """What must last: the open question, what was turned off, who looked at what."""
        await connection.execute(delete(text_session).where(text_session.c.from_hash == row.from_hash))
        if answer.session:
            until = now + timedelta(minutes=self._keywords.table.file.wait)
            sealed = self.store.privacy.seal(json.dumps(asdict(answer.session), ensure_ascii=False))
            values = {"from_hash": row.from_hash, "state": sealed, "expires_at": until}
            await connection.execute(insert(text_session).values(**values))
        notes = [(look.action, mask_number(look.account), look.outcome) for look in answer.looks]
        if answer.off != peer.off:
            await opt_outs.write(self.store, connection, row.from_hash, peer.off, answer.off, now)
            notes.append(("opt_out", row.from_masked, f"off now: {' '.join(sorted(answer.off)) or 'nothing'}"))
        for action, subject, detail in notes:
            by = f"{detail}; asked by {row.from_masked} in {row.id}"
            line = {"id": new_id(), "at": now, "client": CLIENT, "action": action, "subject": subject, "detail": by}
            await connection.execute(insert(audit).values(**line))

    async def _peer(self, connection: AsyncConnection, from_hash: bytes, phone: str, now: datetime) -> Peer:
        midnight = now.astimezone(HOME).replace(hour=0, minute=0, second=0, microsecond=0)
        since = min(midnight.astimezone(now.tzinfo), now - timedelta(minutes=10))
        ours = select(message.c.template, message.c.created_at).where(
            message.c.to_hash == from_hash, message.c.created_at >= since, message.c.client == CLIENT
        )
        notice = (
            select(message.c.kind)
            .where(message.c.to_hash == from_hash, message.c.kind != "", message.c.created_at >= now - _LAST_NOTICE)
            .order_by(message.c.created_at.desc())
            .limit(1)
        )
        open_one = select(text_session.c.state).where(
            text_session.c.from_hash == from_hash, text_session.c.expires_at > now
        )
        return Peer(
            phone,
            self._session((await connection.execute(open_one)).scalar_one_or_none()),
            await opt_outs.read(connection, from_hash),
            (await connection.execute(notice)).scalar_one_or_none() or "",
            [(template, at) for template, at in await connection.execute(ours)],
        )

    def _session(self, sealed: bytes | None) -> Session | None:
        try:
            state = json.loads(self.store.privacy.open(sealed)) if sealed else None
        except Unreadable:
            return None
        return Session(**state | {"accounts": tuple(state["accounts"])}) if state else None


async def _settle(connection: AsyncConnection, id: str, state: str, answer: str | None) -> bool:
    """Mark a text as dealt with; False when another process was quicker."""
    change = update(inbound).where(inbound.c.id == id, inbound.c.state == "new").values(state=state, answer=answer)
    return (await connection.execute(change.returning(inbound.c.id))).first() is not None
