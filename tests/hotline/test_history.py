"""Every version that was in force is kept, and one command goes back to it."""

import asyncio
import shutil
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hotline.cli import main
from hotline.database import open_database
from hotline.migrations import upgrade
from ivr.loader import load, read_folder
from ivr.versions import FlowVersions
from tests.ivr.golden import PHRASES
from tests.ivr.test_check import MAIN

FIRST = MAIN + "  start: {menu: {1: {say: 贷款, go: agent}}}\n"
SECOND = FIRST.replace("say: 贷款", "say: 贷款业务")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hotline whose flows were changed once."""
    monkeypatch.setenv("HOTLINE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOTLINE_FLOWS", str(tmp_path / "flows"))
    (tmp_path / "flows").mkdir()
    for main_yaml in (FIRST, SECOND):
        (tmp_path / "flows" / "main.yaml").write_text(main_yaml)
        asyncio.run(taken_up(tmp_path))
    return tmp_path


async def taken_up(site: Path) -> None:
    """Let a service take up what is in the folder."""
    engine = open_database(f"sqlite+aiosqlite:///{site / 'home' / 'hotline.db'}")
    await upgrade(engine)
    versions = FlowVersions(site / "flows", partial(load, phrases=PHRASES), engine)
    await versions.start()
    await versions.stop()
    await engine.dispose()


def hotline(*words: str) -> Result:
    return CliRunner().invoke(main, words)


def test_versions_tell_what_each_changed(site: Path) -> None:
    lines = hotline("versions").output.splitlines()
    assert lines[0].startswith(" 1 ") and lines[0].endswith("← 现在")
    assert lines[1] == "     start: 按键 1 改为 贷款业务(agent)，原来是 贷款(agent)"
    assert lines[2].startswith(" 2 ") and len(lines) == 3


def test_back_and_forth(site: Path) -> None:
    back = hotline("rollback", "2")
    assert back.exit_code == 0 and "按键 1 改为 贷款(agent)" in back.output
    assert (site / "flows" / "main.yaml").read_text() == FIRST
    assert hotline("versions").output.splitlines()[2].endswith("← 现在")
    assert hotline("rollback", "1").exit_code == 0
    assert (site / "flows" / "main.yaml").read_text() == SECOND
    assert not (site / "home" / "flows-aside").exists()


def test_what_was_never_in_force_is_put_aside(site: Path) -> None:
    (site / "flows" / "loan.yaml").write_text("title: 半截")
    (site / "flows" / "sms.yaml").write_text("title: 短信")
    assert "还没有生效过" in hotline("versions").output
    assert hotline("rollback", "1").exit_code == 0
    assert set(read_folder(site / "flows")) == {"main.yaml"}
    assert (site / "flows" / "sms.yaml").exists(), "the text side's own is left alone"
    (aside,) = (site / "home" / "flows-aside").iterdir()
    assert (aside / "loan.yaml").read_text() == "title: 半截"


def test_no_such_version(site: Path) -> None:
    result = hotline("rollback", "7")
    assert result.exit_code == 1 and "hotline versions" in result.output
    assert (site / "flows" / "main.yaml").read_text() == SECOND


def test_before_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOTLINE_HOME", str(tmp_path / "home"))
    assert "还没有" in hotline("versions").output
    shutil.rmtree(tmp_path / "home")
