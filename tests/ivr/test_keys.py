"""Single keys become answers; the `#` that closes a full field is not a key of its own."""

import pytest

from ivr.keys import Keypad


@pytest.mark.parametrize(
    ("pressed", "most", "answers"),
    [
        ("1", 1, ["1"]),
        ("12", 1, ["1", "2"]),
        ("1#", 1, ["1", "#"]),
        ("135790#", 6, ["135790"]),
        ("135790#1", 6, ["135790", None]),
        ("123#", 6, ["123"]),
        ("#", 6, ["#"]),
        ("##", 1, ["#", "#"]),
        ("*", 1, ["*"]),
        ("12a3 4", 4, ["1234"]),
        ("1" * 200, 6, ["1" * 6] * 6 + [None]),  # no more than forty keys are kept
        ("", 1, [None]),
    ],
)
def test_answers(pressed: str, most: int, answers: list[str | None]) -> None:
    keypad = Keypad()
    keypad.press(pressed)
    taken = [keypad.take(most) for _ in answers]
    assert [digits if finished else None for digits, finished in taken] == answers


def test_a_late_hash_closes_the_full_field_unless_time_has_passed() -> None:
    keypad = Keypad()
    keypad.press("135790")
    assert keypad.take(6) == ("135790", True)
    keypad.press("#")
    assert keypad.idle
    keypad.press("135790")
    assert keypad.take(6) == ("135790", True)
    keypad.forget_closing()
    keypad.press("#")
    assert keypad.take(1) == ("#", True)


def test_digits_come_over_several_takes() -> None:
    keypad = Keypad()
    keypad.press("12")
    assert keypad.take(6) == ("12", False)
    keypad.press("3#")
    assert keypad.take(6, "12") == ("123", True)
