"""Live parts: a page listens at /staff/live and fetches itself again when one of its topics changed."""

import asyncio
from collections.abc import Collection
from typing import Literal, get_args

from aiohttp import web
from aiohttp.client_exceptions import ClientConnectionResetError

from hotline.staff.page import Door, Page, Visit

Topic = Literal[
    "calls",  # a call began, moved on or ended
    "board",  # queues and agents
    "orders",  # work orders
    "callbacks",  # call-backs
    "bulletin",  # the spoken notice
]
TOPICS: tuple[Topic, ...] = get_args(Topic)
GATHER_SECONDS = 0.3  # many changes in a moment are one
BEAT_SECONDS = 10.0  # other nodes change things too; and whether the session still lives is asked so often
MOST_LISTENERS = 500


class Live:
    """Who tells and who listens, within this process."""

    def __init__(self) -> None:
        self._listeners: set[tuple[frozenset[str], asyncio.Event]] = set()
        self._closing = False

    def tell(self, topic: Topic) -> None:
        """Something changed."""
        for topics, changed in self._listeners:
            if topic in topics:
                changed.set()

    def stop(self) -> None:
        """Let every listener go."""
        self._closing = True
        for _, changed in self._listeners:
            changed.set()

    @property
    def full(self) -> bool:
        return len(self._listeners) >= MOST_LISTENERS

    async def serve(self, stream: web.StreamResponse, visit: Visit, topics: Collection[str]) -> None:
        """Write `change` to a stream on each change and each beat, until the session ends or the browser goes."""
        mine = (frozenset(topics), asyncio.Event())
        self._listeners.add(mine)
        try:
            while not self._closing and await _alive(visit.door, visit.token):
                await stream.write(b"data: change\n\n")
                await _changed(mine[1])
        except (ClientConnectionResetError, ConnectionResetError):
            pass
        finally:
            self._listeners.discard(mine)


async def _changed(changed: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(BEAT_SECONDS):
            await changed.wait()
            await asyncio.sleep(GATHER_SECONDS)
    except TimeoutError:
        pass
    changed.clear()


async def _alive(door: Door, token: str) -> bool:
    return await door.sessions.find(token, door.clock(), touch=False) is not None


def pages(live: Live) -> list[Page]:
    """The one address live parts listen at."""

    async def listen(visit: Visit) -> web.StreamResponse:
        if live.full:
            return web.Response(status=503)
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
        await stream.prepare(visit.request)
        await live.serve(stream, visit, set(visit.request.query.get("topics", "").split(",")) & set(TOPICS))
        return stream

    return [Page("GET", "/live", "viewer", listen)]
