"""Nobody is there, so the caller leaves a message: a real call, real sound, and the order that comes of it."""

import asyncio
import time
from pathlib import Path

import pytest

from desk.order import Order
from ivr import audio
from tests import hearing
from tests.real.asterisk import Asterisk
from tests.real.baresip import caller
from tests.real.messages import PHONE, orders_of, reach_the_beep, sealed, talker, tape
from tests.real.running import Running
from tests.real.spoken import PHRASES, said, sound

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]


def told_twice(running: Running, order: Order) -> list[audio.Sound]:
    """The number of the order as it is told."""
    halves = {"day": ("digits", order.number[:6]), "rest": ("digits", order.number[6:])}
    return [sound(running, said(PHRASES[name]["zh"], **halves)) for name in ("order_number", "order_number_again")]


async def test_a_message_becomes_an_order(
    taping: tuple[Running, Asterisk], question: audio.Sound, tmp_path: Path
) -> None:
    running, asterisk = taping
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


async def test_silence_ends_a_recording_and_makes_no_order(taping: tuple[Running, Asterisk], tmp_path: Path) -> None:
    running, asterisk = taping
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
