"""What texts ask of the fund and of the desk, on a real demo service."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hotline.server import Hotline
from hotline.text_world import TextWorld
from tests.service import service

NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)


@pytest.fixture
async def hotline(tmp_path: Path) -> AsyncIterator[Hotline]:
    async with service(tmp_path) as it:
        yield it


@pytest.fixture
def world(hotline: Hotline) -> TextWorld:
    return TextWorld(hotline.text.ledger, hotline.desk)


async def test_whose_phone_it_is(world: TextWorld) -> None:
    (held,) = await world.held("13900000001", "employee")
    assert held.account == "321000001"
    assert await world.held("13900000002", "employee") == [], "in the ledger, but not bound"
    assert await world.held("13900000011", "employee") == [], "bound by two: nobody knows whose"
    assert len(await world.held("13900002011", "employer")) == 2
    assert await world.held("13900000001", "employer") == []


async def test_a_call_back_is_asked_for_once(world: TextWorld, hotline: Hotline) -> None:
    await world.call_back("13900000002", NOW)
    await world.call_back("13900000002", NOW)
    (request,) = await hotline.desk.call_backs.list()
    assert (request.channel, request.queue) == ("sms", "general")


async def test_an_order_is_told_to_the_phone_that_left_it(world: TextWorld, hotline: Hotline) -> None:
    order = await hotline.desk.orders.open("message", text="请回复", caller="13900000002")
    assert await world.work_order("13900000002", order.number) == (order.number, "已受理")
    assert await world.work_order("13900000002", "") == (order.number, "已受理"), "the newest"
    assert await world.work_order("13900000001", order.number) is None
    assert await world.work_order("13900000001", "") is None
    await hotline.desk.orders.move(order.number, "assigned", "测试")
    await hotline.desk.orders.move(order.number, "answered", "测试", outcome="已电话答复\n谢谢")
    assert await world.work_order("13900000002", "") == (order.number, "已办结：已电话答复 谢谢")


@pytest.mark.parametrize("outcome", ["请登录www.example.cn查询办理结果", "详见【通知】第3条"])
async def test_an_outcome_that_no_text_may_hold_is_left_out(world: TextWorld, hotline: Hotline, outcome: str) -> None:
    order = await hotline.desk.orders.open("message", text="请回复", caller="13900000002")
    await hotline.desk.orders.move(order.number, "assigned", "测试")
    await hotline.desk.orders.move(order.number, "answered", "测试", outcome=outcome)
    assert await world.work_order("13900000002", "") == (order.number, "已办结")
