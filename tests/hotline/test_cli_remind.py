"""`hotline sms remind` on a demo of its own."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from hotline.cli import main


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setenv("HOTLINE_HOME", str(tmp_path))
    runner = CliRunner()

    def run(*words: str) -> tuple[int, str]:
        result = runner.invoke(main, words)
        return result.exit_code, result.output

    return run


def test_count_send_and_look(run: object) -> None:
    assert callable(run)
    assert run("sms", "remind", "--dry-run")[0] == 1, "there is no ledger yet"
    assert run("demo")[0] == 0
    code, counted = run("sms", "remind", "due", "--dry-run")
    assert code == 0 and "会提醒" in counted and "查到" in counted
    code, sent = run("sms", "remind", "due", "--now")
    assert (code, sent.replace("已排队", "会提醒")) == (0, counted)
    code, shown = run("sms", "remind")
    assert code == 0 and "HOTLINE_SMS__REMIND_AT" in shown and "三天内还款" in shown
    assert run("sms", "remind", "--now", "--dry-run")[0] == 2
    assert run("sms", "remind", "birthdays")[0] == 2
