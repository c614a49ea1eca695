"""The ear that real calls are judged by: calls are put together from prompts, spoilt as by lines, and listened to."""

import struct
from pathlib import Path

import numpy as np
import pytest

from ivr import audio
from ivr.audio import Sound, silence
from ivr.voice import EmbeddedVoice
from tests.hearing import assert_in_order, listen, load

TEXTS = {
    "welcome": "您好,欢迎致电镇江市住房公积金热线。",
    "menu": "查询个人账户请按一。提取业务请按二。贷款业务请按三。",
    "ask": "请输入六位查询密码。",
    "ask_number": "请输入您的九位公积金账号。",
    "wrong": "号码或密码不正确,您还可以再试两次。",
    "bye": "感谢您的来电,再见。",
}


@pytest.fixture(scope="module")
def prompts() -> dict[str, Sound]:
    voice = EmbeddedVoice()
    said = {name: voice.say(text, "zh") for name, text in TEXTS.items()}
    head, first, second = (voice.say(words, "zh") for words in ("您的账户余额为", "一万两千元", "三百四十五元六角七分"))
    joined = {"balance": audio.joined([head, first]), "other_balance": audio.joined([head, second])}
    return said | joined


def call(prompts: dict[str, Sound], *parts: str | tuple[str, float] | float) -> Sound:
    """Names are whole prompts, (name, seconds) cut ones, numbers seconds of silence."""
    sounds = []
    for part in parts:
        if isinstance(part, str):
            sounds.append(prompts[part])
        elif isinstance(part, tuple):
            sounds.append(prompts[part[0]][: int(part[1] * audio.RATE)])
        else:
            sounds.append(silence(part))
    return audio.joined(sounds)


def mu_law(sound: Sound) -> Sound:
    """There and back through G.711's curve."""
    wave = sound / 32768
    coded = np.round(np.sign(wave) * np.log1p(255 * np.abs(wave)) / np.log(256) * 127) / 127
    return np.rint(np.sign(coded) * np.expm1(np.abs(coded) * np.log(256)) / 255 * 32767).astype(np.int16)


def jittered(sound: Sound) -> Sound:
    """One frame of 20 ms lost, one repeated."""
    third = len(sound) // 3
    return np.concatenate([sound[:third], sound[third + 160 : 2 * third], sound[2 * third - 160 :]])


def noisy(sound: Sound, level: float) -> Sound:
    noise = np.random.default_rng(12329).normal(0, level * 32767, len(sound))
    return (sound + noise).clip(-32768, 32767).astype(np.int16)


def names(heard: Sound, prompts: dict[str, Sound]) -> list[str]:
    return [one.name for one in listen(heard, prompts)]


def test_prompts_are_found_in_order_with_their_times(prompts: dict[str, Sound]) -> None:
    heard = listen(call(prompts, 0.3, "welcome", 0.5, "ask", 1.0, "bye"), prompts)
    assert [one.name for one in heard] == ["welcome", "ask", "bye"]
    assert all(one.whole and one.score > 0.99 for one in heard)
    assert heard[0].start_seconds == pytest.approx(0.3, abs=0.01)
    assert heard[1].start_seconds == pytest.approx(0.8 + audio.seconds(prompts["welcome"]), abs=0.01)
    assert heard[2].end_seconds == pytest.approx(audio.seconds(call(prompts, 1.8, "welcome", "ask", "bye")), abs=0.01)


@pytest.mark.parametrize("gain", [1.0, 0.3])
@pytest.mark.parametrize("noise", [0.0, 0.005])
def test_a_real_line_spoils_nothing(prompts: dict[str, Sound], gain: float, noise: float) -> None:
    sent = call(prompts, "welcome", "menu", 0.6, "ask", 2.0, "wrong", "ask", 1.0, "balance", 0.5, "bye")
    spoilt = jittered(mu_law(noisy((sent * gain).astype(np.int16), noise)))
    heard = listen(spoilt[1200:], prompts)  # the first 0.15 s are lost
    assert [one.name for one in heard] == ["welcome", "menu", "ask", "wrong", "ask", "balance", "bye"]
    assert all(one.whole for one in heard)


def test_an_interrupted_prompt_is_told_from_a_whole_one(prompts: dict[str, Sound]) -> None:
    heard = listen(call(prompts, ("menu", 2.4), 0.2, "ask", ("welcome", 0.8), 1.0, "bye"), prompts)
    assert [(one.name, one.whole) for one in heard] == [
        *(("menu", False), ("ask", True), ("welcome", False), ("bye", True)),
    ]
    assert heard[0].played * audio.seconds(prompts["menu"]) == pytest.approx(2.4, abs=0.4)


def test_the_same_beginning_goes_to_the_one_that_was_said(prompts: dict[str, Sound]) -> None:
    assert names(call(prompts, 0.5, "other_balance"), prompts) == ["other_balance"]
    assert names(call(prompts, 0.5, "balance", 0.2, "other_balance"), prompts) == ["balance", "other_balance"]
    only_one = {"balance": prompts["balance"]}
    assert not listen(call(prompts, 0.5, "other_balance"), only_one)[0].whole


def test_what_was_not_said_is_not_heard(prompts: dict[str, Sound]) -> None:
    assert names(call(prompts, 1.0, "wrong", 1.0), {"bye": prompts["bye"], "welcome": prompts["welcome"]}) == []
    assert names(silence(3.0), prompts) == []
    assert names(noisy(silence(3.0), 0.1), prompts) == []
    assert names(silence(0.0), prompts) == []
    assert names(call(prompts, "bye"), {"nothing": silence(0.0)}) == []


def test_order_is_asserted_with_a_table_of_what_was_heard(prompts: dict[str, Sound]) -> None:
    heard = call(prompts, "welcome", "ask", ("balance", 1.0))
    expected = [("welcome", prompts["welcome"]), ("balance", prompts["balance"])]
    assert_in_order(heard, expected, whole=["welcome"])
    with pytest.raises(AssertionError, match=r"welcome is missing or out of order; heard:\nwelcome from 0\.00 s"):
        assert_in_order(heard, expected[::-1])
    with pytest.raises(AssertionError, match="balance was cut off"):
        assert_in_order(heard, expected, whole=["balance"])


def test_a_recording_of_a_call_is_loaded_as_it_is(prompts: dict[str, Sound], tmp_path: Path) -> None:
    (tmp_path / "narrow.wav").write_bytes(audio.wav(prompts["ask"]))
    assert np.abs(load(tmp_path / "narrow.wav").astype(int) - prompts["ask"]).max() <= 1
    stereo = np.repeat(np.repeat(prompts["ask"], 2), 2)  # 16 kHz, two channels
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, 16000, 64000, 4, 16)
    riff, data = (b"RIFF", 36 + stereo.nbytes, b"WAVE"), (b"data", stereo.nbytes)
    header = struct.pack("<4sI4s", *riff) + form + struct.pack("<4sI", *data)
    (tmp_path / "wide.wav").write_bytes(header + stereo.tobytes())
    assert names(load(tmp_path / "wide.wav"), prompts) == ["ask"]
