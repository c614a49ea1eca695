"""What callers will hear is there before they call: at the start, after a change, and never at a caller's expense."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.typing import EventDict

from hotline import sounds
from hotline.sounds import Ahead
from ivr.flow import Flow
from ivr.loader import load, read_folder, read_phrases
from ivr.prompts import Prompts
from ivr.utterance import Utterance
from tests.ivr.test_prompts import Tones, opened
from tests.service import FLOWS, always_open, service

PHRASES = read_phrases(FLOWS.parent / "prompts" / "voice.yaml")


@pytest.fixture
def prompts(tmp_path: Path) -> Iterator[Prompts]:
    prompts = opened(tmp_path, Tones())
    yield prompts
    prompts.close()


@pytest.fixture(scope="module")
def flow() -> Flow:
    flow = load(read_folder(FLOWS), PHRASES).flow
    assert flow
    return flow


async def told(logs: list[EventDict], event: str, many: int = 1) -> list[EventDict]:
    async with asyncio.timeout(60):
        while len(found := [log for log in logs if log["event"] == event]) < many:
            await asyncio.sleep(0.05)
    return found


async def counts(logs: list[EventDict], many: int) -> list[int]:
    return [log["count"] for log in await told(logs, "sounds_made_ahead", many)]


async def test_at_the_start_and_when_a_menu_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logs: list[EventDict]
) -> None:
    monkeypatch.setattr(sounds, "EmbeddedVoice", lambda _: Tones())
    monkeypatch.setattr(sounds, "BREATH_SECONDS", 0)
    flows = always_open(tmp_path)
    async with service(tmp_path, sounds_ahead=True, flows=flows):
        (first,) = await counts(logs, 1)
        there = len(list((tmp_path / "audio").glob("*.wav")))
        assert 200 < first <= there
        main = flows / "main.yaml"
        main.write_text(main.read_text("utf-8").replace("公积金", "住房公积金"), "utf-8")
        _, second = await counts(logs, 2)
        assert 0 < second < first / 2
        assert len(list((tmp_path / "audio").glob("*.wav"))) >= there + second
    async with service(tmp_path, sounds_ahead=True, flows=flows):
        assert (await counts(logs, 3))[-1] == 0, "what is there is not made again"


async def test_what_is_being_made_for_a_flow_before_is_left(
    prompts: Prompts, flow: Flow, logs: list[EventDict]
) -> None:
    other = replace(flow)
    ahead = Ahead(prompts)
    ahead.make(flow)
    await asyncio.sleep(0.1)
    ahead.make(other)
    assert await counts(logs, 1)
    await asyncio.sleep(0.1)
    assert len(await counts(logs, 1)) == 1
    ahead.make(flow)
    await ahead.stop()
    assert len(await counts(logs, 1)) == 1, "a service that stops waits for one sound only"
    ahead.make(other)
    assert ahead._making and ahead._making.done(), "and begins nothing more"


async def test_a_voice_that_fails_is_told_and_nothing_else(tmp_path: Path, flow: Flow, logs: list[EventDict]) -> None:
    prompts = opened(tmp_path, Tones(fails=True), spare=Tones())
    ahead = Ahead(prompts)
    ahead.make(flow)
    await told(logs, "sounds_not_made_ahead")
    await ahead.stop()
    assert [log["event"] for log in logs] == ["sounds_not_made_ahead"]
    prompts.close()


async def test_whatever_else_fails_is_told_and_ends_no_service(
    prompts: Prompts, flow: Flow, monkeypatch: pytest.MonkeyPatch, logs: list[EventDict]
) -> None:
    def fails(_: Utterance) -> bool:
        raise PermissionError("the folder is not ours")

    monkeypatch.setattr(prompts, "make_ahead", fails)
    ahead = Ahead(prompts)
    ahead.make(flow)
    await told(logs, "sounds_not_made_ahead")
    await ahead.stop()
    assert [(log["event"], log["fault"]) for log in logs] == [("sounds_not_made_ahead", "PermissionError")]
