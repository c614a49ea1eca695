"""The voice actor's work: what is to be recorded, what is wrong with a delivery, what is kept and gone back to."""

import zipfile
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ivr import audio
from ivr.intake import NotADelivery, delivery, examine
from ivr.loader import load, read_folder, read_phrases
from ivr.reading import recording_name
from ivr.recordings import Recordings
from ivr.script import Line, sayings, script, to_build, to_come
from ivr.speech import fragments
from tests.ivr.test_audio import file, speech_like
from tests.ivr.test_check import MAIN

ROOT = Path(__file__).parents[2]
LINES = [
    Line("zh-0000000001", "zh", "您好,欢迎致电", ("main/welcome",)),
    Line("zh-0000000002", "zh", "请按1", ("main/main",)),
    Line("en-0000000003", "en", "Please press one", ("english/start",)),
]
PHRASES = {
    "press": {"zh": "\uff0c请按{key}。", "en": ", press {key}."},
    "star": {"zh": "星号键", "en": "star"},
    "hash": {"zh": "井号键", "en": "pound"},
    "text_me": {"zh": "需要短信\uff0c请按{key}。"},
    "wrong_pin": {"zh": "还可以再试{left}次。", "en": "Attempts left: {left}."},
}
FLOW = """
title: 试
start: main
patience: {then: person}
everywhere: {"0": person}
nodes:
  main:
    say: 您好。需要什么?
    menu:
      1: {say: 余额, short: 查余额, go: who}
      "*": {say: 再见, go: bye}
  who: {identify: employee, next: balance, failed: bye}
  person: {transfer: general, say: 请稍候。}
  balance:
    report: balance
    say: 余额{balance}元。额度{fact.limit},{fact.place}。
    text_me: "3"
    next: bye
    unavailable: bye
  bye:
    hang_up: {zh: "拨打12329,再见。", en: "Dial 12329. Goodbye."}
"""
FACTS = """
facts:
  limit: {note: 额度, kind: money, values: {2026-01-01: 1500}}
  place: {note: 地点, kind: text, values: {2026-01-01: 一号楼}}
"""


def flow_lines() -> list[Line]:
    loaded = load({"main.yaml": FLOW.encode(), "facts.yaml": FACTS.encode()}, PHRASES)
    assert loaded.flow, [fault.tell() for fault in loaded.faults]
    return script(sayings(loaded.flow, "2026-03-02"))


def clip(seconds: float, rate: int = 44100, loud: float = 0.3) -> NDArray[np.float64]:
    return speech_like(rate, seconds, loud)


# The script


def test_the_script_has_every_fixed_word_once_with_where_it_is_said() -> None:
    lines = {(line.language, line.text): line for line in flow_lines() if line.where not in ((), ("ledger",))}
    assert {text for language, text in lines if language == "zh"} == {
        *(
            "您好",
            "需要什么",
            "余额",
            "查余额",
            "请按1",
            "再见",
            "请按星号键",
            "元",
            "额度",
            "需要短信\uff0c请按3",
            "请稍候",
        ),
        *("拨打12329,再见", "还可以再试", "次"),
    }
    assert {text for language, text in lines if language == "en"} == {"Dial 12329", "Goodbye", "Attempts left"}
    assert lines["zh", "余额"].where == ("main/main", "main/balance")
    assert lines["zh", "请按1"].heard == "请按一"
    assert lines["zh", "还可以再试"].where == ("voice.yaml: wrong_pin",)


def test_the_script_has_every_fragment() -> None:
    lines = flow_lines()
    heard = {(line.language, line.text) for line in lines}
    assert {("zh", "正常"), ("zh", "年终结息"), ("zh", "等额本息")} <= heard
    assert {("zh", words) for words in fragments("zh")} <= heard
    assert {("en", words) for words in fragments("en")} <= heard
    assert len({line.name for line in lines}) == len(lines)


def test_names_stand_for_what_is_heard() -> None:
    assert recording_name("请按1", "zh") == recording_name("请按一", "zh") != recording_name("请按2", "zh")
    assert recording_name("Press one", "en") == recording_name("press one", "en")
    assert recording_name("X", "zh") != recording_name("X", "en")


def test_the_real_flows_have_a_script_and_everything_of_it_can_be_built() -> None:
    loaded = load(read_folder(ROOT / "flows"), read_phrases(ROOT / "prompts" / "voice.yaml"))
    assert loaded.flow, [fault.tell() for fault in loaded.faults]
    everything = list(sayings(loaded.flow, "2026-11-24"))
    lines = script(everything)
    assert len(lines) > 400
    assert all(line.text and line.name == recording_name(line.text, line.language) for line in lines)
    assert max(line.seconds for line in lines) < 20, "a sentence too long for the ear"
    built = to_build(everything)
    assert not any(utterance.personal for utterance in built)
    assert len(set(built)) == len(built)


# A delivery


def test_good_recordings_are_taken_at_any_rate() -> None:
    files = [
        ("studio/ZH-0000000001.wav", file(clip(2.0, 48000), 48000)),
        ("zh-0000000002.WAV", file(np.stack([clip(0.9)] * 2, axis=1), 44100, "<f4", code=3)),
        ("en-0000000003.wav", file(clip(1.0, 16000), 16000)),
    ]
    intake = examine(files, LINES)
    assert intake.faults == []
    assert [(name, language, text) for name, language, text, _ in intake.taken] == [
        (line.name, line.language, line.text) for line in LINES
    ]
    for *_, sound in intake.taken:
        assert 20 * np.log10(np.sqrt(((sound / 32768) ** 2).mean())) == pytest.approx(-20, abs=1.5)


def test_every_fault_is_told_at_once() -> None:
    good = file(clip(2.0), 44100)
    clipped = np.clip(clip(2.0, loud=4.0), -1, 1)
    files = [
        ("a/zh-0000000001.wav", file(clipped, 44100)),
        ("b/zh-0000000001.wav", good),
        ("zh-0000000009.wav", good),
        ("hello.wav", good),
        ("zh-0000000002.mp3", b"ID3" + good),
        ("en-0000000003.wav", file(clip(1.0, loud=0.004), 44100)),
    ]
    intake = examine(files, LINES)
    assert intake.taken == []
    told = dict(intake.faults)
    assert "削顶" in told["a/zh-0000000001.wav"]
    assert "重名" in told["b/zh-0000000001.wav"]
    assert "是不是 zh-000000000" in told["zh-0000000009.wav"]
    assert "没有这个文件名" in told["hello.wav"]
    assert "MP3" in told["zh-0000000002.mp3"]
    assert "太小" in told["en-0000000003.wav"]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "空的"),
        (file(np.zeros(44100), 44100), "没有声音"),
        (file(clip(0.4), 44100), "太短"),
        (file(clip(9.0), 44100), "太长"),
        (file(clip(2.0, 6000), 6000), "采样率只有 6000 Hz"),
    ],
)
def test_what_is_wrong_with_a_recording(data: bytes, told: str) -> None:
    [(_, fault)] = examine([("zh-0000000001.wav", data)], LINES).faults
    assert told in fault


def test_a_folder_and_a_zip_are_read_alike(tmp_path: Path) -> None:
    folder = tmp_path / "studio"
    (folder / "day 1").mkdir(parents=True)
    (folder / "day 1" / "zh-0000000001.wav").write_bytes(b"one")
    (folder / "script.csv").write_text("beside")
    (folder / ".DS_Store").write_bytes(b"left behind")
    with zipfile.ZipFile(tmp_path / "studio.zip", "w") as archive:
        archive.writestr("day 1/zh-0000000001.wav", b"one")
        archive.writestr("__MACOSX/day 1/._zh-0000000001.wav", b"left behind")
        archive.writestr("Script.CSV", b"beside")
    assert list(delivery(folder)) == list(delivery(tmp_path / "studio.zip")) == [("day 1/zh-0000000001.wav", b"one")]


def test_what_is_no_delivery(tmp_path: Path) -> None:
    (tmp_path / "not.zip").write_bytes(b"PK nothing")
    for path in (tmp_path / "not.zip", tmp_path / "missing"):
        with pytest.raises(NotADelivery, match="ZIP"):
            list(delivery(path))
    with zipfile.ZipFile(tmp_path / "spoilt.zip", "w") as archive:
        archive.writestr("zh-0000000001.wav", b"the sound itself")
    spoilt = (tmp_path / "spoilt.zip").read_bytes().replace(b"the sound itself", b"the sound spoilt")
    (tmp_path / "spoilt.zip").write_bytes(spoilt)
    with pytest.raises(NotADelivery, match="CRC"):
        list(delivery(tmp_path / "spoilt.zip"))


# What is kept


def sound(number: int) -> audio.Sound:
    return np.full(800 * number, number, np.int16)


def test_recordings_are_kept_found_and_seen_by_others(tmp_path: Path) -> None:
    now = 0.0
    other = Recordings(tmp_path, clock=lambda: now)
    mine = Recordings(tmp_path)
    name = recording_name("请按一", "zh")
    mine.keep([(name, "zh", "请按1,\n好吗", sound(1))])
    found = mine.find("请按1", "zh")
    assert found and found.seconds == 0.1 and found.text == "请按1,\n好吗"
    assert np.array_equal(mine.sound(found.file), sound(1))
    assert mine.find("请按2", "zh") is None

    other.refresh()
    assert other.find("请按1", "zh") is None
    now = 2.0
    other.refresh()
    assert other.find("请按1", "zh") == found and list(other) == [found] and len(other) == 1


def test_an_index_spoilt_by_hand_changes_nothing(tmp_path: Path) -> None:
    now = 0.0
    recordings = Recordings(tmp_path, clock=lambda: now)
    recordings.keep([("zh-a", "zh", "好", sound(1))])
    (tmp_path / "index.csv").write_text("name,language\nzh-b,zh\n")
    now = 10.0
    recordings.refresh()
    assert [recording.name for recording in recordings] == ["zh-a"]


def test_the_one_before_can_be_gone_back_to(tmp_path: Path) -> None:
    recordings = Recordings(tmp_path)
    for number in (1, 2, 3, 3):
        recordings.keep([("zh-a", "zh", "好", sound(number))])
    assert len(list(tmp_path.glob("zh/*.wav"))) == 2
    assert recordings.restore(["zh-a", "zh-unknown"]) == ["zh-a"]
    [now] = recordings
    assert np.array_equal(recordings.sound(now.file), sound(2))
    recordings.restore(["zh-a"])
    [now] = recordings
    assert np.array_equal(recordings.sound(now.file), sound(3))


def test_a_first_recording_has_none_before_it(tmp_path: Path) -> None:
    recordings = Recordings(tmp_path)
    recordings.keep([("zh-a", "zh", "好", sound(1))])
    assert recordings.restore(["zh-a"]) == []


def test_what_will_be_said_is_recorded_before_it_is_needed() -> None:
    files = {
        "main.yaml": MAIN + "  start: {say: '{hours.people}。每月最多{fact.limit}。', next: agent}\n",
        "hours.yaml": "timetables: {people: {note: 人工, working_days: 9:00-17:00, seasons: "
        "[{name: 夏令时, from: 07-01, to: 09-30, working_days: 8:30-17:30}]}}",
        "facts.yaml": "facts: {limit: {note: 限额, kind: text, values: {2026-01-01: 一千元, 2027-01-01: 两千元}}}",
    }
    loaded = load({name: text.encode() for name, text in files.items()}, PHRASES)
    assert loaded.flow, [fault.tell() for fault in loaded.faults]
    texts = {line.text for line in script(to_come(loaded.flow, date(2026, 11, 25))) if "main/start" in line.where}
    assert texts == {
        "工作日，上午九点到下午五点",
        "工作日，上午八点三十分到下午五点三十分",
        "每月最多一千元",
        "每月最多两千元",
    }


def test_what_changes_nothing_leaves_nothing_behind(tmp_path: Path) -> None:
    """An import without one good file, and a way back that is none."""
    recordings = Recordings(tmp_path / "recordings")
    recordings.keep(())
    assert recordings.restore(["zh-0000000001"]) == []
    assert not (tmp_path / "recordings").exists()
