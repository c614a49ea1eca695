"""The commands other systems and people call, as they call them: `python -m hotline`, its output, its exit codes."""

import itertools
import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from hotline.cli import main
from hotline.shown_texts import ShownTexts
from sms.settings import CodeSettings
from sms.templates import load

HERE = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One installation for all commands, as on a laptop."""
    return tmp_path_factory.mktemp("home")


def hotline(home: Path, *words: str | Path, typed: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hotline", *map(str, words)],
        cwd=HERE,
        env=os.environ | {"HOTLINE_HOME": str(home)} | environment,
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("kind", "value", "spoken"),
    [
        ("money", "12345.67", "一万两千三百四十五元六角七分"),
        ("money", "0.05", "五分"),
        ("number", "102", "一百零二"),
        ("percent", "2.85", "百分之二点八五"),
        ("month", "2026-03", "二零二六年三月"),
        ("date", "2026-03-05", "二零二六年三月五日"),
        ("digits", "13900000001", "幺三九零零零零零零零幺"),
    ],
)
def test_say(kind: str, value: str, spoken: str) -> None:
    done = CliRunner().invoke(main, ["say", kind, value])
    assert (done.exit_code, done.output.strip()) == (0, spoken)


@pytest.mark.parametrize(
    ("kind", "value"), [("money", "abc"), ("date", "2026-02-30"), ("colour", "red"), ("digits", "1" * 99)]
)
def test_say_refuses_with_a_reason(kind: str, value: str) -> None:
    done = CliRunner().invoke(main, ["say", kind, value])
    assert done.exit_code != 0 and "应为" in done.output


def test_demo_tells_people_and_a_key(home: Path) -> None:
    first, again = (json.loads(hotline(home, "demo", "--json").stdout) for _ in range(2))
    assert first == again, "the demo is the same every time"
    assert first["api_key"].startswith("hk_")
    people = first["people"]
    assert {True, False} <= {person["bound"] for person in people}
    for person in people:
        assert {"name", "phone", "bound", "account", "id_card", "pin", "balance"} <= set(person)


def test_try_is_a_telephone(home: Path) -> None:
    called = hotline(home, "try", "--caller", "13900000001", "--at", "2026-03-02 10:00", typed="1\n135790#\n")
    heard = called.stdout.splitlines()
    assert called.returncode == 0, called.stderr
    assert "欢迎致电" in heard[0]
    assert any("账户余额为一万两千三百四十五元六角七分" in line for line in heard)
    assert "135790" not in called.stdout + called.stderr


def test_try_sends_no_text_but_shows_it_and_says_which_ledger_it_is_on(home: Path) -> None:
    """The provider set is a real one, and cannot be reached: nothing is asked of it, and no row is left to send."""
    keys = "1\n135790#\n1\n5\n000000\n"
    real = {
        "HOTLINE_SMS__PROVIDERS": '{"aliyun": {"access_key_id": "x", "access_key_secret": "x", "webhook_secret": "0123456789abcdef0123456789abcdef"}}'
    }
    called = hotline(home, "try", "--caller", "13900000001", "--at", "2026-03-02 10:00", typed=keys, **real)
    assert called.returncode == 0, called.stderr
    ledger, balance, code = called.stderr.splitlines()
    assert ledger == f"[没有设置 HOTLINE_FUND_URL：用演示账本 {home / 'ledger.db'}]"
    assert balance.startswith("[短信，没有真的发出] *******0001 【镇江公积金】您尾号0001的住房公积金账户余额12345.67元")
    assert code.startswith("[短信，没有真的发出] *******0001 【镇江公积金】您正在设置12329热线查询密码，验证码")
    assert "短信已发送" in called.stdout and "没有真的发出" not in called.stdout
    with closing(sqlite3.connect(home / "hotline.db")) as database:
        for table in ("message", "verification"):
            assert database.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


@pytest.mark.parametrize("real", [False, True])
async def test_a_trial_on_real_accounts_shows_no_code_and_takes_none(real: bool) -> None:
    shown: list[str] = []
    texts = ShownTexts(load(Path("prompts/sms.yaml")), CodeSettings(), shown.append, zh=True, real=real)
    id = await texts.send_code("13900000001", "reset_pin", "")
    code = re.findall(r"验证码(\S{6})", shown[0])[0]
    assert code.isdigit() != real
    if real:
        right, _ = texts._sent[id]
        assert {await texts.check_code(id, right) for _ in range(5)} == {"pending"}
    else:
        assert [await texts.check_code(id, each) for each in ("x", code)] == ["pending", "approved"]
        assert [await texts.check_code(id, "x") for _ in range(4)] == ["pending"] * 3 + ["expired"]


def test_try_tells_a_moment_it_cannot_read(home: Path) -> None:
    wrong = hotline(home, "try", "--at", "tomorrow")
    assert wrong.returncode == 2 and "2026-03-02 10:00" in wrong.stderr


def test_check_and_test_are_content_with_the_flows(home: Path) -> None:
    checked, tested = hotline(home, "check"), hotline(home, "test")
    assert checked.returncode == 0, checked.stdout
    assert "菜单" in checked.stdout
    assert tested.returncode == 0, tested.stdout


def test_check_names_file_and_line(home: Path, tmp_path: Path) -> None:
    (tmp_path / "main.yaml").write_text(
        "title: 热线\nstart: main\nnodes:\n  main:\n    menu:\n      1: {say: 人工, go: agnet}\n"
        "    patience: {wait: 5s, tries: 2, then: agent}\n  agent: {transfer: general}\n"
    )
    for language, words in (("zh", '是不是 "agent"'), ("en", "agent")):
        done = hotline(home, "check", tmp_path, HOTLINE_LANGUAGE=language)
        assert done.returncode == 1
        assert f"{tmp_path}/main.yaml:6: " in done.stdout and words in done.stdout


def test_a_folder_that_is_not_there(home: Path, tmp_path: Path) -> None:
    for command in ("check", "test"):
        done = hotline(home, command, tmp_path / "nothing")
        assert done.returncode == 1 and "没有这个目录" in done.stdout


def test_diff_tells_a_change_in_words(home: Path, tmp_path: Path) -> None:
    for name, words in (("old", "查询"), ("new", "查询余额")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "main.yaml").write_text(
            "title: 热线\nstart: main\npatience: {wait: 5s, tries: 2, then: agent}\n"
            f"nodes:\n  main:\n    menu:\n      1: {{say: {words}, go: agent}}\n  agent: {{transfer: general}}\n"
        )
    done = hotline(home, "diff", tmp_path / "old", tmp_path / "new")
    assert done.returncode == 0 and "main" in done.stdout and "查询余额" in done.stdout
    assert hotline(home, "diff", tmp_path / "old", tmp_path / "old").stdout.strip() == "没有变化"


def test_every_wrong_setting_is_told_at_once_without_its_value(home: Path) -> None:
    done = hotline(home, "check", HOTLINE_PORT="s3cret", HOTLINE_LANGUAGE="fr", HOTLINE_SMS__PROVIDERS='{"nobody": {}}')
    assert done.returncode == 1
    for name in ("HOTLINE_PORT", "HOTLINE_LANGUAGE", "HOTLINE_SMS"):
        assert name in done.stderr
    assert "s3cret" not in done.stderr


def test_serve_names_only_what_is_there(tmp_path: Path) -> None:
    ports = {"HOTLINE_PORT": "0", "HOTLINE_AGI_PORT": "0", "HOTLINE_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "hotline", "serve", "--demo", "--only", "sms"]
    with subprocess.Popen(command, cwd=HERE, env=os.environ | ports, stderr=subprocess.PIPE, text=True) as served:
        assert served.stderr
        told = list(itertools.takewhile(lambda line: "Ctrl-C" not in line, served.stderr))
        served.terminate()
        told += served.stderr.readlines()
    assert any("12329" in line for line in told) and "hotline_closing" in told[-1]
    assert not [line for line in told if "/staff" in line or "FastAGI" in line]


def test_serve_says_when_a_port_is_taken(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = hotline(home, "serve", "--demo", HOTLINE_PORT=port, HOTLINE_AGI_PORT="0")
    assert done.returncode == 1 and port in done.stderr


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"HOTLINE_DATABASE_URL": "postgresql+asyncpg://u:s3cret@127.0.0.1:1/x"}, "HOTLINE_DATABASE_URL"),
        ({"HOTLINE_DATABASE_URL": "mysql://u:s3cret@127.0.0.1/x"}, "postgresql+asyncpg://"),
        ({"HOTLINE_FUND_URL": "oracle://u:s3cret@127.0.0.1/x"}, "HOTLINE_FUND_URL"),
        ({"HOTLINE_PROMPTS": "/nowhere"}, "/nowhere/"),
        ({"HOTLINE_HOST": "nobody.invalid"}, "HOTLINE_HOST"),
        ({"HOTLINE_HOME": "/dev/null/nowhere"}, "/dev/null/nowhere"),
    ],
)
def test_serve_names_what_it_cannot_start_with(home: Path, environment: dict[str, str], told: str) -> None:
    done = hotline(home, "serve", "--demo", **{"HOTLINE_PORT": "0", "HOTLINE_AGI_PORT": "0"} | environment)
    assert done.returncode == 1 and told in done.stderr
    for untrue in ("端口", "Traceback", "s3cret"):
        assert untrue not in done.stderr


@pytest.mark.parametrize(
    ("command", "name", "value", "told"),
    [
        ("versions", "HOTLINE_DATABASE_URL", "postgresql+asyncpg://u:s3cret@127.0.0.1:1/x", "HOTLINE_DATABASE_URL"),
        ("versions", "HOTLINE_DATABASE_URL", "postgresql+asyncpg://u:s3cret@nobody.invalid/x", "HOTLINE_DATABASE_URL"),
        ("check", "HOTLINE_DATABASE_URL", "postgresql+asyncpg://u:s3cret@127.0.0.1:port/x", "地址写法不对"),
        ("versions", "HOTLINE_DATABASE_URL", f"sqlite+aiosqlite:///{HERE / 'README.md'}", "not a database"),
        ("versions", "HOTLINE_HOME", "/dev/null/nowhere", "/dev/null/nowhere"),
        ("prompts list", "HOTLINE_PROMPTS", "/nowhere", "/nowhere/voice.yaml"),
    ],
)
def test_any_command_says_in_a_line_what_it_cannot_work_with(
    home: Path, command: str, name: str, value: str, told: str
) -> None:
    done = hotline(home, *command.split(), **{name: value})
    assert done.returncode == 1 and told in done.stderr and len(done.stderr.splitlines()) == 1
    assert "s3cret" not in done.stderr


@pytest.mark.parametrize("command", [("serve",), ("staff", "list")])
def test_a_database_that_a_newer_version_was_at_is_left_alone(tmp_path: Path, command: tuple[str, ...]) -> None:
    with closing(sqlite3.connect(tmp_path / "hotline.db")) as database:
        database.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        database.execute("INSERT INTO alembic_version VALUES ('9999')")
        database.commit()
    done = hotline(tmp_path, *command, HOTLINE_PORT="0", HOTLINE_AGI_PORT="0")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "9999" in done.stderr and "请运行那个版本" in done.stderr


@pytest.mark.parametrize("command", [("serve", "--demo"), ("demo",)])
def test_the_demos_pins_and_key_are_not_put_beside_a_ledger_of_ones_own(
    home: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    hotline(home, "demo")
    with closing(sqlite3.connect(home / "ledger.db")) as made, closing(sqlite3.connect(tmp_path / "own.db")) as own:
        made.backup(own)
        names = own.execute("UPDATE demo_employee SET name = '王' || substr(name, 2)").rowcount
        own.commit()
    assert names
    environment = {"HOTLINE_PORT": "0", "HOTLINE_AGI_PORT": "0", "HOTLINE_HOME": str(tmp_path / "home")}
    done = hotline(home, *command, **environment, HOTLINE_FUND_URL=f"sqlite+aiosqlite:///{tmp_path / 'own.db'}")
    assert done.returncode == 1 and "不是演示账本" in done.stderr and done.stderr.count("\n") == 1
    with closing(sqlite3.connect(tmp_path / "home" / "hotline.db")) as database:
        for table in ("pins", "api_key"):
            assert database.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_settings_that_notepad_saved_in_another_encoding(home: Path, tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes("# 端口\nHOTLINE_PORT=12329\n".encode("gbk"))
    done = subprocess.run(
        [sys.executable, "-m", "hotline", "staff", "list"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=os.environ | {"HOTLINE_HOME": str(home), "PYTHONPATH": str(HERE)},
    )
    assert done.returncode == 1 and "UTF-8" in done.stderr and "Traceback" not in done.stderr


def test_whoever_reads_only_the_first_line_hears_of_no_fault(home: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "hotline", "check"],
        cwd=HERE,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"HOTLINE_HOME": str(home)},
    )
    os.close(writing)
    assert done.stderr == ""


def test_keys_that_are_none_are_told_with_everything_else(home: Path) -> None:
    wrong = {"HOTLINE_PORT": "s3cret", "HOTLINE_PEPPER": "s3cret", "HOTLINE_ENCRYPTION_KEYS": "s3cret"}
    told = hotline(home, "check", **wrong).stderr
    assert all(f"{name}: " in told for name in wrong)
    assert "HOTLINE_PUBLIC_URL" not in told and "s3cret" not in told


def test_keys_are_kept_for_the_owner_only(home: Path) -> None:
    hotline(home, "demo")
    kept = list((home / "keys").iterdir())
    assert kept and all(path.stat().st_mode & 0o077 == 0 for path in kept)


def test_staff_are_called_by_their_names_however_these_are_written(home: Path) -> None:
    assert (
        "/staff/first/" in hotline(home, "staff", "invite", "Wang", "--role", "supervisor", "--seat", "agent3").stdout
    )
    assert "/staff/first/" in hotline(home, "staff", "invite", "wang").stdout
    assert hotline(home, "staff", "list").stdout == "wang\t主管\tagent3\t待设密码\n"
    assert hotline(home, "staff", "disable", "WANG").returncode == 0
    assert "已停用" in hotline(home, "staff", "list").stdout
    assert hotline(home, "staff", "list", HOTLINE_LANGUAGE="en").stdout == "wang\tsupervisor\tagent3\tdisabled\n"
