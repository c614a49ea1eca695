"""Call-backs for which an agent is rung first, on a real exchange."""

import asyncio
from pathlib import Path

import pytest

from tests.real.outbound import an_exchange, ask, at_the_menu, closed, rows, telephone, tries, until
from tests.real.queues import desk

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]


async def test_an_agent_may_be_rung_first(tmp_path: Path) -> None:
    """The agent waits; whom we call hears who we are and presses 1; a machine is hung up on, and the agent let go."""
    with an_exchange(tmp_path / "exchange", HOTLINE_CALLBACKS__FIRST="agent") as (running, asterisk):
        async with telephone(tmp_path, asterisk) as phone, desk(tmp_path, asterisk) as agent:
            id = await ask(running)
            await agent.until("CALL_ESTABLISHED")
            await phone.until("CALL_ESTABLISHED")
            await phone.until("CALL_CLOSED")  # nobody pressed 1
            await agent.until("CALL_CLOSED")
            await phone.until("CALL_ESTABLISHED")  # called again
            assert tries(running, id) == [("", "machine"), ("", "")]
            await at_the_menu(running, f"out-callback-{id}-2", phone)
            await phone.press("1")
            await until(lambda: tries(running, id)[-1][0] == "person")
            await asyncio.sleep(4)  # they talk
            assert rows(running, "SELECT 1 FROM call_backs WHERE id = ? AND outcome = ''", id)
            await phone.command("hangup")
            await closed(running, id, "reached")
            await agent.until("CALL_CLOSED")
        await until(lambda: rows(running, "SELECT 1 FROM calls WHERE id LIKE ? AND ended_at IS NULL", f"%{id}%") == [])
