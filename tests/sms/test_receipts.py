"""Receipts in every order and number end right, on both engines."""

import asyncio
import random
from itertools import permutations

import pytest
from sqlalchemy import func, select

from sms.messages import LANES, Message, Status
from sms.outbox import Outbox, Outcome
from sms.providers.base import Receipt
from sms.receipts import Receipts
from sms.routing import Router
from sms.settings import Route
from sms.store import Store
from sms.tables import message, number, receipt


@pytest.fixture
def receipts(store: Store, outbox: Outbox) -> Receipts:
    it = Receipts(store, Router({}, [Route(providers=[])], random.Random(1)))
    outbox.accepted.append(it.accepted)
    return it


async def sending(outbox: Outbox) -> str:
    await outbox.add(Message(to="13900000001", text="x"))
    return (await outbox.claim(LANES, 1, 30))[0].id


async def status(store: Store, id: str) -> str:
    async with store.read() as connection:
        return str((await connection.execute(select(message.c.status).where(message.c.id == id))).scalar_one())


async def waiting(store: Store) -> int:
    async with store.read() as connection:
        return (await connection.execute(select(func.count()).select_from(receipt))).scalar_one()


async def test_before_the_answer(outbox: Outbox, store: Store, receipts: Receipts) -> None:
    id = await sending(outbox)
    await receipts.take("a", [Receipt("delivered", "r1")])
    assert (await status(store, id), await waiting(store)) == ("sending", 1)
    await outbox.record(Outcome(id, "sent", "a", ("r1",)))
    assert (await status(store, id), await waiting(store)) == ("delivered", 0)


async def test_at_the_same_moment_as_the_answer(outbox: Outbox, store: Store, receipts: Receipts) -> None:
    for n in range(20):
        id = await sending(outbox)
        await asyncio.gather(
            outbox.record(Outcome(id, "sent", "a", (f"r{n}",))), receipts.take("a", [Receipt("delivered", f"r{n}")])
        )
        assert (await status(store, id), await waiting(store)) == ("delivered", 0)


@pytest.mark.parametrize("order", list(permutations(["sent", "failed", "delivered", "delivered"]))[::5])
async def test_any_order(outbox: Outbox, store: Store, receipts: Receipts, order: tuple[Status, ...]) -> None:
    id = await sending(outbox)
    await outbox.record(Outcome(id, "sent", "a", ("r1",)))
    for each in order:
        await receipts.take("a", [Receipt(each, "r1")])
    assert await status(store, id) == "delivered"


async def test_by_our_own_id_even_when_the_outcome_was_unknown(
    outbox: Outbox, store: Store, receipts: Receipts
) -> None:
    id = await sending(outbox)
    await outbox.record(Outcome(id, "unknown", "a", reason="TimeoutError"))
    await receipts.take("a", [Receipt("delivered", "r1", id=id)])
    assert await status(store, id) == "delivered"


async def test_another_providers_reference_is_not_ours(outbox: Outbox, store: Store, receipts: Receipts) -> None:
    id = await sending(outbox)
    await outbox.record(Outcome(id, "sent", "a", ("r1",)))
    await receipts.take("b", [Receipt("failed", "r1")])
    assert await status(store, id) == "sent"


async def test_parts_make_one_status(outbox: Outbox, store: Store, receipts: Receipts) -> None:
    id = await sending(outbox)
    await receipts.take("a", [Receipt("delivered", "p2")])
    await outbox.record(Outcome(id, "sent", "a", ("p1", "p2", "p3")))
    assert await status(store, id) == "sent"
    await receipts.take("a", [Receipt("delivered", "p1"), Receipt("delivered", "p3"), Receipt("delivered", "p3")])
    assert await status(store, id) == "delivered"


async def test_receipts_teach_the_operator(outbox: Outbox, store: Store, receipts: Receipts) -> None:
    id = await sending(outbox)
    await outbox.record(Outcome(id, "sent", "a", ("r1",)))
    await receipts.take("a", [Receipt("delivered", "r1", operator="unicom")])
    async with store.read() as connection:
        assert (await connection.execute(select(number.c.operator))).scalar_one() == "unicom"
    await outbox.add(Message(to="13900000001", text="y"))
    assert (await outbox.claim(LANES, 1, 30))[0].operator == "unicom"


async def test_strangers_take_nobodys_turn_to_write(
    store: Store, receipts: Receipts, monkeypatch: pytest.MonkeyPatch
) -> None:
    await receipts.take("a", [Receipt("delivered", "stranger")])
    monkeypatch.setattr(store, "write", None)
    await receipts.match(["r1", "r2"])
    with pytest.raises(TypeError):
        await receipts.match(["stranger"])


async def test_strangers_are_kept_and_harm_nobody(store: Store, receipts: Receipts) -> None:
    await receipts.take("a", [Receipt("delivered", "nobody's"), Receipt("failed", "", id="nobody's")])
    await receipts.sweep()
    assert await waiting(store) == 2
