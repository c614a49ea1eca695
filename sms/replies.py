"""Answers the texts in the `inbound` table, each once: what was decided and the reply's row are one transaction.

A crash before it leaves the text `new`, and it is answered after the restart; after it, the outbox does the rest.
"""

import asyncio
import contextlib
import json
from collections.abc import Sequence, Set
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from fund.clock import CHINA
from fund.privacy import Unreadable, mask_number
from fund.statements import NO_DATABASE
from sms import metrics, opt_outs
from sms.answers import Answer, Answers
from sms.deciding import Peer, Session
from sms.errors import Refused
from sms.messages import Message, new_id
from sms.sender import Sender, Wish
from sms.store import Clock, Store, utc_now
from sms.tables import audit, inbound, message, text_session
from sms.wording import Wording

log = structlog.get_logger(__name__)

CLIENT = "text"  # whose messages the replies are
TOGETHER = 200  # texts answered in one transaction
AT_ONCE = 8  # people answered at the same time: the ledger may be slow
_LOOK_SECONDS = 5.0  # how often other processes' texts are looked for
_LAST_NOTICE = timedelta(days=30)  # a bare TD is about the last notice sent within so long


@dataclass(frozen=True, slots=True)
class _Answered:
    """A text, who sent it, what was decided, and the reply."""

    row: Any
    peer: Peer
    answer: Answer
    reply: Message | None

    @property
    def end(self) -> str:
        """The state the text ends in."""
        return "answered" if self.reply else "failed" if self.answer.why == "unreadable" else "ignored"


class Replies:
    """Answers until stopped."""

    def __init__(
        self, store: Store, sender: Sender, keywords: Wording, answers: Answers, clock: Clock = utc_now
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
                while await self.answer_new():
                    pass
            except NO_DATABASE as fault:
                log.error("replies.database", fault=type(fault).__name__)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):  # `wait_for` of Python 3.11 may swallow the end of the task
                    await self._new.wait()

    async def answer_new(self) -> int:
        """Answer the oldest texts that wait, one of each person, in one transaction. How many."""
        waiting = select(inbound).where(inbound.c.state == "new").order_by(inbound.c.id).limit(TOGETHER)
        async with self.store.read() as connection:
            rows = (await connection.execute(waiting)).all()
            firsts = list({row.from_hash: row for row in reversed(rows)}.values())
            peers = await self._peers(connection, {row.from_hash for row in firsts}) if firsts else {}
        answered = await asyncio.gather(*(self._answered(row, peers[row.from_hash]) for row in firsts))
        if answered:
            await self._keep(answered)
        return len(firsts)

    async def forget_sessions(self) -> None:
        """Remove questions that nobody answered in time; for the housekeeper."""
        async with self.store.write() as connection:
            await connection.execute(delete(text_session).where(text_session.c.expires_at < self.clock()))

    async def _answered(self, row: Any, known: Peer) -> _Answered:
        """What a text is answered with. Nothing that a text, a peer or the ledger holds may raise here."""
        try:
            body = json.loads(self.store.privacy.open(row.body))
        except Unreadable:
            log.error("replies.unreadable", inbound=row.id)
            return _Answered(row, known, Answer(known.off, session=known.session, why="unreadable"), None)
        peer = replace(known, phone=body["from"])
        async with self._room:
            answer = await self._decided(row.id, peer, body["text"])
        return _Answered(row, peer, answer, self._composed(row.id, peer, answer))

    async def _decided(self, id: str, peer: Peer, text: str) -> Answer:
        """The answer; an apology if there is a fault of ours in finding it."""
        try:
            return await self._answers.answer(self._keywords.table, peer, text, self.clock())
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

    async def _keep(self, answered: Sequence[_Answered]) -> None:
        """All of it, or nothing: the replies, the open questions, what was turned off, who looked at what."""
        async with self.store.write() as connection:
            ours = await _settle(connection, answered)
            await self._keep_sessions(connection, ours)
            notes = [note for each in ours for note in self._notes(each)]
            if notes:
                await connection.execute(insert(audit), notes)
            for each in ours:
                if each.answer.off != each.peer.off:
                    off, was = each.answer.off, each.peer.off
                    await opt_outs.write(self.store, connection, each.row.from_hash, was, off, self.clock())
            replies = [each.reply for each in ours if each.reply]
            if replies:
                await self.sender.outbox.add_within(connection, replies)
        self.sender.outbox.announce(replies)
        for each in ours:
            metrics.REPLIES.labels(each.answer.template or "silence").inc()
            log.info("texts.answered", inbound=each.row.id, template=each.answer.template, why=each.answer.why)

    async def _keep_sessions(self, connection: AsyncConnection, ours: Sequence[_Answered]) -> None:
        """The open questions as they are now."""
        gone = [each.row.from_hash for each in ours if each.peer.session]
        if gone:
            await connection.execute(delete(text_session).where(text_session.c.from_hash.in_(gone)))
        until = self.clock() + timedelta(minutes=self._keywords.table.file.wait)
        for each in ours:
            if each.answer.session:
                sealed = self.store.privacy.seal(json.dumps(asdict(each.answer.session), ensure_ascii=False))
                values = {"from_hash": each.row.from_hash, "state": sealed, "expires_at": until}
                await connection.execute(self.store.upsert(text_session, ["from_hash"], **values))

    def _notes(self, each: _Answered) -> list[dict[str, Any]]:
        """The audit's lines: masked, and by whom in which text."""
        row, answer = each.row, each.answer
        notes = [(look.action, mask_number(look.account), look.outcome) for look in answer.looks]
        if answer.off != each.peer.off:
            notes.append(("opt_out", row.from_masked, f"off now: {' '.join(sorted(answer.off)) or 'nothing'}"))
        by = f"asked by {row.from_masked} in {row.id}"
        return [
            {"id": new_id(), "at": self.clock(), "client": CLIENT, "action": action, "subject": subject,
             "detail": f"{detail}; {by}"}
            for action, subject, detail in notes
        ]  # fmt: skip

    async def _peers(self, connection: AsyncConnection, hashes: Set[bytes]) -> dict[bytes, Peer]:
        """What is known of these phones, but for their numbers."""
        now = self.clock()
        midnight = now.astimezone(CHINA).replace(hour=0, minute=0, second=0, microsecond=0)
        since = min(midnight.astimezone(now.tzinfo), now - timedelta(minutes=10))
        told = message.c.to_hash.in_(hashes)
        ours = select(message.c.to_hash, message.c.template, message.c.created_at).where(
            told, message.c.created_at >= since, message.c.client == CLIENT
        )
        notices = select(message.c.to_hash, message.c.kind).where(
            told, message.c.kind != "", message.c.sent_at >= now - _LAST_NOTICE
        )
        asked = select(text_session.c.from_hash, text_session.c.state).where(
            text_session.c.from_hash.in_(hashes), text_session.c.expires_at > now
        )
        off = await opt_outs.read_many(connection, hashes)
        sent: dict[bytes, list[tuple[str, datetime]]] = {}
        for to_hash, template, at in await connection.execute(ours):
            sent.setdefault(to_hash, []).append((template, at))
        last = {to_hash: kind for to_hash, kind in await connection.execute(notices.order_by(message.c.sent_at))}
        sessions = {from_hash: self._session(state) for from_hash, state in await connection.execute(asked)}
        return {
            each: Peer("", sessions.get(each), off.get(each, frozenset()), last.get(each, ""), sent.get(each, ()))
            for each in hashes
        }

    def _session(self, sealed: bytes) -> Session | None:
        try:
            state = json.loads(self.store.privacy.open(sealed))
        except Unreadable:
            return None
        return Session(**state | {"accounts": tuple(state["accounts"])})


async def _settle(connection: AsyncConnection, answered: Sequence[_Answered]) -> list[_Answered]:
    """Mark texts as dealt with; those of them that are ours, because no other process was quicker."""
    open_ones = update(inbound).where(inbound.c.id.in_([each.row.id for each in answered]), inbound.c.state == "new")
    taken = await connection.execute(open_ones.values(state="ignored").returning(inbound.c.id))
    ids = set(taken.scalars())
    ours = [each for each in answered if each.row.id in ids]
    ends = [{"the_id": each.row.id, "end": each.end, "reply": each.reply.id if each.reply else None} for each in ours]
    if ends:
        await connection.execute(_END, ends)
    return ours


_END = (
    update(inbound).where(inbound.c.id == bindparam("the_id")).values(state=bindparam("end"), answer=bindparam("reply"))
)
