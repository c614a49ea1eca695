"""What callers are told of accounts that are not theirs, on a real demo service."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from fund.clock import china_now
from hotline.server import Hotline
from hotline.world import FundWorld
from ivr.actions import LookUp
from tests.service import service

BOUND, NO_PIN, NOBODY = "321000001", "321000010", "321999999"  # accounts: one with a phone, one without a PIN


@pytest.fixture
async def hotline(tmp_path: Path) -> AsyncIterator[Hotline]:
    async with service(tmp_path) as it:
        yield it


async def asked(hotline: Hotline, what: str, **args: Any) -> tuple[str, Any]:
    world = hotline.switchboard._world  # type: ignore[union-attr]
    assert isinstance(world, FundWorld)
    answer = await world.look_up("call-1", LookUp(what, {"caller": "", **args}), china_now())
    return answer.outcome, dict(answer.data)


@pytest.mark.parametrize("account", [BOUND, NO_PIN, NOBODY])
async def test_a_guess_at_any_account_is_answered_alike(hotline: Hotline, account: str) -> None:
    said = [await asked(hotline, "identify", kind="employee", number=account, pin="102938") for _ in range(4)]
    assert said == [("wrong", {"left": 2}), ("wrong", {"left": 1}), ("locked", {}), ("locked", {})]


async def test_a_bound_phone_without_a_pin_is_told_so(hotline: Hotline) -> None:
    told = await asked(hotline, "identify", kind="employee", caller="13900000010", pin="102938")
    assert told == ("unset", {})


async def test_strangers_lock_an_account_for_everybody_but_its_own_phone(hotline: Hotline) -> None:
    person = hotline.people[0]
    for caller in ("", "0085212345678", "02588888888"):
        await asked(hotline, "identify", kind="employee", number=person.account, caller=caller, pin="102938")
    by_number = {"kind": "employee", "number": person.account, "pin": person.pin}
    assert await asked(hotline, "identify", **by_number, caller="02588887777") == ("locked", {})
    assert await asked(hotline, "identify", **by_number, caller=person.phone) == ("ok", {"account": person.account})
    own = await asked(hotline, "identify", kind="employee", caller=person.phone, pin=person.pin)
    assert own == ("ok", {"account": person.account})


async def test_a_code_goes_to_the_bound_phone_only_and_strangers_do_not_use_the_owner_s_up(hotline: Hotline) -> None:
    person = hotline.people[0]
    asked_for = [
        (await asked(hotline, "send_code", number=person.account, caller=f"0258888000{n}"))[0] for n in range(4)
    ]
    assert asked_for == ["code_sent", "too_often", "too_often", "too_often"]
    outcome, given = await asked(hotline, "send_code", caller=person.phone)
    assert (outcome, given["account"]) == ("code_sent", person.account)
    codes = await texted(hotline, person.phone, 2)
    told = {(await asked(hotline, "check_code", **given, code=code))[0] for code in codes}
    assert "approved" in told


async def texted(hotline: Hotline, to: str, count: int) -> list[str]:
    """The codes that reached a phone, once there are so many; and nobody else got any text."""
    url = f"http://127.0.0.1:{hotline.port}/sandbox/messages"
    async with aiohttp.ClientSession() as session:
        for _ in range(100):
            async with session.get(url) as reply:
                shown = await reply.json()
            if len(shown) >= count:
                break
            await asyncio.sleep(0.1)
    assert [each["to"] for each in shown] == [to] * count
    return [re.findall(r"\d{6}", each["text"])[0] for each in shown]


@pytest.mark.parametrize("account", [BOUND, NOBODY])
async def test_asking_for_codes_is_limited_alike(hotline: Hotline, account: str) -> None:
    said = [(await asked(hotline, "send_code", number=account))[0] for _ in range(2)]
    assert said == ["code_sent", "too_often"]
