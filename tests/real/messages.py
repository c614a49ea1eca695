"""What the tests of messages share: a caller who speaks, the beep, the recording and the orders that come of it."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from desk.order import Order, Wanted
from desk.orders import Orders
from fund.calendar import add_working_days
from hotline.database import open_database
from hotline.settings import Settings
from hotline.tapes import Tapes
from ivr import audio
from tests.real.asterisk import Asterisk, NoAsterisk
from tests.real.baresip import Baresip, caller
from tests.real.running import Running
from tests.real.spoken import said, sound

PHONE = "13900000001"
SPOKEN = "请问退休提取要带哪些材料？"


@contextmanager
def a_taping_service(folder: Path) -> Iterator[tuple[Running, Asterisk]]:
    """A service and an Asterisk that share the folder of recordings."""
    shared = folder / "asterisk" / "spool" / "hotline"
    running = Running(folder / "home", HOTLINE_RECORDINGS=str(shared))
    try:
        asterisk = Asterisk(folder / "asterisk", running.agi_url)
    except NoAsterisk as reason:
        pytest.skip(str(reason))
    with running, asterisk:
        yield running, asterisk


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
