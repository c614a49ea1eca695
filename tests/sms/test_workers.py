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
from sqlalchemy.exc import OperationalError

from sms import workers
from sms.gate import Gate
from sms.group import GroupCommit
from sms.housekeeping import give_up_waiting
from sms.messages import LANES, Lane, Message
from sms.outbox import Outbox, Outcome
from sms.receipts import Receipts
from sms.routing import Router
from sms.settings import Route
from sms.store import Store
from sms.tables import message
from sms.timing import Day
from sms.workers import ASK_AGAIN_SECONDS, AT_ONCE_NEAR_CODES, DOOR_SECONDS, OTHER_LANES, Rules, Worker
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


async def test_what_cannot_be_written_takes_nobody_else_down_with_it() -> None:
    async def write(items: Sequence[str]) -> Sequence[int]:
        return [len(item.encode()) for item in items]

    group = GroupCommit(write)
    results = await asyncio.gather(*map(group, ["ab", "\ud83d", "abc"]), return_exceptions=True)
    assert [results[0], results[2]] == [2, 3] and isinstance(results[1], UnicodeEncodeError)


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
        assert (row["status"], row["attempt"], row["dead_at"]) == ("queued", 0, None)
        assert NOW < row["due_at"] <= NOW + timedelta(seconds=3)


async def test_to_be_asked_to_come_later_is_no_try_and_only_time_ends_it(store: Store) -> None:
    async with house(store) as (it, a, _):
        a.script = ["429"] * 80
        it.router.routes = [Route(providers=["a"])]
        row = await it.send(expires_at=NOW + timedelta(minutes=1))
        while row["status"] == "queued":
            it.now = row["due_at"]
            it.router.gates["a"] = Gate(100, 64, 0.2)
            row = await it.turn()
            assert len(a.got) < 80
        assert len(a.got) > 20 and it.now > NOW + timedelta(seconds=50)
        assert (row["status"], row["reason"], row["dead_at"]) == ("failed", "throttled", it.now)


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


async def test_who_named_a_time_is_not_asked_at_once_for_another_who_is_away(store: Store) -> None:
    async with house(store, "429 3600") as (it, a, b):
        b.script = ["429 2"]
        row = await it.send(expires_at=NOW + timedelta(days=1))
        assert (len(b.got), row["due_at"] < NOW + timedelta(seconds=4)) == (1, True)
        it.router.breakers["b", ""]._open(time.monotonic(), 300)
        a.script = ["429 3600"]
        it.now = row["due_at"]
        row = await it.turn()
        assert timedelta(seconds=ASK_AGAIN_SECONDS) <= row["due_at"] - it.now < timedelta(minutes=1)


async def test_what_waits_for_a_broken_provider_lets_others_pass(store: Store) -> None:
    async with house(store) as (it, _, b):
        it.router.routes = [Route(lanes=["notice"], providers=["a"]), Route(providers=["b"])]
        it.router.breakers["a", ""]._open(time.monotonic(), 300)
        row = await it.send()
        assert timedelta(seconds=290) < row["due_at"] - NOW < timedelta(seconds=301)
        assert not b.got


async def test_an_answer_is_written_down_though_the_database_blinks(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(store) as (it, a, _):
        real, faults = it.outbox._write_down, [OSError("away"), OperationalError("", {}, Exception("locked"))]

        def blinks(*given: Any) -> bool:
            if faults:
                raise faults.pop()
            return real(*given)

        monkeypatch.setattr(workers, "RECORD_AGAIN_SECONDS", (0.01, 0.01))
        monkeypatch.setattr(it.outbox, "_write_down", blinks)
        row = await it.send()
        assert (row["status"], row["attempt"], len(a.got)) == ("sent", 1, 1) and not faults


async def test_an_answer_is_written_down_once_though_receipts_cannot_be_looked_for(store: Store) -> None:
    async with house(store) as (it, _, _):

        async def fails(_: Sequence[Outcome]) -> None:
            raise OSError("away")

        it.outbox.accepted[:] = [fails]
        row = await it.send()
        assert (row["status"], row["attempt"]) == ("sent", 1)


async def test_a_code_whose_second_way_refuses_it_is_given_up_in_the_end(store: Store) -> None:
    async with house(store, "never", "422") as (it, _, b):
        await it.send("code")
        it.now += timedelta(seconds=9)
        row = await it.turn()
        assert (row["status"], len(b.got)) == ("unknown", 1) and row["sent_at"] is not None
        await give_up_waiting(store, 1, lambda: it.now + timedelta(days=2))
        assert (await it.row())["dead_at"] is not None


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


async def test_the_only_provider_is_probed_after_its_pause(store: Store) -> None:
    async with house(store) as (it, a, _):
        a.script = ["500"] * 5
        it.router.routes = [Route(providers=["a"])]
        del it.router.gates["b"]
        for n in range(7):
            await it.outbox.add(Message(to=f"1390000000{n}", text="x"))
            await it.worker._turn()
            await asyncio.gather(*it.worker._busy)
        breaker = it.router.breakers["a", ""]
        assert (breaker.state, len(a.got), it.router.room("code")) == ("open", 5, 0)
        breaker._opened_at -= breaker.pause_seconds
        await it.worker._turn()
        await asyncio.gather(*it.worker._busy)
        assert (breaker.state, len(a.got)) == ("closed", 7)


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
