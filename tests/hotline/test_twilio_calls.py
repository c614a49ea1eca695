"""Twilio's calls at the whole service: the sound it fetches, a restart between two turns, and nothing where it is off."""

from asyncio import Task
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from click.testing import CliRunner

from desk.order import Wanted
from fund.demo import DemoPerson
from hotline.cli import main
from hotline.server import Hotline
from hotline.sounds import open_prompts
from ivr.actions import Listen, Record, Say, Transfer
from ivr.line import Gone
from ivr.lines.twiml import breaths
from ivr.utterance import Utterance
from tests.ivr.lines.fake_twilio import ACCOUNT, PUBLIC, TOKEN, TwilioApi, TwilioPhone, signature
from tests.ivr.lines.twilio_nodes import plain, tone
from tests.service import service

TWILIO = {"account_sid": ACCOUNT, "auth_token": TOKEN, "people": "+8651112345678"}
KEYS = ["1", "{pin}#", ""]


class NotingLine:
    """A line at which what is said is noted, as Twilio is told it: in breaths, the same for the same keys."""

    name = "noting"

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = list(keys)
        self.said: list[Utterance] = []

    async def listen(self, says: Sequence[Say], listen: Listen) -> str | None:
        await self.play(says)
        if not self._keys:
            raise Gone
        return self._keys.pop(0).removesuffix("#") or None

    async def record(self, says: Sequence[Say], record: Record) -> float | None:
        await self.play(says)
        return None

    async def play(self, says: Sequence[Say]) -> None:
        self.said += [say.utterance for say in breaths(says)]

    async def company(self, says: Sequence[Say], task: "Task[Any]") -> None:
        await self.play(says)
        await task

    async def transfer(self, says: Sequence[Say], to: Transfer) -> str | None:
        await self.play(says)
        return None

    async def hang_up(self) -> None:
        return None


@asynccontextmanager
async def hotline(home: Path, **given: Any) -> AsyncIterator[tuple[Hotline, str]]:
    async with service(home, public_url=PUBLIC, twilio_voice=TWILIO | given) as here:
        yield here, f"http://127.0.0.1:{here.port}"


def bound(here: Hotline) -> DemoPerson:
    return next(person for person in here.people if person.bound and person.pin)


async def test_the_balance_is_heard_in_our_own_sound_across_a_restart(tmp_path: Path) -> None:
    """Every address that Twilio is given is fetched, in order, and is the sound of what other lines say."""
    phone = TwilioPhone({})
    async with phone:
        async with hotline(tmp_path) as (here, url):
            person = bound(here)
            keys = [pressed.format(pin=person.pin) for pressed in KEYS]
            line = NotingLine(keys)
            assert here.switchboard
            await here.switchboard.connect(line, "noting-1", person.phone)
            phone.caller, phone.places = f"+86{person.phone}", {PUBLIC: url}
            await phone.start()
        for pressed in keys:
            async with hotline(tmp_path) as (here, url):
                phone.places = {PUBLIC: url}
                await phone.press(pressed)
        prompts = open_prompts(here.settings, here.settings.privacy())
        expected = [await prompts.prompt(words) for words in line.said if words]
        prompts.close()
        fetched = [address.rpartition("/")[2].removesuffix(".wav") for address in played(phone)]
        assert fetched == [prompt.key for prompt in expected]
        assert [prompt.personal for prompt in expected].count(True) == 1, "the balance"
        assert "元" in "".join(words.text for words in line.said)
        assert all(len(sound) > 10_000 for sound in phone.played)
        secret = next(address for address, prompt in zip(played(phone), expected, strict=True) if prompt.personal)
        assert secret.count("/") == 5, "its address is signed"
        assert not any(person.pin in url for url in phone.sent)


def played(phone: TwilioPhone) -> list[str]:
    return [words[1:-1] for words in phone.heard]


async def test_a_personal_sound_needs_its_ticket(tmp_path: Path) -> None:
    async with hotline(tmp_path) as (here, url):
        person = bound(here)
        async with TwilioPhone({PUBLIC: url}, f"+86{person.phone}") as phone, aiohttp.ClientSession() as anybody:
            await phone.start()
            await phone.press("1")
            await phone.press(f"{person.pin}#")
            secret = next(address for address in played(phone) if address.count("/") == 5)
            base, ticket, sound = secret.rsplit("/", 2)
            expires, _, mark = ticket.partition("-")
            for wrong, code in (
                (f"{base}/{sound}", 404),
                (f"{base}/{int(expires) + 600}-{mark}/{sound}", 403),
                (f"{base}/{int(expires) - 600}-{mark}/{sound}", 403),
            ):
                async with anybody.get(url + wrong.removeprefix(PUBLIC)) as reply:
                    assert reply.status == code


async def test_two_nodes_with_sound_of_their_own(tmp_path: Path) -> None:
    """Behind a balancer each node is given an address of its own, where Twilio fetches what that node has made."""
    first_sound, second_sound = "https://node1.example", "https://node2.example"
    async with (
        hotline(tmp_path, audio_url=first_sound) as (here, first),
        hotline(tmp_path, audio_url=second_sound) as (_, second),
    ):
        person = bound(here)
        places: dict[str, str | list[str]] = {PUBLIC: [first, second], first_sound: first, second_sound: second}
        async with TwilioPhone(places, f"+86{person.phone}") as phone:
            await phone.start()
            for pressed in ("1", f"{person.pin}#", "", "0"):
                await phone.press(pressed)
            assert {address[: len(first_sound)] for address in played(phone)} == {first_sound, second_sound}
            assert phone.dialled == ["+8651112345678"] and phone.listening, "to what the caller thinks of the service"
            await phone.press("1")
            assert phone.over


async def test_a_message_becomes_an_order(tmp_path: Path) -> None:
    async with TwilioApi() as api, hotline(tmp_path, endpoint=api.url, speak="say") as (here, url):
        person = bound(here)
        async with TwilioPhone({PUBLIC: url}, f"+86{person.phone}") as phone:
            await phone.start()
            await phone.press("8")
            await phone.press("1")
            await phone.speak(api, tone(3))
            await phone.press("2")
            assert len(phone.played) == 1, "what they said"
            await phone.press("1")
            assert "编号是" in phone.said and not api.recordings
            (order,) = await here.desk.orders.list(Wanted())
            assert order.call_id == phone.call_sid
            assert len(await here.desk.listen(order.number, "somebody")) > 40_000


async def test_it_is_off_until_it_is_set_up(tmp_path: Path) -> None:
    async with service(tmp_path) as here, aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{here.port}"
        signed = {"X-Twilio-Signature": signature(f"{PUBLIC}/twilio/voice/start", {})}
        async with session.post(f"{url}/twilio/voice/start", headers=signed) as reply:
            assert reply.status == 404
        async with session.get(f"{url}/twilio/fallback.xml") as reply:
            assert reply.status == 404


def test_the_fallback_document_is_printed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(main, ["twilio", "fallback"]).exit_code == 1
    for name, value in TWILIO.items():
        monkeypatch.setenv(f"HOTLINE_TWILIO_VOICE__{name.upper()}", value)
    printed = CliRunner().invoke(main, ["twilio", "fallback"])
    assert printed.exit_code == 0 and "<Number>+8651112345678</Number>" in printed.output
    assert "action" not in printed.output and plain("如果没有接通") in printed.output
    monkeypatch.setenv("HOTLINE_TWILIO_VOICE__VOICES", '{"zh": "cmn-CN Polly.Amy"}')
    wrong = CliRunner().invoke(main, ["twilio", "fallback"])
    assert wrong.exit_code == 1 and "Polly.Zhiyu" in wrong.output and TOKEN not in wrong.output
