"""`hotline bulletin` as a supervisor meets it, and the next call as a caller hears it."""

from datetime import datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fund.clock import CHINA
from hotline.bulletins import NoSuchTime, ending, when
from hotline.cli import main
from ivr import audio

NOON = datetime(2026, 3, 2, 12, tzinfo=CHINA)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOTLINE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LOGNAME", "zhang")
    return tmp_path


def hotline(*words: str, keys: str = "") -> Result:
    return CliRunner().invoke(main, words, input=keys)


def test_on_heard_shown_and_off() -> None:
    on = hotline("bulletin", "系统升级，查询暂停到18:00。", "--until", "2h")
    assert on.exit_code == 0 and "公告已开启" in on.output and "读作：系统升级，查询暂停到十八点。" in on.output
    heard = hotline("try", keys="").stdout.splitlines()
    assert heard[0].startswith("您好") and heard[1].startswith("系统升级")
    shown = hotline("bulletin").output
    assert "公告开着" in shown and "cli:zhang 开启到" in shown
    assert "公告已关闭：系统升级" in hotline("bulletin", "off").output
    assert "系统升级" not in hotline("try", keys="").output
    assert hotline("bulletin").output.startswith("没有公告") and "本来就没有公告" in hotline("bulletin", "off").output


def test_a_preview_switches_nothing_on(home: Path) -> None:
    result = hotline("bulletin", "系统升级。", "--preview", str(home / "try.wav"))
    assert result.exit_code == 0 and "还没有开启" in result.output
    assert audio.seconds(audio.unwav((home / "try.wav").read_bytes())) > 0.5
    assert hotline("bulletin").output == "没有公告\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("系统升级",), "--until"),
        (("系统升级", "--until", "六点"), "18:00"),
        (("系统升级★", "--until", "2h"), "★"),
        (("系统升级", "--until", "2020-01-01 10:00"), "已经过了"),
    ],
)
def test_what_is_refused(words: tuple[str, ...], told: str) -> None:
    result = hotline("bulletin", *words)
    assert result.exit_code != 0 and told in result.output
    assert hotline("bulletin").output == "没有公告\n"


@pytest.mark.parametrize(
    ("written", "end", "shown"),
    [
        ("18:00", "2026-03-02 18:00", "18:00"),
        ("8:50", "2026-03-03 08:50", "2026-03-03 08:50"),  # the next one
        ("2026-03-05 09:00", "2026-03-05 09:00", "2026-03-05 09:00"),
        ("90m", "2026-03-02 13:30", "13:30"),
        ("2h", "2026-03-02 14:00", "14:00"),
    ],
)
def test_ends(written: str, end: str, shown: str) -> None:
    moment = ending(written, NOON)
    assert moment == datetime.fromisoformat(end).replace(tzinfo=CHINA)
    assert when(moment, NOON) == shown


@pytest.mark.parametrize("written", ["", "六点", "25:00", "18", "0h", "2026-02-30 10:00", "18:00:00"])
def test_no_such_end(written: str) -> None:
    with pytest.raises(NoSuchTime):
        ending(written, NOON)
