"""From utterance to WAV: kept, joined, signed; with a voice of tones in the place of the real ones."""

import asyncio
import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from ivr import audio
from ivr.addresses import GOOD_SECONDS, Addresses, AddressRefused
from ivr.audio import Sound
from ivr.lines.audio import routes
from ivr.prompts import NoSuchSound, Prompts
from ivr.reading import recording_name
from ivr.recordings import Recordings
from ivr.shelf import Shelf
from ivr.speech import Language, Value
from ivr.utterance import Utterance, fill, said
from ivr.voice import VoiceFault

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
WELCOME = said("您好,欢迎致电。")


def balance(amount: str) -> Utterance:
    values: dict[str, tuple[str, Value]] = {"balance": ("money", amount), "state": ("text", "正常")}
    return Utterance(fill("您的余额为{balance},状态{state}。", values))


def tone(words: str) -> Sound:
    """A sound of its own for every text."""
    pitch = 200 + int(hashlib.sha256(words.encode()).hexdigest()[:6], 16) % 1500
    return (8000 * np.sin(2 * np.pi * pitch * np.arange(800 * len(words)) / audio.RATE)).astype(np.int16)


@dataclass
class Tones:
    """A voice whose sayings can be counted."""

    identity: str = "tones"
    fails: bool = False
    said: list[tuple[str, bool]] = field(default_factory=list)

    def say(self, words: str, language: Language, *, brisk: bool = False) -> Sound:
        if self.fails:
            raise VoiceFault("no licence")
        self.said.append((words, brisk))
        return tone(words)


def opened(folder: Path, voice: Tones, spare: Tones | None = None, *, secret: bytes = b"k" * 32) -> Prompts:
    addresses = Addresses("http://127.0.0.1:12329", b"s" * 32)
    return Prompts(folder / "audio", Recordings(folder / "recordings"), voice, addresses, secret=secret, spare=spare)


@dataclass
class NeverAlike(Tones):
    """Says the same words a little differently each time, as the embedded voice does; waits until two are at it."""

    both: threading.Barrier = field(default_factory=lambda: threading.Barrier(2, timeout=10))

    def say(self, words: str, language: Language, *, brisk: bool = False) -> Sound:
        self.both.wait()
        return super().say(words, language, brisk=brisk) + np.int16(threading.get_ident() % 1000)


@pytest.fixture
def voice() -> Tones:
    return Tones()


@pytest.fixture
def prompts(tmp_path: Path, voice: Tones) -> Iterator[Prompts]:
    prompts = opened(tmp_path, voice)
    yield prompts
    prompts.close()


async def test_two_who_make_the_same_at_once_say_the_same(tmp_path: Path) -> None:
    voice = NeverAlike()
    one, other = opened(tmp_path, voice), opened(tmp_path, voice)
    made = await asyncio.gather(asyncio.to_thread(one.make, WELCOME), asyncio.to_thread(other.make, WELCOME))
    assert made[0].wav == made[1].wav == (tmp_path / "audio" / f"{made[0].key}.wav").read_bytes()
    one.close()
    other.close()


async def test_an_utterance_is_made_once_and_survives_a_restart(tmp_path: Path, prompts: Prompts, voice: Tones) -> None:
    first = await prompts.prompt(WELCOME)
    assert np.array_equal(audio.unwav(first.wav), tone("您好,欢迎致电"))
    assert first.seconds == pytest.approx(0.7)
    assert await prompts.prompt(WELCOME) == first
    assert opened(tmp_path, Tones()).make(WELCOME) == first
    assert voice.said == [("您好,欢迎致电", False)]


async def test_sentences_in_another_order_need_no_voice(prompts: Prompts, voice: Tones) -> None:
    await prompts.prompt(said("甲。乙。"))
    made = len(voice.said)
    joined = await prompts.prompt(said("乙。") + said("甲。"))
    assert np.array_equal(audio.unwav(joined.wav), audio.joined([tone("乙"), audio.silence(0.4), tone("甲")]))
    assert len(voice.said) == made


async def test_figures_are_parts_that_everybody_shares(tmp_path: Path, prompts: Prompts, voice: Tones) -> None:
    await prompts.prompt(balance("20.50"))
    assert ("二十", True) in voice.said
    made = len(voice.said)
    prompt = await prompts.prompt(balance("20.00"))
    assert [words for words, _ in voice.said[made:]] == ["整"]
    money = [audio.silence(0.05), *map(tone, ("二十", "元", "整"))]
    state = [audio.silence(0.2), tone("状态"), audio.silence(0.05), tone("正常")]
    assert np.array_equal(audio.unwav(prompt.wav), audio.joined([tone("您的余额为"), *money, *state]))


async def test_nothing_personal_reaches_the_disk(tmp_path: Path, prompts: Prompts) -> None:
    prompt = await prompts.prompt(balance("20.50"))
    kept = {path.read_bytes() for path in (tmp_path / "audio").iterdir()}
    assert prompt.personal and prompt.wav not in kept
    assert audio.wav(tone("正常")) not in kept
    assert audio.wav(tone("二十")) in kept


def test_personal_keys_tell_nothing_without_the_secret(tmp_path: Path) -> None:
    keys = {opened(tmp_path, Tones(), secret=secret).make(balance("20.50")).key for secret in (b"a" * 32, b"b" * 32)}
    assert len(keys) == 2
    fixed = {opened(tmp_path, Tones(), secret=secret).make(WELCOME).key for secret in (b"a" * 32, b"b" * 32)}
    assert len(fixed) == 1


def test_another_voice_is_another_prompt(tmp_path: Path) -> None:
    assert opened(tmp_path, Tones()).make(WELCOME).key != opened(tmp_path, Tones("slower")).make(WELCOME).key


async def test_recordings_come_first_and_at_once(tmp_path: Path, voice: Tones) -> None:
    recordings = Recordings(tmp_path / "recordings")
    addresses = Addresses("http://x", b"s")
    prompts = Prompts(tmp_path / "audio", recordings, voice, addresses, secret=b"k")
    before = await prompts.prompt(WELCOME + said("请按1。"))
    recordings.keep([(recording_name("请按一", "zh"), "zh", "请按1", tone("录音"))])
    after = await prompts.prompt(WELCOME + said("请按1。"))
    assert after.key != before.key
    assert np.array_equal(audio.unwav(after.wav)[-1600:], tone("录音"))
    prompts.close()


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"RIFF")], ids=["gone", "damaged"])
async def test_a_recording_that_cannot_be_played_is_spoken_instead(
    tmp_path: Path, voice: Tones, harm: Callable[[Path], object]
) -> None:
    recordings = Recordings(tmp_path / "recordings")
    recordings.keep([(recording_name("您好", "zh"), "zh", "您好", tone("录音"))])
    for path in (tmp_path / "recordings").glob("zh/*.wav"):
        harm(path)
    prompt = opened(tmp_path, voice).make(said("您好"))
    assert np.array_equal(audio.unwav(prompt.wav), tone("您好"))


async def test_the_spare_voice_stands_in_and_the_real_one_comes_back(tmp_path: Path) -> None:
    voice, spare = Tones("cloud", fails=True), Tones("embedded")
    prompts = opened(tmp_path, voice, spare)
    makeshift = await prompts.prompt(WELCOME)
    assert spare.said and not voice.said
    with pytest.raises(VoiceFault):
        prompts.make(WELCOME, makeshift=False)
    voice.fails = False
    assert (await prompts.prompt(WELCOME)).key != makeshift.key
    assert voice.said
    prompts.close()


def test_without_a_spare_a_failing_voice_is_told(tmp_path: Path) -> None:
    with pytest.raises(VoiceFault, match="no licence"):
        opened(tmp_path, Tones(fails=True)).make(WELCOME)


async def test_a_disk_that_fails_or_holds_rubbish_stops_no_call(tmp_path: Path, voice: Tones) -> None:
    key = opened(tmp_path, voice).make(WELCOME).key
    path = tmp_path / "audio" / f"{key}.wav"
    path.write_bytes(path.read_bytes()[:100])
    assert np.array_equal(audio.unwav(opened(tmp_path, voice).make(WELCOME).wav), tone("您好,欢迎致电"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "audio").write_bytes(b"where a folder should be")
    prompts = opened(tmp_path / "other", voice)
    assert (await prompts.prompt(WELCOME)).key == key
    prompts.close()


async def test_a_recorded_word_of_the_ledger_is_played(tmp_path: Path, voice: Tones) -> None:
    Recordings(tmp_path / "recordings").keep([(recording_name("正常", "zh"), "zh", "正常", tone("录音"))])
    prompt = opened(tmp_path, voice).make(balance("20.50"))
    assert np.array_equal(audio.unwav(prompt.wav)[-1600:], tone("录音"))
    assert audio.wav(tone("录音")) not in {path.read_bytes() for path in (tmp_path / "audio").iterdir()}


async def test_saying_nothing_is_a_moment_of_silence(prompts: Prompts) -> None:
    assert 0 < (await prompts.prompt(Utterance())).seconds <= 0.2


async def test_the_event_loop_goes_on_while_the_voice_speaks(tmp_path: Path) -> None:
    release = threading.Event()

    class Slow(Tones):
        def say(self, words: str, language: Language, *, brisk: bool = False) -> Sound:
            assert release.wait(10)
            return super().say(words, language, brisk=brisk)

    prompts = opened(tmp_path, Slow())
    making = asyncio.create_task(prompts.prompt(WELCOME))
    await asyncio.sleep(0)
    assert not making.done()
    release.set()
    assert (await making).wav
    prompts.close()


# Addresses


def apart(address: str) -> tuple[str, str | None]:
    """Key and ticket of an address."""
    *ticket, file = urlsplit(address).path.removeprefix("/audio/").split("/")
    return file.removesuffix(".wav"), ticket[0] if ticket else None


async def test_what_everybody_hears_has_a_plain_lasting_address(tmp_path: Path, prompts: Prompts) -> None:
    address = await prompts.address(WELCOME, NOW)
    assert len(address) > 60
    key, ticket = apart(address)
    assert ticket is None
    assert await prompts.fetch(key, None, NOW + timedelta(days=365)) == (await prompts.prompt(WELCOME)).wav
    assert await opened(tmp_path, Tones()).fetch(key, None, NOW) == (await prompts.prompt(WELCOME)).wav


async def test_a_personal_address_is_signed_and_expires(prompts: Prompts) -> None:
    address = await prompts.address(balance("20.50"), NOW)
    key, ticket = apart(address)
    assert ticket and len(address) > 60
    prompt = await prompts.prompt(balance("20.50"))
    assert await prompts.fetch(key, ticket, NOW + timedelta(seconds=GOOD_SECONDS)) == prompt.wav
    with pytest.raises(AddressRefused):
        await prompts.fetch(key, ticket, NOW + timedelta(seconds=GOOD_SECONDS + 1))


async def test_no_way_round_the_signature(prompts: Prompts) -> None:
    key, ticket = apart(await prompts.address(balance("20.50"), NOW))
    other, other_ticket = apart(await prompts.address(balance("99.00"), NOW))
    assert ticket and other_ticket
    with pytest.raises(NoSuchSound):
        await prompts.fetch(key, None, NOW)
    expires, signature = ticket.split("-")
    for forged in (other_ticket, f"{int(expires) + 60}-{signature}", f"{expires}-{'0' * 32}", "", "x", f"-{signature}"):
        with pytest.raises(AddressRefused):
            await prompts.fetch(key, forged, NOW)
    for nonsense in ("", "..", "../../etc/passwd", "A" * 64, "0" * 63, "personal " + other):
        with pytest.raises(NoSuchSound):
            await prompts.fetch(nonsense, None, NOW)
    with pytest.raises(NoSuchSound):
        await prompts.fetch("0" * 64, None, NOW)


async def test_over_http(prompts: Prompts) -> None:
    app = web.Application()
    now = NOW
    app.add_routes(routes(prompts, lambda: now))
    async with TestClient(TestServer(app)) as client:
        fixed = urlsplit(await prompts.address(WELCOME, NOW)).path
        personal = urlsplit(await prompts.address(balance("20.50"), NOW)).path

        answer = await client.get(fixed)
        assert (answer.status, answer.content_type) == (200, "audio/wav")
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert await answer.read() == (await prompts.prompt(WELCOME)).wav
        assert (await client.get(fixed, headers={"If-None-Match": answer.headers["ETag"]})).status == 304

        head = await client.head(fixed)
        assert head.headers["Content-Length"] == answer.headers["Content-Length"]

        answer = await client.get(personal)
        assert (answer.status, answer.headers["Cache-Control"]) == (200, "private, no-store")
        assert "ETag" not in answer.headers

        now += timedelta(hours=1)
        answer = await client.get(personal)
        assert (answer.status, answer.content_type) == (403, "application/problem+json")
        assert (await client.get(f"/audio/{'0' * 64}.wav")).status == 404


# The shelf


def test_the_shelf_throws_out_what_was_used_least() -> None:
    shelf = Shelf[bytes](10, len)
    shelf.put("a", b"1234")
    shelf.put("b", b"1234")
    assert shelf.get("a") == b"1234"
    shelf.put("c", b"1234")
    assert (shelf.get("a"), shelf.get("b"), shelf.get("c")) == (b"1234", None, b"1234")
    shelf.put("a", b"1")
    assert shelf.size == 5
    shelf.put("huge", b"12345678901")
    assert shelf.get("huge") is None and shelf.size == 0


def test_the_shelf_forgets_in_time() -> None:
    now = 0.0
    shelf = Shelf[bytes](100, len, clock=lambda: now)
    shelf.put("a", b"1", 60)
    shelf.put("b", b"1")
    now = 60.0
    assert (shelf.get("a"), shelf.get("b"), shelf.size) == (None, b"1", 1)
