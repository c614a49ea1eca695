"""Sentences with placeholders become pieces, and pieces become JSON and back."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.speech import Value
from ivr.utterance import Piece, TemplateFault, Utterance, fill, placeholders, said, spoken

Values = dict[str, tuple[str, Value]]
PIECES = st.builds(Piece, st.text(max_size=20), st.sampled_from(["zh", "en"]), st.booleans(), st.booleans())


def test_a_sentence_is_literal_pieces_around_fragments() -> None:
    values: Values = {"balance": ("money", Decimal("10.5")), "paid_to": ("month", "2026-03")}
    pieces = fill("您的账户余额为{balance},缴至{paid_to}。", values)
    assert [piece.text for piece in pieces] == [
        *("您的账户余额为", "十", "元", "五角", ",缴至", "二", "零", "二", "六", "年", "三月", "。"),
    ]
    assert [piece.fragment for piece in pieces[:5]] == [False, True, True, True, False]
    assert [piece.personal for piece in pieces[:5]] == [False, True, True, True, False]
    assert [piece.script for piece in pieces[4:5]] == ["缴至"]
    assert Utterance(pieces).text == "您的账户余额为十元五角,缴至二零二六年三月。"
    assert Utterance(pieces).personal


def test_a_public_text_is_part_of_its_sentence() -> None:
    pieces = fill("请按{key}。", {"key": ("text", "1")}, personal=False)
    assert pieces == (Piece("请按1。"),)
    assert not Utterance(pieces).personal


@pytest.mark.parametrize(
    ("template", "heard"),
    [
        ("再试{n}次", "再试两次"),
        ("最近{n}笔", "最近两笔"),
        ("{n}个", "两个"),
        ("第{n}次", "第二次"),
        ("{n}月", "二月"),
        ("{n}", "二"),
    ],
)
def test_two_before_a_measure_is_a_count(template: str, heard: str) -> None:
    assert Utterance(fill(template, {"n": ("number", 2)})).text == heard


def test_english_words_are_joined_by_spaces_and_punctuation_is_not() -> None:
    english = fill("Balance {b}, paid to {m}.", {"b": ("money", 10), "m": ("month", "2026-03")}, "en")
    assert Utterance(english).text == "Balance ten yuan, paid to March twenty twenty-six."


def test_a_chinese_word_in_an_english_sentence_stays_chinese() -> None:
    pieces = fill("State: {s}.", {"s": ("text", "正常")}, "en")
    assert [(piece.text, piece.language) for piece in pieces] == [("State: ", "en"), ("正常", "zh"), (".", "en")]
    assert len(fill("At {s}.", {"s": ("text", "一号楼")}, "en", personal=False)) == 3


def test_placeholders() -> None:
    assert placeholders("余额{balance},{ fact.hours }起") == ["balance", "fact.hours"]
    assert placeholders("没有") == []
    assert fill("", {}) == ()


@pytest.mark.parametrize(
    ("template", "offset"),
    [("余额{balance", 2), ("余额balance}", 9), ("{{a}}", 0), ("按{}", 1), ("按{a b}", 1), ("{a}}", 3)],
)
def test_a_faulty_sentence_says_where(template: str, offset: int) -> None:
    with pytest.raises(TemplateFault) as fault:
        placeholders(template)
    assert fault.value.offset == offset


def test_a_placeholder_without_a_value() -> None:
    with pytest.raises(TemplateFault, match="balance"):
        fill("余额{balance}", {})
    with pytest.raises(TemplateFault) as fault:
        fill("余额{ balance }", {})
    assert fault.value.offset == 2


def test_utterances_join() -> None:
    assert (said("您好。") + said("再见。")).text == "您好。再见。"
    assert not Utterance()
    assert not said(" 。")
    assert said("您好")
    assert Utterance(spoken("tail", "0001", personal=False)).text == "尾号零零零幺"


@given(st.lists(PIECES, max_size=5))
def test_json_round_trip(pieces: list[Piece]) -> None:
    utterance = Utterance(tuple(pieces))
    assert Utterance.from_json(json.loads(json.dumps(utterance.to_json()))) == utterance
    assert hash(utterance) == hash(Utterance(tuple(pieces)))
