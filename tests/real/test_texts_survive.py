"""Processes killed without warning in the middle of a campaign: nothing is lost, nothing is sent twice.

The provider is the official Twilio client against a carrier of ours over real HTTP that counts what each number got.
"""

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.fernet import Fernet

from tests.real.running import Running

pytestmark = [pytest.mark.real, pytest.mark.timeout(170)]
ROWS = 1500
ACCOUNT = "AC" + "0" * 32


@dataclass
class Counting:
    """A carrier that takes everything after a moment, and counts."""

    got: Counter[str] = field(default_factory=Counter)
    enough: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    async def take(self, request: web.Request) -> web.Response:
        form = await request.post()
        self.got[str(form["To"])] += 1
        if len(self.got) > ROWS // 4:
            self.enough.set()
        await asyncio.sleep(0.05)
        return web.json_response({"sid": f"SM{sum(self.got.values()):032x}", "status": "queued"}, status=201)


@asynccontextmanager
async def counting() -> AsyncIterator[Counting]:
    it = Counting()
    app = web.Application()
    app.router.add_post(f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json", it.take)
    async with TestServer(app) as server:
        it.url = str(server.make_url("")).rstrip("/")
        yield it


def settings(carrier: Counting, database: str) -> dict[str, str]:
    twilio = {"account_sid": ACCOUNT, "auth_token": "t", "sender": "+12025550100", "endpoint": carrier.url}
    return {
        "HOTLINE_DATABASE_URL": database,
        "HOTLINE_PEPPER": "p" * 40,
        "HOTLINE_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "HOTLINE_SMS__PROVIDERS": json.dumps({"twilio": twilio | {"rate": 500, "window": 40, "timeout_seconds": 4}}),
        "HOTLINE_SMS__LEASE_SECONDS": "8",
    }


async def upload(running: Running, key: str) -> str:
    rows = "\n".join(["to", *(f"139{n:08d}" for n in range(ROWS))])
    query = {"template": "loan_guide", "start": "true"}  # one that may go at night
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "text/csv"}
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{running.port}", headers=headers) as session,
        session.post("/v1/campaigns", params=query, data=rows) as reply,
    ):
        assert reply.status == 202, await reply.text()
        return str((await reply.json())["id"])


async def done(running: Running, key: str, id: str) -> Any:
    while True:
        state = await asyncio.to_thread(running.get, f"/v1/campaigns/{id}", Authorization=f"Bearer {key}")
        if state["status"] == "done":
            return state
        await asyncio.sleep(0.2)


async def test_killed_in_the_middle(database_url: str, tmp_path: Path) -> None:
    """SQLite: one process, killed and started again. PostgreSQL: two at once; one is killed, the other goes on."""
    async with counting() as carrier:
        environment = settings(carrier, database_url)
        first, second = Running(tmp_path / "a", **environment), Running(tmp_path / "b", **environment)
        alone = database_url.startswith("sqlite")
        with ExitStack() as stack:
            for process in (first,) if alone else (first, second):
                stack.callback(process.stop)
                await asyncio.to_thread(process.start)
            key = (first.home / "keys" / "demo_api_key").read_text().strip()
            id = await upload(first, key)
            await carrier.enough.wait()
            os.kill(first.pid, signal.SIGKILL)
            first.stop()
            if alone:
                await asyncio.to_thread(first.start)
            state = await done(first if alone else second, key, id)
    statuses = state["statuses"]
    assert sum(statuses.values()) == ROWS and set(statuses) <= {"sent", "unknown"}
    assert set(carrier.got.values()) == {1}, "a text went twice"
    assert statuses["sent"] <= len(carrier.got) <= statuses["sent"] + statuses.get("unknown", 0)
    assert statuses.get("unknown", 0) <= 40 + 40, "only what was on the wire of the one that died"
