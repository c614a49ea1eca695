"""Those who asked for it are called back, on a real exchange: agents are softphones, and so is whom we call.

They are called once at a time; machines get nobody.
"""

import asyncio
from pathlib import Path

import pytest

from tests.real.exchange import Exchange
from tests.real.outbound import ask, at_the_menu, closed, rows, telephone, tries
from tests.real.queues import desk, state
from tests.real.queues import until as board_until

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]


async def test_who_asked_for_it_is_called_and_talks_with_an_agent(outbound: Exchange, tmp_path: Path) -> None:
    running, asterisk = outbound
    async with telephone(tmp_path, asterisk) as phone, desk(tmp_path, asterisk):
        id = await ask(running)
        await phone.until("CALL_ESTABLISHED")
        await at_the_menu(running, f"out-callback-{id}-1", phone)
        await phone.press("1")
        talking = await board_until(running, state("agent1", "talking"))
        assert talking["call_id"] == f"out-callback-{id}-1"
        await asyncio.sleep(1.5)
        await phone.command("hangup")
        await closed(running, id, "reached")
        assert tries(running, id) == [("person", "reached")]


async def test_a_machine_gets_nobody_and_is_called_again(outbound: Exchange, tmp_path: Path) -> None:
    running, asterisk = outbound
    async with telephone(tmp_path, asterisk) as phone, desk(tmp_path, asterisk):
        id = await ask(running)
        await phone.until("CALL_ESTABLISHED")
        await phone.until("CALL_CLOSED")  # nobody pressed 1
        await phone.until("CALL_ESTABLISHED")  # called again
        assert tries(running, id) == [("", "machine"), ("", "")]
        await at_the_menu(running, f"out-callback-{id}-2", phone)
        await phone.press("2")
        await closed(running, id, "refused")
        await phone.until("CALL_CLOSED")
        assert tries(running, id) == [("", "machine"), ("refused", "refused")]
        assert rows(running, "SELECT 1 FROM queue_visits WHERE call_id LIKE ?", f"out-callback-{id}-%") == []


async def test_busy_and_no_answer_are_tried_again_and_then_given_up(outbound: Exchange, tmp_path: Path) -> None:
    running, asterisk = outbound
    async with telephone(tmp_path, asterisk, answers=False) as phone, desk(tmp_path, asterisk):
        id = await ask(running)
        await phone.until("CALL_INCOMING")
        await phone.command("hangup")
        await phone.until("CALL_INCOMING")  # it rings out
        await phone.until("CALL_INCOMING")
        await phone.command("hangup")
        await closed(running, id, "no_answer")
        assert tries(running, id) == [("", "busy"), ("", "no_answer"), ("", "busy")]
        assert (
            rows(running, "SELECT id FROM calls WHERE id LIKE ? OR id NOT LIKE 'out-%'", f"out-callback-{id}-%") == []
        )
