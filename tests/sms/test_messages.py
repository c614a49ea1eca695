"""The climbing rule: whatever order receipts come in, the end is the same."""

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from sms.messages import STATUSES, Status, climb, new_id, of_parts

statuses = st.sampled_from(STATUSES)


@given(st.lists(statuses, max_size=6), statuses)
def test_the_end_does_not_depend_on_the_order(news: list[Status], start: Status) -> None:
    ends = set()
    for order in list(permutations(news))[:24]:
        now = start
        for status in order:
            higher = climb(now, status)
            assert STATUSES.index(higher) >= STATUSES.index(now)
            now = higher
        ends.add(now)
    assert len(ends) == 1


def test_parts_make_one_status() -> None:
    assert of_parts(3, {}) == "sent"
    assert of_parts(2, {1: "delivered"}) == "sent"
    assert of_parts(2, {1: "delivered", 2: "sent"}) == "sent"
    assert of_parts(2, {1: "delivered", 2: "delivered"}) == "delivered"
    assert of_parts(2, {1: "delivered", 2: "failed"}) == "failed"


def test_ids_sort_by_time_and_differ() -> None:
    ids = [new_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert all(len(id) == 26 for id in ids)
    assert ids[0][:9] <= ids[-1][:9]
