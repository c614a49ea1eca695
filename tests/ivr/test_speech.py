"""How values sound: the hard cases by hand, everything else read back by an independent reader."""

from datetime import date, datetime, time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr import speech
from ivr.speech import Unspeakable, fragments, joined, speak
from tests.ivr.numeral_reader import english_number, mandarin_money, mandarin_number

MONEY = {
    "12345.67": "一万两千三百四十五元六角七分",
    "0": "零元",
    "-0.00": "零元",
    "0.05": "五分",
    "0.20": "两角",
    "0.22": "两角两分",
    "0.5": "五角",
    "1": "一元整",
    "2": "两元整",
    "2.02": "两元零二分",
    "10": "十元整",
    "10.05": "十元零五分",
    "12": "十二元整",
    "20": "二十元整",
    "22": "二十二元整",
    "100": "一百元整",
    "102": "一百零二元整",
    "110": "一百一十元整",
    "112.10": "一百一十二元一角",
    "200": "两百元整",
    "1,001": "一千零一元整",
    "1,010": "一千零一十元整",
    "2,000": "两千元整",
    "10,010": "一万零一十元整",
    "20,000": "两万元整",
    "20,002": "两万零二元整",
    "22,222.22": "两万两千两百二十二元两角两分",
    "100,000.50": "十万元五角",
    "1205000": "一百二十万五千元整",
    "2000000": "两百万元整",
    "100002000": "一亿零两千元整",
    "102,030,405.06": "一亿零两百零三万零四百零五元零六分",
    "200000000": "两亿元整",
    "999999999999.99": "九千九百九十九亿九千九百九十九万九千九百九十九元九角九分",
    "-12.5": "负十二元五角",
}
OTHERS = [
    ("number", 0, "零"),
    ("number", 2, "二"),
    ("number", "-1,010.50", "负一千零一十点五"),
    ("count", 2, "两"),
    ("count", 12, "十二"),
    ("percent", "3.25", "百分之三点二五"),
    ("percent", Decimal("0.5"), "百分之零点五"),
    ("percent", "100%", "百分之一百"),
    ("month", "2026-03", "二零二六年三月"),
    ("month", "2026年3月", "二零二六年三月"),
    ("month", "202612", "二零二六年十二月"),
    ("month", date(2000, 10, 1), "二零零零年十月"),
    ("date", "2026-03-02", "二零二六年三月二日"),
    ("date", "2026年11月21日", "二零二六年十一月二十一日"),
    ("date", "20260310", "二零二六年三月十日"),
    ("time", "8:50", "八点五十分"),
    ("time", "08:05", "八点零五分"),
    ("time", "14:00", "十四点"),
    ("time", "2:12:30", "两点十二分"),
    ("time", time(0, 2), "零点零二分"),
    ("time", datetime(2026, 3, 2, 20, 20), "二十点二十分"),
    ("digits", "12329", "幺二三二九"),
    ("digits", "0511-8521 2579", "零五幺幺八五二幺二五七九"),
    ("digits", "32110219900307123x", "三二幺幺零二幺九九零零三零七幺二三X"),
    ("tail", "100000001", "尾号零零零幺"),
    ("tail", "32110219900307123X", "尾号幺二三X"),
    ("text", " 镇江 某公司\n", "镇江 某公司"),
    ("text", "张\u200b三\ue863\ufeff有限公司\x00", "张三有限公司"),
]
ENGLISH = [
    ("money", "12345.67", "twelve thousand three hundred forty-five point six seven yuan"),
    ("money", "0.05", "zero point zero five yuan"),
    ("money", "-100", "minus one hundred yuan"),
    ("count", 2, "two"),
    ("percent", "3.25", "three point two five percent"),
    ("month", "2026-03", "March twenty twenty-six"),
    ("month", "2005-03", "March two thousand five"),
    ("date", "1990-10-31", "October thirty-first nineteen ninety"),
    ("date", "1905-01-01", "January first nineteen oh five"),
    ("date", "1900-02-12", "February twelfth nineteen hundred"),
    ("time", "8:05", "eight oh five a.m."),
    ("time", "12:00", "noon"),
    ("time", "0:00", "midnight"),
    ("time", "12:05", "twelve oh five p.m."),
    ("time", "0:30", "twelve thirty a.m."),
    ("digits", "12329", "one two three two nine"),
    ("tail", "100000001", "ending in zero zero zero one"),
]
AMOUNTS = st.decimals(-(10**12) + 1, 10**12 - 1, places=2)
NUMBERS = st.decimals(-(10**12) + 1, 10**12 - 1, places=4) | st.integers(-(10**12) + 1, 10**12 - 1)
LANGUAGES = st.sampled_from(["zh", "en"])


@pytest.mark.parametrize(("value", "words"), MONEY.items())
def test_money(value: str, words: str) -> None:
    assert "".join(speech.money(value)) == words
    assert mandarin_money(words) == Decimal(value.replace(",", ""))


@pytest.mark.parametrize(("kind", "value", "words"), OTHERS)
def test_other_kinds(kind: str, value: str, words: str) -> None:
    assert joined(speak(kind, value)) == words


@pytest.mark.parametrize(("kind", "value", "words"), ENGLISH)
def test_english(kind: str, value: str, words: str) -> None:
    assert joined(speak(kind, value, "en"), "en") == words


@given(AMOUNTS)
def test_money_reads_back(amount: Decimal) -> None:
    assert mandarin_money("".join(speech.money(amount))) == amount
    assert english_number(joined(speak("money", amount, "en"), "en").removesuffix(" yuan")) == amount


@given(NUMBERS)
def test_numbers_read_back(number: Decimal | int) -> None:
    assert mandarin_number("".join(speech.number(number))) == number
    assert english_number(joined(speak("number", number, "en"), "en")) == number
    assert mandarin_number("".join(speech.percent(number)).replace("百分之", "")) == number


@given(st.from_regex(r"[0-9]{1,31}[0-9X]", fullmatch=True))
def test_digits_read_back(figures: str) -> None:
    words = speech.digits(figures)
    assert "".join("X" if word == "X" else str("零幺二三四五六七八九".index(word)) for word in words) == figures
    assert speech.tail(figures) == ("尾号", *words[-4:])


@given(
    LANGUAGES,
    st.one_of(
        st.tuples(st.just("money"), AMOUNTS),
        st.tuples(st.sampled_from(["number", "percent"]), NUMBERS),
        st.tuples(st.just("count"), st.integers(0, 10**12 - 1)),
        st.tuples(st.sampled_from(["month", "date"]), st.dates()),
        st.tuples(st.just("time"), st.times()),
        st.tuples(st.sampled_from(["digits", "tail"]), st.from_regex(r"[0-9]{1,17}[0-9X]", fullmatch=True)),
    ),
)
def test_every_word_can_be_recorded(language: speech.Language, spoken: tuple[str, speech.Value]) -> None:
    assert set(speak(*spoken, language)) <= set(fragments(language))


def test_the_closed_sets_are_small_and_without_repeats() -> None:
    for language, most in (("zh", 160), ("en", 165)):
        words = fragments(language)
        assert len(set(words)) == len(words) <= most


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("money", "abc"),
        ("money", ""),
        ("money", "1.234"),
        ("money", "1,23"),
        ("money", "1e3"),
        ("money", "NaN"),
        ("money", "1000000000000"),
        ("money", Decimal("Infinity")),
        ("money", True),
        ("money", "１２"),
        ("number", "1_000"),
        ("count", "1.5"),
        ("percent", "%"),
        ("month", "2026-13"),
        ("month", "2026"),
        ("date", "2026-02-30"),
        ("date", "0000-01-01"),
        ("time", "24:00"),
        ("time", "8:60"),
        ("time", "8"),
        ("digits", ""),
        ("digits", "12a"),
        ("digits", "X12"),
        ("digits", "1" * 33),
        ("text", " \n"),
        ("text", "\x00"),
        ("text", "长" * 2001),
        ("pounds", "1"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_likely_cure(kind: str, value: speech.Value) -> None:
    with pytest.raises(Unspeakable) as refused:
        speak(kind, value)
    assert "应为" in refused.value.told("zh")
    assert not value or str(value) not in str(refused.value), "it may be somebody's"
    assert refused.value.told("en").isascii() or not str(value).isascii()
