"""The retention job, with a clock of the test's: content goes after weeks, records after months, codes at once."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, select

from sms import holds
from sms.audit import audit
from sms.messages import LANES, Lane, Message
from sms.outbox import Outbox, Outcome
from sms.retention import remove_old
from sms.store import Store
from sms.tables import audit as audit_table
from sms.tables import campaign, campaign_chunk, inbound, message

NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)


async def sent(store: Store, lane: Lane = "notice", *, dead: bool = False, to: str = "13900000001") -> None:
    outbox = Outbox(store, lambda: NOW)
    await outbox.add(Message(to=to, text="您好", lane=lane, expires_at=NOW + timedelta(minutes=5)))
    (claimed,) = await outbox.claim(LANES, 1, 30)
    await outbox.record(Outcome(claimed.id, "failed" if dead else "sent", "a", () if dead else (to,), dead=dead))


async def after(store: Store, **span: float) -> int:
    return await remove_old(store, 180, 30, lambda: NOW + timedelta(**span))


async def bodies(store: Store) -> list[int]:
    async with store.read() as connection:
        lengths = select(func.length(message.c.body)).order_by(message.c.id)
        return list((await connection.execute(lengths)).scalars())


async def count(store: Store, table: Any) -> int:
    async with store.read() as connection:
        return (await connection.execute(select(func.count()).select_from(table))).scalar_one()


async def test_content_goes_first_then_the_record(store: Store) -> None:
    await sent(store)
    await audit(store, "hall", "x", "y", at=NOW)
    assert (await after(store, days=29), min(await bodies(store)) > 0) == (0, True)
    assert (await after(store, days=31), await bodies(store)) == (1, [0])
    assert await after(store, days=179) == 0
    assert (await after(store, days=181), await bodies(store), await count(store, audit_table)) == (2, [], 0)


async def test_codes_go_as_soon_as_they_are_of_no_use(store: Store) -> None:
    await sent(store, "code")
    await sent(store, "code", dead=True)
    assert await after(store, minutes=30) == 0
    assert (await after(store, hours=2), await bodies(store)) == (2, [0, 0])


async def test_what_waits_for_a_person_or_a_worker_is_kept(store: Store) -> None:
    await sent(store, dead=True)
    await Outbox(store, lambda: NOW).add(Message(to="13900000002", text="x", not_before=NOW + timedelta(days=40)))
    assert (await after(store, days=31), min(await bodies(store)) > 0) == (0, True)


async def test_a_text_for_next_year_is_kept_until_it_has_gone(store: Store) -> None:
    outbox = Outbox(store, lambda: NOW)
    await outbox.add(Message(to="13900000001", text="您好", not_before=NOW + timedelta(days=300)))
    assert (await after(store, days=299), min(await bodies(store)) > 0) == (0, True)
    outbox.clock = lambda: NOW + timedelta(days=300)
    (claimed,) = await outbox.claim(LANES, 1, 30)
    assert await after(store, days=300) == 0
    await outbox.record(Outcome(claimed.id, "sent", "a", ("r",)))
    await after(store, days=301)
    assert await bodies(store) == []


async def test_what_people_texted_goes_as_well(store: Store) -> None:
    row = {"id": "i1", "provider": "a", "fingerprint": b"f", "from_hash": b"h", "from_masked": "*", "body": b"x"}
    async with store.write() as connection:
        await connection.execute(insert(inbound).values(**row, received_at=NOW, state="answered"))
    assert (await after(store, days=31), await after(store, days=32)) == (1, 0)
    assert (await after(store, days=181), await count(store, inbound)) == (1, 0)


async def test_campaigns_nobody_went_on_with(store: Store) -> None:
    async with store.write() as connection:
        for id, status in (("c1", "ready"), ("c2", "done"), ("c3", "broken")):
            made = {"client": "hall", "name": "", "template": "t", "report": "{}", "created_at": NOW}
            await connection.execute(insert(campaign).values(id=id, status=status, **made))
            chunk = {"campaign": id, "n": 0, "rows": 1, "body": b"x", "faults": "[]"}
            await connection.execute(insert(campaign_chunk).values(**chunk))

    async def kept() -> dict[str, tuple[str, bool]]:
        async with store.read() as connection:
            found = select(campaign.c.id, campaign.c.status, campaign_chunk.c.body).join(campaign_chunk)
            return {id: (status, bool(body)) for id, status, body in await connection.execute(found)}

    await after(store, days=1)
    assert await kept() == {"c1": ("ready", True), "c2": ("done", True), "c3": ("broken", False)}
    await after(store, days=31)
    assert (await kept())["c1"] == ("cancelled", False)
    await after(store, days=181)
    assert await kept() == {} and await count(store, campaign_chunk) == 0


async def test_a_campaign_paused_for_good_is_cancelled_with_what_is_queued_of_it(store: Store) -> None:
    made = {"client": "hall", "name": "", "template": "t", "report": "{}", "created_at": NOW}
    async with store.write() as connection:
        await connection.execute(insert(campaign).values(id="c1", status="paused", **made))
    await Outbox(store, lambda: NOW).add(Message(to="13900000001", text="您好", lane="campaign", campaign="c1"))
    async with store.write() as connection:
        await holds.pause(connection, "c1")
    await after(store, days=31)
    async with store.read() as connection:
        row = (await connection.execute(select(message.c.status, message.c.reason, message.c.body))).one()
    assert tuple(row) == ("failed", "cancelled", b"")
