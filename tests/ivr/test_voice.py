"""The embedded voice says the trade's words right; a command can take its place, and may fail."""

import re
import shlex
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from ivr import audio
from ivr.phrases import BadPhrases
from ivr.speech import Language, fragments
from ivr.voice import CommandVoice, EmbeddedVoice, VoiceFault, pronunciations, short_path

TABLE = Path(__file__).parents[2] / "prompts" / "pronounce.yaml"
SPEAKER = """
import struct, sys
words = sys.stdin.buffer.read().decode()
body = b"".join(struct.pack("<h", 9000 if n % 20 < 10 else -9000) for n in range(800 * len(words)))
form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 16000, 32000, 2, 16)
riff, data = struct.pack("<4sI4s", b"RIFF", 36 + len(body), b"WAVE"), struct.pack("<4sI", b"data", len(body))
sys.stdout.buffer.write(riff + form + data + body)
"""


@pytest.fixture(scope="module")
def voice() -> EmbeddedVoice:
    return EmbeddedVoice(pronunciations(TABLE))


def tones(voice: EmbeddedVoice, words: str) -> str:
    """What is said, without stress and word boundaries."""
    return "".join(voice.phonemes(words, "zh").split()).replace("'", "").replace(",", "")


@pytest.mark.parametrize(
    ("words", "pinyin"),
    [
        ("还款", "huan2kuan3"),
        ("提前还贷", "ti2qian2huan2dai4"),
        ("应还", "ying1huan2"),
        ("还有", "hai2you3"),
        ("重听", "chong2ting1"),
        ("重新", "chong2xin1"),
        ("重要", "zhong4yao4"),
        ("银行", "yin2hang2"),
        ("农行", "nong2hang2"),
        ("工行", "gong1hang2"),
        ("账户余额为", "zhang4hu4yu2e2wei2"),
        ("转接", "zhuan3jie1"),
        ("公积金", "gong1ji1jin1"),
        ("缴存", "jiao3cun2"),
        ("身份证", "shen1fen4zheng4"),
        ("利率", "li4lv4"),
        ("长期", "chang2qi1"),
        ("丹徒", "dan1tu2"),
        ("句容", "ju4rong2"),
        ("扬中", "yang2zhong1"),
        ("幺", "yao1"),
        ("一万", "yi2wan4"),
        ("一百一十", "yi4bai3yi1shi2"),
        ("一月一日", "yi1yue4yi1ri4"),
        ("六角七分", "liu4jiao3qi1fen1"),
    ],
)
def test_words_are_pronounced_as_people_here_do(voice: EmbeddedVoice, words: str, pinyin: str) -> None:
    assert tones(voice, words) == tones(voice, pinyin)


def test_every_fragment_of_a_number_is_said_as_written(voice: EmbeddedVoice) -> None:
    for words in fragments("zh"):
        syllables = re.findall(r"\d{2,3}", voice.phonemes(words, "zh"))
        assert len(syllables) == len(words) or words == "X", words


@pytest.mark.parametrize(("words", "language"), [("您的账户余额为一万两千元整。", "zh"), ("Please press one.", "en")])
def test_it_speaks_at_telephone_level(voice: EmbeddedVoice, words: str, language: Language) -> None:
    sound = voice.say(words, language)
    loudness = 20 * np.log10(np.sqrt(((sound / 32768) ** 2).mean()))
    assert loudness == pytest.approx(-20, abs=1)
    assert np.abs(sound).max() < 0.92 * 32768
    assert 0.8 < audio.seconds(sound) < 5


def test_it_is_unhurried_and_brisk_in_numbers(voice: EmbeddedVoice) -> None:
    sentence = "您的手机号已绑定公积金账户"
    assert 3.0 < len(sentence) / audio.seconds(voice.say(sentence, "zh")) < 4.0
    assert audio.seconds(voice.say("三百", "zh", brisk=True)) < audio.seconds(voice.say("三百", "zh"))


def test_commas_are_heard_whatever_their_width(voice: EmbeddedVoice) -> None:
    plain = audio.seconds(voice.say("余额为月缴", "zh"))
    for comma in (",", "\uff0c", "\n"):
        assert audio.seconds(voice.say(f"余额为{comma}月缴", "zh")) > plain + 0.1


def test_odd_text_does_no_harm(voice: EmbeddedVoice) -> None:
    for words in ("", " ", "。", "\x00", "[[X]]<speak>&amp;", "🙂", "a" * 2000):
        voice.say(words, "zh")


def test_threads_do_not_disturb_each_other(voice: EmbeddedVoice) -> None:
    expected = {"zh": audio.seconds(voice.say("请稍候", "zh")), "en": audio.seconds(voice.say("please hold", "en"))}
    found: list[tuple[str, float]] = []

    def speak(language: Language, words: str) -> None:
        found.extend((language, audio.seconds(voice.say(words, language))) for _ in range(10))

    threads = [
        threading.Thread(target=speak, args=("zh", "请稍候")),
        threading.Thread(target=speak, args=("en", "please hold")),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 20
    assert all(seconds == pytest.approx(expected[language], abs=0.03) for language, seconds in found)


def test_a_clone_in_a_deep_folder_speaks_too(tmp_path: Path) -> None:
    deep = tmp_path / ("deep" * 40)
    deep.mkdir()
    (deep / "phontab").write_bytes(b"data")
    link = short_path(str(deep))
    assert len(link) < 150 and (Path(link) / "phontab").read_bytes() == b"data"
    assert short_path(str(tmp_path)) == str(tmp_path)


def test_identity_changes_with_what_is_heard() -> None:
    others = [EmbeddedVoice({"还款": "huan2 kuan3"}), EmbeddedVoice(words_a_minute=140), CommandVoice("a")]
    assert len({voice.identity for voice in [EmbeddedVoice(), *others]}) == 4
    assert EmbeddedVoice().identity == EmbeddedVoice().identity


def test_a_wrong_pronunciation_is_named(tmp_path: Path) -> None:
    table = tmp_path / "pronounce.yaml"
    table.write_text("words:\n  还款: huan2\n  农行: nong2 hang2\n  重听: chong ting\n", "utf-8")
    with pytest.raises(BadPhrases) as bad:
        pronunciations(table)
    assert [(fault.line, fault.zh[:2]) for fault in bad.value.faults] == [(2, "还款"), (4, "重听")]
    table.write_text("words: [1", "utf-8")
    with pytest.raises(BadPhrases, match=r"pronounce.yaml:1: 括号没有成对"):
        pronunciations(table)
    table.write_text("words:\n", "utf-8")
    assert pronunciations(table) == {}


def command(program: str) -> str:
    return shlex.join([sys.executable, "-c", program])


def test_a_command_speaks() -> None:
    sound = CommandVoice(command(SPEAKER)).say("十个字的一句话来试试", "zh")
    assert audio.seconds(sound) == pytest.approx(0.5, abs=0.05)


def test_a_command_is_told_the_language(tmp_path: Path) -> None:
    script = f"import sys; open({str(tmp_path / 'asked')!r}, 'w').write(sys.argv[1])"
    with pytest.raises(VoiceFault):
        CommandVoice(command(script) + " --voice={language}").say("hello", "en")
    assert (tmp_path / "asked").read_text() == "--voice=en"


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("import sys; print('no licence', file=sys.stderr); sys.exit(3)", "exit 3: no licence"),
        ("print('not a wav')", "不是 WAV"),
        ("import time; time.sleep(60)", "no answer within 0.5 s"),
    ],
)
def test_a_command_that_fails_says_why_and_rests(program: str, told: str) -> None:
    now = 100.0
    limit_seconds = 0.5 if "sleep" in program else 30.0  # a busy machine takes its time to start a program
    voice = CommandVoice(command(program), limit_seconds=limit_seconds, rest_seconds=30, clock=lambda: now)
    with pytest.raises(VoiceFault, match=told):
        voice.say("喂", "zh")
    with pytest.raises(VoiceFault, match="rests"):
        voice.say("喂", "zh")
    now = 131.0
    with pytest.raises(VoiceFault, match=told):
        voice.say("喂", "zh")


def test_a_command_that_does_not_exist() -> None:
    with pytest.raises(VoiceFault, match="no-such-voice"):
        CommandVoice("no-such-voice").say("喂", "zh")
