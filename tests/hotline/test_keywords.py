"""`hotline check` and `hotline test` cover the keywords as they cover the menus."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from hotline import flows
from hotline.cli import main
from hotline.settings import Settings


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
