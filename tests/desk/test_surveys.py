"""Ratings: one a call, the first one counts."""

from datetime import timedelta

import pytest

from desk.surveys import Surveys
from tests.desk.conftest import Clock


async def test_the_first_rating_of_a_call_counts(surveys: Surveys, clock: Clock) -> None:
    assert await surveys.rate("c1", "fair", agent="agent1", queue="loan", topic="loan")
    assert not await surveys.rate("c1", "unsatisfied")
    with pytest.raises(ValueError):
        await surveys.rate("c2", "great")  # type: ignore[arg-type]
    rated = await surveys.of_call("c1")
    assert rated and (rated.rating, rated.agent, rated.queue, rated.topic) == ("fair", "agent1", "loan", "loan")
    later = clock.ahead(hours=1)
    await surveys.rate("c3", "satisfied")
    assert [each.call_id for each in await surveys.between(later, later + timedelta(hours=1))] == ["c3"]
    assert await surveys.of_call("c2") is None
    assert await surveys.remove_old(later) == 1
    assert await surveys.of_call("c1") is None and await surveys.of_call("c3")
