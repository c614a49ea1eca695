"""Part counts, right to the character."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms.segments import GSM_BASIC, GSM_EXTENSION, JOINED, SINGLE, Segments, count, encoding_of, split

CASES = [
    ("", Segments("gsm7", 0, 1)),
    ("a" * 160, Segments("gsm7", 160, 1)),
    ("a" * 161, Segments("gsm7", 161, 2)),
    ("a" * 306, Segments("gsm7", 306, 2)),
    ("a" * 307, Segments("gsm7", 307, 3)),
    ("{" * 80, Segments("gsm7", 160, 1)),
    ("{" * 80 + "a", Segments("gsm7", 161, 2)),
    ("a" * 152 + "{" + "a" * 152, Segments("gsm7", 306, 3)),  # the escape does not fit in the 153rd place
    ("€" * 153, Segments("gsm7", 306, 3)),  # 76 of them in a part of 153
    ("`" + "a" * 69, Segments("ucs2", 70, 1)),  # a backtick is ASCII but not GSM
    ("ç" + "a" * 70, Segments("ucs2", 71, 2)),  # the small one is not in the table, the capital is
    ("Ç" + "a" * 70, Segments("gsm7", 71, 1)),
    ("额" * 70, Segments("ucs2", 70, 1)),
    ("额" * 71, Segments("ucs2", 71, 2)),
    ("额" * 134, Segments("ucs2", 134, 2)),
    ("额" * 135, Segments("ucs2", 135, 3)),
    ("😀" * 35, Segments("ucs2", 70, 1)),
    ("😀" * 36, Segments("ucs2", 72, 2)),
    ("额" * 66 + "😀" + "额" * 66, Segments("ucs2", 134, 3)),  # 134 units, but the pair does not fit in the 67th place
    ("【镇江公积金】" + "额" * 63, Segments("ucs2", 70, 1)),
    ("【镇江公积金】" + "额" * 64, Segments("ucs2", 71, 2)),
]


@pytest.mark.parametrize("text, expected", CASES, ids=range(len(CASES)))
def test_count(text: str, expected: Segments) -> None:
    assert count(text) == expected
    assert len(split(text)) == expected.parts


def test_the_alphabet_has_128_places() -> None:
    assert len(GSM_BASIC) == len(set(GSM_BASIC)) == 128
    assert not set(GSM_BASIC) & set(GSM_EXTENSION)


def _units(part: str, encoding: str) -> int:
    if encoding == "ucs2":
        return len(part.encode("utf-16-be", "surrogatepass")) // 2
    return sum(2 if character in GSM_EXTENSION else 1 for character in part)


texts = st.one_of(
    st.text(max_size=400),
    st.text(st.sampled_from(GSM_BASIC.replace("\x1b", "") + "".join(GSM_EXTENSION)), max_size=700),
    st.text(st.sampled_from("额度a😀𠮷{"), max_size=400),
)


@given(texts)
def test_parts_join_to_the_text_fit_and_waste_nothing(text: str) -> None:
    parts, size = split(text), count(text)
    assert "".join(parts) == text
    assert len(parts) == size.parts
    assert size.encoding == encoding_of(text)
    assert sum(_units(part, size.encoding) for part in parts) == size.units
    room = (SINGLE if len(parts) == 1 else JOINED)[size.encoding]
    assert all(_units(part, size.encoding) <= room for part in parts)
    assert all(_units(part, size.encoding) >= room - 1 for part in parts[:-1])


@given(st.text(max_size=300))
def test_gsm_only_when_every_character_is_in_the_table(text: str) -> None:
    allowed = set(GSM_BASIC) - {"\x1b"} | set(GSM_EXTENSION)
    assert (encoding_of(text) == "gsm7") == (set(text) <= allowed)
