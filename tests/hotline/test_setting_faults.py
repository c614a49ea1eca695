"""What is wrong with the settings is told in plain Chinese, or English by setting, at its name, without its value."""

import re
from pathlib import Path

import pytest

from hotline.settings import Settings, faults_of

SECRET = "s3cret"
FAULTS = [
    ({"PORT": SECRET}, "HOTLINE_PORT: 应是整数", "HOTLINE_PORT: should be a whole number"),
    ({"PORT": "70000"}, "HOTLINE_PORT: 不能大于 65535", "HOTLINE_PORT: must be at most 65535"),
    ({"PIN_LOCK_HOURS": "0"}, "HOTLINE_PIN_LOCK_HOURS: 要大于 0", "HOTLINE_PIN_LOCK_HOURS: must be more than 0"),
    ({"LOG_FORMAT": SECRET}, "HOTLINE_LOG_FORMAT: 应是 console 或 json", "HOTLINE_LOG_FORMAT: should be console or json"),
    ({"SEAT_WEBHOOK_URL": "ftp://x"}, "HOTLINE_SEAT_WEBHOOK_URL: 网址要以 http:// 或", "HOTLINE_SEAT_WEBHOOK_URL: an address that begins"),
    ({"PEPPER": SECRET}, "HOTLINE_PEPPER: 要有 32 个以上", "HOTLINE_PEPPER: 32 or more random characters"),
    ({"ENCRYPTION_KEYS": SECRET}, "HOTLINE_ENCRYPTION_KEYS: 应是 Fernet 密钥", "HOTLINE_ENCRYPTION_KEYS: Fernet keys"),
    ({"DATABASE_URL": f"mysql://{SECRET}"}, "HOTLINE_DATABASE_URL: 要以", "HOTLINE_DATABASE_URL: an address"),
    ({"TRUSTED_PROXIES": f'["{SECRET}"]'}, "HOTLINE_TRUSTED_PROXIES__0: 应是 IP", "HOTLINE_TRUSTED_PROXIES__0: an address or network"),
    ({"OUTBOUND": "{"}, "HOTLINE_OUTBOUND: 应是 JSON", "HOTLINE_OUTBOUND: should be JSON"),
    ({"SMS__PROVIDERS": SECRET}, "HOTLINE_SMS__PROVIDERS: 应是 JSON", "HOTLINE_SMS__PROVIDERS: should be JSON"),
    ({"CALLBACKS__SPACING_MINUTES": "10,120", "PORT": SECRET}, "HOTLINE_CALLBACKS__SPACING_MINUTES: 应是 JSON", "HOTLINE_PORT: should be"),
    ({"OUTBOUND__BEGIN": "21:00"}, "HOTLINE_OUTBOUND__BEGIN: 要早于", "HOTLINE_OUTBOUND__BEGIN: must be before"),
    ({"OUTBOUND__BEGIN": SECRET}, "HOTLINE_OUTBOUND__BEGIN: 应是时间", "HOTLINE_OUTBOUND__BEGIN: should be a time"),
    ({"OUTBOUND__END": "20:00+08:00"}, "HOTLINE_OUTBOUND__END: 是当地时间", "HOTLINE_OUTBOUND__END: local time without"),
    ({"SMS__DAY_STARTS": "08:30Z"}, "HOTLINE_SMS__DAY_STARTS: 是当地时间", "HOTLINE_SMS__DAY_STARTS: local time without"),
    ({"SMS__DAY_ENDS": "20:00+08:00"}, "HOTLINE_SMS__DAY_ENDS: 是当地时间", "HOTLINE_SMS__DAY_ENDS: local time without"),
    ({"SMS__REMIND_AT": "09:00+08:00"}, "HOTLINE_SMS__REMIND_AT: 是当地时间", "HOTLINE_SMS__REMIND_AT: local time without"),
    ({"SMS__CODES__TEST_NUMBERS": '{"123": "1"}'}, "HOTLINE_SMS__CODES__TEST_NUMBERS: 里面有的不是", "HOTLINE_SMS__CODES__TEST_NUMBERS: one of"),
    ({"SMS__ABROAD": '["+852"]'}, "HOTLINE_SMS__ABROAD: 应是不带 +", "HOTLINE_SMS__ABROAD: country codes without"),
    ({"SMS__LEASE_SECONDS": "5"}, "HOTLINE_SMS__LEASE_SECONDS: 要大于最长的", "HOTLINE_SMS__LEASE_SECONDS: must be more than"),
    ({"SMS__PROVIDERS": '{"nobody": {}}'}, "HOTLINE_SMS__PROVIDERS__NOBODY: 没有服务商", "HOTLINE_SMS__PROVIDERS__NOBODY: no provider"),
    ({"SMS__PROVIDERS": '{"aliyun": {}}'}, "HOTLINE_SMS__PROVIDERS__ALIYUN__ACCESS_KEY_ID: 必须填写",
     "HOTLINE_SMS__PROVIDERS__ALIYUN__ACCESS_KEY_ID: is needed"),
    ({"SMS__COLOUR": "red"}, "HOTLINE_SMS__COLOUR: 没有这一项", "HOTLINE_SMS__COLOUR: there is no such setting"),
    ({"TWILIO_VOICE__ACCOUNT_SID": "AC" + "0" * 32}, "HOTLINE_TWILIO_VOICE__PEOPLE: account_sid、", "HOTLINE_TWILIO_VOICE__PEOPLE: needed"),
    ({"SEAT_WEBHOOK_URL": "https://seats"}, "HOTLINE_SEAT_WEBHOOK_SECRET: 必须填写", "HOTLINE_SEAT_WEBHOOK_SECRET: needed"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("postgresql://u:p@h/d?host=/s", "postgresql+asyncpg://u:p@h/d?host=/s"),
        ("postgres://h/d", "postgresql+asyncpg://h/d"),
        ("sqlite:////d/x.db", "sqlite+aiosqlite:////d/x.db"),
        ("postgresql+asyncpg://h/d", "postgresql+asyncpg://h/d"),
    ],
)
def test_a_databases_address_may_leave_out_the_driver(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, written: str, read: str
) -> None:
    for name in ("HOTLINE_DATABASE_URL", "HOTLINE_FUND_URL"):
        monkeypatch.setenv(name, written)
    settings = Settings(_env_file=None, home=tmp_path)  # type: ignore[call-arg]
    assert (settings.own_database_url, settings.ledger_url) == (read, read)


def told(monkeypatch: pytest.MonkeyPatch, home: Path, language: str, given: dict[str, str]) -> list[str]:
    monkeypatch.setenv("HOTLINE_HOME", str(home))
    monkeypatch.setenv("HOTLINE_LANGUAGE", language)
    for name, value in given.items():
        monkeypatch.setenv(f"HOTLINE_{name}", value)
    with pytest.raises(ValueError) as wrong:
        Settings(_env_file=None)  # type: ignore[call-arg]
    return faults_of(wrong.value)


@pytest.mark.parametrize(("given", "zh", "en"), FAULTS, ids=[str(list(given)) for given, _, _ in FAULTS])
def test_a_fault_is_told_in_the_language_that_is_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: dict[str, str], zh: str, en: str
) -> None:
    chinese, english = (told(monkeypatch, tmp_path, language, given) for language in ("zh", "en"))
    assert any(line.startswith(zh) for line in chinese), chinese
    assert any(line.startswith(en) for line in english), english
    for line in chinese:
        assert re.search("[\u4e00-\u9fff]", line), line
    for line in [*chinese, *english]:
        assert line.startswith("HOTLINE_") and "Value error" not in line and SECRET not in line


def test_a_providers_faults_are_told_beside_all_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given = {"SMS__PROVIDERS": '{"tencent": {"secret_id": "a", "app_id": "1400000000"}}', "SMS__ABROAD": '["+852"]'}
    lines = told(monkeypatch, tmp_path, "zh", given | {"SMS__CODES__MINUTES": "0", "SMS__DAY_STARTS": "25:00"})
    assert [line.partition(":")[0] for line in lines] == [
        "HOTLINE_SMS__PROVIDERS__TENCENT__SECRET_KEY",
        "HOTLINE_SMS__DAY_STARTS",
        "HOTLINE_SMS__ABROAD",
        "HOTLINE_SMS__CODES__MINUTES",
    ]


def test_all_at_once_and_in_chinese_when_the_language_is_wrong_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lines = told(monkeypatch, tmp_path, "fr", {"PORT": SECRET, "SMS__LEASE_SECONDS": "5"})
    assert [line.partition(":")[0] for line in lines] == [
        "HOTLINE_LANGUAGE",
        "HOTLINE_PORT",
        "HOTLINE_SMS__LEASE_SECONDS",
    ]
    assert lines[0] == "HOTLINE_LANGUAGE: 应是 zh 或 en"
