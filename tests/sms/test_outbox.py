"""The outbox on both engines: once by key, lanes in order, `sending` before the wire, `unknown` after a crash."""

import asyncio
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from sms.messages import LANES, Lane, Message
from sms.outbox import Outbox, Outcome
from sms.store import Store
from sms.tables import message, message_part

NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)


def text(n: int = 1, lane: Lane = "notice", key: str | None = None, **more: object) -> Message:
    return Message(to=f"139{n:08d}", text=f"您好,第{n}条", lane=lane, client="hall", key=key, **more)  # type: ignore[arg-type]


async def rows(store: Store) -> list[dict[str, object]]:
    async with store.read() as connection:
        return [dict(row._mapping) for row in await connection.execute(select(message).order_by(message.c.id))]


async def test_two_with_one_key_are_one(outbox: Outbox, store: Store) -> None:
    first = await outbox.add(text(key="a"))
    again = await outbox.add(text(key="a"))
    assert (first.duplicate, again.duplicate) == (False, True)
    assert again.id == first.id
    assert len(await rows(store)) == 1


async def test_fifty_at_once_with_one_key_are_one(outbox: Outbox, store: Store) -> None:
    added = await asyncio.gather(*(outbox.add(text(key="same")) for _ in range(50)))
    assert len({each.id for each in added}) == 1
    assert sum(not each.duplicate for each in added) == 1
    assert len(await rows(store)) == 1


async def test_a_repeat_is_caught_without_its_key(outbox: Outbox) -> None:
    first = await outbox.add(text(key="a", once="2026-03-02 deposit"))
    again = await outbox.add(text(key="b", once="2026-03-02 deposit"))
    assert again.id == first.id and again.duplicate


async def test_what_says_the_same_to_another_number_is_no_repeat(outbox: Outbox) -> None:
    there = await outbox.add_all([text(1, once="due"), text(2, once="overdue")])
    added = await outbox.add_all([text(1, once="overdue"), text(2, once="due"), text(2, once="overdue")])
    assert [each.duplicate for each in added] == [False, False, True]
    assert added[2].id == there[1].id


async def test_lanes_are_served_in_order(outbox: Outbox) -> None:
    for n, lane in enumerate(reversed(LANES)):
        await outbox.add(text(n, lane))
    claimed = await outbox.claim(LANES, 3, 30)
    assert [each.lane for each in claimed] == ["code", "reply", "notice"]
    assert (claimed[1].to, claimed[1].text) == ("13900000002", "您好,第2条")


async def test_what_is_claimed_is_sending_and_claimed_once(outbox: Outbox, store: Store) -> None:
    for n in range(20):
        await outbox.add(text(n))
    hands = await asyncio.gather(*(outbox.claim(LANES, 10, 30) for _ in range(4)))
    ids = [each.id for hand in hands for each in hand]
    assert len(ids) == len(set(ids)) == 20
    assert {row["status"] for row in await rows(store)} == {"sending"}


async def test_nothing_is_due_before_its_time(store: Store) -> None:
    outbox = Outbox(store, lambda: NOW)
    await outbox.add(text(not_before=NOW + timedelta(hours=1)))
    assert await outbox.claim(LANES, 10, 30) == []
    outbox.clock = lambda: NOW + timedelta(hours=1)
    assert len(await outbox.claim(LANES, 10, 30)) == 1


async def test_a_dead_workers_rows_become_unknown_never_queued(store: Store) -> None:
    outbox = Outbox(store, lambda: NOW)
    await outbox.add(text(1, "notice"))
    await outbox.add(text(2, "code"))
    await outbox.claim(LANES, 10, lease_seconds=30)
    assert await outbox.strand() == 0
    outbox.clock = lambda: NOW + timedelta(seconds=31)
    assert await outbox.strand() == 2
    assert [row["status"] for row in await rows(store)] == ["unknown", "unknown"]
    second_way = await outbox.claim(LANES, 10, 30)
    assert [each.lane for each in second_way] == ["code"]  # a notice waits for a receipt or a person
    assert {row["status"] for row in await rows(store)} == {"unknown"}


async def test_outcomes_climb(outbox: Outbox, store: Store) -> None:
    for n in range(3):
        await outbox.add(text(n))
    claimed = await outbox.claim(LANES, 3, 30)
    sent, again, parts = (each.id for each in claimed)
    await asyncio.gather(
        outbox.record(Outcome(sent, "sent", "sandbox", ("r1",))),
        outbox.record(Outcome(again, "queued", due_at=NOW, reason="throttled")),
        outbox.record(Outcome(parts, "sent", "smpp", ("p1", "p2"))),
    )
    await outbox.record(Outcome(sent, "queued", due_at=NOW))  # a late word changes nothing
    assert [row["status"] for row in await rows(store)] == ["sent", "queued", "sent"]
    async with store.read() as connection:
        stored = (await connection.execute(select(message_part.c.ref).order_by(message_part.c.part))).scalars().all()
    assert stored == ["p1", "p2"]


async def test_numbers_and_texts_are_not_readable_in_the_table(outbox: Outbox, store: Store) -> None:
    await outbox.add(text(1))
    assert "13900000001" not in repr(await rows(store)) and "您好" not in repr(await rows(store))


async def test_one_bad_row_takes_nobody_down(outbox: Outbox, store: Store) -> None:
    bad = outbox.add(Message(to="13900000001", text="x", client=None))  # type: ignore[arg-type]
    results = await asyncio.gather(bad, *(outbox.add(text(n)) for n in range(5)), return_exceptions=True)
    assert isinstance(results[0], Exception)
    assert len(await rows(store)) == 5


async def test_a_list_is_stored_together_or_not_at_all(outbox: Outbox, store: Store) -> None:
    bad = outbox.add_all([text(1), Message(to="13900000002", text="x", client=None)])  # type: ignore[arg-type]
    results = await asyncio.gather(bad, outbox.add_all([text(3), text(4)]), outbox.add(text(5)), return_exceptions=True)
    assert isinstance(results[0], Exception)
    assert {row["to_masked"] for row in await rows(store)} == {"*******0003", "*******0004", "*******0005"}


async def test_a_list_may_hold_the_same_twice(outbox: Outbox) -> None:
    first, again, other = await outbox.add_all([text(1, key="a"), text(1, key="a"), text(2, key="b")])
    assert (first.duplicate, again.duplicate, other.duplicate) == (False, True, False)
    assert again.id == first.id != other.id


async def test_hundreds_together_are_as_many_messages_as_they_have_keys(outbox: Outbox) -> None:
    wanted = [text(n, key=f"{n % 290}") for n in range(300)]
    added = await outbox.add_all(wanted)
    assert [each.duplicate for each in added] == [False] * 290 + [True] * 10
    assert [each.id for each in added[290:]] == [each.id for each in added[:10]]
    assert len({each.id for each in added}) == 290
