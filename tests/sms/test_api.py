"""The HTTP API over real HTTP on both engines: keys, messages, codes, the sandbox phone, every sort of bad input."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from fund.privacy import Privacy
from hotline.api.app import add_text_routes
from hotline.api.routes import Answer, Call, Door, Route, bind
from hotline.text import TextService, open_text
from sms.callbacks import TRIES
from sms.errors import Refused
from sms.keys import SCOPES
from sms.messages import Message
from sms.settings import TextSettings
from sms.tables import callback, inbound, message

PHONE = "13900000001"


class Caller:
    """A system that calls us, with its key."""

    def __init__(self, client: TestClient[Any, Any], key: str, text: TextService) -> None:
        self.http = client
        self.headers = {"Authorization": f"Bearer {key}"}
        self.text = text

    async def post(self, path: str, body: Any = None, **more: Any) -> tuple[int, Any]:
        async with self.http.post(path, json=body, headers=self.headers, **more) as reply:
            return reply.status, await reply.json()

    async def raw(self, path: str, data: Any, **headers: str) -> tuple[int, Any]:
        async with self.http.post(path, data=data, headers=self.headers | headers) as reply:
            return reply.status, await reply.json()

    async def get(self, path: str, **headers: str) -> tuple[int, Any]:
        async with self.http.get(path, headers=self.headers | headers) as reply:
            return reply.status, await reply.json()

    async def phone(self, to: str = PHONE, atleast: int = 1) -> list[dict[str, str]]:
        """What the demo phone shows, once it shows `atleast` texts."""
        while True:
            _, shown = await self.get(f"/sandbox/messages?to={to}")
            if len(shown) >= atleast:
                return list(shown)
            await asyncio.sleep(0.02)


@pytest.fixture
async def text(engine: AsyncEngine, privacy: Privacy) -> AsyncIterator[TextService]:
    it = open_text(TextSettings(), engine, privacy)
    await it.start()
    yield it
    await it.stop()


@pytest.fixture
async def api(text: TextService) -> AsyncIterator[Caller]:
    app = web.Application()
    add_text_routes(app, text)
    key = await text.keys.add("hall", SCOPES, "40", rate=10_000)
    async with TestClient(TestServer(app)) as client:
        yield Caller(client, key, text)


@pytest.mark.parametrize("packed", ["gzip", "deflate"])
@pytest.mark.parametrize("path", ["/v1/messages", "/providers/sandbox/receipts", "/sandbox/inbound"])
async def test_what_is_not_packed_as_it_says_is_refused(api: Caller, path: str, packed: str) -> None:
    status, problem = await api.raw(path, b'{"to": "13900000001"}', **{"Content-Encoding": packed})
    assert (status, problem["type"]) == (400, "urn:hotline:problem:unreadable")


@pytest.mark.parametrize("path", ["/providers/sandbox/receipts", "/providers/sandbox/inbound"])
async def test_what_a_provider_does_not_tell_here_is_declined_in_words(api: Caller, path: str) -> None:
    status, problem = await api.post(path, {})
    assert status == 404 and "服务商" in problem["detail"]


async def test_what_no_route_takes_is_a_problem_too(api: Caller) -> None:
    status, problem = await api.get("/v1/nothing")
    assert (status, problem["type"]) == (404, "urn:hotline:problem:no_such_path")
    async with api.http.get("/v1/verifications") as reply:
        assert (reply.status, reply.headers["Allow"]) == (405, "POST")
        assert (await reply.json())["type"] == "urn:hotline:problem:wrong_method"
    async with api.http.get("/nothing") as reply:
        assert (reply.status, reply.content_type) == (404, "text/plain")


@pytest.mark.parametrize("key", ["\udcff", "hk_\udcff_x", "密钥"])
async def test_a_key_in_no_letters_of_ours_is_a_wrong_one(api: Caller, key: str) -> None:
    assert await api.text.keys.client(key) is None


async def test_a_large_body_in_pieces_is_refused(api: Caller) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b'{"to": "13900000001", "template": "policy_notice", "params": {"news": "x"}'
        yield b" " * 100_000 + b"}"

    status, problem = await api.raw("/v1/messages", pieces())
    assert (status, problem["title"]) == (413, "too large")


async def test_a_message_arrives_and_can_be_looked_up(api: Caller) -> None:
    body = {"to": PHONE, "template": "policy_notice", "params": {"news": "政策"}, "key": "k1"}
    status, queued = await api.post("/v1/messages", body)
    assert (status, queued["status"]) == (202, "queued")
    (shown,) = await api.phone()
    assert shown["text"].startswith("【") and shown["to"] == PHONE
    status, state = await api.get(f"/v1/messages/{queued['id']}")
    assert (status, state["to_masked"]) == (200, "*******0001")
    status, again = await api.post("/v1/messages", body)
    assert (status, again["id"], again["duplicate"]) == (202, queued["id"], True)
    assert len(await api.phone()) == 1


async def test_a_code_arrives_and_is_checked(api: Caller) -> None:
    status, begun = await api.post("/v1/verifications", {"to": PHONE, "purpose": "bind_phone", "ip": "203.0.113.7"})
    assert status == 201 and set(begun) == {"id", "status", "to_masked", "expires_at", "resend_after"}
    (shown,) = await api.phone()
    assert "绑定" in shown["text"]  # each purpose has its own words, so nobody is talked out of a code for another
    (code,) = re.findall(r"(?<!\d)\d{6}(?!\d)", shown["text"])
    status, checked = await api.post(f"/v1/verifications/{begun['id']}/check", {"code": code})
    assert (status, checked) == (200, {"status": "approved", "attempts_left": 4})
    _, again = await api.post(f"/v1/verifications/{begun['id']}/check", {"code": code})
    assert again == {"status": "expired", "attempts_left": 0, "detail": "验证码已使用过，请重新获取。"}


async def test_a_resend_too_soon_says_when(api: Caller) -> None:
    await api.post("/v1/verifications", {"to": PHONE, "purpose": "login"})
    reply = await api.http.post("/v1/verifications", json={"to": PHONE, "purpose": "login"}, headers=api.headers)
    assert reply.status == 429 and 55 <= int(reply.headers["Retry-After"]) <= 61
    assert (await reply.json())["type"] == "urn:hotline:problem:too_soon"


async def test_voice_codes_say_they_are_not_there_yet(api: Caller) -> None:
    status, problem = await api.post("/v1/verifications", {"to": PHONE, "purpose": "login", "channel": "voice"})
    assert (status, problem["type"]) == (501, "urn:hotline:problem:no_voice_channel")


async def test_many_in_one_request(api: Caller) -> None:
    good = {"to": PHONE, "template": "policy_notice", "params": {"news": "政策"}}
    status, answer = await api.post("/v1/messages/batch", {"messages": [good, {**good, "to": "12329"}]})
    assert status == 202
    assert [each["problem"] for each in answer["results"]] == [None, "not_mobile"]
    long = {**good, "params": {"news": "政策" * 60}}
    status, answer = await api.post(
        "/v1/messages/batch", {"messages": [{**long, "to": str(13900000001 + n)} for n in range(200)]}
    )
    assert status == 202 and not any(each["problem"] for each in answer["results"])


@pytest.mark.parametrize(
    ("authorization", "status", "word"),
    [
        ("", 401, "no_key"),
        ("Basic x", 401, "no_key"),
        ("Bearer hk_x_y", 401, "wrong_key"),
        ("Bearer 乱", 401, "wrong_key"),
    ],
)
async def test_strangers_stay_out(api: Caller, authorization: str, status: int, word: str) -> None:
    got, problem = await api.get("/v1/messages/x", Authorization=authorization)
    assert (got, problem["type"].split(":")[-1]) == (status, word)


async def test_keys_are_limited_in_what_and_how_fast(api: Caller) -> None:
    key = await api.text.keys.add("app", ["messages"], "10", rate=1, templates=["deposit"])
    api.headers = {"Authorization": f"Bearer {key}"}
    status, problem = await api.post(
        "/v1/messages", {"to": PHONE, "template": "policy_notice", "params": {"news": "x"}}
    )
    assert (status, problem["type"].split(":")[-1]) == (403, "template_not_allowed")
    status, problem = await api.post("/v1/messages", {"to": PHONE, "template": "policy_notice"})
    assert (status, problem["type"].split(":")[-1]) == (429, "too_fast")


async def test_a_keys_templates_are_those_of_its_codes_and_events_too(api: Caller) -> None:
    key = await api.text.keys.add("app", ["codes", "events"], "10", templates=["code_login", "deposit"])
    api.headers = {"Authorization": f"Bearer {key}"}
    repaid = {"type": "repaid", "account": "321000001", "data": {"amount": "12.00"}}
    for path, body in [("/v1/verifications", {"to": PHONE, "purpose": "reset_pin"}), ("/v1/events", repaid)]:
        status, problem = await api.post(path, body)
        assert (status, problem["type"].split(":")[-1]) == (403, "template_not_allowed"), path
    assert (await api.post("/v1/verifications", {"to": PHONE, "purpose": "login"}))[0] == 201
    assert (await api.post("/v1/events", {**repaid, "type": "deposit"}))[0] != 403


async def test_a_text_that_could_never_go_is_refused(api: Caller) -> None:
    text = {
        "to": PHONE,
        "template": "policy_notice",
        "params": {"news": "x"},
        "not_before": "2027-03-02T10:00:00+08:00",
    }
    status, problem = await api.post("/v1/messages", text | {"expires_at": "2027-03-02T02:00:00Z"})
    assert (status, [each["field"] for each in problem["errors"]]) == (422, ["expires_at"])
    assert (await api.post("/v1/messages", text | {"expires_at": "2027-03-02T02:00:01Z"}))[0] == 202


async def test_true_is_no_amount(api: Caller) -> None:
    params = {"tail": "321000001", "date": "2026-03-02", "amount": True, "balance": "1"}
    status, problem = await api.post("/v1/messages", {"to": PHONE, "template": "withdrawal", "params": params})
    assert (status, problem["type"].split(":")[-1]) == (422, "invalid")


async def test_scopes_and_revoking(api: Caller) -> None:
    key = await api.text.keys.add("kiosk", ["messages"], "50")
    api.headers = {"Authorization": f"Bearer {key}"}
    status, _ = await api.post("/v1/verifications", {"to": PHONE, "purpose": "login"})
    assert status == 403
    assert await api.text.keys.revoke("kiosk") and not await api.text.keys.revoke("kiosk")
    api.text.keys._known.clear()
    assert (await api.get("/v1/messages/x"))[0] == 401


async def test_a_client_whose_key_was_lost_gets_another(api: Caller) -> None:
    body = {"to": PHONE, "template": "policy_notice", "params": {"news": "x"}, "key": "k1"}
    lost = await api.text.keys.add("kiosk", ["messages"], "50")
    api.headers = {"Authorization": f"Bearer {lost}"}
    _, queued = await api.post("/v1/messages", body)
    with pytest.raises(Refused, match="name_taken"):
        await api.text.keys.add("kiosk", ["messages"], "50")
    await api.text.keys.revoke("kiosk")
    fresh = await api.text.keys.add("kiosk", ["messages"], "50")
    assert (await api.get(f"/v1/messages/{queued['id']}"))[0] == 401
    api.headers = {"Authorization": f"Bearer {fresh}"}
    assert (await api.get(f"/v1/messages/{queued['id']}"))[0] == 200
    _, again = await api.post("/v1/messages", body)
    assert (again["id"], again["duplicate"]) == (queued["id"], True)


async def test_another_clients_message_is_not_there(api: Caller) -> None:
    _, queued = await api.post("/v1/messages", {"to": PHONE, "template": "policy_notice", "params": {"news": "x"}})
    key = await api.text.keys.add("app", ["messages"], "10")
    assert (await api.get(f"/v1/messages/{queued['id']}", Authorization=f"Bearer {key}"))[0] == 404


@pytest.mark.parametrize(
    ("data", "status", "word"),
    [
        (b"", 400, "not_json"),
        (b"{", 400, "not_json"),
        (b"\xff\xfe", 400, "not_json"),
        (b"[" * 60_000, 400, "not_json"),
        (b"[]", 422, "invalid"),
        (b'{"to": 1}', 422, "invalid"),
        (b'{"to": "13900000001", "template": "policy_notice", "nonsense": 1}', 422, "invalid"),
        (b'{"to": "' + b"1" * 10_000 + b'", "template": "policy_notice"}', 422, "invalid"),
        (b'{"to": "0511-85212579", "template": "policy_notice", "params": {"news": "x"}}', 422, "not_mobile"),
        ('{"to": "😀😀", "template": "policy_notice", "params": {"news": "x"}}'.encode(), 422, "bad_number"),
        (b'{"to": "13900000001", "template": "no-such"}', 422, "unknown_template"),
        (b'{"to": "13900000001", "template": "policy_notice", "not_before": "2026-01-01T00:00:00"}', 422, "invalid"),
        (b'{"to": "13900000001", "template": "policy_notice", "params": {"news": 1e999}}', 422, "invalid"),
        (b" " * 70_000, 413, "too_large"),
    ],
)
async def test_bad_bodies_get_a_clear_answer(api: Caller, data: bytes, status: int, word: str) -> None:
    got, problem = await api.raw("/v1/messages", data)
    assert (got, problem["type"].split(":")[-1]) == (status, word)
    assert problem["detail"]


async def test_faults_never_repeat_the_values(api: Caller) -> None:
    _, problem = await api.post("/v1/messages", {"to": ["13900000001"], "template": "policy_notice"})
    assert "13900000001" not in str(problem) and problem["errors"] == [
        {"field": "to", "reason": "Input should be a valid string"}
    ]


async def test_a_client_decides_on_its_own_dead_letters(api: Caller) -> None:
    outbox = api.text.outbox
    ids = []
    for client in ("hall", "hall", "app"):
        added = await outbox.add(
            Message(to=PHONE, text="x", client=client, not_before=datetime(2099, 1, 1, tzinfo=UTC))
        )
        ids.append(added.id)
    async with api.text.store.write() as connection:
        dead = {"status": "failed", "due_at": None, "dead_at": outbox.clock()}
        await connection.execute(message.update().values(**dead))
    status, found = await api.get("/v1/dead-letters?most=10")
    assert (status, found["count"], {each["id"] for each in found["letters"]}) == (200, 2, set(ids[:2]))
    first, second = found["letters"]
    place = {"after": first["dead_at"], "after_id": first["id"]}
    _, behind = await api.get(f"/v1/dead-letters?{urlencode(place)}")
    assert [each["id"] for each in behind["letters"]] == [second["id"]]
    assert (await api.post(f"/v1/dead-letters/{ids[0]}/drop"))[0] == 202
    assert (await api.post(f"/v1/dead-letters/{ids[1]}/release"))[0] == 202
    assert (await api.post(f"/v1/dead-letters/{ids[2]}/release"))[0] == 404
    (shown,) = await api.phone()
    assert shown["text"] == "x"
    assert (await api.get("/v1/dead-letters?most=0"))[0] == 422


async def test_a_client_sees_the_callbacks_it_did_not_take(api: Caller) -> None:
    now = api.text.outbox.clock()
    async with api.text.store.write() as connection:
        for id, client in (("theirs", "hall"), ("others", "app")):
            row = {"id": id, "client": client, "message": "m1", "status": "failed", "reason": "", "at": now}
            await connection.execute(insert(callback).values(**row, attempt=TRIES, due_at=now))
    _, found = await api.get("/v1/dead-letters")
    assert ([each["id"] for each in found["callbacks"]], found["callbacks_count"]) == (["theirs"], 1)
    assert (await api.post("/v1/dead-letters/others/release"))[0] == 404
    assert (await api.post("/v1/dead-letters/theirs/drop"))[0] == 202
    assert (await api.get("/v1/dead-letters"))[1]["callbacks"] == []


async def test_what_arrived_last_is_first_however_early_it_was_asked_for(api: Caller) -> None:
    soon = (api.text.outbox.clock() + timedelta(seconds=1)).isoformat()
    text = {"to": PHONE, "template": "policy_notice"}
    for news, when in (("先约的", {"not_before": soon}), ("马上的", {})):
        assert (await api.post("/v1/messages", {**text, "params": {"news": news}, **when}))[0] == 202
    while len(shown := (await api.get(f"/sandbox/messages?to={PHONE}"))[1]) < 2:
        await asyncio.sleep(0.05)
    assert ["先约的" in each["text"] for each in shown] == [True, False] and shown[0]["at"] > shown[1]["at"]


async def test_the_sandbox_takes_texts_and_refuses_nonsense(api: Caller) -> None:
    assert (await api.post("/sandbox/inbound", {"from": PHONE, "text": "余额"}))[0] == 202
    for body, status, word in [
        (b'{"from": "x", "text": "YE"}', 422, "bad_number"), (b'{"from": "12329", "text": "YE"}', 422, "not_mobile"),
        (b'{"from": "13900000001"}', 422, "invalid"), (b'{"text": "YE"}', 422, "invalid"), (b"from=1", 400, "not_json"),
        (b'{"from": "13900000001", "text": "YE", "id": "\\u0000"}', 422, "invalid"),
    ]:  # fmt: skip
        got, problem = await api.raw("/sandbox/inbound", body)
        assert (got, problem["type"].split(":")[-1]) == (status, word)
    assert (await api.get("/sandbox/messages?to=nonsense")) == (200, [])


async def test_webhooks_of_nobody(api: Caller) -> None:
    assert (await api.raw("/providers/nobody/receipts", b"x"))[0] == 404
    assert (await api.raw("/providers/sandbox/receipts", b"x"))[0] == 404


async def test_the_document_describes_every_route(api: Caller) -> None:
    status, document = await api.get("/v1/openapi.json")
    assert (status, document["openapi"]) == (200, "3.1.0")
    assert {"/v1/messages", "/v1/verifications", "/v1/verifications/{id}/check"} <= set(document["paths"])


async def test_a_fault_of_ours_is_a_problem_document_too(text: TextService) -> None:
    async def broken(_: Call) -> Answer:
        raise RuntimeError("a fault of ours")

    app = web.Application()
    bind(app, Door(text.keys), [Route("GET", "/v1/broken", "messages", "", broken, {})])
    key = await text.keys.add("hall", ["messages"], "40")
    async with TestClient(TestServer(app)) as client:
        status, problem = await Caller(client, key, text).get("/v1/broken")
    assert (status, problem["type"]) == (500, "urn:hotline:problem:our_fault")


async def test_a_text_that_cannot_be_kept_is_not_said_to_be_taken(api: Caller, engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(inbound.drop)
    status, problem = await api.post("/sandbox/inbound", {"from": PHONE, "text": "余额"})
    assert (status, problem["type"]) == (503, "urn:hotline:problem:unavailable")
    async with engine.begin() as connection:
        await connection.run_sync(inbound.create)
