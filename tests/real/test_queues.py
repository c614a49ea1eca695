"""People, on a real exchange: callers and agents are softphones; Asterisk queues them; the service talks and watches.

A caller who needs a person gets one, and is never left ringing.
"""

import asyncio
from pathlib import Path

import pytest

from desk.waiting import told_minutes
from ivr import audio
from tests import hearing
from tests.leaks import told
from tests.real.asterisk import CONFIG
from tests.real.exchange import Exchange
from tests.real.queues import ask_for_people, desk, phone, state, talks_with, until, visited, visits, waits
from tests.real.spoken import PHRASES, said, sound

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]


async def test_the_agent_sees_the_call_while_it_rings(queues: Exchange, tmp_path: Path) -> None:
    running, asterisk = queues
    async with desk(tmp_path, asterisk, answers=False) as one, phone(tmp_path, "13900000001") as caller:
        await until(running, state("agent1", "free"))
        await ask_for_people(queues, caller, "30")  # the loan menu's people
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
    logs = [path.read_text("utf-8", "replace") for path in (asterisk.folder / "log").rglob("*") if path.is_file()]
    for log in (*logs, asterisk.console(), running.events()):
        assert not told("13900000001", log), "numbers are masked wherever something is written down"


async def test_after_the_people_the_caller_is_with_us_again(queues: Exchange, tmp_path: Path) -> None:
    running, asterisk = queues
    async with desk(tmp_path, asterisk) as one, phone(tmp_path, "13900000001") as caller:
        await until(running, state("agent1", "free"))
        await ask_for_people(queues, caller)
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


async def test_nobody_there_is_told_and_offered_something_else(queues: Exchange, tmp_path: Path) -> None:
    running, _ = queues
    await until(running, state("agent1", "away"))
    async with phone(tmp_path, "13900000001") as caller:
        await ask_for_people(queues, caller, "30")
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
    queues: Exchange, tmp_path: Path
) -> None:
    running, asterisk = queues
    async with (
        desk(tmp_path, asterisk),
        phone(tmp_path, "13900000002") as first,
        phone(tmp_path, "13900000001") as second,
    ):
        await until(running, state("agent1", "free"))
        await ask_for_people(queues, first)
        await until(running, state("agent1", "talking"))
        await ask_for_people(queues, second)
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


async def test_too_long_in_one_queue_goes_on_in_the_general_one(queues: Exchange, tmp_path: Path) -> None:
    running, asterisk = queues
    async with desk(tmp_path, asterisk, answers=False) as one, phone(tmp_path, "13900000002") as caller:
        await until(running, state("agent1", "free"))
        await ask_for_people(queues, caller, "40")
        call_id = (await until(running, waits("deposit")))["call_id"]
        await until(running, waits("general"))
        await until(running, state("agent1", "ringing"))
        await one.command("accept")
        await until(running, talks_with("agent1", call_id))
        await caller.command("hangup")
        await visited(running, call_id, [("deposit", "", "moved"), ("general", "agent1", "hung_up")])
