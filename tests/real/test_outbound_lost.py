"""The service is lost while it calls somebody back, on a real exchange: nobody is called twice, and nobody forgotten."""

import asyncio
import signal
from pathlib import Path

import pytest

from ivr import audio
from tests import hearing
from tests.real.asterisk import CONFIG
from tests.real.exchange import Exchange
from tests.real.outbound import ask, at_the_menu, closed, telephone, tries
from tests.real.queues import desk, talks_with
from tests.real.queues import until as board_until
from tests.real.running import Running

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]


@pytest.mark.parametrize("moment", ["rings", "talks"])
async def test_a_service_that_dies_calls_nobody_twice_and_forgets_nobody(
    outbound: Exchange, tmp_path: Path, moment: str
) -> None:
    running, asterisk = outbound
    async with telephone(tmp_path, asterisk, answers=False) as phone, desk(tmp_path, asterisk):
        id = await ask(running)
        call = f"out-callback-{id}-1"
        await phone.until("CALL_INCOMING")
        if moment == "rings":
            await asyncio.to_thread(die, running)
        await phone.command("accept")
        await at_the_menu(running, call, phone)
        await phone.press("1")
        await board_until(running, talks_with("agent1", call))
        if moment == "talks":
            await asyncio.to_thread(die, running)
            await board_until(running, talks_with("agent1", call))
        await asyncio.sleep(2)
        await phone.command("hangup")
        await closed(running, id, "reached")
        assert tries(running, id) == [("person", "reached")]


async def test_whom_we_call_while_the_service_is_away_hears_an_apology_and_is_called_again(
    outbound: Exchange, tmp_path: Path
) -> None:
    running, asterisk = outbound
    async with telephone(tmp_path, asterisk, answers=False) as phone, desk(tmp_path, asterisk):
        id = await ask(running)
        await phone.until("CALL_INCOMING")
        await asyncio.to_thread(running.stop, signal.SIGKILL)
        await phone.command("accept")
        await phone.until("CALL_CLOSED")
        apology = audio.unwav((CONFIG / "sounds" / "sorry.wav").read_bytes())
        hearing.assert_in_order(phone.heard(), [("sorry", apology)], whole=["sorry"])
        await asyncio.to_thread(running.start)
        await phone.until("CALL_INCOMING")
        await phone.command("accept")
        await at_the_menu(running, f"out-callback-{id}-2", phone)
        await phone.press("3")
        await closed(running, id, "wrong_number")
        assert tries(running, id) == [("", "no_answer"), ("wrong_number", "wrong_number")]


def die(running: Running) -> None:
    running.stop(signal.SIGKILL)
    running.start()
