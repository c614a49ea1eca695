"""Keys that nobody expects, over a real Asterisk: the call goes on, and a person stays one key away."""

from pathlib import Path

import pytest

from tests.leaks import told
from tests.real.asterisk import Asterisk
from tests.real.baresip import caller
from tests.real.running import Running

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]
BOUND, UNBOUND = "13900000001", "02588888888"


async def test_a_lone_hash_repeats_and_asks_again(lines: tuple[Running, Asterisk], tmp_path: Path) -> None:
    """`#` at a menu says it again; where a number is asked for, it is a number without digits."""
    running, asterisk = lines
    before = len(running.calls())
    async with caller(tmp_path, UNBOUND) as phone:
        await phone.dial(f"sip:12329@127.0.0.1:{asterisk.sip_port}")
        await running.call_at("main/main", after=before)
        await phone.press("#")
        await phone.press("1")
        await running.call_at("account/who", after=before)
        await phone.press("#", pause_seconds=0.5)
        await phone.press("#", pause_seconds=0.5)
        await phone.press("0")
        call = await running.call_at("main/to_people", after=before)
        await phone.command("hangup")
        await phone.until("CALL_CLOSED")
    nodes = [step["node"] for step in call["steps"]]
    assert nodes.count("main/main") >= 2 and nodes[-1] == "main/to_people", nodes
    assert "call_failed" not in running.log()


async def test_two_hundred_digits_end_with_a_person(lines: tuple[Running, Asterisk], tmp_path: Path) -> None:
    """A key stuck at the PIN: three wrong ones, then people; none is there, and more wrong keys end the call politely."""
    running, asterisk = lines
    before = len(running.calls())
    async with caller(tmp_path, BOUND) as phone:
        await phone.dial(f"sip:12329@127.0.0.1:{asterisk.sip_port}")
        await running.call_at("main/main", after=before)
        await phone.press("1")
        await running.call_at("account/who", after=before)
        await phone.press("7" * 200, pause_seconds=0.05)
        call = await running.call_at("main/goodbye", after=before)
        await phone.until("CALL_CLOSED")
    assert "main/to_people" in [step["node"] for step in call["steps"]] and call["outcome"] == "finished"
    tried = [look["outcome"] for look in call["looks"] if look["action"] == "identify:phone"]
    assert tried == ["wrong", "wrong", "locked"], call["looks"]
    assert "call_failed" not in running.log() and not told("777777", running.log())
