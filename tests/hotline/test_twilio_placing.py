"""Calls that Twilio places for us, at the whole service: over real HTTP, by a fake Twilio that keeps to its rules."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import text, update

from desk.callbacks import CallBack, Try
from desk.tables import call_backs
from fund.clock import CHINA, china_now
from hotline.database import open_database
from hotline.placing_twilio import ByTwilio, how_of
from hotline.server import Hotline
from hotline.settings import OutboundSettings
from ivr.tables import twilio_placed
from tests.ivr.lines.fake_twilio import ACCOUNT, PUBLIC, TOKEN, TwilioApi, TwilioPhone, signature
from tests.ivr.lines.twilio_nodes import settings
from tests.service import service

NUMBER, PEOPLE, PHONE, LAND = "+8651112329", "+8651112345678", "13900000001", "051185212579"
TWILIO = {"account_sid": ACCOUNT, "auth_token": TOKEN, "people": PEOPLE, "number": NUMBER, "speak": "say"}
LOOK_SECONDS = 0.2  # how often the service looks who is to be called
ALL_DAY = {"begin": time(0), "end": time(23, 59, 59), "look_seconds": LOOK_SECONDS}


class Town:
    """The service, Twilio, and what a test may do to both."""

    def __init__(self, running: Hotline, api: TwilioApi) -> None:
        self.running, self.api, self.url = running, api, f"http://127.0.0.1:{running.port}"
        self.call_backs = running.desk.call_backs

    def phone(self, placed: dict[str, str], **how: Any) -> TwilioPhone:
        return TwilioPhone({PUBLIC: self.url}, placed=placed, **how)

    async def rings(self, times: int = 1) -> dict[str, str]:
        return await self.api.called(times)

    async def settled(self, id: str, times: int = 1) -> tuple[CallBack, Try]:
        """The request, and the last of so many tries, when that is over."""
        async with asyncio.timeout(20):
            while True:
                tries = await self.call_backs.tries(id)
                if len(tries) >= times and tries[-1].outcome:
                    request = await self.call_backs.find(id)
                    assert request
                    return request, tries[-1]
                await asyncio.sleep(0.05)

    async def post(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        key = (self.running.settings.home / "keys" / "demo_api_key").read_text().strip()
        async with (
            aiohttp.ClientSession(self.url, headers={"Authorization": f"Bearer {key}"}) as session,
            session.post(path, json=body) as reply,
        ):
            return reply.status, await reply.json()


@asynccontextmanager
async def town(
    home: Path, outbound: dict[str, Any] | None = None, callbacks: dict[str, Any] | None = None, **given: Any
) -> AsyncIterator[Town]:
    async with TwilioApi() as api:
        twilio = TWILIO | {"endpoint": api.url} | given
        wanted = {
            "public_url": PUBLIC,
            "twilio_voice": twilio,
            "outbound": ALL_DAY | (outbound or {}),
            "callbacks": callbacks or {},
        }
        async with service(home, **wanted) as running:
            yield Town(running, api)


async def test_a_code_is_rung_and_read_twice_and_again_on_a_key(tmp_path: Path) -> None:
    async with town(tmp_path) as here:
        status, begun = await here.post("/v1/verifications", {"to": PHONE, "purpose": "login", "channel": "voice"})
        assert status == 201
        placed = await here.rings()
        call = f"{PUBLIC}/twilio/voice/out-code-{begun['id']}-1"
        assert placed == {
            "To": f"+86{PHONE}",
            "From": NUMBER,
            "Url": f"{call}/start",
            "Method": "POST",
            "StatusCallback": f"{call}/status",
            "StatusCallbackMethod": "POST",
            "StatusCallbackEvent": "completed",
            "Timeout": "30",
            "Sid": placed["Sid"],
        }
        async with here.phone(placed, doubles=True) as phone:
            await phone.start()
            (code,) = {*re.findall(r"(?:[幺零二三四五六七八九]。){6}", phone.said)}
            assert phone.said.count(code) == 2 and "请勿告诉任何人" in phone.said
            await phone.press("1")
            assert phone.said.count(code) == 4
            await phone.press("")
            assert phone.over and all(f"{call}/" in url for url in phone.sent)
        digits = "".join(str("零幺二三四五六七八九".index(word)) for word in code.replace("。", ""))
        status, checked = await here.post(f"/v1/verifications/{begun['id']}/check", {"code": digits})
        assert (status, checked["status"]) == (200, "approved")


async def test_a_call_back_reaches_people_and_is_rated(tmp_path: Path) -> None:
    async with town(tmp_path, queues={"loan": "+8651187654321"}) as here:
        request = (await here.call_backs.ask(PHONE, queue="loan")).request
        placed = await here.rings()
        assert placed["Url"] == f"{PUBLIC}/twilio/voice/out-callback-{request.id}-1/start"
        async with here.phone(placed) as phone:
            await phone.start()
            assert "您预约了我们的回电" in phone.said
            await phone.press("1")
            assert phone.dialled == ["+8651187654321"] and "评价" in phone.said
            await phone.press("1")
            assert phone.over
        found, last = await here.settled(request.id)
        assert (found.outcome, last.answered) == ("reached", "person") and len(here.api.placed) == 1


@pytest.mark.parametrize(
    ("status", "sip_code", "outcome"),
    [
        ("busy", "486", "busy"),
        ("no-answer", "487", "no_answer"),
        ("failed", "503", "failed"),
        ("failed", "404", "no_answer"),
        ("canceled", "", "failed"),
    ],
)
async def test_why_it_was_not_picked_up_is_kept(tmp_path: Path, status: str, sip_code: str, outcome: str) -> None:
    async with town(tmp_path) as here:
        request = (await here.call_backs.ask(PHONE)).request
        async with here.phone(await here.rings()) as phone:
            assert await phone.post_status(status, SipResponseCode=sip_code) == 204
            assert await phone.post_status(status, SipResponseCode=sip_code) == 204, "twice"
        found, last = await here.settled(request.id)
        assert last.outcome == outcome and not found.closed_at
        assert found.tries == (0 if outcome == "failed" else 1), "what failed on our side is none of their tries"


async def test_who_is_tried_in_vain_is_told_by_text(tmp_path: Path) -> None:
    async with town(tmp_path, callbacks={"most_tries": 1}) as here:
        request = (await here.call_backs.ask(PHONE)).request
        async with here.phone(await here.rings()) as phone:
            await phone.post_status("no-answer")
        _, last = await here.settled(request.id)
        async with aiohttp.ClientSession(here.url) as session, asyncio.timeout(10):
            while True:
                async with session.get("/sandbox/messages", params={"to": PHONE}) as reply:
                    if texts := await reply.json():
                        break
                await asyncio.sleep(0.05)
        at = f"{last.began_at.astimezone(CHINA):%H:%M}"
        assert [f"我们于{at}按您的请求回电，未能接通" in text["text"] for text in texts] == [True]
        async with asyncio.timeout(10):
            while not (found := await here.call_backs.find(request.id)) or not found.closed_at:
                await asyncio.sleep(0.05)
        assert found.outcome == "no_answer"


async def test_a_machine_presses_nothing(tmp_path: Path) -> None:
    async with town(tmp_path) as here:
        request = (await here.call_backs.ask(PHONE)).request
        async with here.phone(await here.rings()) as phone:
            await phone.start()
            await phone.press("")
            await phone.press("")
            assert phone.over and not phone.dialled
        assert (await here.settled(request.id))[1].outcome == "machine"


async def test_a_machine_that_twilio_hears_is_hung_up(tmp_path: Path) -> None:
    async with town(tmp_path, machines="hang_up") as here:
        request = (await here.call_backs.ask(PHONE)).request
        placed = await here.rings()
        asked = {name: value for name, value in placed.items() if "Amd" in name or name == "MachineDetection"}
        assert asked == {
            "MachineDetection": "Enable",
            "AsyncAmd": "true",
            "AsyncAmdStatusCallback": placed["StatusCallback"],
            "AsyncAmdStatusCallbackMethod": "POST",
        }
        async with here.phone(placed) as phone:
            await phone.start()
            for who in ("human", "machine_start"):
                assert (await phone.post(placed["AsyncAmdStatusCallback"], {"AnsweredBy": who}))[0] == 204
                assert here.api.changed == ([] if who == "human" else [(placed["Sid"], {"Status": "completed"})])
            await phone.hang_up()
        assert (await here.settled(request.id))[1].outcome == "machine"


async def test_one_who_hangs_up_while_our_people_ring_is_called_again(tmp_path: Path) -> None:
    async with town(tmp_path) as here:
        request = (await here.call_backs.ask(PHONE)).request
        async with here.phone(await here.rings(), people=["no-answer"]) as phone:
            await phone.start()
            await phone.press("1")
            assert "我们会尽快再给您打来" in phone.said
        found, last = await here.settled(request.id)
        assert last.outcome == "no_agent" and (found.tries, found.closed_at) == (0, None)


async def test_a_reminder_is_read_to_whoever_pressed(tmp_path: Path) -> None:
    async with town(tmp_path) as here:
        await here.call_backs.remind(LAND, "您的住房公积金贷款三月五日还款。", "1")
        placed = await here.rings()
        assert placed["To"] == "+8651185212579"
        async with here.phone(placed) as phone:
            await phone.start()
            assert "还款" not in phone.said
            await phone.press("1")
            assert "三月五日还款" in phone.said
            await phone.press("")
            assert phone.over
        assert (await here.settled(placed["Url"].split("-")[2]))[0].outcome == "reached"


async def test_caps_are_the_same_as_on_the_exchange(tmp_path: Path) -> None:
    async with town(tmp_path, outbound={"most_a_day": 1, "most_calls": 1}) as here:
        for key in "ab":
            await here.call_backs.remind(LAND, "提醒", key)
        first = await here.rings()
        status, problem = await here.post("/v1/verifications", {"to": PHONE, "purpose": "login", "channel": "voice"})
        assert (status, problem["type"]) == (429, "urn:hotline:problem:lines_busy")
        async with here.phone(first) as phone:
            await phone.post_status("busy")
        await here.settled(first["Url"].split("-")[2])
        await asyncio.sleep(5 * LOOK_SECONDS)
        assert len(here.api.placed) == 1, "one call a day to one telephone"


async def test_nobody_is_called_outside_the_hours(tmp_path: Path) -> None:
    elsewhen = (time(0), time(0, 30)) if china_now().hour else (time(12), time(13))
    async with town(tmp_path, outbound={"begin": elsewhen[0], "end": elsewhen[1]}) as here:
        await here.call_backs.remind(LAND, "提醒", "c")
        await asyncio.sleep(5 * LOOK_SECONDS)
        assert here.api.placed == []


@pytest.mark.parametrize(("code", "outcome"), [(21211, "no_answer"), (21215, "failed")])
async def test_what_twilio_refuses_is_over_at_once(tmp_path: Path, code: int, outcome: str) -> None:
    async with town(tmp_path) as here:
        here.api.refuse = 400, code
        request = (await here.call_backs.ask(PHONE)).request
        assert (await here.settled(request.id))[1].outcome == outcome


async def test_a_lost_answer_is_no_second_call(tmp_path: Path) -> None:
    async with town(tmp_path) as here:
        here.api.loses_answers = True
        request = (await here.call_backs.ask(PHONE)).request
        async with here.phone(await here.rings()) as phone:
            await asyncio.sleep(5 * LOOK_SECONDS)
            await phone.start()
            await phone.press("2")
            assert phone.over
        assert (await here.settled(request.id))[0].outcome == "refused" and len(here.api.placed) == 1


async def test_an_end_that_nobody_told_is_looked_up_after_a_restart(tmp_path: Path) -> None:
    """The process dies while the telephone rings, and the status callback is lost."""
    async with town(tmp_path) as here:
        request = (await here.call_backs.ask(PHONE)).request
        placed = await here.rings()
        api = here.api
        await asyncio.sleep(0.3)
    async with TwilioApi() as again:
        again.states = {placed["Sid"]: "in-progress"}
        twilio = TWILIO | {"endpoint": again.url}
        async with service(tmp_path, public_url=PUBLIC, twilio_voice=twilio, outbound=ALL_DAY) as running:
            back = Town(running, again)
            engine = running.desk.call_backs._engine
            long_ago = datetime.now(UTC) - timedelta(minutes=5)
            async with engine.begin() as connection:
                await connection.execute(update(call_backs).values(lease_until=long_ago))
                await connection.execute(update(twilio_placed).values(seen_at=long_ago))
            await asyncio.sleep(5 * LOOK_SECONDS)
            assert (await back.call_backs.tries(request.id))[0].outcome == "", "it is still up"
            again.states[placed["Sid"]] = "busy"
            async with engine.begin() as connection:
                await connection.execute(update(twilio_placed).values(seen_at=long_ago))
            assert (await back.settled(request.id))[1].outcome == "busy"
            assert len(api.placed) == 1 and again.placed == []


async def test_what_is_not_signed_is_refused(tmp_path: Path) -> None:
    async with town(tmp_path) as here, aiohttp.ClientSession() as anybody:
        request = (await here.call_backs.ask(PHONE)).request
        placed = await here.rings()
        fields = {"CallSid": placed["Sid"], "AccountSid": ACCOUNT, "CallStatus": "busy"}
        for path in ("start", "status", "turn/1"):
            url = f"/twilio/voice/out-callback-{request.id}-1/{path}"
            for signed in ("", signature(f"{PUBLIC}{url}", fields, "another token"), signature(PUBLIC, fields)):
                headers = {"X-Twilio-Signature": signed}
                async with anybody.post(here.url + url, data=fields, headers=headers) as reply:
                    assert reply.status == 403
        assert (await here.call_backs.tries(request.id))[0].outcome == ""


async def test_without_a_number_nothing_is_placed(tmp_path: Path) -> None:
    async with town(tmp_path, number="") as here:
        status, problem = await here.post("/v1/verifications", {"to": PHONE, "purpose": "login", "channel": "voice"})
        assert (status, problem["type"]) == (501, "urn:hotline:problem:no_voice_channel")


async def test_our_own_fault_sends_nobody_to_people(tmp_path: Path) -> None:
    """Whom we called hears an apology, and not a queue."""
    async with town(tmp_path) as here:
        await here.call_backs.ask(PHONE)
        assert here.running.switchboard
        here.running.switchboard._flows.current.nodes.pop("outbound/callback")  # type: ignore[attr-defined]
        async with here.phone(await here.rings()) as phone:
            await phone.start()
            assert phone.over and not phone.dialled and "打扰您了" in phone.said


@pytest.mark.parametrize("status", ["completed", "busy", "no-answer", "failed", "canceled"])
def test_every_end_that_twilio_knows_is_one_of_ours(status: str) -> None:
    assert how_of(status) in ("answered", "busy", "no_answer", "failed")


async def test_nobody_waits_on_the_telephone_for_what_is_only_written_down(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_database(postgres_url)
    carrier = ByTwilio(settings(), OutboundSettings(), engine, f"{PUBLIC}/twilio/voice", china_now)
    monkeypatch.setattr("hotline.placing_twilio.NOTE_SECONDS", 0.05)
    async with engine.begin() as connection, asyncio.timeout(10):
        await connection.execute(text("LOCK TABLE twilio_placed"))  # and whoever has done that takes their time
        await carrier.told("out-code-1-1", {"CallSid": "CA" + "0" * 32, "CallStatus": "in-progress"})
    await engine.dispose()
