"""`hotline key` and `hotline sms` as an operator meets them."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import insert, select

from hotline.cli import main
from hotline.database import open_database
from hotline.migrations import upgrade
from hotline.settings import Settings
from hotline.text import OURSELVES
from sms import reminders, replies
from sms.callbacks import TRIES
from sms.keys import Keys
from sms.messages import LANES, Message, new_id
from sms.outbox import Outbox, Outcome
from sms.store import Store
from sms.tables import audit, callback

NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)

SYSTEMS = (OURSELVES, replies.CLIENT, reminders.CLIENT)  # whose texts are nobody's from outside


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOTLINE_HOME", str(tmp_path))
    return tmp_path


def hotline(*words: str) -> Result:
    return CliRunner().invoke(main, words)


def within(work: Callable[[Store], Awaitable[Any]]) -> Any:
    """Do something in the database the commands use."""

    async def run() -> Any:
        settings = Settings(_env_file=None)  # type: ignore[call-arg]
        engine = open_database(settings.own_database_url)
        await upgrade(engine)
        try:
            return await work(Store(engine, settings.privacy()))
        finally:
            await engine.dispose()

    return asyncio.run(run())


async def dead_letter(store: Store) -> str:
    outbox = Outbox(store)
    await outbox.add(Message(to="13900000001", text="您好", signature="公积金", client="hall", template="deposit"))
    (claimed,) = await outbox.claim(LANES, 1, 30)
    await outbox.record(Outcome(claimed.id, "failed", "a", reason="blacklisted", dead=True))
    return claimed.id


async def audited(store: Store) -> list[tuple[str, str]]:
    async with store.read() as connection:
        found = await connection.execute(select(audit.c.action, audit.c.subject).order_by(audit.c.id))
        return [tuple(row) for row in found]


def test_a_key_works_until_it_is_revoked() -> None:
    made = hotline("key", "add", "hall", "--scope", "codes", "--scope", "messages", "--channel", "40", "--rate", "7")
    key = made.stdout.strip()
    client = within(lambda store: Keys(store).client(key))
    assert (client.name, client.scopes, client.channel, client.rate) == ("hall", {"codes", "messages"}, "40", 7)
    listed = hotline("key", "list").stdout
    _, id, secret = key.split("_", 2)  # which may have more of them
    assert "hall" in listed and id in listed and secret not in listed
    assert "已有密钥" in hotline("key", "add", "hall", "--scope", "codes", "--channel", "40").stderr
    assert hotline("key", "revoke", "hall").exit_code == 0
    assert within(lambda store: Keys(store).client(key)) is None
    assert hotline("key", "revoke", "hall").exit_code == 1 and "已注销" in hotline("key", "list").stdout
    assert within(audited) == [("key.add", "hall"), ("key.revoke", "hall")]


NOWHERE = ["ftp://x", "https://hall..example/x", f"https://{'a' * 64}.example/x", "https://hall.example:99999/x"]


@pytest.mark.parametrize(
    "words",
    [
        ("key", "add", "hall", "--scope", "everything", "--channel", "40"),
        ("key", "add", "hall", "--scope", "codes", "--channel", "99"),
        ("key", "add", "a b\n", "--scope", "codes", "--channel", "40"),
        *(("key", "add", "hall", "--scope", "codes", "--channel", "40", "--callback", each) for each in NOWHERE),
        *(("key", "add", "hall", "--scope", "codes", "--channel", "40", "--template", each) for each in ("", "a b")),
        ("key", "add", "hall", "--channel", "40"),
        *(("key", "add", name, "--scope", "codes", "--channel", "40") for name in SYSTEMS),
    ],
)
def test_a_key_that_makes_no_sense_is_not_made(words: tuple[str, ...]) -> None:
    assert hotline(*words).exit_code in (1, 2)
    assert hotline("key", "list").stdout == ""


def test_a_callback_comes_with_its_secret() -> None:
    made = hotline(
        "key", "add", "hall", "--scope", "messages", "--channel", "40", "--callback", "https://hall.example/x"
    )
    key, secret = made.stdout.split()
    assert key.startswith("hk_") and secret.startswith("whsec_")
    assert secret not in hotline("key", "list").stdout


def test_a_preview_shows_text_parts_and_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOTLINE_SMS__PROVIDERS", '{"sandbox": {"price": 4}}')
    shown = hotline("sms", "preview", "code_login", "--set", "code=123456", "--set", "minutes=5").stdout.splitlines()
    assert shown[0].startswith("【镇江公积金】") and "123456" in shown[0]
    assert shown[1] == "63 字 UCS-2，1 条，费用（元）sandbox 0.04"
    assert hotline("sms", "preview", "deposit").stdout.splitlines()[1].startswith("最长时 83 字 UCS-2，2 条")
    assert "reply_help" not in hotline("sms", "preview", "reply_help").stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nothing"], "nothing"),
        (["deposit", "--set", "tail=1234"], "缺少模板参数。 date"),
        (["code", "--set", "code=x", "--set", "minutes=5"], "code"),
        (["code", "--set", "code"], "NAME=VALUE"),
    ],
)
def test_a_preview_that_cannot_be_made_says_why(words: list[str], told: str) -> None:
    result = hotline("sms", "preview", *words)
    assert result.exit_code in (1, 2) and told in result.stderr


def test_dead_letters_are_decided_one_by_one() -> None:
    first, second = within(dead_letter), within(dead_letter)
    listed = hotline("sms", "dead", "list").stdout
    assert first in listed and "*******0001" in listed and "13900000001" not in listed
    shown = hotline("sms", "dead", "show", first).stdout
    assert "【公积金】您好" in shown and "13900000001" not in shown
    assert hotline("sms", "dead", "release", first).exit_code == 0
    some = hotline("sms", "dead", "drop", second, first, "nonsense")
    assert some.exit_code == 1 and first in some.stderr and "nonsense" in some.stderr and second not in some.stderr
    assert hotline("sms", "dead", "list").stdout == ""
    assert within(audited) == [("dead.show", first), ("dead.release", first), ("dead.drop", second)]


async def given_up_news(store: Store) -> str:
    row = {"id": new_id(), "client": "hall", "message": "m1", "status": "delivered", "reason": "", "at": NOW}
    async with store.write() as connection:
        await connection.execute(insert(callback).values(**row, attempt=TRIES, due_at=NOW))
    return row["id"]


def test_callbacks_that_were_given_up_stand_among_them() -> None:
    first, second = within(given_up_news), within(given_up_news)
    listed = hotline("sms", "dead", "list")
    assert first in listed.stdout and "回调未送达  hall  m1  delivered" in listed.stdout
    assert "另有 2 条回调没有送达" in listed.stderr
    assert hotline("sms", "dead", "release", first).exit_code == 0
    assert hotline("sms", "dead", "drop", second).exit_code == 0
    assert hotline("sms", "dead", "drop", second).exit_code == 1
    assert hotline("sms", "dead", "list").stdout == ""


def test_figures_for_people_and_programs() -> None:
    within(dead_letter)
    assert "待人工处理 1 条" in hotline("sms", "stats").stdout
    found = json.loads(hotline("sms", "stats", "--json").stdout)
    assert found["dead"] == 1 and found["delivery_rates"] == {"a": 0.0}
    assert found["went"] == [{"lane": "notice", "provider": "a", "status": "failed", "texts": 1}]


def test_keys_are_rotated(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cryptography.fernet import Fernet

    within(dead_letter)
    old, new = (home / "keys" / "encryption_keys").read_text().strip(), Fernet.generate_key().decode()
    monkeypatch.setenv("HOTLINE_ENCRYPTION_KEYS", f"{new},{old}")
    assert hotline("rotate-keys").exit_code == 0
    monkeypatch.setenv("HOTLINE_ENCRYPTION_KEYS", new)
    assert "1 项" in hotline("rotate-keys").stdout
    monkeypatch.setenv("HOTLINE_ENCRYPTION_KEYS", Fernet.generate_key().decode())
    assert hotline("rotate-keys").exit_code == 1


@pytest.mark.parametrize("hours", ["0", "nan", "inf", "1e12"])
def test_figures_of_no_time_are_refused(hours: str) -> None:
    asked = hotline("sms", "stats", "--hours", hours)
    assert asked.exit_code == 2 and "--hours" in asked.stderr
