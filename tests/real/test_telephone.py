"""A real SIP call: baresip dials a real Asterisk, presses keys by RFC 4733, and what it heard is shown to be right."""

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from tests.real.asterisk import Asterisk
from tests.real.baresip import caller
from tests.real.running import Running
from tests.real.spoken import PHRASES, said, sound
from tests.real.telephone import PIN, call_at

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]


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
