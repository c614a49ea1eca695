"""Work orders on SQLite and PostgreSQL: their numbers, their way, their trail, and who is told what."""

import asyncio
from datetime import datetime, timedelta
from itertools import product

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from desk.order import MOVES, UNDONE, OrderRefused, Wanted, reminders
from desk.orders import Orders
from desk.tables import work_order_changes, work_orders
from fund.privacy import Privacy
from tests.desk.conftest import CHINA, Clock, weekdays

PHONE, ACCOUNT = "13900000001", "321100123"


def at(day: int, hour: int) -> datetime:
    return datetime(2026, 3, day, hour, tzinfo=CHINA)


async def test_an_order_has_a_number_and_is_due_in_working_days(orders: Orders, clock: Clock) -> None:
    order = await orders.open("complaint", topic="loan", call_id="asterisk-1", caller=PHONE, text="放款太慢")
    assert order.number.startswith("260302") and len(order.number) == 10 and order.number.isdigit()
    assert (order.state, order.caller_masked, order.account_masked) == ("open", "*******0001", "")
    assert (order.forward_by, order.answer_by) == (at(3, 18), at(5, 18))
    clock.now = at(6, 17)  # a Friday
    late = await orders.open("message", caller=PHONE)
    assert (late.forward_by, late.answer_by) == (at(9, 18), at(11, 18))


async def test_nothing_personal_is_readable(orders: Orders, engine: AsyncEngine) -> None:
    order = await orders.open("message", caller=PHONE, account=ACCOUNT, text="请回电话")
    await orders.note(order.number, "agent1", "孩子的学费")
    await orders.move(order.number, "answered", "agent1", outcome="已说明")
    async with engine.connect() as connection:
        rows = [
            str(row) for table in (work_orders, work_order_changes) for row in await connection.execute(select(table))
        ]
    assert not any(word in row for word in (PHONE, ACCOUNT, "请回电话", "学费", "已说明") for row in rows)


async def test_the_way_of_an_order_and_its_trail(orders: Orders, clock: Clock) -> None:
    number = (await orders.open("consult", caller=PHONE)).number
    assert (await orders.assign(number, "agent1", "boss")).state == "assigned"
    clock.ahead(hours=1)
    assert (await orders.move(number, "forwarded", "agent1")).forwarded_at == at(2, 11)
    await orders.note(number, "agent1", "转贷款科")
    with pytest.raises(OrderRefused, match="outcome_needed"):
        await orders.move(number, "answered", "agent1")
    assert (await orders.move(number, "answered", "agent1", outcome="已放款")).answered_at == at(2, 11)
    with pytest.raises(OrderRefused, match="not_from_here"):
        await orders.assign(number, "agent2", "boss")
    assert (await orders.move(number, "closed", "boss")).closed_at == at(2, 11)
    clock.now = at(4, 9)
    again = await orders.move(number, "reopened", "boss")
    assert (again.answered_at, again.closed_at, again.answer_by) == (None, None, at(9, 18))
    assert (await orders.look(number, "agent2")).outcome == "已放款"
    assert [(each.who, each.what, each.after) for each in await orders.trail(number)] == [
        ("hotline", "opened", "open"), ("boss", "assigned", "agent1"), ("agent1", "state", "forwarded"),
        ("agent1", "note", ""), ("agent1", "state", "answered"), ("boss", "state", "closed"),
        ("boss", "state", "reopened"), ("agent2", "looked", ""),
    ]  # fmt: skip
    assert (await orders.trail(number))[3].note == "转贷款科"


def test_every_state_that_waits_can_be_answered_and_none_is_a_trap() -> None:
    assert all("answered" in MOVES[state] for state in UNDONE)
    assert all(MOVES[state] for state in MOVES)
    assert not any("draft" in goals for goals in MOVES.values())


async def test_only_allowed_moves_are_made(orders: Orders) -> None:
    for before, after in product(("open", "closed"), MOVES):
        number = (await orders.open("message")).number
        if before == "closed":
            await orders.move(number, "closed", "boss", outcome="空白留言")
        if after in MOVES[before]:  # type: ignore[index]
            assert (await orders.move(number, after, "boss", outcome="好")).state == after
            continue
        with pytest.raises(OrderRefused, match="not_from_here"):
            await orders.move(number, after, "boss", outcome="好")
        found = await orders.find(number)
        assert found and found.state == before


async def test_two_at_once_make_one_move(orders: Orders) -> None:
    number = (await orders.open("message")).number
    done = await asyncio.gather(
        *(orders.move(number, "forwarded", name) for name in ("agent1", "agent2")), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in done) == ["Order", "OrderRefused"]


async def test_a_draft_becomes_an_order_once(orders: Orders, clock: Clock) -> None:
    number = await orders.draft("message", topic="loan", call_id="c1", caller=PHONE)
    assert await orders.find(number) is None and await orders.list(Wanted()) == []
    assert [draft.number for draft in await orders.drafts(clock.ahead(minutes=5))] == [number]
    first, again = await orders.keep(number, "m-1"), await orders.keep(number, "m-2")
    assert first == again and (first.state, first.recording, first.opened_at) == ("open", "m-1", clock.now)
    assert len(await orders.trail(number)) == 1
    await orders.drop(number)
    assert await orders.find(number)
    parted = await orders.draft("message", caller=PHONE)
    await orders.part(parted, f"{parted}-1")
    await orders.part(number, "x-9")  # an order already
    assert [draft.recording for draft in await orders.drafts(clock.ahead(minutes=1))] == [f"{parted}-1"]
    assert (await orders.find(number)).recording == "m-1"  # type: ignore[union-attr]
    empty = await orders.draft("message")
    await orders.drop(empty)
    with pytest.raises(OrderRefused, match="no_such_order"):
        await orders.keep(empty, "")


async def test_lists(orders: Orders, clock: Clock) -> None:
    first = await orders.open("message", topic="loan", caller=PHONE)
    clock.ahead(minutes=1)
    second = await orders.open("complaint", topic="loan", account=ACCOUNT)
    await orders.assign(second.number, "agent1", "boss")

    async def numbers(**wanted: object) -> list[str]:
        return [order.number for order in await orders.list(Wanted(**wanted))]  # type: ignore[arg-type]

    assert await numbers() == [second.number, first.number]
    assert await numbers(states=("open",)) == await numbers(caller_digest=orders.digest(PHONE)) == [first.number]
    assert await numbers(assigned_to="agent1") == await numbers(kind="complaint") == [second.number]
    assert (
        await numbers(before=second.opened_at) == await numbers(topic="loan", before=second.opened_at) == [first.number]
    )
    assert await numbers(late_at=at(3, 17)) == []
    assert await numbers(late_at=at(3, 19)) == [second.number, first.number]
    await orders.move(first.number, "forwarded", "boss")
    assert await numbers(late_at=at(3, 19)) == [second.number]
    assert await numbers(late_at=at(5, 19)) == [second.number, first.number]
    assert await orders.counts() == {"forwarded": 1, "assigned": 1}


async def test_the_state_is_told_to_nobody_else(orders: Orders) -> None:
    number = (await orders.open("message", caller=PHONE, account=ACCOUNT)).number
    await orders.move(number, "answered", "boss", outcome="已寄出")
    for who in ({"phone": PHONE}, {"account": ACCOUNT}):
        told = await orders.told(number, **who)
        assert told and (told[0].state, told[1]) == ("answered", "已寄出")
    for stranger in ({"phone": "13900000002"}, {"account": "321100124"}, {"phone": ""}, {}):
        assert await orders.told(number, **stranger) is None
    withheld = (await orders.open("message")).number
    assert await orders.told(withheld, phone="", account="") is None
    assert await orders.told("' OR 1=1", phone=PHONE) is None


async def test_callers_are_told_once(orders: Orders, clock: Clock) -> None:
    order = await orders.open("message", caller=PHONE)
    await orders.open("message")  # a withheld number cannot be told
    since = clock.now - timedelta(days=1)
    assert [(news.what, news.order.number, news.personal.caller) for news in await orders.news(since)] == [
        ("opened", order.number, PHONE)
    ]
    await orders.mark_told(order.number, "opened")
    assert await orders.news(since) == []
    await orders.move(order.number, "answered", "boss", outcome="已办妥")
    assert [(news.what, news.personal.outcome) for news in await orders.news(since)] == [("answered", "已办妥")]
    await orders.mark_told(order.number, "answered")
    await orders.move(order.number, "reopened", "boss")
    assert await orders.news(since) == []
    await orders.move(order.number, "answered", "boss", outcome="再次办妥")
    assert [news.personal.outcome for news in await orders.news(since)] == ["再次办妥"]
    assert await orders.news(clock.ahead(days=1)) == []


async def test_reminders_come_before_the_time_and_once(orders: Orders) -> None:
    number = (await orders.open("message")).number  # passed on by the 3rd, 18:00; answered by the 5th, 18:00
    ahead = timedelta(hours=4)

    async def due(now: datetime) -> list[str]:
        return [reminder.what for reminder in reminders(await orders.list(Wanted(states=UNDONE)), now, ahead)]

    assert await due(at(3, 13)) == []  # 18:00 - 4 h = 14:00
    assert await due(at(3, 14)) == ["forward"]
    assert await orders.reminded(number, "forward")
    assert not await orders.reminded(number, "forward"), "another process has sent it"
    assert await due(at(5, 13)) == []
    assert await due(at(6, 9)) == ["answer"]  # late already, and nobody was told
    await orders.move(number, "answered", "boss", outcome="好")
    assert await due(at(6, 9)) == []


async def test_an_order_is_late_when_somebody_waits(orders: Orders) -> None:
    order = await orders.open("message")
    assert [order.late(moment) for moment in (at(3, 17), at(3, 19))] == [False, True]
    passed_on = await orders.move(order.number, "forwarded", "boss")
    assert [passed_on.late(moment) for moment in (at(3, 19), at(5, 19))] == [False, True]


async def test_what_was_closed_long_ago_is_removed(orders: Orders, clock: Clock) -> None:
    closed, waiting = (await orders.open("message")).number, (await orders.open("message")).number
    await orders.move(closed, "closed", "boss", outcome="空白留言")
    assert await orders.remove_old(clock.now) == 0
    assert await orders.remove_old(clock.ahead(days=730)) == 1
    assert await orders.find(closed) is None and not await orders.trail(closed)
    assert await orders.find(waiting) and await orders.trail(waiting)


async def test_what_no_key_opens_keeps_no_news_from_others(orders: Orders, engine: AsyncEngine, clock: Clock) -> None:
    """A key was taken out of the settings too early."""
    lost = Privacy(b"p" * 32, [Fernet.generate_key().decode()])
    await Orders(engine, lost, weekdays, clock=clock).open("message", caller="13900000001")
    told = await orders.open("message", caller="13900000002")
    news = await orders.news(clock.now - timedelta(days=1))
    assert [(each.order.number, each.personal.caller) for each in news] == [(told.number, "13900000002")]
