"""The service or the exchange is lost while people are waited for and talked with: no caller is lost with it."""

import asyncio
import signal
import time
from pathlib import Path

import pytest

from tests.real.exchange import Exchange
from tests.real.queues import ask_for_people, desk, phone, state, talks_with, until, visited, waits

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]


@pytest.mark.parametrize("moment", ["waits", "talks"])
async def test_a_service_that_dies_loses_no_caller(queues: Exchange, tmp_path: Path, moment: str) -> None:
    running, asterisk = queues
    async with (
        desk(tmp_path, asterisk) as one,
        phone(tmp_path, "13900000002") as first,
        phone(tmp_path, "13900000001") as second,
    ):
        await until(running, state("agent1", "free"))
        await ask_for_people(queues, first)
        talking = await until(running, state("agent1", "talking"))
        await ask_for_people(queues, second)
        await asyncio.sleep(2)
        await second.press("1")
        waiting = await until(running, waits("general"))
        if moment == "talks":  # the first one gone, the second is answered
            await first.command("hangup")
            await until(running, talks_with("agent1", waiting["call_id"]))
        running.stop(signal.SIGKILL)
        await asyncio.sleep(1)
        await asyncio.to_thread(running.start)
        if moment == "waits":
            assert (await until(running, waits("general")))["call_id"] == waiting["call_id"]
            assert await until(running, talks_with("agent1", talking["call_id"]))
            await first.command("hangup")
        await until(running, talks_with("agent1", waiting["call_id"]))
        await asyncio.sleep(1)
        await one.command("hangup")
        call = await running.call_at("people/rate", id=waiting["call_id"])
        assert [step["node"] for step in call["steps"]].count("main/welcome") == 1 and not call["ended_at"]
        await second.command("hangup")
        await second.until("CALL_CLOSED")
        await visited(running, waiting["call_id"], [("general", "agent1", "served")])
        await visited(running, talking["call_id"], [("general", "agent1", "hung_up")])
    ended = await running.call_at("main/to_people", id=talking["call_id"])
    assert ended["outcome"] == "transferred" and ended["ended_at"]


async def test_the_board_heals_after_the_exchange_was_away(queues: Exchange, tmp_path: Path) -> None:
    running, asterisk = queues
    async with desk(tmp_path, asterisk):
        await until(running, state("agent1", "free"))
        await asyncio.to_thread(asterisk.run, "core restart now")
        deadline = time.monotonic() + 20
        while (await asyncio.to_thread(running.board))["exchange"] == "connected" and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
        await until(running, lambda board: len(board["queues"]) == 10, 30)
