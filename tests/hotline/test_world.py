"""What callers are told of accounts that are not theirs, on a real demo service."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

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


@pytest.mark.parametrize("account", [BOUND, NOBODY])
async def test_asking_for_codes_is_limited_alike(hotline: Hotline, account: str) -> None:
    said = [(await asked(hotline, "send_code", number=account))[0] for _ in range(2)]
    assert said == ["code_sent", "too_often"]
