"""What is read out by telephone, on a real exchange: a code, twice; a reminder, to whoever pressed."""

import asyncio
from pathlib import Path

import pytest

from desk.callbacks import CallBacks
from hotline.database import open_database
from hotline.settings import Settings
from hotline.text import open_text
from ivr import audio
from tests.real.exchange import Exchange
from tests.real.outbound import PHONE, closed, connected, rows, telephone, tries, until
from tests.real.running import Running
from tests.real.spoken import said, sound

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

INTRO = "您好，镇江市住房公积金管理中心为您播报验证码，请勿告诉任何人。"


def spelled(running: Running, code: str) -> audio.Sound:
    digits = {f"n{at}": ("digits", digit) for at, digit in enumerate(code)}
    return sound(running, said("".join(f"{{{name}}}。" for name in digits), personal=True, **digits))


async def test_a_code_is_read_twice_and_again_on_a_key(outbound: Exchange, tmp_path: Path) -> None:
    running, asterisk = outbound
    await connected(running)
    async with telephone(tmp_path, asterisk) as phone:
        wanted = {"to": PHONE, "purpose": "bind_phone", "channel": "voice"}
        begun = await asyncio.to_thread(running.post, "/v1/verifications", wanted)
        await phone.until("CALL_ESTABLISHED")
        code = await spoken(running, begun["id"])
        digits = await asyncio.to_thread(spelled, running, code)
        await phone.hears(sound(running, said(INTRO)), digits, digits)
        await phone.press("1")
        await phone.hears(digits, digits)
        await phone.until("CALL_CLOSED")
    ((call, way),) = rows(running, "SELECT call_id, group_concat(node) FROM call_steps GROUP BY call_id")
    assert (call, way) == (f"out-code-{begun['id']}-1", "outbound/code,outbound/goodbye")
    checked = await asyncio.to_thread(running.post, f"/v1/verifications/{begun['id']}/check", {"code": code})
    assert checked["status"] == "approved"
    assert code not in running.events() and PHONE not in running.events()


async def spoken(running: Running, id: str) -> str:
    """The code, as only this installation can derive it."""
    settings = Settings(_env_file=None, home=running.home)  # type: ignore[call-arg]
    engine = open_database(settings.own_database_url)
    text = open_text(settings.sms, engine, settings.privacy())
    try:
        return await text.codes.spoken(id)
    finally:
        await text.session.close()
        await engine.dispose()


async def test_a_reminder_is_heard_by_whoever_pressed(outbound: Exchange, tmp_path: Path) -> None:
    running, asterisk = outbound
    words, number = "您的住房公积金借款将于三月五日还款。", "051185212579"
    async with telephone(tmp_path, asterisk, number) as phone:
        await connected(running)
        settings = Settings(_env_file=None, home=running.home)  # type: ignore[call-arg]
        engine = open_database(settings.own_database_url)
        assert await CallBacks(engine, settings.privacy()).remind(number, words, "due 1")
        await engine.dispose()
        await phone.until("CALL_ESTABLISHED")
        ((id,),) = rows(running, "SELECT id FROM call_backs WHERE purpose = 'reminder'")
        call, reached = f"out-reminder-{id}-1", "SELECT 1 FROM call_steps WHERE call_id = ? AND node = ?"
        await until(lambda: rows(running, reached, call, "outbound/reminder"))
        await phone.hears(sound(running, said("您好，这里是镇江市住房公积金管理中心，有一条与您有关的提醒。")))
        await phone.press("1")
        await phone.until("CALL_CLOSED")
        await closed(running, id, "reached")
    assert tries(running, id) == [("person", "reached")]
    assert rows(running, reached, call, "outbound/message") and words not in running.log()
