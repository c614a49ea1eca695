"""Dead letters: seen, released, dropped; figures; and everything sealed anew under a new key."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from fund.privacy import Privacy
from sms.dead_letters import DeadLetters
from sms.errors import Refused
from sms.figures import Cost, figures
from sms.keys import Keys
from sms.messages import LANES, Lane, Message, Status
from sms.outbox import Outbox, Outcome
from sms.providers.base import Receipt
from sms.receipts import Receipts
from sms.routing import Router
from sms.seals import reseal
from sms.settings import Route
from sms.store import Store
from sms.tables import api_key, campaign, campaign_chunk, message

NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)


async def dead(outbox: Outbox, lane: Lane = "notice", status: str = "failed", client: str = "hall") -> str:
    text = Message(
        to="13900000001", text="您好", signature="公积金", lane=lane, client=client, template="deposit", cost=5
    )
    await outbox.add(text)
    (claimed,) = await outbox.claim(LANES, 1, 30)
    await outbox.record(Outcome(claimed.id, status, "a", reason="blacklisted", tried=("a",), dead=True))  # type: ignore[arg-type]
    return claimed.id


async def row(store: Store, id: str) -> dict[str, object]:
    async with store.read() as connection:
        return dict((await connection.execute(select(message).where(message.c.id == id))).one()._mapping)


async def test_a_person_looks(outbox: Outbox, store: Store) -> None:
    first, second = await dead(outbox), await dead(outbox, status="unknown", client="app")
    letters = DeadLetters(store)
    assert {each.id for each in await letters.list()} == {first, second}
    assert [each.id for each in await letters.list(client="app")] == [second]
    (newest,) = await letters.list(most=1)
    assert [each.id for each in await letters.list(after=newest.dead_at)] == [({first, second} - {newest.id}).pop()]
    letter, text = await letters.show(first)
    assert (letter.to_masked, letter.reason, text) == ("*******0001", "blacklisted", "【公积金】您好")
    with pytest.raises(Refused, match="not_found"):
        await letters.show(first, client="app")


async def test_no_page_leaves_out_what_died_at_one_moment(outbox: Outbox, store: Store) -> None:
    ids = {await dead(outbox) for _ in range(5)}
    async with store.write() as connection:
        await connection.execute(update(message).values(dead_at=NOW))
    letters = DeadLetters(store)
    seen = list(await letters.list(2))
    while page := await letters.list(2, after=seen[-1].dead_at, after_id=seen[-1].id):
        seen += page
    assert {each.id for each in seen} == ids and len(seen) == len(ids)


async def test_a_released_one_goes_again(outbox: Outbox, store: Store) -> None:
    id = await dead(outbox, status="unknown")
    outbox.clock = lambda: datetime.now(UTC) + timedelta(days=2, hours=-1)  # it would have expired soon
    letters = DeadLetters(store, outbox.clock)
    await letters.release(id)
    (claimed,) = await outbox.claim(LANES, 1, 30)
    assert (claimed.id, claimed.tried, claimed.attempt) == (id, (), 0)
    assert claimed.expires_at > outbox.clock() + timedelta(hours=23)
    assert await letters.count() == 0
    with pytest.raises(Refused, match="not_found"):
        await letters.release(id)


async def test_a_late_receipt_of_the_first_way_stops_a_released_one(outbox: Outbox, store: Store) -> None:
    id = await dead(outbox, status="unknown")
    await DeadLetters(store).release(id)
    async with store.write() as connection:
        await connection.execute(update(message).where(message.c.id == id).values(status="delivered", due_at=None))
    assert await outbox.claim(LANES, 1, 30) == []


@pytest.mark.parametrize("late", ["failed", "unknown", "sent"])
async def test_a_late_receipt_that_the_first_way_failed_leaves_a_released_one_in_the_queue(
    outbox: Outbox, store: Store, late: Status
) -> None:
    id = await dead(outbox, status="unknown")
    await DeadLetters(store).release(id)
    receipts = Receipts(store, Router({}, [Route(providers=[])], random.Random(1)))
    await receipts.take("a", [Receipt(late, id=id)])
    assert [each.id for each in await outbox.claim(LANES, 1, 30)] == [id]


async def test_a_dropped_one_stays_where_it_is(outbox: Outbox, store: Store) -> None:
    unknown, failed = await dead(outbox, status="unknown"), await dead(outbox)
    letters = DeadLetters(store)
    await letters.drop(unknown)
    await letters.drop(failed)
    assert [(each["status"], each["reason"]) for each in (await row(store, unknown), await row(store, failed))] == [
        ("failed", "dropped"), ("failed", "blacklisted"),
    ]  # fmt: skip
    assert await letters.count() == 0 and await outbox.claim(LANES, 1, 30) == []


async def test_what_cannot_be_released(outbox: Outbox, store: Store) -> None:
    letters = DeadLetters(store)
    with pytest.raises(Refused, match="too_late"):
        await letters.release(await dead(outbox, lane="code"))
    removed = await dead(outbox)
    async with store.write() as connection:
        await connection.execute(update(message).where(message.c.id == removed).values(body=b""))
    with pytest.raises(Refused, match="no_text"):
        await letters.release(removed)
    assert (await letters.show(removed))[1] == ""


async def test_figures(outbox: Outbox, store: Store) -> None:
    for n, status in enumerate(["sent", "unknown", "failed"]):
        await outbox.add(Message(to=f"1390000000{n}", text="x", client="hall", template="deposit", cost=5, parts=2))
        (claimed,) = await outbox.claim(LANES, 1, 30)
        await outbox.record(Outcome(claimed.id, status, "a", (f"r{n}",) if status == "sent" else ()))  # type: ignore[arg-type]
    async with store.write() as connection:
        await connection.execute(update(message).where(message.c.status == "sent").values(status="delivered"))
    await outbox.add(Message(to="13900000009", text="x", lane="reply"))
    now = datetime.now(UTC) + timedelta(seconds=5)
    found = await figures(store, now - timedelta(hours=1), now)
    assert {(each.provider, each.status, each.texts) for each in found.went} == {
        ("a", "delivered", 1), ("a", "failed", 1), ("a", "unknown", 1), ("", "queued", 1),
    }  # fmt: skip
    assert found.delivery_rates == {"a": 0.5}
    assert found.costs == [Cost("hall", "deposit", 2, 4, 10)]  # what failed costs nothing
    waiting = {each.lane: each for each in found.waiting}
    assert (waiting["reply"].due, waiting["code"].due) == (1, 0) and 5 <= waiting["reply"].oldest_seconds < 60
    assert (await figures(store, now, now)).went == []


async def test_everything_is_sealed_under_the_new_key(engine: AsyncEngine) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    store = Store(engine, Privacy(b"p" * 32, [old]))
    outbox = Outbox(store)
    await outbox.add(Message(to="13900000001", text="您好"))
    await Keys(store).add("hall", ["messages"], "40", callback="http://127.0.0.1/x")
    async with store.write() as connection:
        made = {"client": "hall", "name": "", "template": "t", "status": "ready", "report": "{}", "created_at": NOW}
        await connection.execute(insert(campaign).values(id="c1", **made))
        for n in range(3):
            body = store.privacy.seal("[]") if n else None
            chunk = {"campaign": "c1", "n": n, "rows": 1, "body": body, "faults": "[]"}
            await connection.execute(insert(campaign_chunk).values(**chunk))
        lost = Fernet(Fernet.generate_key()).encrypt(b"x")
        await connection.execute(update(campaign_chunk).where(campaign_chunk.c.n == 2).values(body=lost))
    assert await reseal(Store(engine, Privacy(b"p" * 32, [new, old]))) == (3, 1)
    only = Privacy(b"p" * 32, [new])
    async with store.read() as connection:
        body = (await connection.execute(select(message.c.body))).scalar_one()
        secret = (await connection.execute(select(api_key.c.callback_secret))).scalar_one()
    assert "您好" in only.open(body) and only.open(secret).startswith("whsec_")
