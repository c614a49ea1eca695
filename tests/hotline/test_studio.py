"""`hotline say` and `hotline prompts` as an operator and a voice actor meet them."""

import csv
import io
import shlex
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hotline.cli import main
from ivr import audio
from ivr.voice import EmbeddedVoice
from tests.ivr.test_audio import file, speech_like

ROOT = Path(__file__).parents[2]
FLOW = """
title: 试
start: main
patience: {then: person}
everywhere: {"0": person}
nodes:
  main: {menu: {1: {say: 提取业务, go: bye}}}
  bye: {hang_up: 再见。}
  person: {transfer: general}
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small hotline of its own."""
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "main.yaml").write_text(FLOW, "utf-8")
    (tmp_path / "prompts").mkdir()
    for name in ("voice.yaml", "pronounce.yaml"):
        shutil.copy(ROOT / "prompts" / name, tmp_path / "prompts")
    for name in ("home", "flows", "prompts"):
        monkeypatch.setenv(f"HOTLINE_{name.upper()}", str(tmp_path / name))
    return tmp_path


def hotline(*words: str) -> Result:
    return CliRunner().invoke(main, words)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def name_of(words: str) -> str:
    return next(row["文件名"] for row in rows(hotline("prompts", "list").output) if row["文字"] == words)


def recorded() -> set[str]:
    return {row["文字"] for row in rows(hotline("prompts", "list").output) if row["已录"] == "是"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("money", "12345.67"), "一万两千三百四十五元六角七分"),
        (("money", "-5"), "负五元整"),
        (("month", "2026年3月"), "二零二六年三月"),
        (("time", "8:50"), "八点五十分"),
        (("percent", "3.25"), "百分之三点二五"),
        (("digits", "12329"), "幺二三二九"),
        (("money", "0.05", "--language", "en"), "zero point zero five yuan"),
    ],
)
def test_say(words: tuple[str, ...], said: str) -> None:
    result = hotline("say", *words)
    assert (result.exit_code, result.output) == (0, said + "\n")


@pytest.mark.parametrize(
    ("words", "told"), [(("money", "abc"), "不能读作金额"), (("pounds", "1"), "没有"), (("money",), "VALUE")]
)
def test_say_what_does_not_fit(words: tuple[str, ...], told: str) -> None:
    result = hotline("say", *words)
    assert result.exit_code == 2
    assert told in result.output


def test_the_script_is_csv_and_opens_in_excel(site: Path) -> None:
    listed = rows(hotline("prompts", "list").output)
    said = next(row for row in listed if row["文字"] == "请按1")
    assert said["读作"] == "请按一" and said["用在"] == "main/main" and said["已录"] == "否"
    assert float(said["约几秒"]) > 0.5
    assert hotline("prompts", "list", "--output", str(site / "script.csv")).exit_code == 0
    assert (site / "script.csv").read_bytes().startswith(b"\xef\xbb\xbf")


def test_build_makes_everything_once(site: Path) -> None:
    first = hotline("prompts", "build")
    assert first.exit_code == 0 and "分钟语音" in first.output
    sounds = {path.name: path.stat().st_mtime_ns for path in (site / "home" / "audio").iterdir()}
    assert len(sounds) > 350
    assert hotline("prompts", "build").exit_code == 0
    assert {path.name: path.stat().st_mtime_ns for path in (site / "home" / "audio").iterdir()} == sounds


def test_build_does_not_hide_a_voice_that_fails(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = "import sys; sys.exit('no licence')"
    monkeypatch.setenv("HOTLINE_VOICE_COMMAND", shlex.join([sys.executable, "-c", program]))
    result = hotline("prompts", "build")
    assert result.exit_code == 1 and "no licence" in result.output


def test_faulty_flows_have_no_script(site: Path) -> None:
    (site / "flows" / "main.yaml").write_text("title: 试\nnodes: {}\n", "utf-8")
    result = hotline("prompts", "list")
    assert result.exit_code == 1 and "main.yaml" in result.output


def test_recordings_are_imported_all_or_none_or_the_good_ones(site: Path) -> None:
    bye, press = name_of("再见"), name_of("请按1")
    with zipfile.ZipFile(site / "studio.zip", "w") as archive:
        archive.writestr(bye, file(speech_like(44100, 0.8), 44100))
        archive.writestr(press, b"ID3")
    refused = hotline("prompts", "import", str(site / "studio.zip"))
    assert refused.exit_code == 1 and f"{press}: 这是 MP3" in refused.output and recorded() == set()

    taken = hotline("prompts", "import", "--partial", str(site / "studio.zip"))
    assert taken.exit_code == 1 and "导入 1 个录音" in taken.output and recorded() == {"再见"}
    assert "句没有录音" in hotline("check").output
    missing = rows(hotline("prompts", "list", "--missing").output)
    assert "再见" not in {row["文字"] for row in missing}


def test_a_voice_actor_goes_through_the_whole_script(site: Path) -> None:
    """Every line of the script, read by a voice, is taken in: the limits on length are fair."""
    voice = EmbeddedVoice()
    (site / "studio").mkdir()
    for row in rows(hotline("prompts", "list").output):
        sound = voice.say(row["读作"] or row["文字"], "zh" if row["语言"] == "zh" else "en")
        (site / "studio" / row["文件名"]).write_bytes(audio.wav(sound))
    result = hotline("prompts", "import", str(site / "studio"))
    assert result.exit_code == 0, result.output
    assert rows(hotline("prompts", "list", "--missing").output) == []


def test_the_recording_before_comes_back(site: Path) -> None:
    bye = name_of("再见")
    (site / "studio").mkdir()
    for seconds in (0.8, 1.2):
        (site / "studio" / bye).write_bytes(file(speech_like(44100, seconds), 44100))
        assert hotline("prompts", "import", str(site / "studio")).exit_code == 0
    assert hotline("prompts", "restore", bye).exit_code == 0
    never = hotline("prompts", "restore", "zh-0000000000")
    assert never.exit_code == 1 and "没有上一版" in never.output
