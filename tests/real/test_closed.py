"""A real SIP call while nobody works and a bulletin is on: the caller hears both, and then how to go on."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from fund.clock import china_now
from ivr.loader import load, read_folder
from ivr.utterance import Utterance, fill, placeholders
from ivr.utterance import said as fixed
from tests.real.asterisk import Asterisk, NoAsterisk
from tests.real.baresip import caller
from tests.real.running import Running
from tests.real.spoken import PHRASES, said, sound
from tests.service import always_open

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]
WORDS = "因系统升级，余额查询暂停到18:00。"


def closed(folder: Path) -> Path:
    """Our flows, with the people away today and tomorrow."""
    flows, today = always_open(folder), china_now().date()
    day_after = today + timedelta(days=1)
    hours = (flows / "hours.yaml").read_text("utf-8")
    (flows / "hours.yaml").write_text(f"{hours}closures: [{{from: {today}, to: {day_after}, reason: 检修}}]\n", "utf-8")
    return flows


@pytest.fixture
def night(tmp_path: Path) -> Iterator[tuple[Running, Asterisk]]:
    """A service and an Asterisk while nobody works."""
    with ExitStack() as stack:
        running = Running(tmp_path / "home", HOTLINE_FLOWS=str(closed(tmp_path)))
        try:
            asterisk = Asterisk(tmp_path / "asterisk", running.agi_url)
        except NoAsterisk as reason:
            pytest.skip(str(reason))
        stack.enter_context(running)
        stack.enter_context(asterisk)
        yield running, asterisk


def hotline(running: Running, *words: str) -> str:
    """A command, as a supervisor gives it beside the running service."""
    command = [sys.executable, "-m", "hotline", *words]
    environment = os.environ | {"HOTLINE_HOME": str(running.home)}
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def off_hours(flows: Path) -> Utterance:
    """What the closed caller is told first."""
    flow = load(read_folder(flows), PHRASES).flow
    assert flow
    words = flow.nodes["main/off_hours"].say["zh"]
    values = {name: value for name in placeholders(words) if (value := flow.known(name, "zh", china_now()))}
    return Utterance(fill(words, values, personal=False))


async def test_nobody_is_there(night: tuple[Running, Asterisk], tmp_path: Path) -> None:
    running, asterisk = night
    assert "公告已开启" in await asyncio.to_thread(partial(hotline, running, "bulletin", WORDS, "--until", "1h"))
    await asyncio.sleep(1.1)  # the service asks for the bulletin at most once a second
    async with caller(tmp_path) as phone:
        await phone.dial(f"sip:12329@127.0.0.1:{asterisk.sip_port}")
        await phone.hears(sound(running, said("您好，欢迎致电镇江市住房公积金热线。")), sound(running, fixed(WORDS)))
        await phone.press("0")
        await phone.hears(sound(running, off_hours(tmp_path / "flows")))
        await phone.press("1")
        await phone.hears(sound(running, said("查询个人账户" + PHRASES["press"]["zh"], key=("text", "1"))))
        await phone.command("hangup")
        await phone.until("CALL_CLOSED")
