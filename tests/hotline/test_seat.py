"""The centre's seat software is told who is calling: over real HTTP, signed, again when it was away, and never late."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from cryptography.fernet import Fernet
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from desk.orders import Orders
from fund.ledger import Ledger
from fund.privacy import Privacy
from hotline import seat
from hotline.api import context as context_api
from hotline.api.routes import Door, bind
from hotline.context import Contexts
from hotline.seat import SeatWebhook
from hotline.settings import Settings, faults_of
from ivr.call import Call
from ivr.records import CallRecords
from ivr.state import State
from sms import audit
from sms.keys import Keys
from sms.store import Store
from sms.tables import audit as audit_table
from tests.desk.conftest import weekdays
from tests.hotline.staff.desk import OneFlow
from tests.ivr.golden import BEGIN, flow_of

PRIVACY = Privacy(b"p" * 32, [Fernet.generate_key().decode()])
KEY = b"k" * 32
SECRET = "whsec_" + base64.b64encode(KEY).decode()
CALLER = "13900000001"


class Software:
    """Seat software that answers as it is told, and keeps what it heard."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.heard: asyncio.Queue[tuple[Any, bytes]] = asyncio.Queue()

    async def take(self, request: web.Request) -> web.Response:
        await self.heard.put((request.headers, await request.read()))
        status = self.answers.pop(0) if self.answers else 204
        return web.Response(status=status, headers={"Location": "/elsewhere"} if status == 302 else {})


@pytest.fixture
async def software() -> AsyncIterator[tuple[Software, str]]:
    its, app = Software(), web.Application()
    app.router.add_post("/call", its.take)
    async with TestServer(app) as server:
        yield its, str(server.make_url("/call"))


@pytest.fixture
async def contexts(engine: AsyncEngine) -> Contexts:
    records = CallRecords(engine, PRIVACY)
    await records.start()
    call = Call(
        "asterisk-1.1", "asterisk", State("v1", CALLER, BEGIN.isoformat(), node="main/agent", waiting="transfer")
    )
    call.steps = [("main/start", BEGIN), ("main/agent", BEGIN)]
    await records.save(call)
    await records.stop()
    flow = flow_of({"nodes": {"start": {"menu": {"1": {"say": "贷款业务", "go": "agent"}}}}})
    orders = Orders(engine, PRIVACY, weekdays)
    return Contexts(engine, PRIVACY, Ledger(engine), OneFlow(flow), orders, lambda: BEGIN)


QUICK = (0.01, 0.01)


def checked(headers: Any, body: bytes) -> Any:
    """What a listener's library does before it believes a webhook."""
    signed = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body])
    mine = base64.b64encode(hmac.digest(KEY, signed, hashlib.sha256)).decode()
    assert hmac.compare_digest(headers["webhook-signature"], f"v1,{mine}")
    return json.loads(body)


@pytest.mark.parametrize(("full", "shown"), [(False, "*******0001"), (True, CALLER)])
async def test_a_call_is_told_signed(contexts: Contexts, software: Any, full: bool, shown: str) -> None:
    its, url = software
    webhook = SeatWebhook(url, SECRET, contexts, lambda: BEGIN, full=full)
    await webhook.start()
    webhook.hand_over("asterisk-1.1")
    headers, body = await its.heard.get()
    told = checked(headers, body)
    assert (told["type"], headers["webhook-id"]) == ("call.handed_over", "asterisk-1.1")
    assert told["data"]["caller"] == shown and told["data"]["queue"] == "general"
    assert told["data"]["way"][0] == {"kind": "chose", "words": "贷款业务"}
    await webhook.stop()


async def test_it_is_told_again_but_not_for_ever(contexts: Contexts, software: Any) -> None:
    its, url = software
    its.answers = [500, 302, 204]
    webhook = SeatWebhook(url, SECRET, contexts, lambda: BEGIN, waits=QUICK)
    await webhook.start()
    webhook.hand_over("asterisk-1.1")
    ids = {(await its.heard.get())[0]["webhook-id"] for _ in range(3)}
    assert ids == {"asterisk-1.1"}, "a repetition is known by its id"
    its.answers = [500] * 9
    webhook.hand_over("asterisk-1.1")
    await asyncio.gather(*webhook._tasks)
    assert its.heard.qsize() == 3, "two waits, three tries, and it is let go"
    await webhook.stop()


async def test_software_that_is_away_holds_nobody(contexts: Contexts) -> None:
    webhook = SeatWebhook("http://127.0.0.1:9/call", SECRET, contexts, lambda: BEGIN)
    await webhook.start()
    for _ in range(seat.MOST_WAITING + 10):
        webhook.hand_over("asterisk-1.1")
    assert len(webhook._tasks) == seat.MOST_WAITING
    await webhook.stop()


async def test_the_same_by_the_api_with_a_line_in_the_audit(engine: AsyncEngine, contexts: Contexts) -> None:
    store = Store(engine, PRIVACY)
    keys = Keys(store)

    async def keep(client: str, action: str, subject: str) -> None:
        await audit.audit(store, client, action, subject, "", BEGIN)

    app = web.Application()
    bind(app, Door(keys), context_api.routes(contexts, keep))
    right = {"Authorization": f"Bearer {await keys.add('seats', ['context'], '60')}"}
    wrong = {"Authorization": f"Bearer {await keys.add('hall', ['calls'], '40')}"}
    async with TestClient(TestServer(app)) as client:
        assert (await client.get("/v1/calls/asterisk-1.1/context", headers=wrong)).status == 403
        assert (await client.get("/v1/calls/nobody/context", headers=right)).status == 404
        found = await (await client.get("/v1/calls/asterisk-1.1/context", headers=right)).json()
    assert (found["caller"], found["identified"], found["heard"]) == (CALLER, "no", [])
    async with engine.connect() as connection:
        rows = (await connection.execute(select(audit_table))).all()
    assert [(row.client, row.action, row.subject) for row in rows] == [("seats", "look_at_call", "asterisk-1.1")]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"seat_webhook_url": "https://seats.example.org/call"}, "HOTLINE_SEAT_WEBHOOK_SECRET"),
        ({"seat_webhook_url": "ftp://seats", "seat_webhook_secret": SECRET}, "HOTLINE_SEAT_WEBHOOK_URL"),
        ({"seat_webhook_secret": "whsec_c2hvcnQ="}, "HOTLINE_SEAT_WEBHOOK_SECRET"),
        ({"seat_webhook_secret": "!!"}, "HOTLINE_SEAT_WEBHOOK_SECRET"),
    ],
)
def test_settings_that_cannot_work_do_not_start(given: Any, told: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError) as wrong:
        Settings(_env_file=None, home=tmp_path, **given)
    assert told in "\n".join(faults_of(wrong.value))
