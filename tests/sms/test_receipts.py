"""Receipts in every order and number end right, on both engines."""

import asyncio
import random
from itertools import permutations

import pytest
from sqlalchemy import func, select

from fund.privacy import Privacy
from hotline.database import open_database
from sms.dead_letters import DeadLetters
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


async def test_an_id_that_others_gave_a_text_of_theirs_is_none(
    outbox: Outbox, store: Store, receipts: Receipts
) -> None:
    """An account at a provider may be shared: their receipts come to us too, with ours."""
    id = await sending(outbox)
    await outbox.record(Outcome(id, "sent", "a", ("r1",)))
    others = [Receipt("delivered", "r8", id="5c1e6f0a-0b7e-4bd1-9a36-8f1f4e8f5a10"), Receipt("failed", "r9", id="7")]
    await receipts.take("a", [others[0], Receipt("delivered", "r1", id=id), others[1]])
    assert (await status(store, id), await waiting(store)) == ("delivered", 2)


async def test_a_centre_that_counts_from_one_again_means_the_newest_text(
    outbox: Outbox, store: Store, receipts: Receipts
) -> None:
    for refs in (("1",), ("2", "3")):
        old, new = await sending(outbox), await sending(outbox)
        for id in (old, new):
            await outbox.record(Outcome(id, "sent", "a", refs))
        for ref in refs:
            await receipts.take("a", [Receipt("delivered", ref)])
        assert [await status(store, id) for id in (old, new)] == ["sent", "delivered"]


async def test_parts_make_one_status(outbox: Outbox, store: Store, receipts: Receipts) -> None:
    id = await sending(outbox)
    await receipts.take("a", [Receipt("delivered", "p2")])
    await outbox.record(Outcome(id, "sent", "a", ("p1", "p2", "p3")))
    assert await status(store, id) == "sent"
    await receipts.take("a", [Receipt("delivered", "p1"), Receipt("delivered", "p3"), Receipt("delivered", "p3")])
    assert await status(store, id) == "delivered"


async def test_parts_of_a_try_before_are_forgotten(outbox: Outbox, store: Store, receipts: Receipts) -> None:
    id = await sending(outbox)
    await outbox.record(Outcome(id, "unknown", "a", ("p1", "p2", "p3"), dead=True))
    await DeadLetters(store).release(id)
    await outbox.claim(LANES, 1, 30)
    await outbox.record(Outcome(id, "sent", "a", ("q1", "q2")))
    await receipts.take("a", [Receipt("delivered", "q1"), Receipt("failed", "p3"), Receipt("delivered", "q2")])
    assert await status(store, id) == "delivered"


async def test_two_processes_with_a_part_each_make_one_status(
    outbox: Outbox, store: Store, receipts: Receipts, database_url: str, privacy: Privacy
) -> None:
    engine = open_database(database_url)
    elsewhere = Receipts(Store(engine, privacy), Router({}, [Route(providers=[])], random.Random(1)))
    for n in range(20):
        id = await sending(outbox)
        await outbox.record(Outcome(id, "sent", "a", (f"{n}-1", f"{n}-2")))
        await asyncio.gather(
            receipts.take("a", [Receipt("delivered", f"{n}-1")]), elsewhere.take("a", [Receipt("delivered", f"{n}-2")])
        )
        assert await status(store, id) == "delivered"
    await engine.dispose()


async def test_the_sweep_finds_what_has_its_message_among_any_number_that_have_none(
    outbox: Outbox, store: Store, receipts: Receipts
) -> None:
    await receipts.take("a", [Receipt("delivered", f"foreign-{n}") for n in range(1100)])
    outbox.accepted.clear()
    id = await sending(outbox)
    await receipts.take("a", [Receipt("delivered", "r1" + "x" * 100)])
    await outbox.record(Outcome(id, "sent", "a", ("r1" + "x" * 100,)))
    assert await status(store, id) == "sent"
    await receipts.sweep()
    assert (await status(store, id), await waiting(store)) == ("delivered", 1100)


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
