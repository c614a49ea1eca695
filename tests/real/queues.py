"""What the tests of people on a real exchange share: callers and agents are softphones; Asterisk queues them."""

import asyncio
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tests.real.asterisk import CONFIG, SECRETS, Asterisk
from tests.real.baresip import Baresip, agent, caller
from tests.real.exchange import Exchange, linked
from tests.real.running import Running
from tests.real.spoken import said, sound

QUEUES = CONFIG / "queues.conf"


@contextmanager
def a_watched_exchange(folder: Path) -> Iterator[Exchange]:
    """One service that watches one Asterisk, where callers are often told of their place."""
    told_often = re.sub(r"(?m)^(min-)?announce-frequency = \d+", r"\1announce-frequency = 5", QUEUES.read_text())
    with linked(folder, flows=soon_over, files={"queues.conf": told_often}) as opened:
        yield opened


def soon_over(flows: Path) -> None:
    """The deposit queue's callers soon wait among the general one's."""
    queues = flows / "queues.yaml"
    queues.write_text(re.sub(r"(deposit:.*overflow: )2m", r"\g<1>5s", queues.read_text()))


def phone(folder: Path, number: str) -> Baresip:
    return caller(folder / number, number)


def desk(folder: Path, asterisk: Asterisk, name: str = "agent1", *, answers: bool = True) -> Baresip:
    return agent(folder / name, name, SECRETS[f"{name.upper()}_SECRET"], asterisk.sip_port, answers=answers)


async def until(running: Running, true: Callable[[dict[str, Any]], Any], seconds: float = 60) -> Any:
    """What is true of the board, once it is."""
    deadline = time.monotonic() + seconds
    board: dict[str, Any] = {}
    while time.monotonic() < deadline:
        try:
            board = await asyncio.to_thread(running.board)
        except OSError:
            board = {}
        if board.get("exchange") == "connected" and (found := true(board)):
            return found
        await asyncio.sleep(0.1)
    raise AssertionError(f"the board never showed it: {board}\n{running.events()[-2000:]}")


def state(name: str, wanted: str) -> Callable[[dict[str, Any]], Any]:
    return lambda board: next((one for one in board["agents"] if (one["name"], one["state"]) == (name, wanted)), None)


def talks_with(name: str, call_id: str) -> Callable[[dict[str, Any]], Any]:
    return lambda board: [
        one for one in board["agents"] if (one["name"], one["state"], one["call_id"]) == (name, "talking", call_id)
    ]


def waits(queue: str) -> Callable[[dict[str, Any]], Any]:
    return lambda board: next((one for one in board["waiting"] if one["queue"] == queue), None)


def visits(running: Running, call_id: str) -> list[tuple[str, str, str]]:
    """(queue, agent, how) of a call's visits to queues, in order."""
    with closing(sqlite3.connect(running.home / "hotline.db")) as database:
        query = "SELECT queue, agent, how FROM queue_visits WHERE call_id = ? ORDER BY entered_at"
        return [tuple(row) for row in database.execute(query, (call_id,))]


async def visited(running: Running, call_id: str, expected: list[tuple[str, str, str]], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while (found := visits(running, call_id)) != expected and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    assert found == expected


async def ask_for_people(exchange: Exchange, phone: Baresip, keys: str = "0") -> None:
    """Call, and press the keys that lead to people."""
    running, asterisk = exchange
    await phone.dial(f"sip:12329@127.0.0.1:{asterisk.sip_port}")
    await phone.hears(sound(running, said("您好，欢迎致电镇江市住房公积金热线。")))
    for key in keys:
        await asyncio.sleep(1.5)
        await phone.press(key)
