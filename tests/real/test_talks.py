"""An agent and a caller talk; what they say is recorded, nothing before it is, and the caller says how it was."""

import asyncio
import shutil
from pathlib import Path

import pytest

from desk.surveys import Surveys
from hotline.database import open_database
from hotline.settings import Settings
from ivr import audio
from ivr.voice import EmbeddedVoice
from tests import hearing
from tests.real.asterisk import SECRETS, Asterisk, NoAsterisk
from tests.real.baresip import agent, caller
from tests.real.running import Running
from tests.real.spoken import PHRASES, said, sound

pytestmark = [pytest.mark.real, pytest.mark.timeout(170)]


def saying(words: audio.Sound, every_seconds: float) -> audio.Sound:
    """The same words again and again, with room between for the other to speak."""
    once = audio.joined([words, audio.silence(every_seconds - audio.seconds(words))])
    return audio.joined([once] * round(120 / every_seconds))


async def test_a_talk_is_recorded_and_rated(tmp_path: Path) -> None:
    asks, answers = (EmbeddedVoice().say(words, "zh") for words in ("我想咨询退休提取。", "您好，请带上身份证。"))
    running = Running(
        tmp_path / "home",
        HOTLINE_RECORDINGS=str(tmp_path / "asterisk" / "spool" / "hotline"),
    )
    try:
        asterisk = Asterisk(tmp_path / "asterisk", running.agi_url)
    except NoAsterisk as reason:
        pytest.skip(str(reason))
    if not shutil.which("baresip"):
        pytest.skip("baresip is not installed; run: sh tests/real/install.sh")
    with running, asterisk:
        desk = agent(tmp_path / "desk", "agent1", SECRETS["AGENT1_SECRET"], asterisk.sip_port, mouth=saying(answers, 5))
        async with desk, caller(tmp_path / "caller", "13900000001", mouth=saying(asks, 7)) as phone:
            async with asyncio.timeout(15):
                while "agent1/sip:" not in await asyncio.to_thread(asterisk.run, "pjsip show contacts"):
                    await asyncio.sleep(0.2)
            await phone.dial(f"sip:12329@127.0.0.1:{asterisk.sip_port}")
            await phone.hears(sound(running, said("您好，欢迎致电镇江市住房公积金热线。")))
            await phone.press("0")
            await desk.until("CALL_ESTABLISHED")
            await asyncio.sleep(14)
            await desk.command("hangup")
            call = await running.call_at("people/rate")
            await phone.hears(sound(running, said("请您对刚才的服务作出评价。")))
            await phone.press("1")
            await phone.until("CALL_CLOSED")
        spool = tmp_path / "asterisk" / "spool" / "hotline"
        (talk,) = list(spool.glob(f"talk-{call['id']}-*.wav"))
        recorded = hearing.load(talk)
        settings = Settings(_env_file=None, home=running.home)  # type: ignore[call-arg]
        engine = open_database(settings.own_database_url)
        rated = await Surveys(engine).of_call(str(call["id"]))
        await engine.dispose()
        welcome = sound(running, said("您好，欢迎致电镇江市住房公积金热线。"))
        thanks = sound(running, said(PHRASES["survey_thanks"]["zh"]))
    assert rated and (rated.rating, rated.agent, rated.queue) == ("satisfied", "agent1", "general")
    names = {"asks": asks, "answers": answers, "welcome": welcome, "thanks": thanks}
    # one at a time: two who speak at once are no rivals
    heard = {name for name, words in names.items() if hearing.listen(recorded, {name: words})}
    assert "answers" in heard and "asks" in heard, heard
    assert not heard & {"welcome", "thanks"}, "no word of ours"
    assert 10 < audio.seconds(recorded) < 18
