"""Workers against carriers over real HTTP: what may fail over does, what may have gone never goes twice."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from sqlalchemy import select

from sms.group import GroupCommit
from sms.messages import LANES, Lane, Message
from sms.outbox import Outbox
from sms.receipts import Receipts
from sms.routing import Router
from sms.settings import Route
from sms.store import Store
from sms.tables import message
from sms.timing import Day
from sms.workers import AT_ONCE_NEAR_CODES, DOOR_SECONDS, OTHER_LANES, Rules, Worker
from tests.sms.carrier import Carrier, Wire, WireSettings, carrier

NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)  # 10:00 at home
NIGHT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)  # 23:00


class House:
    """An outbox, two carriers behind it, and one worker's turn at a time."""

    def __init__(self, store: Store, session: aiohttp.ClientSession, carriers: dict[str, str]) -> None:
        self.now = NOW
        self.outbox = Outbox(store, lambda: self.now)
        providers = {name: Wire(name, WireSettings(url=url), session) for name, url in carriers.items()}
        self.router = Router(providers, [Route(providers=list(carriers))], random.Random(1))
        self.receipts = Receipts(store, self.router, lambda: self.now)
        self.outbox.accepted.append(self.receipts.accepted)
        rules = Rules(Day(), 9, lambda template, provider: "")
        self.worker = Worker(LANES, self.outbox, self.router, rules, random.Random(1))

    async def send(self, lane: Lane = "notice", **more: Any) -> dict[str, Any]:
        await self.outbox.add(Message(to="13900000001", text="您好", signature="公积金", lane=lane, **more))
        return await self.turn()

    async def turn(self) -> dict[str, Any]:
        await self.worker._turn()
        await asyncio.gather(*self.worker._busy)
        return await self.row()

    async def row(self) -> dict[str, Any]:
        async with self.outbox.store.read() as connection:
            return dict((await connection.execute(select(message))).one()._mapping)


@asynccontextmanager
async def house(store: Store, first: str = "ok", second: str = "ok") -> AsyncIterator[tuple[House, Carrier, Carrier]]:
    async with AsyncExitStack() as stack:
        a = await stack.enter_async_context(carrier(first))
        b = await stack.enter_async_context(carrier(second))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        urls = {"a": a.url if first != "closed" else "http://127.0.0.1:9/send", "b": b.url}
        yield House(store, session, urls), a, b


async def test_what_goes_out_is_signed_once(store: Store) -> None:
    async with house(store) as (it, a, _):
        row = await it.send()
        assert a.got == [{"id": row["id"], "to": "13900000001", "text": "【公积金】您好"}]
        assert (row["status"], row["provider"], row["provider_ref"]) == ("sent", "a", f"ref-{row['id']}")


@pytest.mark.parametrize(("first", "reason"), [("closed", "ClientConnectorError"), ("429", "throttled")])
async def test_what_surely_did_not_go_goes_to_the_next(store: Store, first: str, reason: str) -> None:
    async with house(store, first) as (it, _, b):
        row = await it.send()
        assert (row["status"], row["provider"], len(b.got)) == ("sent", "b", 1)


@pytest.mark.parametrize("first", ["never", "reset", "half", "garbage", "500"])
async def test_what_may_have_gone_goes_nowhere_else(store: Store, first: str) -> None:
    async with house(store, first) as (it, a, b):
        row = await it.send()
        assert (row["status"], row["provider"], row["due_at"]) == ("unknown", "a", None)
        it.now += timedelta(hours=1)
        await it.turn()
        assert (len(a.got), len(b.got)) == (1, 0)


async def test_a_code_without_an_answer_takes_another_way_after_a_while(store: Store) -> None:
    async with house(store, "never") as (it, a, b):
        row = await it.send("code")
        assert (row["status"], row["due_at"]) == ("unknown", NOW + timedelta(seconds=9))
        it.now += timedelta(seconds=8)
        await it.turn()
        assert len(b.got) == 0
        it.now += timedelta(seconds=1)
        row = await it.turn()
        assert (row["status"], row["provider"]) == ("sent", "b")
        assert b.got[0]["text"] == a.got[0]["text"]  # the same code


async def test_looking_for_work_that_is_not_there_takes_nobodys_turn_to_write(store: Store) -> None:
    async with house(store) as (it, a, _):
        await it.outbox.add(Message(to="13900000001", text="您好", not_before=NOW + timedelta(seconds=9)))
        async with store.write(), asyncio.timeout(2):
            assert await it.outbox.due() == set()
            assert await it.worker._turn() == 0
        it.now += timedelta(seconds=9)
        assert await it.outbox.due() == {"notice"}
        assert (await it.turn())["status"] == "sent"
        assert len(a.got) == 1


async def test_a_rush_at_the_door_goes_first_but_holds_texts_up_for_no_longer_than_a_second(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(store) as (it, a, _):
        it.worker.lanes = OTHER_LANES
        monkeypatch.setattr(GroupCommit, "rush", True)
        assert (await it.send())["status"] == "sent"  # nothing went for a while
        before = len(a.got)
        await it.outbox.add(Message(to="13900000002", text="您好", signature="公积金", lane="notice"))
        it.worker._claimed_at = time.monotonic()
        assert await it.worker._turn() == 0
        it.worker._claimed_at -= DOOR_SECONDS
        assert await it.worker._turn() == 1
        await asyncio.gather(*it.worker._busy)
        assert len(a.got) == before + 1


async def test_a_rush_is_more_than_fits_into_one_transaction() -> None:
    opened = asyncio.Event()

    async def write(items: Sequence[int]) -> Sequence[int]:
        await opened.wait()
        return items

    group = GroupCommit(write, lambda: 3)
    waiting = [asyncio.create_task(group.all([1])) for _ in range(2)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not group.rush
    waiting.append(asyncio.create_task(group.all([2, 3, 4])))
    await asyncio.sleep(0)
    assert group.rush
    opened.set()
    assert [await each for each in waiting] == [[1], [1], [2, 3, 4]]


async def test_a_refusal_is_the_end(store: Store) -> None:
    async with house(store, "422") as (it, _, b):
        row = await it.send()
        assert (row["status"], row["reason"], len(b.got)) == ("failed", "blacklisted", 0)
        assert row["dead_at"] == NOW


async def test_throttled_everywhere_waits_and_comes_back(store: Store) -> None:
    async with house(store, "429", "429") as (it, _, _):
        row = await it.send()
        assert (row["status"], row["attempt"], row["dead_at"]) == ("queued", 1, None)
        assert NOW < row["due_at"] <= NOW + timedelta(seconds=3)


async def test_too_many_tries_are_for_a_person(store: Store) -> None:
    async with house(store, "closed") as (it, _, _):
        it.router.routes = [Route(providers=["a"])]
        await it.send()
        for _ in range(40):
            it.router.breakers[("a", "")].state = "closed"
            it.router.breakers[("a", "mobile")].state = "closed"
            it.now += timedelta(minutes=30)
            row = await it.turn()
            if row["dead_at"]:
                break
        assert (row["status"], row["attempt"], row["reason"]) == ("failed", 6, "ClientConnectorError")


async def test_expired_texts_do_not_go(store: Store) -> None:
    async with house(store) as (it, a, _):
        row = await it.send(expires_at=NOW)
        assert (row["status"], row["reason"], a.got) == ("failed", "expired", [])


async def test_quiet_hours_hold_notices_and_not_codes(store: Store) -> None:
    async with house(store) as (it, a, _):
        it.now = NIGHT
        row = await it.send(quiet="service")
        assert (row["status"], row["due_at"]) == ("queued", datetime(2026, 3, 3, 0, 0, tzinfo=UTC))
        await it.outbox.add(Message(to="13900000002", text="123456", lane="code"))
        await it.worker._turn()
        await asyncio.gather(*it.worker._busy)
        assert [each["to"] for each in a.got] == ["13900000002"]


async def test_a_broken_provider_is_left_alone(store: Store) -> None:
    async with house(store, "closed") as (it, _, b):
        for n in range(8):
            await it.outbox.add(Message(to=f"1390000000{n}", text="x"))
        await it.worker._turn()
        await asyncio.gather(*it.worker._busy)
        assert it.router.breakers["a", ""].state == "open"
        assert len(b.got) == 8


async def test_the_worker_runs_by_itself_and_stops_cleanly(store: Store) -> None:
    async with house(store) as (it, a, _):
        it.worker.start()
        await it.outbox.add(Message(to="13900000001", text="x"))
        await a.arrived.wait()
        await it.worker.stop()
        assert (await it.row())["status"] == "sent"


async def test_only_a_code_makes_other_texts_go_in_small_steps(store: Store) -> None:
    async with house(store) as (it, _, _):
        await it.worker._turn()
        assert not store.codes_about  # looking for codes is not a code
        await it.send("code")
        assert store.codes_about


async def test_looking_for_a_code_leaves_other_texts_to_go_many_at_a_time(store: Store) -> None:
    async with house(store) as (it, _, _):
        codes, others = (
            Worker(lanes, it.outbox, it.router, it.worker.rules, random.Random(1)) for lanes in (LANES[:1], LANES[1:])
        )
        assert await codes._turn() == 0
        await it.outbox.add_all([Message(to=f"139000000{n:02}", text="x") for n in range(40)])
        assert await others._turn() > AT_ONCE_NEAR_CODES
        await asyncio.gather(*others._busy)
