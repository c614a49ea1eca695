"""Campaigns: many people, one template. Checked while the file comes in, sent from a cursor, safe against any crash.

    upload -> checking -> ready -> running <-> paused -> done      (cancelled from any of them; broken: half a file)

The good rows wait sealed in chunks of a few dozen. A chunk becomes messages in one transaction and is emptied in the
same one, so after a crash every row is in exactly one place. Only as many chunks are turned into messages as the
workers need next: the outbox stays small, and whatever else is due finds it so.
"""

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

import structlog
from sqlalchemy import bindparam, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from fund.statements import Statement
from sms import holds
from sms.errors import Refused
from sms.messages import Message, Quiet, Status, new_id
from sms.preflight import CHUNK, Chunk, Kind, Preflight, Report
from sms.routing import Router
from sms.sender import Sender
from sms.store import Store
from sms.tables import campaign, campaign_chunk, message
from sms.templates import Template
from sms.timing import Day, allowed_at, finished_at

log = structlog.get_logger(__name__)

BACKLOG = 2000  # messages of campaigns kept ready in the outbox
TOGETHER = 10  # chunks of an upload written in one transaction
_POLL_SECONDS = 0.5  # how soon the work of another process is found
_STALE = timedelta(hours=6)
_LONG = timedelta(days=1)  # longer than any text waits for its next try

State = Literal[
    "checking",  # the file is coming in
    "ready",  # checked; nothing has been sent
    "running",  # being sent
    "paused",  # held; what is on the wire finishes
    "done",  # every row has an outcome
    "cancelled",  # the rest will not be sent
    "broken",  # the file did not arrive whole; nothing has been sent
]
_MOVES: dict[str, tuple[State, tuple[State, ...]]] = {
    "start": ("running", ("ready",)),
    "pause": ("paused", ("running",)),
    "resume": ("running", ("paused",)),
    "cancel": ("cancelled", ("ready", "running", "paused", "checking")),
}


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a campaign stands. `rate` in texts a second since the start; `seconds_left` at that rate."""

    id: str
    name: str
    template: str
    status: State
    report: Report
    statuses: dict[Status, int]
    waiting: int  # rows that are not in the outbox yet
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    rate: float
    seconds_left: float | None


class Campaigns:
    """Takes files in, and feeds the outbox from them."""

    def __init__(self, store: Store, sender: Sender, router: Router, day: Day | None) -> None:
        self.store = store
        self.sender = sender
        self.router = router
        self.day = day
        self.clock = sender.outbox.clock
        self._work = asyncio.Event()

    async def upload(
        self,
        client: str,
        name: str,
        template_id: str,
        kind: Kind,
        data: AsyncIterator[bytes],
        key: str | None = None,
    ) -> str:
        """Check a file while it comes in; its id once it is `ready`. Raises `Refused` for a file that makes no sense.

        An interrupted upload (`data` raises) is `broken`, and raises on. One that was cancelled meanwhile, or has taken
        too long, is `Refused` with `wrong_state`, and so is another with its `key` unless it is `broken`.
        """
        template = self.sender.template(template_id)
        if template.lane == "code":
            raise Refused("not_for_campaigns")
        id = _id(client, key) if key else new_id()
        await self._open(id, client, name, template)
        preflight = Preflight(self.store, self.sender, template, kind)
        try:
            await self._take_in(id, preflight, data)
            await self._ready(id, preflight.report, template)
        except BaseException:
            await self._broken(id)
            raise
        return id

    async def find(self, client: str, key: str) -> tuple[str, State] | None:
        """The campaign a client uploaded under a key, whole."""
        whole = (campaign.c.id == _id(client, key), campaign.c.status.not_in(("checking", "broken")))
        async with self.store.read() as connection:
            row = (await connection.execute(select(campaign.c.id, campaign.c.status).where(*whole))).first()
        return (row.id, row.status) if row else None

    async def _open(self, id: str, client: str, name: str, template: Template) -> None:
        row = {"id": id, "client": client, "name": name, "template": template.id, "status": "checking", "report": "{}"}
        async with self.store.write() as connection:
            await connection.execute(delete(campaign).where(campaign.c.id == id, campaign.c.status == "broken"))
            opened = self.store.insert_new(campaign).values(**row, created_at=self.clock())
            if not (await connection.execute(opened)).rowcount:
                raise Refused("wrong_state: checking")

    async def _take_in(self, id: str, preflight: Preflight, data: AsyncIterator[bytes]) -> None:
        done: list[Chunk] = []
        n = 0
        async for chunk in preflight.chunks(data):
            done.append(chunk)
            if len(done) == TOGETHER:
                n, done = await self._keep(id, n, done), []
        await self._keep(id, n, done)

    async def _keep(self, id: str, n: int, chunks: Sequence[Chunk]) -> int:
        """Store chunks; the number of the next one."""
        rows = [
            {
                "campaign": id,
                "n": n + offset,
                "rows": len(chunk.good),
                "body": self.store.privacy.seal(json.dumps(chunk.good, ensure_ascii=False)) if chunk.good else None,
                "faults": json.dumps(chunk.faults),
            }
            for offset, chunk in enumerate(chunks)
            if chunk.good or chunk.faults
        ]
        if rows:
            async with self.store.write() as connection:
                if not await _checked(connection, id, status="checking"):
                    raise Refused("wrong_state")
                await connection.execute(insert(campaign_chunk), rows)
        return n + len(chunks)

    async def _ready(self, id: str, report: Report, template: Template) -> None:
        rate = sum(gate.rate_for("campaign") for gate in self.router.gates.values())
        report.finished_at = finished_at(self.clock(), report.good, rate, template.quiet, self.day).isoformat()
        async with self.store.write() as connection:
            if not await _checked(connection, id, status="ready", report=json.dumps(asdict(report))):
                raise Refused("wrong_state")

    async def _broken(self, id: str) -> None:
        """Nobody will go on with it: what has arrived is forgotten."""
        async with self.store.write() as connection:
            if await _checked(connection, id, status="broken", ended_at=self.clock()):
                await connection.execute(delete(campaign_chunk).where(campaign_chunk.c.campaign == id))

    async def move(self, client: str, id: str, act: str) -> State:
        """start, pause, resume or cancel.

        Raises `Refused` with `not_found`, `wrong_state`, or `unknown_template` when what is left could not be sent.
        """
        to, since = _MOVES[act]
        now = self.clock()
        async with self.store.write() as connection:
            found = select(campaign).where(campaign.c.id == id, campaign.c.client == client).with_for_update()
            row = (await connection.execute(found)).first()
            if row is None or row.status not in since:
                raise Refused(f"wrong_state: {row.status}" if row else "not_found")
            await connection.execute(
                update(campaign).where(campaign.c.id == id).values(status=to, **_marks(row, act, now))
            )
            await self._hold(connection, row, act, now)
        self._work.set()
        return to

    async def _hold(self, connection: AsyncConnection, row: Any, act: str, now: datetime) -> None:
        """Apply a move to the messages that are in the outbox already."""
        if act == "pause":
            await holds.pause(connection, row.id)
        elif act == "resume":
            life = timedelta(seconds=self.sender.template(row.template).life_seconds)
            await holds.resume(connection, row.id, now, life)
        elif act == "cancel":
            await holds.cancel(connection, row.id, now)

    async def feed(self) -> None:
        """Keep the outbox supplied, for ever; cancel to end. Any number of processes may feed."""
        while True:
            self._work.clear()
            try:
                await self._feed_while_needed()
            except Exception as fault:  # the database is away: campaigns wait in it
                log.error("campaigns.feed_failed", fault=type(fault).__name__)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_SECONDS):
                    await self._work.wait()

    async def _feed_while_needed(self) -> None:
        if await _AT_WORK.fetch(self.store.engine):
            while await self.step():
                pass
            await self._finish()

    async def step(self) -> bool:
        """Turn one chunk of a running campaign into messages; False when none may go now, or enough is waiting."""
        night = self._night()
        if await _ENOUGH.fetch(self.store.engine, until=min(night.values(), default=self.clock() + _LONG)):
            return False
        resting = [template.id for template in self.sender.templates.values() if template.quiet in night]
        await self.store.calm()
        async with self.store.write() as connection:
            chunk = (await connection.execute(_NEXT_CHUNK, {"resting": resting})).first()
            if chunk is None:
                return False
            try:
                messages = self._messages(chunk)
            except Exception as fault:  # of this campaign, which a person must look at: the others go on
                await self._stop(
                    connection, chunk, fault.reason if isinstance(fault, Refused) else type(fault).__name__
                )
                return True
            await self.sender.outbox.add_within(connection, messages)
            spent = update(campaign_chunk).where(
                campaign_chunk.c.campaign == chunk.campaign, campaign_chunk.c.n == chunk.n
            )
            await connection.execute(spent.values(body=None))
        self.sender.outbox.announce(messages)
        return True

    def _night(self) -> dict[Quiet, datetime]:
        """Which texts may not go now, and when they may again."""
        now = self.clock()
        opens: dict[Quiet, datetime] = {quiet: allowed_at(now, quiet, self.day) for quiet in get_args(Quiet)}
        return {quiet: moment for quiet, moment in opens.items() if moment > now}

    def _messages(self, chunk: Any) -> list[Message]:
        template = self.sender.template(chunk.template)
        now = self.clock()
        return [
            Message(
                to=to,
                text=text,
                template=template.id,
                params=params,
                signature=template.signature,
                lane="campaign",
                kind=template.kind if template.may_turn_off else "",
                client=chunk.client,
                key=f"{chunk.campaign} {to}",
                quiet=template.quiet,
                expires_at=now + timedelta(seconds=template.life_seconds),
                campaign=chunk.campaign,
                parts=parts,
                cost=parts * self.sender.price,
            )
            for to, text, params, parts in json.loads(self.store.privacy.open(chunk.body))
        ]

    async def _stop(self, connection: AsyncConnection, chunk: Any, reason: str) -> None:
        log.error("campaigns.paused", campaign=chunk.campaign, reason=reason)
        report = json.dumps(json.loads(chunk.report) | {"stopped": reason})
        paused = update(campaign).where(campaign.c.id == chunk.campaign).values(status="paused", report=report)
        await connection.execute(paused)
        await holds.pause(connection, chunk.campaign)

    async def _finish(self) -> None:
        """Running campaigns with nothing left to send are done; uploads nobody goes on with are broken."""
        left = select(campaign_chunk.c.n).where(
            campaign_chunk.c.campaign == campaign.c.id, campaign_chunk.c.body.is_not(None)
        )
        going = select(message.c.id).where(
            message.c.campaign == campaign.c.id, message.c.status.in_(("queued", "sending"))
        )
        done = (campaign.c.status == "running", ~left.exists(), ~going.exists())
        stale = (campaign.c.status == "checking", campaign.c.created_at < self.clock() - _STALE)
        async with self.store.read() as connection:
            ended = (await connection.execute(select(campaign.c.id).where(*done))).scalars().all()
            broken = (await connection.execute(select(campaign.c.id).where(*stale))).scalars().all()
        if ended:
            now_done = update(campaign).where(campaign.c.id.in_(ended), campaign.c.status == "running")
            async with self.store.write() as connection:
                await connection.execute(now_done.values(status="done", ended_at=self.clock()))
        for id in broken:
            await self._broken(id)

    async def progress(self, client: str, id: str) -> Progress | None:
        """Where a campaign of this client stands; None: it has none of that id."""
        counted = select(message.c.status, func.count()).where(message.c.campaign == id).group_by(message.c.status)
        waiting = select(func.coalesce(func.sum(campaign_chunk.c.rows), 0)).where(
            campaign_chunk.c.campaign == id, campaign_chunk.c.body.is_not(None)
        )
        async with self.store.read() as connection:
            found = select(campaign).where(campaign.c.id == id, campaign.c.client == client)
            row = (await connection.execute(found)).first()
            if row is None:
                return None
            statuses: dict[Status, int] = {status: many for status, many in await connection.execute(counted)}
            left = int((await connection.execute(waiting)).scalar_one())
        return self._progress(row, statuses, left)

    def _progress(self, row: Any, statuses: dict[Status, int], waiting: int) -> Progress:
        seconds = ((row.ended_at or self.clock()) - row.started_at).total_seconds() if row.started_at else 0.0
        going = statuses.get("queued", 0) + statuses.get("sending", 0)
        gone = sum(statuses.values()) - going
        rate = gone / seconds if seconds > 0 else 0.0
        return Progress(
            id=row.id,
            name=row.name,
            template=row.template,
            status=row.status,
            report=Report(**json.loads(row.report)),
            statuses=statuses,
            waiting=waiting,
            created_at=row.created_at,
            started_at=row.started_at,
            ended_at=row.ended_at,
            rate=round(rate, 1),
            seconds_left=round((waiting + going) / rate, 1) if rate and row.status == "running" else None,
        )

    async def faults(self, client: str, id: str) -> AsyncIterator[tuple[int, str]]:
        """The bad rows of a campaign, as (line, reason), in the order of the file."""
        mine = select(campaign_chunk.c.n, campaign_chunk.c.faults).join(campaign)
        of = mine.where(campaign.c.id == id, campaign.c.client == client, campaign_chunk.c.faults != "[]")
        last = -1
        while True:
            page = of.where(campaign_chunk.c.n > last).order_by(campaign_chunk.c.n).limit(50)
            async with self.store.read() as connection:
                rows = (await connection.execute(page)).all()
            for row in rows:
                for line, reason in json.loads(row.faults):
                    yield line, reason
            if not rows:
                return
            last = rows[-1].n


def _id(client: str, key: str) -> str:
    """Of the one campaign that a client may upload under a key."""
    return hashlib.sha256(f"{client}\0{key}".encode()).hexdigest()[:26]


def _marks(row: Any, act: str, now: datetime) -> dict[str, Any]:
    """What a campaign's row says after a move, besides its status."""
    match act:
        case "start":
            return {"started_at": now}
        case "resume":
            return {"report": json.dumps(json.loads(row.report) | {"stopped": ""})}
        case "cancel":
            return {"ended_at": now}
    return {}


async def _checked(connection: AsyncConnection, id: str, **columns: Any) -> bool:
    """A step of an upload; False when somebody has ended it meanwhile. Whoever wants to end it waits for the step."""
    step = update(campaign).where(campaign.c.id == id, campaign.c.status == "checking").values(**columns)
    return (await connection.execute(step.returning(campaign.c.id))).first() is not None


# Made once: building a statement costs more than running it.
_AT_WORK = Statement(
    "campaigns at work",
    select(campaign.c.id).where(or_(campaign.c.status == "running", campaign.c.status == "checking")).limit(1),
    by_key=True,
)
_ENOUGH = Statement(
    "enough of campaigns ready",
    select(message.c.id)
    .where(message.c.lane == "campaign", message.c.due_at < bindparam("until"))  # not what waits for the morning
    .order_by(message.c.due_at)
    .limit(1)
    .offset(BACKLOG - CHUNK),
    by_key=True,
)
# Locks the campaign as well: a pause waits for the chunk, the next chunk for the pause.
_NEXT_CHUNK = (
    select(campaign_chunk, campaign.c.client, campaign.c.template, campaign.c.report)
    .join(campaign, campaign.c.id == campaign_chunk.c.campaign)
    .where(campaign.c.status == "running", campaign_chunk.c.body.is_not(None))
    .where(campaign.c.template.not_in(bindparam("resting", expanding=True)))
    .order_by(campaign.c.started_at, campaign_chunk.c.n)
    .limit(1)
    .with_for_update(skip_locked=True, key_share=True)
)
