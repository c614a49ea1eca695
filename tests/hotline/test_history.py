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
from hotline.text_versions import keep
from ivr.loader import load, read_folder
from ivr.versions import FlowVersions
from sms.wording import Files, Wording
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


def test_whoever_might_edit_a_file_may_edit_it_after_going_back(site: Path) -> None:
    menu = site / "flows" / "main.yaml"
    menu.chmod(0o664)
    assert hotline("rollback", "2").exit_code == 0
    assert menu.read_text() == FIRST and menu.stat().st_mode & 0o777 == 0o664


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


WORDS = {name: Path(name).read_bytes() for name in ("prompts/sms.yaml", "flows/sms.yaml")}
OTHERS = WORDS | {
    "prompts/sms.yaml": WORDS["prompts/sms.yaml"].replace("请回复：YE余额".encode(), "请发送：YE余额".encode())
}


@pytest.fixture
def texts(site: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, and the templates were changed once as well."""
    monkeypatch.setenv("HOTLINE_SMS__TEMPLATES", str(site / "sms.yaml"))
    for files in (WORDS, OTHERS):
        (site / "sms.yaml").write_bytes(files["prompts/sms.yaml"])
        (site / "flows" / "sms.yaml").write_bytes(files["flows/sms.yaml"])
        asyncio.run(kept(site, Wording(site / "sms.yaml", site / "flows" / "sms.yaml").files))
    return site


async def kept(site: Path, files: Files) -> None:
    engine = open_database(f"sqlite+aiosqlite:///{site / 'home' / 'hotline.db'}")
    await keep(engine, files)
    await engine.dispose()


def test_versions_of_the_text_side_stand_among_those_of_the_flows(texts: Path) -> None:
    lines = hotline("versions").output.splitlines()
    assert "texts-" in lines[0] and lines[0].endswith("短信  ← 现在")
    assert lines[1].startswith("     模板 reply_help: 文字改为 请发送")
    assert "texts-" in lines[2] and lines[3].endswith("← 现在") and "按键 1 改为" in lines[4], lines


def test_words_go_back_and_the_flows_stay(texts: Path) -> None:
    back = hotline("rollback", "2")
    assert back.exit_code == 0 and "模板 reply_help: 文字改为 请回复" in back.output
    assert (texts / "sms.yaml").read_bytes() == WORDS["prompts/sms.yaml"]
    assert (texts / "flows" / "main.yaml").read_text() == SECOND
    (texts / "flows" / "sms.yaml").write_text("keywords: 半截")
    assert "还没有生效过" in hotline("versions").output
    assert hotline("rollback", "1").exit_code == 0
    assert (texts / "flows" / "sms.yaml").read_bytes() == WORDS["flows/sms.yaml"]
    (aside,) = (texts / "home" / "flows-aside").iterdir()
    assert (aside / "flows" / "sms.yaml").read_text() == "keywords: 半截"


def test_a_version_that_is_not_good_any_more_is_not_put_back(texts: Path) -> None:
    asyncio.run(kept(texts, WORDS | {"prompts/sms.yaml": b"templates: 1\n"}))
    result = hotline("rollback", "1")
    assert result.exit_code == 1 and "prompts/sms.yaml:1:" in result.output
    assert (texts / "sms.yaml").read_bytes() == OTHERS["prompts/sms.yaml"]


def test_diff_tells_of_keywords_and_of_templates(tmp_path: Path) -> None:
    for name, files in (("old", WORDS), ("new", OTHERS)):
        for kind in ("prompts", "flows"):
            (tmp_path / kind / name).mkdir(parents=True)
            (tmp_path / kind / name / "sms.yaml").write_bytes(files[f"{kind}/sms.yaml"])
        shutil.copy("prompts/voice.yaml", tmp_path / "prompts" / name)
    (tmp_path / "flows" / "new" / "sms.yaml").write_bytes(WORDS["flows/sms.yaml"].replace("余鄂, ".encode(), b""))
    templates = hotline("diff", *(str(tmp_path / "prompts" / name) for name in ("old", "new")))
    assert templates.exit_code == 0 and templates.output.startswith("模板 reply_help: 文字改为 请发送")
    keywords = hotline("diff", *(str(tmp_path / "flows" / name) for name in ("old", "new")))
    assert (keywords.exit_code, keywords.output) == (0, "关键词 balance: 写法取消 余鄂\n")
    (tmp_path / "flows" / "new" / "sms.yaml").write_text("keywords: 1\n")
    bad = hotline("diff", *(str(tmp_path / "flows" / name) for name in ("old", "new")))
    assert bad.exit_code == 1 and "sms.yaml:1:" in bad.output
