"""Calls placed by Twilio's REST API, with the official SDK. Twilio asks for the call's TwiML at an address that holds
our own id, and tells at another how it ended; so any node hears of any call, and the table `twilio_placed` knows which
are up.

A call is written down before it is asked for, and asked for once: when the answer is lost, Twilio's first request
brings its `CallSid`. One of which nothing was heard for longer than it can ring is looked up.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import structlog
from sqlalchemy import case, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from twilio.base.exceptions import TwilioRestException, TwilioServiceException
from twilio.rest import Client

from desk.callbacks import Missed
from fund.inserts import insert_new
from fund.phone import e164
from fund.statements import NO_DATABASE
from hotline.placing import PLACED, Went, parsed
from hotline.settings import OutboundSettings
from ivr.lines.twilio_asked import ENDED, reached_people
from ivr.lines.twilio_settings import TwilioVoiceSettings
from ivr.tables import calls
from ivr.tables import twilio_placed as table
from sms.providers.twilio import Wire

log = structlog.get_logger()
LIMIT_SECONDS = 10.0  # for Twilio's answer
NOTE_SECONDS = 3.0  # for the database's, while Twilio waits for ours: it gives up after 15
QUIET_SECONDS = 30.0  # after it should have been picked up; then Twilio is asked what became of it
KEPT = timedelta(days=2)
NO_SUCH_NUMBER = frozenset({21211, 21214, 21216, 21217})  # it cannot be called: asked again, it would be the same
UNKNOWN_TO_SIP = frozenset({"404", "484", "604"})  # no such number, too short, nowhere
_HOW: Mapping[str, str] = {
    "completed": "answered",
    "busy": "busy",
    "no-answer": "no_answer",
    "failed": "failed",
    "canceled": "failed",
}


def how_of(status: str, sip_code: str = "") -> str:
    """How a call ended, by its `CallStatus`: `answered`, or why it was missed. Pure."""
    return "no_answer" if status == "failed" and sip_code in UNKNOWN_TO_SIP else _HOW[status]


class ByTwilio:
    """See `hotline.placing.Carrier`. Who is free at Twilio nobody tells: each queue has one call-back at a time."""

    agents_first = False

    def __init__(
        self,
        settings: TwilioVoiceSettings,
        outbound: OutboundSettings,
        engine: AsyncEngine,
        address: str,
        clock: Callable[[], datetime],
    ) -> None:
        """`address`: the public address of `/twilio/voice`."""
        self._settings, self._outbound, self._engine = settings, outbound, engine
        self._address, self._clock = address, clock
        self._patience = timedelta(seconds=outbound.ring_seconds + QUIET_SECONDS)
        self._session: aiohttp.ClientSession | None = None
        self._client: Any = None

    def start(self) -> None:
        """Open the way to Twilio."""
        self._session = aiohttp.ClientSession()
        account, token = self._settings.account_sid, self._settings.auth_token.get_secret_value()
        self._client = Client(account, token, account, http_client=Wire(self._session))
        self._client.api.base_url = self._settings.endpoint

    async def stop(self) -> None:
        if self._session:
            await self._session.close()

    @property
    def ready(self) -> bool:
        return self._client is not None

    def staffed(self, queue: str) -> str:
        return queue

    def free(self, queue: str) -> int:
        return 1

    def share(self, one: str, other: str) -> bool:
        return one == other

    def with_people(self, call: str) -> bool:
        return False

    def forget(self, but: Collection[str]) -> None:
        """Nothing is kept here."""

    # placing

    async def ring(self, purpose: str, number: str, call: str, queue: str) -> None:
        log.info("outgoing_call", call=call, purpose=purpose)
        await self._write_down(call)
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                placed = await self._client.calls.create_async(**self._fields(number, call))
        except (aiohttp.ClientConnectorError, aiohttp.InvalidURL) as fault:
            await self._not_placed(call, "failed", type(fault).__name__)
        except (TwilioRestException, TwilioServiceException) as fault:
            if 400 <= fault.status < 500:
                missed: Missed = "no_answer" if fault.code in NO_SUCH_NUMBER else "failed"
                await self._not_placed(call, missed, str(fault.code or fault.status))
            else:
                log.warning("outgoing_call_unsure", call=call, fault=str(fault.code or fault.status))
        except Exception as fault:  # no answer, or one the SDK can make nothing of: Twilio's first request tells
            log.warning("outgoing_call_unsure", call=call, fault=type(fault).__name__)
        else:
            await self._set(call, sid=placed.sid)

    def _fields(self, number: str, call: str) -> dict[str, Any]:
        here = f"{self._address}/{call}"
        fields: dict[str, Any] = {
            "to": e164(number),
            "from_": self._settings.number,
            "url": f"{here}/start",
            "method": "POST",
            "status_callback": f"{here}/status",
            "status_callback_method": "POST",
            "status_callback_event": ["completed"],
            "timeout": self._outbound.ring_seconds,
        }
        if self._settings.machines == "hang_up":
            fields |= {
                "machine_detection": "Enable",
                "async_amd": "true",  # whoever answers is not kept waiting for it
                "async_amd_status_callback": f"{here}/status",
                "async_amd_status_callback_method": "POST",
            }
        return fields

    async def _not_placed(self, call: str, missed: Missed, fault: str) -> None:
        log.warning("outgoing_call_refused", call=call, fault=fault)
        await self._over(call, missed)

    # what Twilio tells

    async def told(self, call: str, form: Mapping[str, str]) -> None:
        """A request of Twilio's about a call of ours: whose it is, whether people were reached, how it ended."""
        try:
            await self._set(call, sid=form["CallSid"], **({"talked": True} if reached_people(form) else {}))
            if form.get("AnsweredBy", "").startswith(("machine", "fax")):
                await self._hang_up_on_machine(call, form["CallSid"])
            elif (status := form.get("CallStatus", "")) in ENDED:
                await self._over(call, how_of(status, form.get("SipResponseCode", "")))
        except NO_DATABASE as fault:  # the call itself goes on; its end is looked up later
            log.error("outgoing_call_not_noted", call=call, fault=type(fault).__name__)

    async def _hang_up_on_machine(self, call: str, sid: str) -> None:
        log.info("outgoing_call_machine", call=call)
        await self._set(call, how="machine")
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                await self._client.calls(sid).update_async(status="completed")
        except Exception as fault:  # it ends by itself, when no key is pressed
            log.warning("outgoing_call_not_hung_up", call=call, fault=type(fault).__name__)

    # what has become of them

    async def up(self) -> frozenset[str] | None:
        open_ = select(table).where(~table.c.over)
        try:
            async with self._engine.connect() as connection:
                rows = (await connection.execute(open_)).all()
        except NO_DATABASE:
            return None
        quiet = [row for row in rows if row.seen_at < self._clock() - self._patience]
        over = {row.call_id for row in quiet if await self._has_ended(row)}
        return frozenset(row.call_id for row in rows) - over

    async def _has_ended(self, row: Any) -> bool:
        """Look a call up; one whose asking nobody answered, and which never rang, is none."""
        if not row.sid:
            await self._over(row.call_id, "failed")
            return True
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                status = (await self._client.calls(row.sid).fetch_async()).status
        except Exception as fault:
            log.warning("outgoing_call_not_seen", call=row.call_id, fault=type(fault).__name__)
            return False
        if status in ENDED:
            await self._over(row.call_id, how_of(status))
            return True
        await self._set(row.call_id)
        return False

    async def went(self, call: str) -> Went:
        known = select(calls.c.id).where(calls.c.id == call)
        async with self._engine.connect() as connection:
            row = (await connection.execute(select(table).where(table.c.call_id == call))).first()
            picked_up = (await connection.execute(known)).first() is not None
        if row is None:
            return Went("failed", picked_up, False)
        missed: Missed = row.how if row.how in ("busy", "failed", "machine") else "no_answer"
        return Went(missed, picked_up, row.talked)

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that nobody on the telephone waits for long."""
        async with asyncio.timeout(NOTE_SECONDS), self._engine.begin() as connection:
            yield connection

    async def _write_down(self, call: str) -> None:
        now = self._clock()
        row = {"call_id": call, "sid": "", "seen_at": now, "over": False, "how": "", "talked": False}
        async with self._writing() as connection:
            await connection.execute(delete(table).where(table.c.over, table.c.seen_at < now - KEPT))
            await connection.execute(insert_new(self._engine, table).values(**row))

    async def _set(self, call: str, **values: Any) -> None:
        changed = update(table).where(table.c.call_id == call, ~table.c.over)
        async with self._writing() as connection:
            await connection.execute(changed.values(seen_at=self._clock(), **values))

    async def _over(self, call: str, how: str) -> None:
        """It has ended, once; what was known of it before (a machine) stays."""
        changed = update(table).where(table.c.call_id == call, ~table.c.over)
        kept = case((table.c.how == "", how), else_=table.c.how)
        async with self._writing() as connection:
            ended = (await connection.execute(changed.values(over=True, how=kept, seen_at=self._clock()))).rowcount
            went = (await connection.execute(select(table.c.how).where(table.c.call_id == call))).scalar_one_or_none()
        purpose = parsed(call)[0]
        if ended and went:
            log.info("outgoing_call_ended", call=call, how=went)
            if purpose == "code":  # nothing follows a code up; the others are counted when they are
                PLACED.labels(purpose, went).inc()
