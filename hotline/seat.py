"""The centre's own seat software hears who is calling and why at the moment a call goes to people: a signed webhook.

What it is for is over in a minute, so it is not kept: a few quick tries, then the call is let go. It is still to be had
at `/v1/calls/{id}/context`. Headers and signature are those of https://www.standardwebhooks.com.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable, Sequence
from datetime import datetime

import aiohttp
import structlog
from prometheus_client import Counter

from fund.statements import NO_DATABASE
from hotline.context import Contexts
from sms.callbacks import secret_bytes, signed_headers

log = structlog.get_logger()
TOLD = Counter("hotline_seat_webhooks_total", "Calls told to the seat software", ["outcome"])
WAITS_SECONDS = (0.3, 1.0, 3.0, 6.0)  # between tries; after ten seconds somebody has picked up
LIMIT_SECONDS = 4.0
MOST_WAITING = 500


class SeatWebhook:
    """Tells one address. `start`, then `hand_over(call_id)`, which never waits; `stop` lets go of what is left."""

    def __init__(
        self, url: str, secret: str, contexts: Contexts, clock: Callable[[], datetime], *, full: bool = False,
        waits: Sequence[float] = WAITS_SECONDS,
    ) -> None:  # fmt: skip
        """`full`: number, name and account unmasked."""
        self._url, self._secret, self._full = url, secret_bytes(secret), full
        self._contexts, self._clock, self._waits = contexts, clock, waits
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=LIMIT_SECONDS))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session:
            await self._session.close()

    def hand_over(self, call_id: str) -> None:
        """A call goes to people now."""
        if len(self._tasks) >= MOST_WAITING:
            TOLD.labels("dropped").inc()
            return
        task = asyncio.create_task(self._tell(call_id), name=f"seat {call_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self, call_id: str) -> None:
        """Each try with what is known by then; the id stays, so that a listener knows a repetition."""
        for wait in (*self._waits, None):
            with contextlib.suppress(aiohttp.ClientError, *NO_DATABASE):
                if await self._post(call_id):
                    TOLD.labels("told").inc()
                    return
            if wait is not None:
                await asyncio.sleep(wait)
        TOLD.labels("failed").inc()
        log.warning("seat_not_told", call=call_id)

    async def _post(self, call_id: str) -> bool:
        context = await self._contexts.of(call_id)
        if context is None or self._session is None:
            return False
        event = {"type": "call.handed_over", "data": context.shown(full=self._full).as_json()}
        body = json.dumps(event, ensure_ascii=False).encode()
        headers = signed_headers(self._secret, call_id, self._clock(), body)
        async with self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as answer:
            return answer.ok and answer.status < 300
