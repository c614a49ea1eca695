"""/healthz (alive), /readyz (able to serve), /metrics (Prometheus)."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from tempfile import TemporaryFile

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from fund.calendar import published_days_left, unpublished
from fund.clock import china_now
from fund.ledger import Ledger
from ivr.versions import FlowVersions

CALENDAR_DAYS = Gauge("hotline_calendar_days", "Days from now for which the public holidays are known")
CALENDAR_DAYS.set_function(lambda: published_days_left(china_now().date()))
LIMIT_SECONDS = 2.0
ROOM_BYTES = 1024 * 1024  # what a moment's texts take
log = structlog.get_logger()


def bind_health(app: web.Application, engine: AsyncEngine, ledger: Ledger, flows: FlowVersions | None) -> None:
    """Put the three addresses into `app`. `flows` is None when the voice side is left out."""

    async def alive(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def ready(_: web.Request) -> web.Response:
        """503 without our database, or with its disk full: no text could be taken. A ledger that is away leaves the
        lines open, with a person behind every query."""
        database, room, fund = await asyncio.gather(
            _answers(_select_one(engine)), _answers(_room(engine)), _answers(ledger.ready())
        )
        if database == "ok" and room != "ok":
            database = "cannot write"
        state = {"database": database, "ledger": fund}
        if flows:
            state["flows"] = "refused" if flows.faults else "ok"
        if year := unpublished(china_now().date()):
            state["calendar"] = f"{year} not published"
        status = 200 if database == "ok" else 503
        return web.json_response({"status": "ok" if status == 200 else "unavailable", **state}, status=status)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app.add_routes([web.get("/healthz", alive), web.get("/readyz", ready), web.get("/metrics", metrics)])


async def look_at_calendar() -> None:
    """Say in the log when a year that is needed soon has no holidays yet."""
    if year := unpublished(china_now().date()):
        log.warning("holidays_not_published", year=year, cure="upgrade chinesecalendar, or fill hours.yaml")


async def _select_one(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))


async def _room(engine: AsyncEngine) -> None:
    """Raises when there is none to write beside an embedded database; a server looks after its own disk."""
    if engine.dialect.name == "sqlite" and engine.url.database:
        await asyncio.to_thread(_write_beside, Path(engine.url.database))


def _write_beside(database: Path) -> None:
    with TemporaryFile(dir=database.parent, buffering=0) as file:
        file.write(bytes(ROOM_BYTES))


async def _answers(question: Awaitable[None]) -> str:
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            await question
    except Exception:  # whatever the driver raises, the answer to "is it there" is no
        return "away"
    return "ok"
