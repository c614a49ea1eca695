"""What callers say at Twilio: brought here, played to them again, removed there, whenever and however often it is told."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from hotline.database import open_database
from hotline.tapes import Tapes
from ivr import audio
from ivr.actions import LookUp
from ivr.events import Answered
from tests.ivr.golden import BEGIN, flow_of
from tests.ivr.lines.fake_twilio import PUBLIC, TwilioApi, TwilioPhone
from tests.ivr.lines.twilio_nodes import PRIVACY, Clock, node, outcome, tone

FLOW = flow_of(
    {
        "nodes": {
            "start": {"menu": {"1": {"say": "留言", "go": "message"}}},
            "message": {"message": "message", "next": "bye", "failed": "sorry"},
            "bye": {"hang_up": "再见。"},
            "sorry": {"hang_up": "无法留言。"},
        }
    }
)


class Desk:
    """Gives every message a number, and notes what is kept."""

    def __init__(self) -> None:
        self.asked: list[LookUp] = []

    async def look_up(self, call: str, question: LookUp, at: object) -> Answered:
        self.asked.append(question)
        outcome = {"open_message": "ready", "leave_message": "opened"}.get(question.what, "unavailable")
        return Answered(outcome, BEGIN, {"number": "2603020001", "days": 3, "texted": False})


@pytest.fixture
async def database(sqlite_url: str) -> AsyncIterator[AsyncEngine]:
    engine = open_database(sqlite_url)
    yield engine
    await engine.dispose()


@pytest.fixture
def tapes(tmp_path: Path) -> Tapes:
    return Tapes(tmp_path / "tapes", PRIVACY)


async def test_a_message_is_heard_again_and_kept(database: AsyncEngine, tapes: Tapes) -> None:
    desk, clock = Desk(), Clock()
    async with (
        TwilioApi() as api,
        node(database, FLOW, desk, clock, tapes=tapes, endpoint=api.url) as here,
        TwilioPhone({PUBLIC: here.url}) as phone,
    ):
        api.late = 2
        await phone.start()
        await phone.press("1")
        assert phone.recording and "请在提示音后讲话" in phone.said
        await phone.speak(api, tone(2.5))
        wav = tapes.load("2603020001-1")
        assert abs(audio.seconds(audio.unwav(wav)) - 2.5) < 0.1, "without the silence at its ends"
        assert len({*api.removed}) == 1 and not api.recordings, "removed there"
        await phone.press("2")
        assert phone.played == [wav]
        address = next(words[1:-1] for words in phone.heard if "/twilio/audio/" in words)
        base, ticket, name = address.rsplit("/", 2)
        async with aiohttp.ClientSession() as anybody:
            for wrong in (
                f"{base}/{ticket[:-1]}0/{name}",
                f"{base}/{ticket}/2603020001-2.wav",
                f"{base}/1-{'0' * 32}/{name}",
            ):
                async with anybody.get(here.url + wrong.removeprefix(PUBLIC)) as reply:
                    assert reply.status == 403
        await phone.press("1")
        assert phone.over and "编号是" in phone.said
        assert [asked.what for asked in desk.asked] == ["open_message", "leave_message"]
        assert await outcome(database, phone.call_sid) == ("finished", True)


async def test_a_message_said_anew(database: AsyncEngine, tapes: Tapes) -> None:
    async with (
        TwilioApi() as api,
        node(database, FLOW, Desk(), tapes=tapes, endpoint=api.url) as here,
        TwilioPhone({PUBLIC: here.url}, doubles=True) as phone,
    ):
        await phone.start()
        await phone.press("1")
        await phone.speak(api, b"")
        assert "没有听到您的留言" in phone.said and phone.recording
        await phone.speak(api, tone(2))
        await phone.press("3")
        await phone.speak(api, tone(4))
        assert [round(take.seconds) for take in tapes.takes()] == [2, 4]


async def test_hung_up_while_speaking_and_told_of_the_end_first(database: AsyncEngine, tapes: Tapes) -> None:
    """The end of the call waits for the recording it broke off: it is a message."""
    desk = Desk()
    async with (
        TwilioApi() as api,
        node(database, FLOW, desk, tapes=tapes, endpoint=api.url) as here,
        TwilioPhone({PUBLIC: here.url}) as phone,
    ):
        await phone.start()
        await phone.press("1")
        assert await phone.post_status("completed") == 204
        assert await outcome(database, phone.call_sid) == ("", False)
        await phone.speak(api, tone(2), then="hangup")
        assert await outcome(database, phone.call_sid) == ("hung_up", True)
        assert [asked.args.get("parted") for asked in desk.asked] == [None, True]
        assert tapes.load("2603020001-1")


async def test_hung_up_after_the_beep_without_a_word(database: AsyncEngine, tapes: Tapes) -> None:
    """Twilio tells of no recording then: the end of the call does not wait for ever."""
    async with (
        TwilioApi() as api,
        node(database, FLOW, Desk(), tapes=tapes, endpoint=api.url, parting_seconds=0.01) as here,
        TwilioPhone({PUBLIC: here.url}) as phone,
    ):
        await phone.start()
        await phone.press("1")
        await phone.speak(api, b"", then="hangup")
        async with asyncio.timeout(5):
            while await outcome(database, phone.call_sid) != ("hung_up", True):
                await asyncio.sleep(0.01)


async def test_a_recording_that_only_its_callback_brings(database: AsyncEngine, tapes: Tapes) -> None:
    async with (
        TwilioApi() as api,
        node(database, FLOW, Desk(), tapes=tapes, endpoint=api.url) as here,
        TwilioPhone({PUBLIC: here.url}) as phone,
    ):
        api.late = 7
        await phone.start()
        await phone.press("1")
        await phone.speak(api, tone(2))
        assert "您的留言已经录下" in phone.said, "Twilio has said how long it is"
        assert tapes.load("2603020001-1") and not api.recordings


async def test_a_recording_that_could_not_be_removed_at_once(database: AsyncEngine, tapes: Tapes) -> None:
    async with (
        TwilioApi() as api,
        node(database, FLOW, Desk(), tapes=tapes, endpoint=api.url) as here,
        TwilioPhone({PUBLIC: here.url}) as phone,
    ):
        api.keeps = 2  # the HTTP client tries again by itself, once
        await phone.start()
        await phone.press("1")
        await phone.speak(api, tone(2))
        assert "您的留言已经录下" in phone.said and tapes.load("2603020001-1")
        assert not api.recordings, "what a caller has said does not stay there"


async def test_nothing_is_fetched_from_anywhere_else(database: AsyncEngine, tapes: Tapes) -> None:
    async with (
        TwilioApi() as api,
        node(database, FLOW, Desk(), tapes=tapes, endpoint=api.url) as here,
        TwilioPhone({PUBLIC: here.url}) as phone,
    ):
        await phone.start()
        await phone.press("1")
        good = f"{PUBLIC}/twilio/voice/recording?tape=2603020001-1"
        for url in (
            here.url + "/twilio/fallback.xml",
            api.address("RE" + "0" * 32).replace("Recordings", "Calls"),
            api.address("../../x"),
            api.address("RE" + "0" * 32) + "?x=",
        ):
            fields = {"RecordingStatus": "completed", "RecordingUrl": url}
            assert (await phone.post(good, fields))[0] == 204
        assert (await phone.post(good, fields, **{"X-Twilio-Signature": "x"}))[0] == 403
        assert not list(tapes.takes())
