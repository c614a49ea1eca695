"""Nobody is there, so the caller leaves a message: a real call, real sound, and the order that comes of it."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import pytest

from desk.order import Order, Wanted
from desk.orders import Orders
from fund.calendar import add_working_days
from hotline.database import open_database
from hotline.settings import Settings
from hotline.tapes import Tapes
from ivr import audio
from ivr.voice import EmbeddedVoice
from tests import hearing
from tests.real.asterisk import Asterisk, NoAsterisk
from tests.real.baresip import Baresip, caller
from tests.real.running import Running
from tests.real.spoken import PHRASES, said, sound

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]
PHONE = "13900000001"
SPOKEN = "请问退休提取要带哪些材料？"


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Asterisk]]:
    """A service and an Asterisk that share the folder of recordings."""
    folder = tmp_path_factory.mktemp("messages")
    shared = folder / "asterisk" / "spool" / "hotline"
    with ExitStack() as stack:
        running = Running(folder / "home", HOTLINE_RECORDINGS=str(shared))
        try:
            asterisk = Asterisk(folder / "asterisk", running.agi_url)
        except NoAsterisk as reason:
            pytest.skip(str(reason))
        stack.enter_context(running)
        stack.enter_context(asterisk)
        yield running, asterisk


@pytest.fixture(scope="module")
def question() -> audio.Sound:
    return EmbeddedVoice().say(SPOKEN, "zh")


def talker(folder: Path, question: audio.Sound) -> Baresip:
    """A caller who says the same thing again and again."""
    once = audio.joined([question, audio.silence(1)])
    return caller(folder, PHONE, mouth=audio.joined([once] * round(150 / audio.seconds(once))))


@asynccontextmanager
async def the_orders(running: Running) -> AsyncIterator[Orders]:
    settings = Settings(_env_file=None, home=running.home)  # type: ignore[call-arg]
    engine = open_database(settings.own_database_url)
    yield Orders(engine, settings.privacy(), add_working_days)
    await engine.dispose()


async def orders_of(running: Running, count: int, seconds: float = 60) -> list[Order]:
    """The orders, newest first, once there are so many."""
    deadline = time.monotonic() + seconds
    async with the_orders(running) as orders:
        while len(found := list(await orders.list(Wanted()))) < count:
            assert time.monotonic() < deadline, f"{len(found)} orders\n{running.log()[-2000:]}"
            await asyncio.sleep(0.2)
    return found


async def reach_the_beep(phone: Baresip, running: Running, asterisk: Asterisk) -> Path:
    """To a person, nobody is there, leave a message: the file that Asterisk is writing."""
    shared = asterisk.folder / "spool" / "hotline"
    before = set(shared.glob("*.wav"))
    await phone.dial(f"sip:12329@127.0.0.1:{asterisk.sip_port}")
    await phone.hears(sound(running, said("您好，欢迎致电镇江市住房公积金热线。")))
    await phone.press("0")
    await phone.hears(sound(running, said("对不起，现在暂时没有工作人员能接听您的电话。")))
    await phone.press("3")
    await running.call_at("people/message")
    deadline = time.monotonic() + 60
    while not (fresh := set(shared.glob("*.wav")) - before):
        assert time.monotonic() < deadline, running.log()[-2000:] + asterisk.console()[-2000:]
        await asyncio.sleep(0.1)
    return fresh.pop()


def told_twice(running: Running, order: Order) -> list[audio.Sound]:
    """The number of the order as it is told."""
    halves = {"day": ("digits", order.number[:6]), "rest": ("digits", order.number[6:])}
    return [sound(running, said(PHRASES[name]["zh"], **halves)) for name in ("order_number", "order_number_again")]


def tape(running: Running, asterisk: Asterisk, order: Order) -> audio.Sound:
    """What was recorded for an order."""
    settings = Settings(_env_file=None, home=running.home)  # type: ignore[call-arg]
    return audio.unwav(Tapes(asterisk.folder / "spool" / "hotline", settings.privacy()).load(order.recording))


async def sealed(asterisk: Asterisk, order: Order, seconds: float = 60) -> None:
    """Wait until nothing of it is open on the disk."""
    shared = asterisk.folder / "spool" / "hotline"
    deadline = time.monotonic() + seconds
    while list(shared.glob("*.wav")) or not (shared / "kept" / f"{order.recording}.sealed").exists():
        assert time.monotonic() < deadline, [path.name for path in shared.rglob("*")]
        await asyncio.sleep(0.2)


async def test_a_message_becomes_an_order(
    lines: tuple[Running, Asterisk], question: audio.Sound, tmp_path: Path
) -> None:
    running, asterisk = lines
    async with talker(tmp_path, question) as phone:
        await reach_the_beep(phone, running, asterisk)
        await asyncio.sleep(2 * audio.seconds(question) + 3)
        await phone.press("#")
        await phone.hears(sound(running, said(PHRASES["message_recorded"]["zh"])))
        await phone.press("1")
        await running.call_at("people/done")
        (order,) = await orders_of(running, 1)
        await phone.hears(*told_twice(running, order))
        await phone.command("hangup")
        await phone.until("CALL_CLOSED")
    assert (order.kind, order.state, order.caller_masked) == ("message", "open", "*******0001")
    await sealed(asterisk, order)
    heard = hearing.assert_in_order(tape(running, asterisk, order), [("question", question)], whole=["question"])
    print("recorded:", *heard)
    (text,) = running.get(f"/sandbox/messages?to={PHONE}")
    assert order.number in text["text"] and "已受理" in text["text"]


async def test_silence_ends_a_recording_and_makes_no_order(lines: tuple[Running, Asterisk], tmp_path: Path) -> None:
    running, asterisk = lines
    before = len(await orders_of(running, 0))
    async with caller(tmp_path, PHONE) as phone:
        tape = await reach_the_beep(phone, running, asterisk)
        await phone.hears(sound(running, said(PHRASES["message_nothing"]["zh"] + PHRASES["message_beep"]["zh"])))
        await phone.command("hangup")
        await phone.until("CALL_CLOSED")
    deadline = time.monotonic() + 60
    while tape.exists():
        assert time.monotonic() < deadline, "what holds nothing is forgotten"
        await asyncio.sleep(0.2)
    assert len(await orders_of(running, before)) == before


@pytest.mark.parametrize("moment", ["recording", "review", "hung up"])
async def test_a_lost_service_loses_no_message(
    lines: tuple[Running, Asterisk], question: audio.Sound, tmp_path: Path, moment: str
) -> None:
    running, asterisk = lines
    before = len(await orders_of(running, 0))
    async with talker(tmp_path, question) as phone:
        await reach_the_beep(phone, running, asterisk)
        await asyncio.sleep(2 * audio.seconds(question) + 3)
        if moment == "hung up":
            await phone.command("hangup")
            await phone.until("CALL_CLOSED")
            await asyncio.sleep(0.5)
        elif moment == "review":
            await phone.press("#")
            await asyncio.sleep(0.5)
        running.stop(signal.SIGKILL)
        if moment == "recording":
            await phone.press("#")  # the recording goes on in Asterisk; then it finds us gone
        running.start()
        if moment != "hung up":
            await phone.hears(
                sound(running, said(PHRASES["message_keep"]["zh"] + PHRASES["press"]["zh"], key=("text", "1")))
            )
            await phone.press("1")
            await running.call_at("people/done")
            await phone.command("hangup")
            await phone.until("CALL_CLOSED")
        found = await orders_of(running, before + 1, 40)
    await sealed(asterisk, found[0])
    assert len(await orders_of(running, before + 1)) == before + 1, "one order, not two"
    hearing.assert_in_order(tape(running, asterisk, found[0]), [("question", question)], whole=["question"])
