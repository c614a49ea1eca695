"""The people's side of the whole service, on both engines: messages become orders, callers are told, staff reminded."""

import asyncio
import json
import os
import resource
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select, update

from desk.callbacks import CallBacks
from desk.order import Wanted
from desk.picture import Visit
from desk.tables import queue_visits, work_orders
from desk.visits import Visits
from fund.clock import CHINA
from fund.privacy import Privacy
from hotline.database import open_database
from hotline.server import Hotline
from hotline.settings import OrderSettings
from hotline.tapes import Tapes
from ivr import audio
from sms.keys import SCOPES
from tests.service import service

PHONE, DUTY = "13900000001", "13900000009"
SOUND = (np.sin(np.arange(4 * audio.RATE) / 3) * 9000).astype(np.int16)
NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)


@pytest.fixture
async def hotline(database_url: str, tmp_path: Path) -> AsyncIterator[Hotline]:
    orders = OrderSettings(duty_phones=[DUTY], answer_days=1, remind_hours=24 * 30)
    async with service(tmp_path / "home", database_url=database_url, orders=orders) as it:
        yield it


class Client:
    """Another system, with a key of every scope."""

    def __init__(self, hotline: Hotline, session: aiohttp.ClientSession) -> None:
        self.base, self.session = f"http://127.0.0.1:{hotline.port}", session

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        async with self.session.request(method, self.base + path, json=body) as reply:
            return reply.status, await reply.json()

    async def texts(self, to: str, count: int) -> list[str]:
        """What the demo phone shows, once it shows so many."""
        async with asyncio.timeout(30):
            while True:
                _, shown = await self.ask("GET", f"/sandbox/messages?to={to}")
                if len(shown) >= count:
                    return [text["text"] for text in shown]
                await asyncio.sleep(0.05)


@pytest.fixture
async def client(hotline: Hotline) -> AsyncIterator[Client]:
    key = await hotline.text.keys.add("hall", SCOPES, "40", rate=1000)
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as session:
        yield Client(hotline, session)


async def ask(hotline: Hotline, what: str, **args: Any) -> tuple[str, Any]:
    return await hotline.desk.answers[what]("call-1", args, NOW)


async def drafted(hotline: Hotline, *takes: float, ago: float = 60, caller: str = PHONE) -> str:
    """A draft with recordings of so many seconds, last touched that long ago."""
    about = {"kind": "message", "topic": "loan", "caller": caller, "account": ""}
    outcome, data = await ask(hotline, "open_message", **about)
    assert outcome == "ready"
    for n, seconds in enumerate(takes, 1):
        hotline.desk.tapes.save(f"{data['number']}-{n}", audio.wav(SOUND[: round(seconds * audio.RATE)]))
        touched = time.time() - ago + n / 10
        os.utime(hotline.desk.tapes.folder / f"{data['number']}-{n}.wav", (touched, touched))
    return str(data["number"])


def files(hotline: Hotline) -> list[str]:
    return files_in(hotline.desk.tapes.folder)


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


async def test_a_kept_message_is_told_once_and_sealed(hotline: Hotline, client: Client) -> None:
    number = await drafted(hotline, 2, 4)
    args = {"number": number, "recording": f"{number}-2", "parted": False}
    told = await ask(hotline, "leave_message", **args)
    assert told == ("opened", {"number": number, "days": 1, "texted": True})
    await asyncio.gather(ask(hotline, "leave_message", **args), hotline.desk.tell(), hotline.desk.tell())
    await hotline.desk.settle()
    assert files(hotline) == [f"kept/{number}-2.sealed"]
    (text,) = await client.texts(PHONE, 1)
    assert f"编号{number}" in text and "1个工作日" in text
    wav = await hotline.desk.listen(number, "agent1")
    assert np.array_equal(audio.unwav(wav), SOUND)
    assert SOUND[:400].tobytes() not in (hotline.desk.tapes.folder / "kept" / f"{number}-2.sealed").read_bytes()
    assert [change.what for change in await hotline.desk.orders.trail(number)] == ["opened", "listened"]


async def test_whoever_hangs_up_has_left_what_was_said(hotline: Hotline) -> None:
    said, nothing = await drafted(hotline, 4), await drafted(hotline, 0.4)
    busy = await drafted(hotline, 4, ago=0)
    for number in (said, nothing, busy):
        await ask(hotline, "leave_message", number=number, recording=f"{number}-1", parted=True)
    await hotline.desk.settle()
    assert [order.number for order in await hotline.desk.orders.list(Wanted())] == [said]
    assert not any(name.startswith(nothing) for name in files(hotline))
    assert [draft.number for draft in await hotline.desk.orders.drafts(datetime.now(UTC))] == [busy], (
        "may be written to"
    )


async def test_a_recording_that_comes_late_is_waited_for(hotline: Hotline) -> None:
    """Twilio hands a recording out when it is ready; the caller has long hung up by then."""
    late, silent = await drafted(hotline), await drafted(hotline)
    engine = open_database(hotline.settings.own_database_url)
    for number, minutes in ((late, 29), (silent, 31)):
        await ask(hotline, "leave_message", number=number, recording=f"{number}-1", parted=True)
        async with engine.begin() as connection:
            old = update(work_orders).where(work_orders.c.number == number)
            await connection.execute(old.values(opened_at=datetime.now(UTC) - timedelta(minutes=minutes)))
    await engine.dispose()
    await hotline.desk.settle()
    hotline.desk.tapes.save(f"{late}-1", audio.wav(SOUND))
    touched = time.time() - 60
    os.utime(hotline.desk.tapes.folder / f"{late}-1.wav", (touched, touched))
    await hotline.desk.settle()
    assert [order.number for order in await hotline.desk.orders.list(Wanted())] == [late]
    assert await hotline.desk.orders.drafts(datetime.now(UTC)) == [], "nothing was said in the other"


async def test_whoever_hears_their_message_again_and_again_is_still_there(hotline: Hotline) -> None:
    """A long one three times over takes more than six minutes; and then they say it anew."""
    number = await drafted(hotline, 3, ago=400)
    await hotline.desk.settle()
    hotline.desk.tapes.save(f"{number}-2", audio.wav(SOUND))
    touched = time.time() - 10
    os.utime(hotline.desk.tapes.folder / f"{number}-2.wav", (touched, touched))
    await hotline.desk.settle()
    await ask(hotline, "leave_message", number=number, recording=f"{number}-2", parted=False)
    await hotline.desk.settle()
    (order,) = await hotline.desk.orders.list(Wanted())
    assert order.recording == f"{number}-2" and files(hotline) == [f"kept/{number}-2.sealed"]


async def test_a_lost_message_becomes_an_order_later(hotline: Hotline) -> None:
    """Nobody said that the caller is gone: their service died."""
    lost, living = await drafted(hotline, 1, 3, 0.2, ago=2000), await drafted(hotline, 3, ago=1000)
    empty = await drafted(hotline)
    engine = open_database(hotline.settings.own_database_url)
    async with engine.begin() as connection:
        old = datetime.now(UTC) - timedelta(minutes=31)
        await connection.execute(update(work_orders).where(work_orders.c.number == empty).values(opened_at=old))
    await engine.dispose()
    await hotline.desk.settle()
    (order,) = await hotline.desk.orders.list(Wanted())
    assert (order.number, order.recording, order.call_id) == (lost, f"{lost}-2", "call-1"), "the last that was said"
    assert [draft.number for draft in await hotline.desk.orders.drafts(datetime.now(UTC))] == [living]
    kept = await ask(hotline, "leave_message", number=lost, recording=f"{lost}-2", parted=False)
    assert kept[0] == "opened", "a caller who comes back after all has the same order"
    assert len(await hotline.desk.orders.list(Wanted())) == 1


async def test_a_recording_without_its_order_is_kept(hotline: Hotline) -> None:
    """As after a database was restored from yesterday."""
    hotline.desk.tapes.save("2603020001-1", audio.wav(SOUND))
    hotline.desk.tapes.save("talk-test-9.1-1772416800", audio.wav(SOUND))
    for path in hotline.desk.tapes.folder.glob("*.wav"):
        os.utime(path, (time.time() - 90, time.time() - 90))
    hotline.desk.tapes.save("talk-test-9.1-1772416900", audio.wav(SOUND))  # they talk still
    await asyncio.gather(hotline.desk.settle(), hotline.desk.settle())
    assert files(hotline) == [
        "kept/2603020001-1.sealed", "kept/talk-test-9.1-1772416800.sealed", "talk-test-9.1-1772416900.wav",
    ]  # fmt: skip
    assert hotline.desk.tapes.talks("test-9.1") == ["talk-test-9.1-1772416800", "talk-test-9.1-1772416900"]
    assert np.array_equal(audio.unwav(await hotline.desk.listen_to_talk("talk-test-9.1-1772416800")), SOUND)


async def test_a_recording_that_cannot_be_read_holds_up_no_other_and_no_order(hotline: Hotline) -> None:
    folder, kept = hotline.desk.tapes.folder, await drafted(hotline, 2)
    lost = await drafted(hotline, 4, ago=2000)
    await ask(hotline, "leave_message", number=kept, recording=f"{kept}-1", parted=False)
    for odd in ("talk-a-1.wav", f"{kept}-0.wav"):
        (folder / odd).mkdir()  # as good as a file of somebody else
        os.utime(folder / odd, (time.time() - 900,) * 2)
    await hotline.desk.settle()
    assert f"kept/{kept}-1.sealed" in files(hotline)
    assert await hotline.desk.orders.find(lost), "what the caller of a dead service said is an order"


def test_a_full_disk_is_not_filled_further_and_nothing_open_stays(tmp_path: Path) -> None:
    """What could not be written whole is removed; what a killed process left goes with the next day."""
    tapes = Tapes(tmp_path, Privacy(b"p" * 32, [Fernet.generate_key().decode()]))
    tapes.save("talk-a-1", audio.wav(SOUND))
    before, limit = files_in(tmp_path), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))  # as when there is no room for more
    try:
        for act in (lambda: tapes.seal("talk-a-1"), lambda: tapes.save("talk-a-2", audio.wav(SOUND))):
            with pytest.raises(OSError):
                act()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert files_in(tmp_path) == before
    for name, hours in (("talk-b-1.wav.0123.part", 25), ("kept/talk-b-1.sealed.0123.part", 25), ("c-1.wav.01.part", 1)):
        (tmp_path / name).write_bytes(b"half")
        os.utime(tmp_path / name, (time.time() - hours * 3600,) * 2)
    assert tapes.remove_old(datetime.now(UTC), timedelta(days=180)) == 2
    assert files_in(tmp_path) == sorted(["c-1.wav.01.part", *before])


async def test_what_was_recorded_is_known_after_a_crash(hotline: Hotline) -> None:
    number = await drafted(hotline, 2.5)
    assert await ask(hotline, "recorded", recording=f"{number}-1") == ("ok", {"seconds": 2.5})
    assert await ask(hotline, "recorded", recording=f"{number}-2") == ("nothing", {})


async def test_callers_are_told_the_outcome(hotline: Hotline, client: Client) -> None:
    orders = hotline.desk.orders
    order = await orders.open("consult", caller=PHONE)
    await orders.open("consult", caller="051185212579")
    await orders.move(order.number, "answered", "agent1", outcome="需带身份证和银行卡。" * 30)
    await hotline.desk.tell()
    answered, opened = await client.texts(PHONE, 2)
    assert "已受理" in opened and "已办结：需带身份证" in answered and "…" in answered
    wrong = await orders.open("consult", caller=PHONE)
    await orders.move(wrong.number, "answered", "agent1", outcome="见 http://example.com")
    await hotline.desk.tell()
    assert "短信无法发送" in (await orders.trail(wrong.number))[-1].note
    assert await orders.news(datetime.now(UTC) - timedelta(days=1)) == []


async def test_staff_are_reminded_once(hotline: Hotline, client: Client) -> None:
    order = await hotline.desk.orders.open("message")
    await asyncio.gather(hotline.desk.remind(), hotline.desk.remind())
    await hotline.desk.remind()
    texts = await client.texts(DUTY, 2)
    assert len(texts) == 2 and all(order.number in text for text in texts)


async def test_staff_are_reminded_again_of_what_was_reopened(hotline: Hotline, client: Client) -> None:
    order = await hotline.desk.orders.open("message")
    await hotline.desk.remind()
    await hotline.desk.orders.move(order.number, "answered", "boss", outcome="已办理")
    await hotline.desk.orders.move(order.number, "reopened", "boss")
    engine = open_database(hotline.settings.own_database_url)
    async with engine.begin() as connection:  # it was reopened a week later, so it is due a week later
        later = order.answer_by + timedelta(days=7)
        await connection.execute(update(work_orders).values(answer_by=later))
    await engine.dispose()
    await hotline.desk.remind()
    texts = await client.texts(DUTY, 3)
    local = later.astimezone(CHINA)
    assert f"{local.month}月{local.day}日" in texts[0]


async def test_a_reminder_is_not_lost_with_its_service(hotline: Hotline, client: Client) -> None:
    """The text could not be stored: it is tried again, and sent once."""
    order, texts = await hotline.desk.orders.open("message"), hotline.desk._texts

    class Away:
        async def send_text(self, to: str, template: str, params: dict[str, Any], key: str | None = None) -> str:
            raise OSError("the database is away")

    hotline.desk._texts = Away()
    with pytest.raises(OSError):
        await hotline.desk.remind()
    hotline.desk._texts = texts
    await asyncio.gather(hotline.desk.remind(), hotline.desk.remind())
    assert all(order.number in text for text in await client.texts(DUTY, 2))


async def test_ratings_and_progress(hotline: Hotline) -> None:
    about = {"rating": "fair", "agent": "agent1", "queue": "loan", "topic": "loan"}
    assert await ask(hotline, "rate", **about) == ("kept", {})
    assert await ask(hotline, "rate", **about) == ("already", {})
    order = await hotline.desk.orders.open("message", caller=PHONE)
    mine = {"number": order.number, "caller": PHONE, "account": ""}
    outcome, data = await ask(hotline, "order_state", **mine)
    assert (outcome, data["state"], data["outcome"]) == ("ok", "open", "")
    await hotline.desk.orders.assign(order.number, "agent1", "boss")
    assert (await ask(hotline, "order_state", **mine))[1]["state"] == "working"
    assert await ask(hotline, "order_state", **mine | {"caller": "13900000002"}) == ("nothing", {})


async def test_nobody_can_be_told_at_a_number_that_no_key_opens(hotline: Hotline) -> None:
    engine, lost = open_database(hotline.settings.own_database_url), [Fernet.generate_key().decode()]
    request = (await CallBacks(engine, Privacy(b"p" * 32, lost)).ask(PHONE)).request
    await hotline.desk.tell_missed(request.id)  # and whoever asks goes on
    await engine.dispose()


async def test_visits_to_queues_are_not_kept_for_ever(hotline: Hotline) -> None:
    engine, now = open_database(hotline.settings.own_database_url), datetime.now(UTC)
    for call, days in (("old", 731), ("new", 729)):
        await Visits(engine).write([Visit(call, "loan", now - timedelta(days=days), agent="agent1")])
    await hotline.desk.remove_old()
    async with engine.connect() as connection:
        assert (await connection.execute(select(queue_visits.c.call_id))).scalars().all() == ["new"]
    await engine.dispose()


async def test_call_backs_over_the_api(hotline: Hotline, client: Client) -> None:
    status, first = await client.ask("POST", "/v1/callbacks", {"number": "+86 139 0000 0001", "queue": "loan"})
    assert (status, first["number"], first["queue"], first["ahead"]) == (201, "*******0001", "loan", 0)
    status, again = await client.ask("POST", "/v1/callbacks", {"number": PHONE})
    assert (status, again["id"]) == (200, first["id"])
    assert (await ask(hotline, "ask_callback", number=PHONE, queue="loan", topic=""))[0] == "already"
    assert (await ask(hotline, "ask_callback", number="85212579", queue="loan", topic=""))[0] == "bad_number"
    assert (await ask(hotline, "ask_callback", number="051185212579", queue="nowhere", topic="")) == (
        "asked",
        {"ahead": 0},
    )
    _, listed = await client.ask("GET", "/v1/callbacks")
    assert [each["queue"] for each in listed["callbacks"]] == ["loan", "general"]
    for bad in ("12", "+12125550100", "x" * 40, ""):
        assert (await client.ask("POST", "/v1/callbacks", {"number": bad}))[0] == 422
    status, gone = await client.ask("DELETE", f"/v1/callbacks/{first['id']}")
    assert (status, gone["outcome"]) == (200, "cancelled")
    assert (await client.ask("DELETE", f"/v1/callbacks/{first['id']}"))[0] == 409
    assert (await client.ask("DELETE", "/v1/callbacks/nothing"))[0] == 404
    assert (await client.ask("GET", f"/v1/callbacks/{first['id']}"))[1]["outcome"] == "cancelled"
    assert PHONE not in json.dumps([first, again, listed, gone])


async def test_orders_over_the_api(hotline: Hotline, client: Client) -> None:
    order = await hotline.desk.orders.open("complaint", caller=PHONE, text="放款太慢")
    status, one = await client.ask("GET", f"/v1/orders/{order.number}")
    assert (status, one["state"], one["caller"], one["late"]) == (200, "open", "*******0001", False)
    assert (await client.ask("GET", "/v1/orders/2603020000"))[0] == 404
    _, listed = await client.ask("GET", "/v1/orders?state=open&limit=1")
    assert [each["number"] for each in listed["orders"]] == [order.number] and listed["next_before"]
    assert (await client.ask("GET", "/v1/orders?state=draft"))[1]["orders"] == []
    assert (await client.ask("GET", "/v1/orders?state=nonsense"))[0] == 422
    poor = await hotline.text.keys.add("poor", ["messages"], "40")
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {poor}"}) as session:
        for path in ("/v1/orders", "/v1/callbacks"):
            assert (await Client(hotline, session).ask("GET", path))[0] == 403


def test_tapes_stay_in_their_folder(tmp_path: Path, hotline_privacy: Privacy) -> None:
    tapes = Tapes(tmp_path / "tapes", hotline_privacy)
    (tmp_path / "secret-1.wav").write_bytes(b"x")
    for name in ("../secret-1", "secret", "", "a/b-1", "1-1\0"):
        with pytest.raises(FileNotFoundError):
            tapes.load(name)
        with pytest.raises(FileNotFoundError):
            tapes.save(name, b"")


def test_old_tapes_are_removed(tmp_path: Path, hotline_privacy: Privacy) -> None:
    tapes = Tapes(tmp_path / "tapes", hotline_privacy)
    for name in ("1-1", "2-1", "3-1"):
        tapes.save(name, audio.wav(SOUND))
    tapes.seal("1-1")
    assert np.array_equal(audio.unwav(tapes.load("1-1")), SOUND) and tapes.seconds("2-1") == 4
    for path in (tmp_path / "tapes" / "kept" / "1-1.sealed", tmp_path / "tapes" / "2-1.wav"):
        os.utime(path, (0, 0))
    assert tapes.remove_old(datetime.now(UTC), timedelta(days=180)) == 2
    assert [take.name for take in tapes.takes()] == ["3-1"]
    with pytest.raises(OSError):
        tapes.load("1-1")


@pytest.fixture
def hotline_privacy() -> Privacy:
    return Privacy(b"p" * 32, [Fernet.generate_key().decode()])
