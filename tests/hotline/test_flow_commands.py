"""`hotline check` and `test` on folders that are not what they should be."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from hotline.cli import main
from tests.ivr.test_mistakes import GOOD


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOTLINE_HOME", str(tmp_path / "home"))
    (tmp_path / "flows").mkdir()
    return tmp_path / "flows"


def told(command: str, folder: Path) -> tuple[int, str]:
    result = CliRunner().invoke(main, [command, str(folder)])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


@pytest.mark.parametrize("command", ["check", "test"])
def test_no_such_folder_a_file_and_an_empty_folder(folder: Path, command: str) -> None:
    (folder / "main.txt").write_text("x")
    assert told(command, folder / "nowhere") == (1, f"{folder / 'nowhere'}:1: 没有这个目录\n")
    code, words = told(command, folder / "main.txt")
    assert code == 1 and "这是一个文件" in words
    code, words = told(command, folder)
    assert code == 1 and "缺少 main.yaml" in words


@pytest.mark.parametrize("name", ["main.yml", "main.yaml.txt", "main.YAML"])
def test_a_file_that_is_not_read_for_its_name(folder: Path, name: str) -> None:
    (folder / name).write_text(GOOD)
    code, words = told("check", folder)
    assert code == 1 and f"{folder / name}:1: 没有读这个文件" in words


def test_a_good_folder_and_a_test_that_is_not_as_written(folder: Path) -> None:
    (folder / "main.yaml").write_text(GOOD)
    assert told("check", folder)[0] == 0
    assert told("test", folder) == (0, "1 个测试，0 个不符\n")
    (folder / "main.yaml").write_text(GOOD.replace("hear: 您好", "hear: 再见"))
    line = GOOD[: GOOD.index("hear:")].count("\n") + 1
    code, words = told("test", folder)
    assert code == 1 and f"main.yaml:{line}: 一通电话:没有听到“再见”。听到的是：您好" in words
