"""Calls that we place, on a real exchange: whom we call is a softphone at the trunk's address, agents are softphones.

A code is read out twice; who asked to be called is called, once at a time, whatever dies; machines get nobody.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from ivr import audio
from tests import hearing
from tests.real.asterisk import SECRETS, Asterisk, NoAsterisk
from tests.real.baresip import Baresip, NoBaresip, called
from tests.real.running import Running
from tests.real.spoken import said, sound

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

Exchange = tuple[Running, Asterisk]
PHONE = "13900000001"
INTRO = "您好，这里是镇江市住房公积金管理中心，为您播报语音验证码。请不要告诉任何人，工作人员也不会向您索取。"


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """One service that calls by one Asterisk, at any hour, and soon again."""
    folder = tmp_path_factory.mktemp("outbound")
    settings = {
        "HOTLINE_OUTBOUND__BEGIN": "00:00",
        "HOTLINE_OUTBOUND__END": "23:59:59",
        "HOTLINE_OUTBOUND__RING_SECONDS": "6",
        "HOTLINE_OUTBOUND__MOST_A_DAY": "99",
        "HOTLINE_CALLBACKS__SPACING_MINUTES": "[0.05]",
    }
    with ExitStack() as stack:
        running = Running(folder / "home", **settings)
        try:
            asterisk = Asterisk(folder / "asterisk", running.agi_url)
        except NoAsterisk as reason:
            pytest.skip(str(reason))
        running.connect_exchange(asterisk.ami_port, SECRETS["AMI_SECRET"])
        stack.enter_context(asterisk)
        stack.enter_context(running)
        yield running, asterisk


def telephone(folder: Path, asterisk: Asterisk, number: str = PHONE, *, answers: bool = True) -> Baresip:
    try:
        return called(folder / number, number, asterisk.trunk_port, answers=answers)
    except NoBaresip as reason:
        pytest.skip(str(reason))


async def connected(running: Running) -> None:
    """The service sees the exchange."""
    await until(lambda: running.board()["exchange"] == "connected")


async def until(true: Callable[[], Any], seconds: float = 30) -> Any:
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
        begun = await asyncio.to_thread(
            running.post, "/v1/verifications", {"to": PHONE, "purpose": "bind_phone", "channel": "voice"}
        )
        await phone.until("CALL_ESTABLISHED", 15)
        (call,) = await until(lambda: rows(running, "SELECT id FROM calls WHERE id LIKE 'out-code-%'"))
        await until(lambda: "read_out" in running.log() or True)
        await asyncio.sleep(30)  # the code is heard twice
        await phone.press("1")
        await phone.until("CALL_CLOSED", 60)
    assert call[0] == f"out-code-{begun['id']}-1"
    heard = phone.heard()
    code = next(code for code in await candidates(running, begun["id"]))
    digits = spelled(running, code)
    found = hearing.assert_in_order(
        heard, [("intro", sound(running, said(INTRO))), ("code", digits), ("code", digits), ("code", digits), ("code", digits)]
    )
    print(*found, sep="\n")
    checked = await asyncio.to_thread(running.post, f"/v1/verifications/{begun['id']}/check", {"code": code})
    assert checked["status"] == "approved"
    assert code not in running.log() and PHONE not in running.events()


async def candidates(running: Running, id: str) -> list[str]:
    """The code, as the service derives it."""
    from fund.privacy import Privacy  # noqa: F401
    from hotline.database import open_database
    from hotline.settings import Settings
    from hotline.text import open_text

    settings = Settings(_env_file=None, home=running.home)  # type: ignore[call-arg]
    engine = open_database(settings.own_database_url)
    text = open_text(settings.sms, engine, settings.privacy())
    code = await text.codes.spoken(id)
    await text.session.close()
    await engine.dispose()
    return [code]
