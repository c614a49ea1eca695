"""Why the dialplan gives a call back, read from the arguments of AGI(); nonsense is another call, never an exception."""

from datetime import UTC, datetime

import pytest

from ivr.events import Event, LeftQueue, Served, TransferFailed
from ivr.lines.asterisk import came_back

AT = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("arguments", "event"),
    [
        ([], None),
        ([""], None),
        (["left", "2"], LeftQueue("2", AT)),
        (["left", "22"], None),
        (["left"], None),
        (["served", "agent1", "65"], Served("agent1", 65, AT)),
        (["served", "", "0"], Served("", 0, AT)),
        (["served", "agent1", "-1"], None),
        (["served", "agent1", "soon"], None),
        (["served", "a" * 90, "1"], Served("a" * 40, 1, AT)),
        (["unanswered", "full"], TransferFailed("full", AT)),
        (["unanswered", "bored"], None),
        (["hangup", "2"], None),
    ],
)
def test_came_back(arguments: list[str], event: Event | None) -> None:
    assert came_back({f"agi_arg_{n}": value for n, value in enumerate(arguments, 1)}, AT) == event
