"""The demo: a made-up ledger, its people's PINs, and a key with every scope, made once in `home`."""

import os
import secrets
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from fund import demo
from fund.clock import china_now
from fund.demo import DemoPerson
from fund.ledger import Ledger, LedgerAway
from fund.pins import LIGHT, Pins
from fund.privacy import Privacy
from hotline.database import open_database
from hotline.migrations import upgrade
from hotline.settings import Settings
from sms.keys import SCOPES, Keys
from sms.store import Store

KEY_NAME = "demo"


class NoDemo(Exception):
    """The ledger is somebody's own: PINs that everybody knows, and a key that may do all, do not belong beside it."""

    def __init__(self) -> None:
        super().__init__("HOTLINE_FUND_URL 所指的不是演示账本（或没有响应）：演示用的密码和密钥不会写到它旁边")


async def prepare(settings: Settings, engine: AsyncEngine, privacy: Privacy) -> list[DemoPerson]:
    """Make what is missing of the demo; the people worth trying. The ledger is only made when none is configured.

    Raises `NoDemo`.
    """
    today = await _ledger(settings)
    if settings.fund_url and not await _made_up(settings, demo.people(today)[0]):
        raise NoDemo
    await Pins(engine, privacy, cost=LIGHT).seed(demo.pins(), china_now())
    await _api_key(settings, engine, privacy)
    return demo.people(today)


async def shown(settings: Settings) -> dict[str, Any]:
    """What `hotline demo --json` prints, and what it takes to use it."""
    engine = open_database(settings.own_database_url)
    try:
        await upgrade(engine)
        people = await prepare(settings, engine, settings.privacy())
        return {"people": [facts(person) for person in people], "api_key": _key_path(settings).read_text().strip()}
    finally:
        await engine.dispose()


def facts(person: DemoPerson) -> dict[str, Any]:
    """Everything about a demo person, as JSON."""
    return {
        name: value.isoformat() if isinstance(value := getattr(person, name), date) else value
        for name in (
            "name", "phone", "bound", "account", "id_card", "pin", "balance", "birth", "state", "kind", "special",
        )
    }  # fmt: skip


def line(person: DemoPerson) -> str:
    """One person in a line, for the terminal."""
    bound = "已绑定" if person.bound else "未绑定"
    card = f"身份证 {person.id_card}"
    return f"{person.name}  手机 {person.phone}({bound})  账号 {person.account}  {card}  密码 {person.pin}"


async def _ledger(settings: Settings) -> date:
    """The day the demo ledger was made; it is made now when there is none. A half-made one never gets its name."""
    made, today = settings.home / "ledger.made", china_now().date()
    if settings.fund_url:
        return today
    if not made.exists():
        path = settings.home / "ledger.db"
        path.unlink(missing_ok=True)
        engine = open_database(settings.ledger_url)
        await demo.create(engine, today)
        await engine.dispose()
        made.write_text(today.isoformat())
    return datetime.fromisoformat(made.read_text()).date()


async def _made_up(settings: Settings, person: DemoPerson) -> bool:
    """Whether the configured ledger is the demo's as well."""
    engine = open_database(settings.ledger_url, read_only=True)
    ledger = Ledger(engine, settings.ledger_limit_seconds)
    try:
        found = await ledger.by_number("employee", person.account)
    except LedgerAway:
        return False
    finally:
        await ledger.close()
        await engine.dispose()
    return found is not None and found.name == person.name


async def _api_key(settings: Settings, engine: AsyncEngine, privacy: Privacy) -> None:
    path = _key_path(settings)
    keys = Keys(Store(engine, privacy))
    if path.exists() and await keys.client(path.read_text().strip()):
        return
    name = f"{KEY_NAME}-{secrets.token_hex(3)}"  # an earlier one may still be good, though its file is gone
    _write_private(path, await keys.add(name, SCOPES, "10", rate=1000))


def _key_path(settings: Settings) -> Path:
    return settings.home / "keys" / "demo_api_key"


def _write_private(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
