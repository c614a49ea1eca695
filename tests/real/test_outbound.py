"""Calls that we place, on a real exchange: whom we call is a softphone at the trunk's address, agents are softphones.

A code is read out twice; who asked to be called is called, once at a time, whatever dies; machines get nobody.
"""

import asyncio
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from desk.callbacks import CallBacks
from hotline.database import open_database
from hotline.settings import Settings
from hotline.text import open_text
from ivr import audio
from tests import hearing
from tests.real.asterisk import CONFIG, Asterisk
from tests.real.baresip import Baresip, called
from tests.real.exchange import Exchange, linked
from tests.real.running import Running
from tests.real.spoken import said, sound
from tests.real.test_queues import desk, state, talks_with
from tests.real.test_queues import until as board_until

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

PHONE = "13900000001"
WHO = "您好，这里是镇江市住房公积金管理中心，您预约了我们的回电。"
INTRO = "您好，镇江市住房公积金管理中心为您播报验证码，请勿告诉任何人。"


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """One service that calls by one Asterisk, at any hour, and soon again."""
    with an_exchange(tmp_path_factory.mktemp("outbound")) as opened:
        yield opened


@contextmanager
def an_exchange(folder: Path, **changed: str) -> Iterator[Exchange]:
    settings = {
        "HOTLINE_OUTBOUND__BEGIN": "00:00",
        "HOTLINE_OUTBOUND__END": "23:59:59",
        "HOTLINE_OUTBOUND__RING_SECONDS": "15",
        "HOTLINE_OUTBOUND__MOST_A_DAY": "99",
        "HOTLINE_CALLBACKS__SPACING_MINUTES": "[0.05]",
    }
    with linked(folder, **settings | changed) as opened:
        yield opened


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


def spelled(running: Running, code: str) -> audio.Sound:
    digits = {f"n{at}": ("digits", digit) for at, digit in enumerate(code)}
    return sound(running, said("".join(f"{{{name}}}。" for name in digits), personal=True, **digits))


async def test_a_code_is_read_twice_and_again_on_a_key(exchange: Exchange, tmp_path: Path) -> None:
    running, asterisk = exchange
    await connected(running)
    async with telephone(tmp_path, asterisk) as phone:
        wanted = {"to": PHONE, "purpose": "bind_phone", "channel": "voice"}
        begun = await asyncio.to_thread(running.post, "/v1/verifications", wanted)
        await phone.until("CALL_ESTABLISHED")
        code = await spoken(running, begun["id"])
        digits = await asyncio.to_thread(spelled, running, code)
        await phone.hears(sound(running, said(INTRO)), digits, digits)
        await phone.press("1")
        await phone.hears(digits, digits)
        await phone.until("CALL_CLOSED")
    ((call, way),) = rows(running, "SELECT call_id, group_concat(node) FROM call_steps GROUP BY call_id")
    assert (call, way) == (f"out-code-{begun['id']}-1", "outbound/code,outbound/goodbye")
    checked = await asyncio.to_thread(running.post, f"/v1/verifications/{begun['id']}/check", {"code": code})
    assert checked["status"] == "approved"
    assert code not in running.events() and PHONE not in running.events()


async def spoken(running: Running, id: str) -> str:
    """The code, as only this installation can derive it."""
    settings = Settings(_env_file=None, home=running.home)  # type: ignore[call-arg]
    engine = open_database(settings.own_database_url)
    text = open_text(settings.sms, engine, settings.privacy())
    try:
        return await text.codes.spoken(id)
    finally:
        await text.session.close()
        await engine.dispose()


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


async def test_who_asked_for_it_is_called_and_talks_with_an_agent(exchange: Exchange, tmp_path: Path) -> None:
    running, asterisk = exchange
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


async def test_a_machine_gets_nobody_and_is_called_again(exchange: Exchange, tmp_path: Path) -> None:
    running, asterisk = exchange
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


async def test_busy_and_no_answer_are_tried_again_and_then_given_up(exchange: Exchange, tmp_path: Path) -> None:
    running, asterisk = exchange
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


@pytest.mark.parametrize("moment", ["rings", "talks"])
async def test_a_service_that_dies_calls_nobody_twice_and_forgets_nobody(
    exchange: Exchange, tmp_path: Path, moment: str
) -> None:
    running, asterisk = exchange
    async with telephone(tmp_path, asterisk, answers=False) as phone, desk(tmp_path, asterisk):
        id = await ask(running)
        call = f"out-callback-{id}-1"
        await phone.until("CALL_INCOMING")
        if moment == "rings":
            await asyncio.to_thread(die, running)
        await phone.command("accept")
        await at_the_menu(running, call, phone)
        await phone.press("1")
        await board_until(running, talks_with("agent1", call))
        if moment == "talks":
            await asyncio.to_thread(die, running)
            await board_until(running, talks_with("agent1", call))
        await asyncio.sleep(2)
        await phone.command("hangup")
        await closed(running, id, "reached")
        assert tries(running, id) == [("person", "reached")]


async def test_whom_we_call_while_the_service_is_away_hears_an_apology_and_is_called_again(
    exchange: Exchange, tmp_path: Path
) -> None:
    running, asterisk = exchange
    async with telephone(tmp_path, asterisk, answers=False) as phone, desk(tmp_path, asterisk):
        id = await ask(running)
        await phone.until("CALL_INCOMING")
        await asyncio.to_thread(running.stop, signal.SIGKILL)
        await phone.command("accept")
        await phone.until("CALL_CLOSED")
        apology = audio.unwav((CONFIG / "sounds" / "sorry.wav").read_bytes())
        hearing.assert_in_order(phone.heard(), [("sorry", apology)], whole=["sorry"])
        await asyncio.to_thread(running.start)
        await phone.until("CALL_INCOMING")
        await phone.command("accept")
        await at_the_menu(running, f"out-callback-{id}-2", phone)
        await phone.press("3")
        await closed(running, id, "wrong_number")
        assert tries(running, id) == [("", "no_answer"), ("wrong_number", "wrong_number")]


def die(running: Running) -> None:
    running.stop(signal.SIGKILL)
    running.start()


async def test_a_reminder_is_heard_by_whoever_pressed(exchange: Exchange, tmp_path: Path) -> None:
    running, asterisk = exchange
    words, number = "您的住房公积金借款将于三月五日还款。", "051185212579"
    async with telephone(tmp_path, asterisk, number) as phone:
        await connected(running)
        settings = Settings(_env_file=None, home=running.home)  # type: ignore[call-arg]
        engine = open_database(settings.own_database_url)
        assert await CallBacks(engine, settings.privacy()).remind(number, words, "due 1")
        await engine.dispose()
        await phone.until("CALL_ESTABLISHED")
        ((id,),) = rows(running, "SELECT id FROM call_backs WHERE purpose = 'reminder'")
        call, reached = f"out-reminder-{id}-1", "SELECT 1 FROM call_steps WHERE call_id = ? AND node = ?"
        await until(lambda: rows(running, reached, call, "outbound/reminder"))
        await phone.hears(sound(running, said("您好，这里是镇江市住房公积金管理中心，有一条与您有关的提醒。")))
        await phone.press("1")
        await phone.until("CALL_CLOSED")
        await closed(running, id, "reached")
    assert tries(running, id) == [("person", "reached")]
    assert rows(running, reached, call, "outbound/message") and words not in running.log()


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
