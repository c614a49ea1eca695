"""The estimate, by its arithmetic."""

import pytest

from desk.waiting import expected_wait, service_seconds, told_minutes


@pytest.mark.parametrize(
    ("ahead", "free", "working", "service", "seconds"),
    [
        (0, 1, 3, 180, 0),  # somebody is free
        (0, 0, 1, 180, 180),  # one person, busy: a whole talk
        (0, 0, 3, 180, 60),  # three: one of them is free in a third of that
        (2, 0, 3, 180, 180),  # the third of three to become free
        (5, 0, 1, 60, 360),
        (1, 1, 2, 100, 50),  # the free one takes the caller ahead
        (3, 0, 0, 180, None),  # nobody works
        (0, 0, 0, 180, None),
    ],
)
def test_expected_wait(ahead: int, free: int, working: int, service: float, seconds: int | None) -> None:
    assert expected_wait(ahead, free, working, service) == seconds


@pytest.mark.parametrize(
    ("talks", "seconds"),
    [
        ([], 180),
        ([60], (60 + 3 * 180) / 4),
        ([60] * 20, (20 * 60 + 3 * 180) / 23),
        ([6000] * 5 + [60] * 20, (20 * 60 + 3 * 180) / 23),  # only the recent ones count
    ],
)
def test_service_seconds(talks: list[float], seconds: float) -> None:
    assert service_seconds(talks) == seconds


@pytest.mark.parametrize(("seconds", "minutes"), [(0, 1), (59, 1), (60, 1), (61, 2), (600, 10)])
def test_told_minutes(seconds: int, minutes: int) -> None:
    assert told_minutes(seconds) == minutes
