"""How many a second a provider is given: no more than its rate, and fewer after it asked for a pause."""

import pytest

from sms import gate
from sms.gate import Gate


class Steady:
    """A clock that a test moves."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Steady:
    clock = Steady()
    monkeypatch.setattr(gate, "time", clock)
    return clock


def went(it: Gate, clock: Steady, seconds: float) -> int:
    """How many go in so long, each answered at once."""
    count = 0
    for _ in range(int(seconds * 20)):
        clock.now += 0.05
        while it.enter("notice"):
            it.leave()
            count += 1
    return count


def test_no_more_than_the_rate_goes_and_codes_have_their_share(clock: Steady) -> None:
    it = Gate(100, window=10, code_share=0.2)
    went(it, clock, 5)
    assert went(it, clock, 10) == pytest.approx(1000, abs=5)
    clock.now += 1
    others = sum(it.enter("notice") for _ in range(50))
    codes = sum(it.enter("code") for _ in range(50))
    assert (others, codes) == (8, 2), "the window"


@pytest.mark.parametrize("rate", [0.2, 1, 5, 6, 7])
def test_a_slow_line_has_room_for_others_than_codes(clock: Steady, rate: float) -> None:
    it = Gate(rate, window=10, code_share=0.2)
    went(it, clock, 10)
    assert went(it, clock, 100) == pytest.approx(100 * rate, rel=0.2)


def test_after_a_pause_half_as_many_go_and_in_a_minute_all_again(clock: Steady) -> None:
    it = Gate(100, window=100, code_share=0)
    went(it, clock, 1)
    for _ in range(30):  # all that were under way are told the same
        it.close(2)
    assert went(it, clock, 1.9) == 0
    assert went(it, clock, 1) == pytest.approx(54, abs=6)
    went(it, clock, 60)
    assert went(it, clock, 1) == pytest.approx(100, abs=3)


def test_a_slow_carrier_is_hardly_asked_for_more_than_it_takes(clock: Steady) -> None:
    """It takes 5 a second of our 100, and asks for 2 s whenever there are more."""
    it = Gate(100, window=100, code_share=0)
    taken = refused = 0
    for _ in range(300):
        clock.now += 1
        for place in range(sum(it.enter("notice") for _ in range(100))):
            it.leave()
            if place < 5:
                taken += 1
            else:
                refused += 1
                it.close(2)
    assert taken > 300 and refused < taken
