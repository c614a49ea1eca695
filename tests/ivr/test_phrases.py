"""`prompts/voice.yaml` is a file that people edit: what would fail a call is told before there is one, at its line."""

import re
from pathlib import Path

import pytest

from ivr.loader import read_phrases
from ivr.phrases import PHRASES, BadPhrases

WRITTEN = Path("prompts/voice.yaml").read_text("utf-8")
SAID = re.compile(r"""phrase(?:s\[|\()"(\w+)["\]]""")


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ("{left}", "{lefft}", 'wrong_pin 没有 {lefft}(是不是 "left"?)'),
        ("{left}", "{left", "wrong_pin：花括号 { 没有配对"),
        ("order_late:", "order_lat:", '1: 缺少 order_late(是不是 "order_lat"?)'),
        ("{zh: 星号键, en: star}", "星号键", "star 要写成 {zh: ..., en: ...}"),
        ("{zh: 星号键, en: star}", "{en: star}", "star 要写成 {zh: ..., en: ...}"),
        ("{zh: 星号键, en: star}", "{zh: [星号键, en: star}", "括号没有成对"),
        (WRITTEN, "- 您好", "1: 缺少 press"),
    ],
)
def test_a_mistake_is_told_at_its_line(tmp_path: Path, right: str, wrong: str, words: str) -> None:
    path = tmp_path / "voice.yaml"
    path.write_text(WRITTEN.replace(right, wrong), "utf-8")
    with pytest.raises(BadPhrases) as bad:
        read_phrases(path)
    line = WRITTEN[: WRITTEN.index(right)].count("\n") + 1
    told = [fault.tell() for fault in bad.value.faults]
    assert any(words in fault for fault in told) and (f"{path}:1:" in told[0] or f"{path}:{line}:" in told[0]), told
    assert all(fault.tell("en") != fault.tell() for fault in bad.value.faults)


def test_other_facts_and_more_phrases_are_no_mistake(tmp_path: Path) -> None:
    more = WRITTEN.replace("您还可以再试", "限额{fact.rent_limit}，您还可以再试") + "\nours: {zh: 自己的}\n"
    (tmp_path / "voice.yaml").write_text(more, "utf-8")
    assert read_phrases(tmp_path / "voice.yaml")["ours"] == {"zh": "自己的"}


def test_every_phrase_that_is_said_is_needed() -> None:
    assert set(read_phrases(Path("prompts/voice.yaml"))) == set(PHRASES)
    said = {name for path in Path("ivr").rglob("*.py") for name in SAID.findall(path.read_text("utf-8"))}
    assert len(said) >= 40 and said <= set(PHRASES)
