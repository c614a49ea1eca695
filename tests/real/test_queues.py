"""People, on a real exchange: callers and agents are softphones; Asterisk queues them; the service talks and watches.

A caller who needs a person gets one, is never left ringing, and is not lost when the service dies at any moment.
"""

import asyncio
import re
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from desk.waiting import told_minutes
from ivr import audio
from tests import hearing
from tests.real.asterisk import CONFIG, SECRETS, Asterisk
from tests.real.baresip import Baresip, agent, caller
from tests.real.exchange import Exchange, linked
from tests.real.running import Running
from tests.real.spoken import PHRASES, said, sound

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

QUEUES = CONFIG / "queues.conf"


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """One service that watches one Asterisk."""
    told_often = re.sub(r"(?m)^(min-)?announce-frequency = \d+", r"\1announce-frequency = 5", QUEUES.read_text())
    with linked(tmp_path_factory.mktemp("queues"), flows=soon_over, files={"queues.conf": told_often}) as opened:
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


async def test_the_agent_sees_the_call_while_it_rings(exchange: Exchange, tmp_path: Path) -> None:
    running, asterisk = exchange
    async with desk(tmp_path, asterisk, answers=False) as one, phone(tmp_path, "13900000001") as caller:
        await until(running, state("agent1", "free"))
        await ask_for_people(exchange, caller, "30")  # the loan menu's people
        ringing = await until(running, state("agent1", "ringing"))
        call = await running.call_at("loan/to_people", id=ringing["call_id"])
        assert call["caller"] == "*******0001" and not call["ended_at"]
        assert (await until(running, waits("loan")))["call_id"] == ringing["call_id"]
        await one.command("accept")
        talking = await until(running, state("agent1", "talking"))
        assert talking["call_id"] == ringing["call_id"]
        await caller.command("hangup")
        await until(running, state("agent1", "free"))
        await visited(running, call["id"], [("loan", "agent1", "hung_up")])
        ended = await running.call_at("loan/to_people", id=call["id"])
        assert ended["outcome"] == "transferred" and ended["ended_at"]


async def test_after_the_people_the_caller_is_with_us_again(exchange: Exchange, tmp_path: Path) -> None:
    running, asterisk = exchange
    async with desk(tmp_path, asterisk) as one, phone(tmp_path, "13900000001") as caller:
        await until(running, state("agent1", "free"))
        await ask_for_people(exchange, caller)
        talking = await until(running, state("agent1", "talking"))
        await asyncio.sleep(1.5)
        await one.command("hangup")
        await running.call_at("people/rate", id=talking["call_id"])
        await caller.hears(sound(running, said("请您对刚才的服务作出评价。")))
        await caller.press("1")
        await caller.until("CALL_CLOSED")
        await visited(running, talking["call_id"], [("general", "agent1", "served")])
        ended = await running.call_at("main/goodbye", id=talking["call_id"])
        assert ended["outcome"] == "transferred"


async def test_nobody_there_is_told_and_offered_something_else(exchange: Exchange, tmp_path: Path) -> None:
    running, _ = exchange
    await until(running, state("agent1", "away"))
    async with phone(tmp_path, "13900000001") as caller:
        await ask_for_people(exchange, caller, "30")
        newest = await asyncio.to_thread(running.calls)
        # nobody for loans, so everybody's people; nobody there either
        call = await running.call_at("people/unanswered", id=newest[0]["id"])
        assert [step["node"] for step in call["steps"]][-3:] == [
            "loan/to_people",
            "main/to_people",
            "people/unanswered",
        ]
        assert visits(running, call["id"]) == []
        await caller.command("hangup")
        await caller.until("CALL_CLOSED")


async def test_all_busy_is_told_with_its_choices_and_a_key_works_while_waiting(
    exchange: Exchange, tmp_path: Path
) -> None:
    running, asterisk = exchange
    async with (
        desk(tmp_path, asterisk),
        phone(tmp_path, "13900000002") as first,
        phone(tmp_path, "13900000001") as second,
    ):
        await until(running, state("agent1", "free"))
        await ask_for_people(exchange, first)
        await until(running, state("agent1", "talking"))
        await ask_for_people(exchange, second)
        await second.hears(sound(running, said(PHRASES["queue_keys"]["zh"])))  # the offer, to its end
        await second.press("1")  # wait
        waiting = await until(running, waits("general"))
        estimate = waiting["estimate_seconds"]
        assert estimate > 60  # one person, who is busy
        await second.hears(audio.unwav((CONFIG / "sounds" / "next.wav").read_bytes()))  # the place is told
        await second.press("4")  # not offered here: nothing is lost
        await asyncio.sleep(1)
        assert (await until(running, waits("general")))["since"] == waiting["since"]
        await second.press("2")  # to be called back
        await running.call_at("people/callback", id=waiting["call_id"])
        await visited(running, waiting["call_id"], [("general", "", "chose")])
        await second.command("hangup")
        await second.until("CALL_CLOSED")
        await first.command("hangup")
        await until(running, state("agent1", "free"))
    next_ = said(PHRASES["queue_next"]["zh"], minutes=("number", told_minutes(estimate)))
    hearing.assert_in_order(second.heard(), [("next", sound(running, next_))])
    assert "does not exist in any format" not in asterisk.console()


async def test_too_long_in_one_queue_goes_on_in_the_general_one(exchange: Exchange, tmp_path: Path) -> None:
    running, asterisk = exchange
    async with desk(tmp_path, asterisk, answers=False) as one, phone(tmp_path, "13900000002") as caller:
        await until(running, state("agent1", "free"))
        await ask_for_people(exchange, caller, "40")
        call_id = (await until(running, waits("deposit")))["call_id"]
        await until(running, waits("general"))
        await until(running, state("agent1", "ringing"))
        await one.command("accept")
        await until(running, talks_with("agent1", call_id))
        await caller.command("hangup")
        await visited(running, call_id, [("deposit", "", "moved"), ("general", "agent1", "hung_up")])


@pytest.mark.parametrize("moment", ["waits", "talks"])
async def test_a_service_that_dies_loses_no_caller(exchange: Exchange, tmp_path: Path, moment: str) -> None:
    running, asterisk = exchange
    async with (
        desk(tmp_path, asterisk) as one,
        phone(tmp_path, "13900000002") as first,
        phone(tmp_path, "13900000001") as second,
    ):
        await until(running, state("agent1", "free"))
        await ask_for_people(exchange, first)
        talking = await until(running, state("agent1", "talking"))
        await ask_for_people(exchange, second)
        await asyncio.sleep(2)
        await second.press("1")
        waiting = await until(running, waits("general"))
        if moment == "talks":  # the first one gone, the second is answered
            await first.command("hangup")
            await until(running, talks_with("agent1", waiting["call_id"]))
        running.stop(signal.SIGKILL)
        await asyncio.sleep(1)
        await asyncio.to_thread(running.start)
        if moment == "waits":
            assert (await until(running, waits("general")))["call_id"] == waiting["call_id"]
            assert await until(running, talks_with("agent1", talking["call_id"]))
            await first.command("hangup")
        await until(running, talks_with("agent1", waiting["call_id"]))
        await asyncio.sleep(1)
        await one.command("hangup")
        call = await running.call_at("people/rate", id=waiting["call_id"])
        assert [step["node"] for step in call["steps"]].count("main/welcome") == 1 and not call["ended_at"]
        await second.command("hangup")
        await second.until("CALL_CLOSED")
        await visited(running, waiting["call_id"], [("general", "agent1", "served")])
        await visited(running, talking["call_id"], [("general", "agent1", "hung_up")])
    ended = await running.call_at("main/to_people", id=talking["call_id"])
    assert ended["outcome"] == "transferred" and ended["ended_at"]


async def test_the_board_heals_after_the_exchange_was_away(exchange: Exchange, tmp_path: Path) -> None:
    running, asterisk = exchange
    async with desk(tmp_path, asterisk):
        await until(running, state("agent1", "free"))
        await asyncio.to_thread(asterisk.run, "core restart now")
        deadline = time.monotonic() + 20
        while (await asyncio.to_thread(running.board))["exchange"] == "connected" and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
        await until(running, lambda board: len(board["queues"]) == 10, 30)
