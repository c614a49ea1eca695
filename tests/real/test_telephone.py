"""A real SIP call: baresip dials a real Asterisk, presses keys by RFC 4733, and what it heard is shown to be right."""

import asyncio
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from tests.real.asterisk import SECRETS, Asterisk
from tests.real.baresip import Baresip, agent, caller
from tests.real.running import Running
from tests.real.spoken import PHRASES, said, sound

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]
PIN = "135790"


async def test_a_caller_hears_their_balance(lines: tuple[Running, Asterisk], tmp_path: Path) -> None:
    running, asterisk = lines
    ask = said(PHRASES["ask_pin_bound"]["zh"])
    wrong = said(PHRASES["wrong_pin"]["zh"], left=("number", 2))
    balance = said("您的账户余额为{balance}。", personal=True, balance=("money", Decimal("12345.67")))
    async with caller(tmp_path) as phone:
        await phone.dial(f"sip:12329@127.0.0.1:{asterisk.sip_port}")
        await phone.hears(sound(running, said("您好，欢迎致电镇江市住房公积金热线。")))
        await phone.press("1")
        await phone.hears(sound(running, ask))
        await phone.press("111222#")
        await phone.hears(sound(running, wrong, ask))
        await phone.press(PIN + "#")
        await phone.hears(sound(running, balance))
        call = await running.call_at("account/balance")
        await phone.command("hangup")
        await phone.until("CALL_CLOSED")
    assert call["caller"] == "*******0001"
    ended = await running.call_at("account/balance")
    assert [look["action"] for look in ended["looks"]] == ["identify:phone", "identify:phone", "report:balance"]
    assert PIN not in running.events() and PIN not in asterisk.console()


async def test_a_slow_caller_is_never_taken_away(lines: tuple[Running, Asterisk], tmp_path: Path) -> None:
    """A pause of nearly the whole wait before every key of the PIN: longer than any time limit of a frozen service."""
    running, asterisk = lines
    async with caller(tmp_path) as phone:
        async with call_at("identification", phone, running, asterisk):
            for key in PIN[3:]:
                await asyncio.sleep(4.2)
                await phone.press(key)
        await running.call_at("account/balance")
        await phone.command("hangup")
        await phone.until("CALL_CLOSED")


@pytest.mark.parametrize("number", ["anonymous", "+8613900000001", "008613900000001", "1" * 60, "a%0d%0ab;x=1"])
async def test_any_caller_id_is_served(lines: tuple[Running, Asterisk], tmp_path: Path, number: str) -> None:
    running, asterisk = lines
    before = len(running.calls())
    async with caller(tmp_path, number) as phone:
        await phone.dial(f"sip:12329@127.0.0.1:{asterisk.sip_port}")
        call = await running.call_at("main/main", after=before)
        assert call["caller"] == ("*******0001" if number.endswith("13900000001") else call["caller"])
        await phone.command("hangup")
        await phone.until("CALL_CLOSED")


async def registered(asterisk: Asterisk, name: str) -> None:
    """Wait until Asterisk knows where an agent's telephone is."""
    async with asyncio.timeout(30):
        while f"{name}/sip:" not in await asyncio.to_thread(asterisk.run, "pjsip show contacts"):
            await asyncio.sleep(0.1)


MOMENTS = ["prompt", "identification", "look-up"]


@contextmanager
def slow_ledger(running: Running) -> Iterator[None]:
    """Nobody can read the ledger meanwhile."""
    with closing(sqlite3.connect(running.home / "ledger.db", isolation_level=None)) as ledger:
        ledger.execute("BEGIN EXCLUSIVE")
        yield
        ledger.execute("ROLLBACK")


@asynccontextmanager
async def call_at(moment: str, phone: Baresip, running: Running, asterisk: Asterisk) -> AsyncIterator[None]:
    """A call brought to the moment at which the service is to be lost."""
    before = len(running.calls())
    await phone.dial(f"sip:12329@127.0.0.1:{asterisk.sip_port}")
    await running.call_at("main/main", after=before)
    if moment == "prompt":
        await asyncio.sleep(1)
        yield
        return
    await phone.press("1")
    await running.call_at("account/who")
    await asyncio.sleep(1)
    if moment == "identification":
        await phone.press(PIN[:3])
        yield
        return
    with slow_ledger(running):
        await phone.press(PIN)
        await asyncio.sleep(1.2)  # "please wait" is being said
        yield


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
