"""The service dies or freezes at any moment of a call: it goes on once the service is back, or people answer it."""

import asyncio
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.real.asterisk import SECRETS, Asterisk
from tests.real.baresip import agent, caller
from tests.real.running import Running
from tests.real.telephone import call_at

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]
MOMENTS = ["prompt", "identification", "look-up"]


async def registered(asterisk: Asterisk, name: str) -> None:
    """Wait until Asterisk knows where an agent's telephone is."""
    async with asyncio.timeout(30):
        while f"{name}/sip:" not in await asyncio.to_thread(asterisk.run, "pjsip show contacts"):
            await asyncio.sleep(0.1)


async def resumed(running: Running, times: int, seconds: float = 60) -> None:
    """Wait until the service has taken up a call again so many times."""
    async with asyncio.timeout(seconds):
        while running.log().count("call_resumed") < times:
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_call_goes_on_after_a_restart(lines: tuple[Running, Asterisk], tmp_path: Path, moment: str) -> None:
    running, asterisk = lines
    before, times = len(running.calls()), running.log().count("call_resumed")
    async with caller(tmp_path) as phone:
        async with call_at(moment, phone, running, asterisk):
            running.stop(signal.SIGKILL)
        running.start()
        await resumed(running, times + 1)
        await asyncio.sleep(1)
        await phone.press("0")
        call = await running.call_at("main/to_people")
        assert len(running.calls()) == before + 1, "the same call, not a new one"
        nodes = [step["node"] for step in call["steps"]]
        assert nodes[0] == "main/welcome" and nodes[-1] == "main/to_people"
        await phone.command("hangup")
        await phone.until("CALL_CLOSED")


async def reach_people(
    running: Running, asterisk: Asterisk, folder: Path, lose: Callable[[], None], moment: str = "identification"
) -> float:
    """A call whose service is lost is answered by an agent: after how many seconds."""
    async with (
        agent(folder / "agent", "agent1", SECRETS["AGENT1_SECRET"], asterisk.sip_port) as desk,
        caller(folder / "caller") as phone,
    ):
        await registered(asterisk, "agent1")  # baresip may have told so before it could be heard
        async with call_at(moment, phone, running, asterisk):
            began = time.monotonic()
            await asyncio.to_thread(lose)
            await desk.until("CALL_ESTABLISHED")
            seconds = time.monotonic() - began
            await phone.command("hangup")
            await desk.until("CALL_CLOSED")
    return seconds


@pytest.mark.parametrize(
    ("how", "moment"), [(signal.SIGTERM, "identification"), *((signal.SIGKILL, moment) for moment in MOMENTS)]
)
async def test_a_caller_without_a_service_reaches_people(
    lines: tuple[Running, Asterisk], tmp_path: Path, how: signal.Signals, moment: str
) -> None:
    running, asterisk = lines
    try:
        assert await reach_people(running, asterisk, tmp_path, lambda: running.stop(how), moment) < 5
    finally:
        running.start()


async def test_a_caller_of_a_frozen_service_reaches_people(lines: tuple[Running, Asterisk], tmp_path: Path) -> None:
    running, asterisk = lines
    try:
        assert await reach_people(running, asterisk, tmp_path, running.freeze) < 30
    finally:
        running.thaw()
