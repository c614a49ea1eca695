"""Campaigns over real HTTP on both engines: every sort of file, start to end, held, cancelled, cut in the middle."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select

from hotline.text import TextService
from sms.preflight import CHUNK
from sms.rows import CsvRows, Fault, JsonRows, Row
from sms.tables import campaign, campaign_chunk, message, opt_out
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


async def test_start_to_end(api: Caller) -> None:
    bad = ["12329", "not a number", "13900000000"]
    status, answer = await upload(api, table([*numbers(250), *bad]))
    assert (status, answer["status"]) == (202, "ready")
    report = (await api.get(f"/v1/campaigns/{answer['id']}"))[1]["report"]
    assert (report["rows"], report["good"], report["bad"], report["duplicates"]) == (253, 250, 2, 1)
    assert report["parts"] == {"1": 250} and report["finished_at"]
    async with api.http.get(f"/v1/campaigns/{answer['id']}/faults", headers=api.headers) as reply:
        assert (await reply.text()).splitlines() == [
            "line,reason", '252,"not_mobile"', '253,"bad_number"', '254,"duplicate"',
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


async def test_codes_are_nothing_for_campaigns(api: Caller) -> None:
    status, problem = await upload(api, b"to,code,minutes\n", query="template=code_login")
    assert (status, problem["type"].split(":")[-1]) == (422, "not_for_campaigns")


async def test_all_bad_rows_can_be_downloaded(api: Caller) -> None:
    bad = [f"1390000{n:03d}" for n in range(7 * CHUNK)]  # a digit short
    _, answer = await upload(api, table([*numbers(7 * CHUNK), *bad]))
    async with api.http.get(f"/v1/campaigns/{answer['id']}/faults", headers=api.headers) as reply:
        lines = (await reply.text()).splitlines()[1:]
    assert [int(line.split(",")[0]) for line in lines] == list(range(7 * CHUNK + 2, 14 * CHUNK + 2))


def read(rows: CsvRows | JsonRows, data: bytes, piece: int = 7) -> list[Row | Fault]:
    found = [each for at in range(0, len(data), piece) for each in rows.feed(data[at : at + piece])]
    return [*found, *rows.end()]


@pytest.mark.parametrize("piece", [1, 3, 7, 1000])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk"])
def test_csv_in_every_dress_and_any_pieces(encoding: str, piece: int) -> None:
    data = '手机号,text\r\n13900000001,"政策,""新""\n第二行"\r\n13900000002,x\r\n\r\n13900000003,住房公积金'.encode(
        encoding
    )
    rows = CsvRows(["text"])
    if encoding == "gbk" and piece < 10:  # the first piece decides, and it must hold a whole character
        found = [*rows.feed(data[:10]), *read(rows, data[10:], piece)]
    else:
        found = read(rows, data, piece)
    assert found == [
        Row(2, "13900000001", {"text": '政策,"新"\n第二行'}),
        Row(4, "13900000002", {"text": "x"}),
        Row(6, "13900000003", {"text": "住房公积金"}),
    ]


def test_bad_lines_are_marked_with_their_number() -> None:
    found = read(
        CsvRows(["text"]), b"to,text\n13900000001\n13900000002,x,y\n13900000003,\xff\xfe\xfd\n1390000000", 1000
    )
    assert found == [
        Fault(2, "wrong_column_count"), Fault(3, "wrong_column_count"), Fault(4, "wrong_encoding"),
        Fault(5, "wrong_column_count"),
    ]  # fmt: skip


def test_a_quote_never_closed_does_not_eat_the_memory() -> None:
    rows = CsvRows(["text"])
    assert not list(rows.feed(b'to,text\n13900000001,"'))
    found = [each for _ in range(100) for each in rows.feed(b"x" * 5000)]
    assert Fault(2, "unclosed_quote") in found and len(rows._open) < 50_000


def test_ndjson() -> None:
    lines = ['{"to": "13900000001", "text": "a"}', '{"to": "13900000002", "params": {"text": "b"}}', "", "{", "[1]",
             '{"to": 1}', "[" * 5000, json.dumps({"to": "1", "params": 3})]  # fmt: skip
    assert read(JsonRows(["text"]), "\n".join(lines).encode()) == [
        Row(1, "13900000001", {"text": "a"}), Row(2, "13900000002", {"text": "b"}), Fault(4, "not_json"),
        Fault(5, "no_number"), Fault(6, "no_number"), Fault(7, "not_json"), Fault(8, "wrong_params"),
    ]  # fmt: skip
