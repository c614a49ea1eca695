"""Campaigns over real HTTP on both engines: every sort of file, start to end, held, cancelled, cut in the middle."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import ClientError
from sqlalchemy import func, select, update

from hotline.text import TextService
from sms import holds
from sms.campaigns import BACKLOG
from sms.errors import TryLater
from sms.messages import LANES, Message
from sms.outbox import Outbox, Outcome
from sms.preflight import CHUNK
from sms.providers.base import Accepted, Outgoing
from sms.store import Store
from sms.tables import campaign, campaign_chunk, message, opt_out
from sms.timing import Day
from tests.sms.test_api import Caller, api, text

__all__ = ["api", "text"]  # fixtures
CSV = "text/csv"


def numbers(many: int, start: int = 0) -> list[str]:
    return [f"139{n:08d}" for n in range(start, start + many)]


def table(phones: list[str]) -> bytes:
    return "\n".join(["to,news", *(f"{phone},政策" for phone in phones)]).encode()


async def upload(api: Caller, data: Any, kind: str = CSV, query: str = "template=policy_notice") -> tuple[int, Any]:
    return await api.raw(f"/v1/campaigns?{query}", data, **{"Content-Type": kind})


async def until(api: Caller, id: str, so: Callable[[Any], bool]) -> Any:
    while True:
        _, state = await api.get(f"/v1/campaigns/{id}")
        if so(state):
            return state
        await asyncio.sleep(0.05)


async def until_only(text: TextService, status: str) -> None:
    """Until the only campaign there is has this status."""
    while True:
        async with text.store.read() as connection:
            if (await connection.execute(select(campaign.c.status))).scalar_one_or_none() == status:
                return
        await asyncio.sleep(0.02)


async def until_kept(text: TextService, rows: int) -> str:
    """The id of the only campaign there is, once so many of its rows are kept."""
    while True:
        async with text.store.read() as connection:
            kept = select(campaign_chunk.c.campaign, func.sum(campaign_chunk.c.rows)).group_by(
                campaign_chunk.c.campaign
            )
            if (found := (await connection.execute(kept)).first()) and found[1] >= rows:
                return str(found[0])
        await asyncio.sleep(0.02)


async def test_start_to_end(api: Caller) -> None:
    bad = ["12329", "13900000000", "not a number"]
    status, answer = await upload(api, table([*numbers(250), *bad]))
    assert (status, answer["status"]) == (202, "ready")
    report = (await api.get(f"/v1/campaigns/{answer['id']}"))[1]["report"]
    assert (report["rows"], report["good"], report["bad"], report["duplicates"]) == (253, 250, 2, 1)
    assert report["parts"] == {"1": 250} and report["finished_at"]
    async with api.http.get(f"/v1/campaigns/{answer['id']}/faults", headers=api.headers) as reply:
        assert (await reply.text()).splitlines() == [
            "line,reason", '252,"not_mobile"', '253,"duplicate"', '254,"bad_number"',
        ]  # fmt: skip
    assert (await api.post(f"/v1/campaigns/{answer['id']}/start"))[0] == 202
    state = await until(api, answer["id"], lambda state: state["status"] == "done")
    assert sum(state["statuses"].values()) == 250 and not state["waiting"]
    assert set(state["statuses"]) <= {"sent", "delivered"}
    assert (await api.post(f"/v1/campaigns/{answer['id']}/start"))[0] == 409


async def test_paused_resumed_cancelled(api: Caller, text: TextService) -> None:
    text.router.gates["sandbox"].close(3600)  # nothing leaves
    _, answer = await upload(api, table(numbers(300)), query="template=policy_notice&start=true")
    path = f"/v1/campaigns/{answer['id']}"
    await until(api, answer["id"], lambda state: not state["waiting"])
    await api.post(f"{path}/pause")
    async with text.store.read() as connection:
        due = select(func.count()).where(message.c.due_at.is_not(None))
        assert (await connection.execute(due)).scalar_one() == 0
    await api.post(f"{path}/resume")
    await api.post(f"{path}/cancel")
    state = (await api.get(path))[1]
    assert (state["status"], state["statuses"]) == ("cancelled", {"failed": 300})
    assert (await api.post(f"{path}/resume"))[0] == 409


async def test_a_pause_does_not_count_against_the_life_of_a_text(api: Caller, text: TextService) -> None:
    text.router.gates["sandbox"].close(3600)  # nothing leaves
    _, answer = await upload(api, table(numbers(CHUNK)), query="template=policy_notice&start=true")
    path = f"/v1/campaigns/{answer['id']}"
    await until(api, answer["id"], lambda state: not state["waiting"])
    await api.post(f"{path}/pause")
    clock = text.outbox.clock
    text.outbox.clock = text.campaigns.clock = lambda: clock() + timedelta(days=10)
    assert (await api.post(f"{path}/resume"))[0] == 202
    text.router.gates["sandbox"]._closed_until = 0.0
    state = await until(api, answer["id"], lambda state: state["status"] == "done")
    assert set(state["statuses"]) <= {"sent", "delivered"}


async def test_what_may_go_at_night_does_not_wait_behind_what_may_not(api: Caller, text: TextService) -> None:
    notice = text.templates["policy_notice"]
    text.sender.templates = {
        notice.id: replace(notice, quiet="service"), "legal": replace(notice, id="legal", quiet="none"),
    }  # fmt: skip
    text.campaigns.day = Day()
    for worker in text.workers:
        worker.rules = replace(worker.rules, day=Day())

    def at(moment: datetime) -> None:
        text.outbox.clock = text.campaigns.clock = lambda: moment

    at(datetime(2026, 3, 2, 12, 59, tzinfo=UTC))  # 20:59 at home
    text.router.gates["sandbox"].close(3600)  # nothing leaves
    _, first = await upload(api, table(numbers(BACKLOG + 5 * CHUNK)), query="template=policy_notice&start=true")
    fed = (await until(api, first["id"], lambda state: state["statuses"].get("queued", 0) >= BACKLOG))["waiting"]
    at(datetime(2026, 3, 2, 15, 0, tzinfo=UTC))
    text.router.gates["sandbox"]._closed_until = 0.0
    _, second = await upload(api, table(numbers(CHUNK, 5000)), query="template=legal&start=true")
    await until(api, second["id"], lambda state: state["status"] == "done")
    state = (await api.get(f"/v1/campaigns/{first['id']}"))[1]
    assert (state["waiting"], set(state["statuses"])) == (fed, {"queued"}), "nothing more is fed at night"
    at(datetime(2026, 3, 3, 0, 0, tzinfo=UTC))
    await until(api, first["id"], lambda state: not state["waiting"])


@pytest.mark.parametrize(("act", "fate"), [("pause", "queued"), ("cancel", "failed")])
async def test_what_comes_back_from_the_wire_is_held_or_ended_with_the_rest(
    api: Caller, text: TextService, monkeypatch: pytest.MonkeyPatch, act: str, fate: str
) -> None:
    answered = asyncio.Event()

    async def throttled(_: Outgoing) -> Accepted:
        await answered.wait()
        raise TryLater("throttled", 0.01)

    monkeypatch.setattr(text.providers["sandbox"], "send", throttled)
    _, answer = await upload(api, table(numbers(CHUNK)), query="template=policy_notice&start=true")
    await until(api, answer["id"], lambda state: state["statuses"].get("sending", 0) >= 10)
    await api.post(f"/v1/campaigns/{answer['id']}/{act}")
    answered.set()
    state = await until(api, answer["id"], lambda state: "sending" not in state["statuses"])
    async with text.store.read() as connection:
        due = select(func.count()).where(message.c.due_at.is_not(None))
        assert (state["statuses"], (await connection.execute(due)).scalar_one()) == ({fate: CHUNK}, 0)


async def test_what_comes_back_while_a_pause_is_being_written_waits_for_it(store: Store, outbox: Outbox) -> None:
    now = outbox.clock()
    made = {"client": "hall", "name": "", "template": "t", "status": "running", "report": "{}", "created_at": now}
    async with store.write() as connection:
        await connection.execute(campaign.insert().values(id="c1", **made))
    await outbox.add(Message(to="13900000001", text="您好", lane="campaign", campaign="c1"))
    (claimed,) = await outbox.claim(LANES, 1, 30)
    async with store.write() as connection:
        await connection.execute(select(campaign.c.id).with_for_update())
        await connection.execute(update(campaign).values(status="paused"))
        await holds.pause(connection, "c1")
        recording = asyncio.create_task(outbox.record(Outcome(claimed.id, "queued", due_at=now)))
        await asyncio.sleep(0.2)
    await recording
    async with store.read() as connection:
        row = (await connection.execute(select(message.c.status, message.c.due_at))).one()
    assert tuple(row) == ("queued", None)


async def test_a_file_cut_in_the_middle_is_broken_and_sends_nothing(api: Caller, text: TextService) -> None:
    host, port = api.http.host, api.http.port
    _, writer = await asyncio.open_connection(host, port)
    head = (
        "POST /v1/campaigns?template=policy_notice&start=true HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n"
        f"Authorization: {api.headers['Authorization']}\r\nContent-Length: 1000000\r\n\r\n"
    )
    writer.write(head.encode() + table(numbers(CHUNK * 12)))
    await until_only(text, "checking")
    writer.close()
    await until_only(text, "broken")
    async with text.store.read() as connection:
        assert (await connection.execute(select(func.count()).select_from(message))).scalar_one() == 0


@pytest.mark.parametrize("ended", ["cancelled", "broken"])
async def test_an_upload_that_was_ended_meanwhile_is_told_so_and_sends_nothing(
    api: Caller, text: TextService, ended: str
) -> None:
    more = asyncio.Event()

    async def data() -> AsyncIterator[bytes]:
        yield table(numbers(CHUNK * 12))
        await more.wait()
        yield b"\n" + b"\n".join(f"{phone},x".encode() for phone in numbers(100, 5000))

    uploading = asyncio.create_task(upload(api, data(), query="template=policy_notice&start=true"))
    id = await until_kept(text, CHUNK * 10)
    if ended == "cancelled":
        assert (await api.post(f"/v1/campaigns/{id}/cancel"))[0] == 202
    else:
        clock = text.campaigns.clock
        text.campaigns.clock = lambda: clock() + timedelta(hours=7)
        await until_only(text, "broken")
    more.set()
    status, problem = await uploading
    assert (status, problem["type"].split(":")[-1]) == (409, "wrong_state")
    state = (await api.get(f"/v1/campaigns/{id}"))[1]
    assert (state["status"], state["statuses"], state["waiting"]) == (ended, {}, 0)


@pytest.mark.parametrize(("fault", "reason"), [("template", "unknown_template"), ("body", "Unreadable")])
async def test_one_that_cannot_go_on_is_paused_and_holds_nobody_up(
    api: Caller, text: TextService, fault: str, reason: str
) -> None:
    _, first = await upload(api, table(numbers(CHUNK)))
    _, second = await upload(api, table(numbers(CHUNK, 5000)))
    async with text.store.write() as connection:
        if fault == "template":
            spoilt = update(campaign).where(campaign.c.id == first["id"]).values(template="gone")
        else:
            spoilt = update(campaign_chunk).where(campaign_chunk.c.campaign == first["id"]).values(body=b"x")
        await connection.execute(spoilt)
    for each in (first, second):
        await api.post(f"/v1/campaigns/{each['id']}/start")
    await until(api, second["id"], lambda state: state["status"] == "done")
    state = (await api.get(f"/v1/campaigns/{first['id']}"))[1]
    assert (state["status"], state["report"]["stopped"], state["waiting"]) == ("paused", reason, CHUNK)
    if fault == "template":
        status, problem = await api.post(f"/v1/campaigns/{first['id']}/resume")
        assert (status, problem["type"].split(":")[-1]) == (422, "unknown_template")
        async with text.store.write() as connection:
            await connection.execute(update(campaign).values(template="policy_notice"))
        await api.post(f"/v1/campaigns/{first['id']}/resume")
        state = await until(api, first["id"], lambda state: state["status"] == "done")
        assert state["report"]["stopped"] == ""


async def test_opted_out_people_are_left_out(api: Caller, text: TextService) -> None:
    async with text.store.write() as connection:
        row = {"to_hash": text.store.phone("13900000001"), "kind": "policy", "at": text.outbox.clock()}
        await connection.execute(opt_out.insert().values(**row))
    _, answer = await upload(api, table(numbers(3)))
    report = (await api.get(f"/v1/campaigns/{answer['id']}"))[1]["report"]
    assert (report["good"], report["opted_out"], report["bad"]) == (2, 1, 0)


@pytest.mark.parametrize(
    ("data", "kind", "status", "word"),
    [
        (b"", CSV, 422, "empty_file"),
        (b"phone number,news\n1,2", CSV, 422, "wrong_columns"),
        (b"to,news,news\n1,2,3", CSV, 422, "doubled_column"),
        (b"to,news\n", "application/json", 415, "not_a_list"),
        (b"PK\x03\x04\x00\x00", CSV, 422, "wrong_columns"),
    ],
)
async def test_files_that_make_no_sense(api: Caller, data: bytes, kind: str, status: int, word: str) -> None:
    got, problem = await upload(api, data, kind)
    assert (got, problem["type"].split(":")[-1]) == (status, word)


async def test_what_is_no_list_of_people_is_stopped(
    api: Caller, text: TextService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sms.preflight.MOST_FAULTS", 1000)
    status, problem = await upload(api, b"to,news\n" + b"x,y\n" * 5000)
    assert (status, problem["type"].split(":")[-1]) == (422, "too_many_faults")
    await until_only(text, "broken")
    async with text.store.read() as connection:
        assert (await connection.execute(select(func.count()).select_from(campaign_chunk))).scalar_one() == 0


@pytest.mark.parametrize("body", [b"no gzip", gzip.compress(table(numbers(500)))[:-20]])
async def test_a_packed_list_is_not_taken_because_nobody_could_tell_that_it_is_whole(api: Caller, body: bytes) -> None:
    headers = {"Content-Type": CSV, "Content-Encoding": "gzip"}
    status, problem = await api.raw("/v1/campaigns?template=policy_notice", body, **headers)
    assert (status, problem["type"].split(":")[-1]) == (415, "not_a_list") and "不要压缩" in problem["detail"]


@pytest.mark.parametrize("start", ["false", "true"])
async def test_two_uploads_with_one_key_are_one_campaign(api: Caller, start: str) -> None:
    query = f"template=policy_notice&start={start}&key=spring 2026"
    _, first = await upload(api, table(numbers(CHUNK)), query=query)
    status, again = await upload(api, table(numbers(CHUNK)), query=query)
    assert (status, again["id"], first["duplicate"], again["duplicate"]) == (202, first["id"], False, True)
    if start == "false":
        assert again["status"] == "ready"
        _, started = await upload(api, b"", query="template=policy_notice&start=true&key=spring 2026")
        assert (started["id"], started["status"]) == (first["id"], "running")
    state = await until(api, first["id"], lambda state: state["status"] == "done")
    assert sum(state["statuses"].values()) == CHUNK
    _, other = await upload(api, table(numbers(1)), query="template=policy_notice&key=summer 2026")
    assert other["id"] != first["id"]


async def test_an_upload_is_tried_again_with_its_key_once_it_is_known_to_be_broken(
    api: Caller, text: TextService
) -> None:
    query = "template=policy_notice&key=k"
    more = asyncio.Event()

    async def data() -> AsyncIterator[bytes]:
        yield table(numbers(CHUNK * 12))
        await more.wait()
        raise OSError

    uploading = asyncio.create_task(upload(api, data(), query=query))
    id = await until_kept(text, CHUNK * 10)
    status, problem = await upload(api, table(numbers(CHUNK)), query=query)
    assert (status, problem["type"].split(":")[-1]) == (409, "wrong_state")
    more.set()
    with pytest.raises((OSError, ClientError)):
        await uploading
    await until_only(text, "broken")
    status, again = await upload(api, table(numbers(CHUNK)), query=query)
    assert (status, again["id"], again["status"], again["duplicate"]) == (202, id, "ready", False)
    assert (await api.get(f"/v1/campaigns/{id}"))[1]["waiting"] == CHUNK


async def test_codes_are_nothing_for_campaigns(api: Caller) -> None:
    status, problem = await upload(api, b"to,code,minutes\n", query="template=code_login")
    assert (status, problem["type"].split(":")[-1]) == (422, "not_for_campaigns")


async def test_all_bad_rows_can_be_downloaded(api: Caller) -> None:
    bad = [f"1390000{n:03d}" for n in range(7 * CHUNK)]  # a digit short
    _, answer = await upload(api, table([*numbers(7 * CHUNK), *bad]))
    async with api.http.get(f"/v1/campaigns/{answer['id']}/faults", headers=api.headers) as reply:
        lines = (await reply.text()).splitlines()[1:]
    assert [int(line.split(",")[0]) for line in lines] == list(range(7 * CHUNK + 2, 14 * CHUNK + 2))
