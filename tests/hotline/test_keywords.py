"""`hotline check` and `hotline test` cover the keywords as they cover the menus."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from hotline import flows
from hotline.cli import main
from hotline.settings import Settings
from sms.settings import TextSettings
from tests.service import service


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree("flows", tmp_path / "flows")
    return tmp_path / "flows"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(_env_file=None, home=tmp_path)  # type: ignore[call-arg]


def change(folder: Path, old: str, new: str) -> int:
    """Change the keywords; the line where."""
    path = folder / "sms.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return text.partition(old)[0].count("\n") + 1


def test_a_fault_in_the_keywords_is_told_and_blocks(settings: Settings, folder: Path) -> None:
    line = change(folder, "report: loan", "report: laon")
    told: list[str] = []
    assert flows.check_folder(settings, folder, told.append) == 1
    assert any(each.startswith(f"{folder / 'sms.yaml'}:{line}: ") for each in told)


def test_a_fault_in_the_templates_is_told_once(settings: Settings, folder: Path, tmp_path: Path) -> None:
    templates = tmp_path / "templates.yaml"
    templates.write_text(
        settings.sms.templates.read_text(encoding="utf-8").replace("{code}", "{cod}"), encoding="utf-8"
    )
    texts = settings.sms.model_copy(update={"templates": templates})
    told: list[str] = []
    assert flows.check_folder(settings.model_copy(update={"sms": texts}), folder, told.append) == 1
    found = [each for each in told if each.startswith(f"{templates}:")]
    assert found and len(found) == len(set(found))


def test_a_folder_without_keywords_is_fine(settings: Settings, folder: Path) -> None:
    (folder / "sms.yaml").unlink()
    assert flows.check_folder(settings, folder, lambda _: None) == 0


async def test_what_is_not_as_written_is_told_with_its_line(settings: Settings, folder: Path) -> None:
    line = change(folder, "- expect: 余额12345.67元", "- expect: 余额99999.99元")
    told: list[str] = []
    assert await flows.test_folder(settings, folder, told.append) == 1
    (wrong,) = [each for each in told if "sms.yaml" in each]
    assert wrong.startswith(f"{folder / 'sms.yaml'}:{line}: 绑定手机查余额:回复里没有“余额99999.99元”")


def test_texting_from_the_terminal() -> None:
    said = CliRunner().invoke(main, ["sms", "try"], input="余额\n明细\n二月\n").output.splitlines()
    assert len(said) == 3 and "12345.67元" in said[0] and "2026年2月明细" in said[2]
    unbound = CliRunner().invoke(main, ["sms", "try", "--from", "13900000002"], input="YE\n").output
    assert "绑定方法" in unbound
    assert CliRunner().invoke(main, ["sms", "try", "--at", "noon"]).exit_code == 2


async def test_a_running_service_takes_words_up_with_the_menus_that_need_them(folder: Path, tmp_path: Path) -> None:
    """A menu that names a new template waits for it; a bad template changes nothing; a used one does not go."""
    templates = tmp_path / "templates.yaml"
    shutil.copy("prompts/sms.yaml", templates)
    good = templates.read_text("utf-8")
    async with service(tmp_path, flows=folder, sms=TextSettings(templates=templates)) as hotline:
        text, voice = hotline.text, hotline.switchboard._flows  # type: ignore[union-attr]
        menu = folder / "withdrawal.yaml"
        menu.write_text(menu.read_text("utf-8").replace("text: withdrawal_guide", "text: rent_guide"), "utf-8")
        await until(lambda: bool(voice.faults))  # type: ignore[attr-defined]
        assert "rent_guide" in voice.faults.faults[0].tell()  # type: ignore[attr-defined]
        templates.write_text(
            good + "  rent_guide: {lane: reply, kind: service, text: 租房提取指南。, life: 2h}\n", "utf-8"
        )
        await until(lambda: not voice.faults)  # type: ignore[attr-defined]
        assert text.wanted("rent_guide") == {}.keys() and "rent_guide" in text.templates
        templates.write_text(good, "utf-8")
        await until(lambda: bool(text.wording.faults))
        assert text.wording.faults[0].zh == "模板 rent_guide 不见了，菜单 withdrawal/send 还要用它"
        assert "rent_guide" in text.templates


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.05)


def test_a_text_that_the_system_sends_and_nobody_wrote_is_told(tmp_path: Path, folder: Path) -> None:
    text = Path("prompts/sms.yaml").read_text("utf-8")
    start = text.index("  order_opened:")
    (tmp_path / "templates.yaml").write_text(text[:start] + text[text.index("  order_answered:") :], "utf-8")
    chosen = Settings(_env_file=None, home=tmp_path, sms=TextSettings(templates=tmp_path / "templates.yaml"))  # type: ignore[call-arg]
    told: list[str] = []
    assert flows.check_folder(chosen, folder, told.append) == 0, "a warning: it does not block"
    assert f"{tmp_path / 'templates.yaml'}:1: 没有模板 order_opened，工单的短信发不出" in told
