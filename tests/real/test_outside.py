"""A caller who is put through to a number outside: by the trunk, to a softphone that stands for somebody there.

They hear each other; whoever hangs up first, the other is free; who does not answer is the exit that the flow names.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from ivr import audio
from ivr.voice import EmbeddedVoice
from tests import hearing
from tests.real.asterisk import CONFIG, Asterisk
from tests.real.baresip import Baresip, called, caller
from tests.real.exchange import Exchange, linked
from tests.real.running import Running
from tests.real.spoken import said, sound
from tests.real.test_talks import saying

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

BANK = "051186000000"
TO_BANK = f"""  to_people:
    say: 正在为您转接银行，请稍候。
    transfer: "{BANK}"
    after: people/rate
    closed: people/message
    full: callback
    failed: main/to_people

"""


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """A service whose loan menu leads to a bank, and an exchange that lets it ring for eight seconds."""
    dialplan = (CONFIG / "extensions.conf").read_text()
    hurried = dialplan.replace("@trunk,45,g)", "@trunk,8,g)")
    assert hurried != dialplan
    folder = tmp_path_factory.mktemp("outside")
    with linked(folder, flows=lead_to_the_bank, files={"extensions.conf": hurried}) as opened:
        yield opened


def lead_to_the_bank(flows: Path) -> None:
    queues, loan = flows / "queues.yaml", flows / "loan.yaml"
    queues.write_text(queues.read_text().replace("numbers: {}", f'numbers: {{"{BANK}": 银行}}'))
    changed = re.sub(r"(?ms)^  to_people:\n.*?\n\n", TO_BANK, loan.read_text())
    loan.write_text(changed.partition("\ntests:")[0] + "\n")


@asynccontextmanager
async def both(
    exchange: Exchange, folder: Path, *, answers: bool = True, **mouths: audio.Sound
) -> AsyncIterator[tuple[Baresip, Baresip, str]]:
    """(the caller, who has asked for the bank; the bank, whose telephone rings; the call)."""
    running, asterisk = exchange
    bank = called(folder / "bank", BANK, asterisk.trunk_port, answers=answers, mouth=mouths.get("bank"))
    async with bank, caller(folder / "phone", mouth=mouths.get("phone")) as phone:
        yield phone, bank, await ask_for_the_bank(running, asterisk, phone)


async def ask_for_the_bank(running: Running, asterisk: Asterisk, phone: Baresip) -> str:
    before = len(running.calls())
    await phone.dial(f"sip:12329@127.0.0.1:{asterisk.sip_port}")
    for node, key in (("main/main", "3"), ("loan/start", "0")):
        await running.call_at(node, after=before)
        await asyncio.sleep(1.5)
        await phone.press(key)
    return str((await running.call_at("loan/to_people", after=before))["id"])


async def test_they_hear_each_other_and_the_caller_comes_back(exchange: Exchange, tmp_path: Path) -> None:
    running, _ = exchange
    asks, answers = (EmbeddedVoice().say(words, "zh") for words in ("我想咨询提前还款。", "您好，这里是银行。"))
    async with both(exchange, tmp_path, phone=saying(asks, 7), bank=saying(answers, 5)) as (phone, bank, call):
        await bank.until("CALL_ESTABLISHED")
        await asyncio.sleep(12)
        await bank.command("hangup")
        await running.call_at("people/rate", id=call)
        await phone.hears(sound(running, said("请您对刚才的服务作出评价。")))
        await phone.press("1")
        await phone.until("CALL_CLOSED")
        assert (await running.call_at("people/rate", id=call, ended=True))["outcome"] == "transferred"
        assert hearing.listen(phone.heard(), {"answers": answers}), "the caller heard the bank"
        assert hearing.listen(bank.heard(), {"asks": asks}), "the bank heard the caller"


async def test_a_caller_who_hangs_up_frees_the_other(exchange: Exchange, tmp_path: Path) -> None:
    running, _ = exchange
    async with both(exchange, tmp_path) as (phone, bank, call):
        await bank.until("CALL_ESTABLISHED")
        await asyncio.sleep(2)
        await phone.command("hangup")
        await bank.until("CALL_CLOSED")
        assert (await running.call_at("loan/to_people", id=call, ended=True))["outcome"] == "transferred"


@pytest.mark.parametrize(("how", "exit_"), [("busy", "loan/callback"), ("no answer", "people/message")])
async def test_who_does_not_answer_leads_to_the_exit(exchange: Exchange, tmp_path: Path, how: str, exit_: str) -> None:
    running, _ = exchange
    async with both(exchange, tmp_path, answers=False) as (phone, bank, call):
        await bank.until("CALL_INCOMING")
        if how == "busy":
            await bank.command("hangup")
        await running.call_at(exit_, id=call)
        await phone.command("hangup")
        await phone.until("CALL_CLOSED")
        await running.call_at(exit_, id=call, ended=True)


class Refusal(asyncio.DatagramProtocol):
    """A carrier out of order: whatever it is asked, `503 Service Unavailable`."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, peer: Any) -> None:
        lines = data.decode().split("\r\n")
        kept = [line for line in lines if re.match(r"(?i)(via|from|to|call-id|cseq):", line)]
        if not lines[0].startswith("ACK"):
            answer = ["SIP/2.0 503 Service Unavailable", *kept, "Content-Length: 0", "", ""]
            self._transport.sendto("\r\n".join(answer).encode(), peer)


@asynccontextmanager
async def refusing(port: int) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Refusal, local_addr=("127.0.0.1", port))
    yield
    transport.close()


async def test_a_trunk_that_carries_nothing_leads_to_our_own_people(exchange: Exchange, tmp_path: Path) -> None:
    running, asterisk = exchange
    async with refusing(asterisk.trunk_port), caller(tmp_path / "phone") as phone:
        call = await ask_for_the_bank(running, asterisk, phone)
        await running.call_at("main/to_people", id=call)
        await phone.command("hangup")
        await phone.until("CALL_CLOSED")
