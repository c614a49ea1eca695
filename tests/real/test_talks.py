"""An agent and a caller talk; what the agent says is recorded, or both sides, and nothing before it.

The caller then says how it was.
"""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from desk.surveys import Surveys
from hotline.database import open_database
from hotline.settings import Settings
from ivr import audio
from ivr.voice import EmbeddedVoice
from tests import hearing
from tests.real.asterisk import CONFIG, SECRETS, Asterisk, NoAsterisk
from tests.real.baresip import agent, caller
from tests.real.running import Running
from tests.real.spoken import PHRASES, said, sound

pytestmark = [pytest.mark.real, pytest.mark.timeout(170)]


def saying(words: audio.Sound, every_seconds: float) -> audio.Sound:
    """The same words again and again, with room between for the other to speak."""
    once = audio.joined([words, audio.silence(every_seconds - audio.seconds(words))])
    return audio.joined([once] * round(120 / every_seconds))


def energy(sound: audio.Sound) -> float:
    """How loud it is, from the silence of a telephone (0) to the loudest (1)."""
    return float(np.sqrt(np.mean((sound / 32768.0) ** 2)))


def between(recorded: audio.Sound, words: audio.Sound) -> audio.Sound:
    """The recording without the moments in which these words are said, and a little around them."""
    left = np.ones(len(recorded), bool)
    for heard in hearing.listen(recorded, {"words": words}):
        begin = heard.start_seconds - 0.3
        end = heard.start_seconds + audio.seconds(words) + 0.3
        left[max(0, round(begin * audio.RATE)) : round(end * audio.RATE)] = False
    return recorded[left]


@pytest.mark.parametrize("kept", ["agent", "talk"])
async def test_a_talk_is_recorded_and_rated(tmp_path: Path, kept: str) -> None:
    asks, answers = (EmbeddedVoice().say(words, "zh") for words in ("我想咨询退休提取。", "请带上身份证和银行卡。"))
    running = Running(
        tmp_path / "home",
        HOTLINE_RECORDINGS=str(tmp_path / "asterisk" / "spool" / "hotline"),
    )
    try:
        dialplan = (CONFIG / "extensions.conf").read_text().replace("@RECORD_TALKS@", kept)
        asterisk = Asterisk(tmp_path / "asterisk", running.agi_url, files={"extensions.conf": dialplan})
    except NoAsterisk as reason:
        pytest.skip(str(reason))
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
    assert heard == ({"answers"} if kept == "agent" else {"answers", "asks"}), "and no word of ours"
    loud, rest = energy(answers), energy(between(recorded, answers))
    print(f"{kept}: the agent's words {loud:.4f}, all that is left {rest:.6f} of the loudest")
    assert rest < loud / 100 if kept == "agent" else rest > loud / 10, "what the caller says is in it, or not a trace"
    assert 10 < audio.seconds(recorded) < 18
