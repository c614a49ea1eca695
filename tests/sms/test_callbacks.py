"""The calling system is told what became of its texts: over real HTTP, signed, again until it listens."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from sqlalchemy import func, select, update

from sms import metrics
from sms.callbacks import PAUSES, TRIES, Callbacks
from sms.dead_letters import DeadLetters
from sms.errors import Refused
from sms.given_up import GivenUp, decide
from sms.housekeeping import measure
from sms.keys import Keys
from sms.messages import LANES, Message
from sms.outbox import Outbox, Outcome
from sms.providers.base import Receipt
from sms.receipts import Receipts
from sms.store import Store
from sms.tables import api_key, callback, message
from tests.sms.test_receipts import receipts

__all__ = ["receipts"]  # a fixture
NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)


@dataclass
class Hall:
    """A calling system that hears what became of its texts, and answers as the test says."""

    callbacks: Callbacks
    outbox: Outbox
    secret: str
    answers: list[int] = field(default_factory=list)
    heard: list[dict[str, str]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    now: datetime = NOW

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + body
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        right = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        assert request.headers["webhook-signature"] == f"v1,{right}"
        self.heard.append(json.loads(body))
        self.ids.append(request.headers["webhook-id"])
        return web.Response(status=self.answers.pop(0) if self.answers else 204)

    @property
    def told(self) -> list[str]:
        return [each["status"] for each in self.heard]

    async def send(self, to: str = "13900000001", **more: str) -> str:
        """A text on the wire."""
        await self.outbox.add(Message(to=to, text="x", client="hall", **more))  # type: ignore[arg-type]
        return (await self.outbox.claim(LANES, 1, 30))[0].id

    async def waiting(self) -> int:
        async with self.outbox.store.read() as connection:
            return (await connection.execute(select(func.count()).select_from(callback))).scalar_one()


@asynccontextmanager
async def listening(store: Store, outbox: Outbox) -> AsyncIterator[Hall]:
    async with aiohttp.ClientSession() as session:
        hall = Hall(Callbacks(outbox.listeners, session), outbox, "")
        outbox.listeners.clock = hall.callbacks.clock = lambda: hall.now
        app = web.Application()
        app.router.add_post("/hear", hall.answer)
        async with TestServer(app) as server:
            await Keys(store).add("hall", ["messages"], "40", callback=str(server.make_url("/hear")))
            hall.secret = await Keys(store).callback_secret("hall")
            yield hall


@pytest.fixture
async def hall(store: Store, outbox: Outbox) -> AsyncIterator[Hall]:
    async with listening(store, outbox) as it:
        yield it


async def test_each_new_status_is_told_once(hall: Hall, outbox: Outbox, receipts: Receipts) -> None:
    receipts.listeners = outbox.listeners
    id = await hall.send()
    await outbox.record(Outcome(id, "sent", "a", ("r1",)))
    await receipts.take("a", [Receipt("delivered", "r1", reason="DELIVRD")])
    await receipts.take("a", [Receipt("sent", "r1"), Receipt("delivered", "r1")])  # late and doubled: no news
    while await hall.callbacks.turn():
        pass
    assert [(each["id"], each["status"], each["reason"]) for each in hall.heard] == [
        (id, "sent", ""), (id, "delivered", "DELIVRD"),
    ]  # fmt: skip
    assert await hall.waiting() == 0


async def test_waiting_to_try_again_is_no_news_and_a_lost_worker_is(hall: Hall, outbox: Outbox) -> None:
    id = await hall.send()
    await outbox.record(Outcome(id, "queued", due_at=NOW))
    assert await hall.callbacks.turn() == 0
    await outbox.claim(LANES, 1, lease_seconds=-1)
    await outbox.strand()
    await hall.callbacks.turn()
    assert hall.told == ["unknown"]


async def test_others_and_campaigns_are_not_told(hall: Hall, outbox: Outbox) -> None:
    id = await hall.send(campaign="c1")
    await outbox.record(Outcome(id, "sent", "a", ("r1",)))
    await outbox.add(Message(to="13900000002", text="x", client="app"))
    (other,) = await outbox.claim(LANES, 1, 30)
    await outbox.record(Outcome(other.id, "sent", "a", ("r2",)))
    assert await hall.waiting() == 0


async def test_who_does_not_listen_is_told_again_later(hall: Hall, outbox: Outbox) -> None:
    hall.answers = [500, 302]
    first, second = await hall.send("13900000001"), await hall.send("13900000002")
    await outbox.record(Outcome(first, "sent", "a", ("r1",)))
    for seconds, tried in ((0, 1), (PAUSES[0] - 1, 0), (1, 1), (PAUSES[1] - 1, 0)):
        hall.now += timedelta(seconds=seconds)
        assert await hall.callbacks.turn() == tried
    await outbox.record(Outcome(second, "sent", "a", ("r2",)))
    assert await hall.callbacks.turn() == 1
    hall.now += timedelta(seconds=1)
    assert (await hall.callbacks.turn(), await hall.waiting()) == (1, 0)
    assert [each["id"] for each in hall.heard] == [first, first, second, first]
    assert len(set(hall.ids)) == 2  # a repeat has its first id


async def test_news_behind_a_failed_one_wait_with_it(hall: Hall, outbox: Outbox) -> None:
    hall.answers = [500]
    first, second = await hall.send("13900000001"), await hall.send("13900000002")
    await outbox.record(Outcome(first, "sent", "a", ("r1",)))
    claimed = await hall.callbacks._claim(["hall"])
    await outbox.record(Outcome(second, "sent", "a", ("r2",)))
    async with outbox.store.write() as connection:
        await hall.callbacks._later(connection, claimed[0])
    assert await hall.callbacks.turn() == 0
    hall.now += timedelta(seconds=PAUSES[0])
    assert await hall.callbacks.turn() == 2


@pytest.mark.parametrize(("answer", "held"), [(422, False), (500, True), (401, True), (429, True)])
async def test_one_text_that_is_refused_holds_no_others_back(
    hall: Hall, outbox: Outbox, monkeypatch: pytest.MonkeyPatch, answer: int, held: bool
) -> None:
    monkeypatch.setattr("sms.callbacks._AT_ONCE", 1)
    hall.answers = [answer]
    for n, to in enumerate(("13900000001", "13900000002")):
        await outbox.record(Outcome(await hall.send(to), "sent", "a", (f"r{n}",)))
    assert await hall.callbacks.turn() == 1
    assert await hall.callbacks.turn() == (0 if held else 1)


async def test_the_deaf_are_given_up_after_all_tries(hall: Hall, outbox: Outbox) -> None:
    hall.answers = [503] * 50
    id = await hall.send()
    await outbox.record(Outcome(id, "failed", "a", reason="blacklisted"))
    for _ in range(TRIES + 5):
        await hall.callbacks.turn()
        hall.now += timedelta(hours=9)
    assert (hall.told, await hall.waiting()) == (["failed"] * TRIES, 1)


async def test_what_was_given_up_is_seen_and_told_again_or_dropped(hall: Hall, outbox: Outbox) -> None:
    hall.answers = [503] * 2 * TRIES
    first, second = await hall.send("13900000001"), await hall.send("13900000002")
    for id in (first, second):
        await outbox.record(Outcome(id, "failed", "a", reason="blacklisted"))
    given_up = GivenUp(outbox.listeners)
    assert await given_up.count() == 0, "they are still being told"
    for _ in range(2 * TRIES + 5):
        await hall.callbacks.turn()
        hall.now += timedelta(hours=9)
    found = {each.message: each for each in await given_up.list(client="hall")}
    assert set(found) == {first, second} and await given_up.list(client="app") == []
    assert (found[first].status, found[first].reason) == ("failed", "blacklisted")
    await measure(outbox.store)
    assert metrics.UNTOLD.labels("hall")._value.get() == 2

    with pytest.raises(Refused, match="not_found"):
        await given_up.release(found[first].id, "app")
    letters, heard = DeadLetters(outbox.store), len(hall.heard)
    await decide("release", letters, given_up, found[first].id)
    await decide("drop", letters, given_up, found[second].id)
    assert await hall.callbacks.turn() == 1
    assert [each["id"] for each in hall.heard[heard:]] == [first], "now it listens"
    assert (await given_up.count(), await hall.waiting()) == (0, 0)
    with pytest.raises(Refused, match="not_found"):
        await decide("drop", letters, given_up, found[first].id)
    await measure(outbox.store)
    assert "hall" not in str(list(metrics.UNTOLD.collect()))


async def test_a_closed_door_harms_nobody(store: Store, outbox: Outbox) -> None:
    await Keys(store).add("hall", ["messages"], "40", callback="http://127.0.0.1:9/hear")
    async with aiohttp.ClientSession() as session:
        callbacks = Callbacks(outbox.listeners, session)
        await outbox.add(Message(to="13900000001", text="x", client="hall"))
        (claimed,) = await outbox.claim(LANES, 1, 30)
        await outbox.record(Outcome(claimed.id, "sent", "a", ("r1",)))
        assert (await callbacks.turn(), await callbacks.turn()) == (1, 0)


async def test_an_address_that_cannot_be_posted_to_harms_nobody_else(hall: Hall, store: Store, outbox: Outbox) -> None:
    await Keys(store).add("app", ["messages"], "10", callback="http://app.example/hear")
    async with store.write() as connection:  # as keys could be made before
        was = update(api_key).where(api_key.c.name == "app")
        await connection.execute(was.values(callback_url="http://app..example/hear"))
    await outbox.add(Message(to="13900000002", text="x", client="app"))
    await hall.send()
    await outbox.claim(LANES, 1, 30)
    async with store.read() as connection:
        ids = (await connection.execute(select(message.c.id))).scalars().all()
    for n, id in enumerate(ids):
        await outbox.record(Outcome(id, "sent", "a", (f"r{n}",)))
    assert await hall.callbacks.turn() == 2
    assert (hall.told, await hall.waiting()) == (["sent"], 1)


async def test_giving_a_text_up_is_news(hall: Hall, store: Store, outbox: Outbox) -> None:
    id = await hall.send()
    await outbox.record(Outcome(id, "unknown", "a", dead=True))
    await DeadLetters(store, lambda: hall.now).drop(id)
    await hall.callbacks.turn()
    assert hall.told == ["unknown", "failed"]


async def test_a_revoked_key_is_told_nothing_more(hall: Hall, store: Store, outbox: Outbox) -> None:
    await Keys(store).revoke("hall")
    outbox.listeners._read_at = float("-inf")
    id = await hall.send()
    await outbox.record(Outcome(id, "sent", "a", ("r1",)))
    assert await hall.waiting() == 0
