"""What the tests of calls that we place share: whom we call is a softphone at the trunk's address."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tests.real.asterisk import Asterisk
from tests.real.baresip import Baresip, called
from tests.real.exchange import Exchange, linked
from tests.real.running import Running
from tests.real.spoken import said, sound

PHONE = "13900000001"
WHO = "您好，这里是镇江市住房公积金管理中心，您预约了我们的回电。"


@contextmanager
def an_exchange(folder: Path, **changed: str) -> Iterator[Exchange]:
    """One service that calls by one Asterisk, at any hour, and soon again."""
    settings = {
        "HOTLINE_OUTBOUND__BEGIN": "00:00",
        "HOTLINE_OUTBOUND__END": "23:59:59",
        "HOTLINE_OUTBOUND__RING_SECONDS": "15",
        "HOTLINE_OUTBOUND__MOST_A_DAY": "99",
        "HOTLINE_OUTBOUND__LOOK_SECONDS": "1",
        "HOTLINE_CALLBACKS__SPACING_MINUTES": "[0.05]",
    }
    with linked(folder, flows=hurried, **settings | changed) as opened:
        yield opened


def hurried(flows: Path) -> None:
    """Whom we call has four seconds to press a key, once: a machine is not listened to for long."""
    outbound = flows / "outbound.yaml"
    words = outbound.read_text().partition("\ntests:")[0] + "\n"
    changed = words.replace("patience: {wait: 6s, tries: 2,", "patience: {wait: 4s, tries: 1,")
    assert changed != words
    outbound.write_text(changed)


def telephone(folder: Path, asterisk: Asterisk, number: str = PHONE, *, answers: bool = True) -> Baresip:
    return called(folder / number, number, asterisk.trunk_port, answers=answers)


async def connected(running: Running) -> None:
    """The service sees the exchange."""
    await until(lambda: running.board()["exchange"] == "connected")


async def until(true: Callable[[], Any], seconds: float = 60) -> Any:
    """What is true, once it is."""
    deadline = time.monotonic() + seconds
    while not (found := await asyncio.to_thread(true)):
        assert time.monotonic() < deadline, "it never came"
        await asyncio.sleep(0.1)
    return found


def rows(running: Running, query: str, *values: Any) -> list[Any]:
    with closing(sqlite3.connect(running.home / "hotline.db")) as database:
        return list(database.execute(query, values))


async def ask(running: Running, number: str = PHONE) -> str:
    """Ask for a number to be called back: the request's id."""
    await connected(running)
    return str((await asyncio.to_thread(running.post, "/v1/callbacks", {"number": number}))["id"])


def tries(running: Running, id: str) -> list[tuple[Any, ...]]:
    """(what they pressed, how it went) of each time that was dialled."""
    return rows(running, "SELECT answered, outcome FROM call_back_tries WHERE call_back = ? ORDER BY n", id)


async def closed(running: Running, id: str, outcome: str) -> None:
    """The request is over, in this way."""
    how = await until(lambda: rows(running, "SELECT outcome FROM call_backs WHERE id = ? AND outcome <> ''", id))
    assert how == [(outcome,)], tries(running, id)


async def at_the_menu(running: Running, call: str, phone: Baresip) -> None:
    """Whom we called hears who we are."""
    await until(
        lambda: rows(running, "SELECT 1 FROM call_steps WHERE call_id = ? AND node = 'outbound/callback'", call)
    )
    await phone.hears(sound(running, said(WHO)))
