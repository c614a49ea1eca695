"""The service is lost while a caller leaves a message, or just after: the message is not."""

import asyncio
import signal
from pathlib import Path

import pytest

from ivr import audio
from tests import hearing
from tests.real.asterisk import Asterisk
from tests.real.messages import orders_of, reach_the_beep, sealed, talker, tape
from tests.real.running import Running
from tests.real.spoken import PHRASES, said, sound

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]


@pytest.mark.parametrize("moment", ["recording", "review", "hung up"])
async def test_a_lost_service_loses_no_message(
    taping: tuple[Running, Asterisk], question: audio.Sound, tmp_path: Path, moment: str
) -> None:
    running, asterisk = taping
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
