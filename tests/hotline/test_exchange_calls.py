"""Calls that an exchange brings to the whole service by FastAGI: odd callers, odd keys, and a hang-up at every point."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hotline.server import Hotline
from tests.ivr.exchange import Exchange
from tests.service import service

PIN = "135790"
BALANCE = ["1", PIN, "1"]


@asynccontextmanager
async def hotline(home: Path) -> AsyncIterator[Hotline]:
    async with service(home) as running:
        yield running
        await Exchange.end_all()


async def records(running: Hotline) -> dict[str, dict[str, Any]]:
    """Every call, by its id."""
    key = (running.settings.home / "keys" / "demo_api_key").read_text().strip()
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as session,
        session.get(f"http://127.0.0.1:{running.port}/v1/calls?limit=200") as answer,
    ):
        return {call["id"]: call for call in (await answer.json())["calls"]}


async def ended(running: Hotline, *ids: str) -> dict[str, dict[str, Any]]:
    """These calls, once their ends are in the records."""
    kept: dict[str, dict[str, Any]] = {}
    async with asyncio.timeout(30):
        while not all(kept.get(id, {}).get("ended_at") for id in ids):
            await asyncio.sleep(0.1)
            kept = await records(running)
    return kept


CALLERS = {
    "13900000001": "*******0001",
    "+8613900000001": "*******0001",
    "008613900000001": "*******0001",
    "anonymous": "",
    "unknown": "",
    "": "",
    "${SHELL(reboot)}": "",
    "'; DROP TABLE calls; --": "",
    "<script>alert(1)</script>": "",
    "公积金": "",
    "9" * 300: "",
}


async def test_whoever_calls_is_served(tmp_path: Path) -> None:
    async with hotline(tmp_path) as running:
        for n, caller in enumerate(CALLERS):
            exchange = await Exchange.call(running.agi_port, uniqueid=f"1.{n}", callerid=caller)
            await exchange.carry(lambda n, line: "GET DATA" in line)
            exchange.hang_up()
        kept = await ended(running, *(f"1.{n}" for n in range(len(CALLERS))))
        assert [kept[f"1.{n}"]["caller"] for n in range(len(CALLERS))] == list(CALLERS.values())


@pytest.mark.parametrize("keys", ["", "9" * 200, "#" * 200, "*" * 40, "1*#0", "ABCD"])
async def test_odd_keys_never_lose_a_caller(tmp_path: Path, keys: str) -> None:
    """Whatever is pressed at every question, the exchange is told what comes next: people, or the end."""
    async with hotline(tmp_path) as running:
        exchange = await Exchange.call(running.agi_port, *[keys] * 8)
        await exchange.carry()
        assert exchange.variables["HOTLINE_NEXT"] in ("queue", "hangup")


async def test_a_hang_up_at_every_point_ends_the_call(tmp_path: Path) -> None:
    async with hotline(tmp_path) as running:
        whole = await Exchange.call(running.agi_port, *BALANCE, uniqueid="2.0")
        await whole.carry()
        points = len(whole.commands)
        assert points > 12 and not any(PIN in line for line in whole.commands)
        cut = []
        for n in range(points - 1):
            exchange = await Exchange.call(running.agi_port, *BALANCE, uniqueid=f"3.{n}")
            await exchange.carry(lambda before, line, n=n: before == n)
            if n % 2:
                await exchange.say(b"200 result=-1\nHANGUP\n")
            exchange.hang_up() if n % 3 else exchange.break_off()
            if "HOTLINE_NEXT" not in exchange.variables:  # else it is the dialplan's already
                cut.append(f"3.{n}")
        kept = await ended(running, *cut)
        assert len(cut) > 12 and {kept[call]["outcome"] for call in cut} <= {"hung_up", "transferred"}
        assert re.fullmatch(r"\*+0001", kept["3.0"]["caller"])
