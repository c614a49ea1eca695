"""Call-backs on SQLite and PostgreSQL: one open request a number, in turn, never dialled twice at once."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from desk.callbacks import OUTCOMES, CallBack, CallBacks, Dial, GiveUp, Rules, Wait, decide, outcome_of
from desk.tables import call_backs as table
from tests.desk.conftest import CHINA, Clock

PHONE, OTHER = "13900000001", "13900000002"
NOW = datetime(2026, 3, 2, 10, tzinfo=CHINA)


def hours(count: float) -> datetime:
    return NOW + timedelta(hours=count)


def request(**changed: Any) -> CallBack:
    given: dict[str, Any] = {
        "id": "1", "purpose": "callback", "number_masked": "", "number_digest": "", "queue": "general", "reason": "", "channel": "voice",
        "call_id": "", "asked_at": hours(-1), "tries": 0, "dialled": 0, "next_try_at": hours(-1), "lease_by": "", "lease_until": None,
        "closed_at": None, "outcome": "",
    }  # fmt: skip
    return CallBack(**given | changed)


DECISIONS: list[tuple[dict[str, Any], datetime | None, int, Dial | Wait | GiveUp]] = [
    ({}, NOW, 1, Dial()),
    ({}, hours(-2), 1, Dial()),  # open since two hours
    ({}, NOW, 0, Wait(NOW + timedelta(seconds=20))),  # everybody talks: look again in 20 s
    ({}, hours(4), 3, Wait(hours(4))),  # closed until 14:00, though somebody is still logged in
    ({}, None, 3, Wait(hours(1))),  # nobody knows when: ask again in an hour
    ({"tries": 1, "next_try_at": hours(1)}, NOW, 1, Wait(hours(1))),  # tried, 10 min and more to go
    ({"tries": 1, "next_try_at": hours(1)}, hours(3), 1, Wait(hours(3))),  # max(11:00, 13:00)
    ({"tries": 1, "next_try_at": hours(5)}, hours(3), 1, Wait(hours(5))),  # max(15:00, 13:00)
    ({"tries": 2}, NOW, 1, Dial()),  # the third and last
    ({"tries": 3}, NOW, 1, GiveUp("no_answer")),  # 3 of 3
    ({"tries": 3}, hours(9), 0, GiveUp("no_answer")),  # giving up needs nobody
    ({"asked_at": hours(-7 * 24)}, NOW, 1, Dial()),  # 7 days are not more than 7
    ({"asked_at": hours(-7 * 24 - 1)}, NOW, 1, GiveUp("given_up")),
    ({"lease_by": "a", "lease_until": hours(0.5)}, NOW, 1, Wait(hours(0.5))),  # somebody dials it
    ({"lease_by": "a", "lease_until": hours(0.5), "tries": 3}, NOW, 1, Wait(hours(0.5))),  # the last try still rings
    ({"lease_by": "a", "lease_until": hours(-0.5), "tries": 1}, NOW, 1, Dial()),  # its process died
    ({"purpose": "reminder"}, NOW, 0, Dial()),  # nobody is needed to read it out
    ({"purpose": "reminder"}, hours(2), 5, Wait(hours(2))),  # but not before people may be called
]


@pytest.mark.parametrize(("changed", "opens_at", "free", "expected"), DECISIONS)
def test_what_comes_next(
    changed: dict[str, Any], opens_at: datetime | None, free: int, expected: Dial | Wait | GiveUp
) -> None:
    assert decide(request(**changed), NOW, opens_at, free) == expected


def test_days_on_which_nobody_works_are_no_wait() -> None:
    old = request(asked_at=hours(-9 * 24))
    assert decide(old, NOW, NOW, 1, closed=timedelta(days=2)) == Dial()
    assert decide(old, NOW, NOW, 1, closed=timedelta(days=1)) == GiveUp("given_up")


def test_tries_are_spaced() -> None:
    rules = Rules()
    assert [rules.wait_after(tries) for tries in (1, 2, 3)] == [
        timedelta(minutes=10), timedelta(hours=2), timedelta(hours=2),
    ]  # fmt: skip


async def test_one_open_request_a_number(call_backs: CallBacks, clock: Clock, engine: AsyncEngine) -> None:
    first = await call_backs.ask(PHONE, queue="loan", call_id="c1", reason="贷款")
    clock.ahead(minutes=5)
    again = await call_backs.ask(PHONE, queue="general", channel="sms")
    assert first.fresh and not again.fresh
    assert again.request == first.request and again.request.asked_at == NOW, "the place is kept"
    other = await call_backs.ask(OTHER, queue="loan")
    assert (other.fresh, other.ahead) == (True, 1)
    assert await call_backs.number(first.request.id) == PHONE
    assert await call_backs.close(first.request.id, "cancelled")
    assert not await call_backs.close(first.request.id, "reached")
    assert (await call_backs.ask(PHONE)).fresh
    async with engine.connect() as connection:
        rows = [str(row) for row in await connection.execute(select(table))]
    assert len(rows) == 3 and not any(PHONE in row or OTHER in row for row in rows)


async def test_many_asking_at_once_make_one(call_backs: CallBacks) -> None:
    asked = await asyncio.gather(*(call_backs.ask(PHONE) for _ in range(20)))
    assert sum(each.fresh for each in asked) == 1
    assert len({each.request.id for each in asked}) == 1


async def test_only_one_of_many_may_dial(call_backs: CallBacks, clock: Clock) -> None:
    id = (await call_backs.ask(PHONE)).request.id
    claims = await asyncio.gather(*(call_backs.claim(id, f"node-{n}") for n in range(10)))
    (mine,) = [claim for claim in claims if claim]
    assert mine.tries == 1 and await call_backs.due(clock.now) == []
    clock.ahead(seconds=50)
    assert await call_backs.renew(id, mine.lease_by)
    clock.ahead(seconds=50)
    assert await call_backs.claim(id, "other") is None, "renewed"
    clock.ahead(seconds=61)  # its process died
    assert not await call_backs.renew(id, "stranger")
    taken = await call_backs.claim(id, "other")
    assert taken and taken.tries == 2
    assert not await call_backs.renew(id, mine.lease_by)
    await call_backs.tried(id, mine.lease_by, "no_answer")  # back from the dead: not its to say any more
    assert [(each.n, each.outcome) for each in await call_backs.tries(id)] == [(1, ""), (2, "")]
    await call_backs.tried(id, mine.lease_by, "reached")  # but this is final, whoever says it
    assert (await call_backs.find(id)).outcome == "reached"  # type: ignore[union-attr]


async def test_one_telephone_is_dialled_once_at_a_time(call_backs: CallBacks, clock: Clock) -> None:
    """Two processes each find another request of the same number due."""
    await call_backs.ask(PHONE)
    for key in "123":
        await call_backs.remind(PHONE, "提醒", key)
    await call_backs.remind(OTHER, "提醒", "4")
    due = await call_backs.due(clock.now)
    claims = await asyncio.gather(*(call_backs.claim(each.id, f"node-{n}") for n, each in enumerate(due)))
    claimed = [each for each in claims if each]
    digests = [call_backs.digest(PHONE), call_backs.digest(OTHER)]
    assert sorted(each.number_digest for each in claimed) == sorted(digests)
    mine = next(each for each in claimed if each.number_digest == digests[0])
    other = next(each for each in due if each.number_digest == digests[0] and each.id != mine.id)
    clock.ahead(minutes=2)
    assert not await call_backs.claim(other.id, "node"), "its process may have died, but not the call"
    await call_backs.tried(mine.id, mine.lease_by, "busy")
    assert await call_backs.claim(other.id, "node")


async def test_tries_are_counted_and_spaced(call_backs: CallBacks, clock: Clock) -> None:
    id = (await call_backs.ask(PHONE)).request.id
    for number, (outcome, wait) in enumerate([("no_answer", 10), ("busy", 120), ("machine", 120)], 1):
        assert [each.id for each in await call_backs.due(clock.now)] == [id]
        assert await call_backs.claim(id, "node")
        await call_backs.tried(id, "node", outcome)  # type: ignore[arg-type]
        assert await call_backs.due(clock.now) == []
        found = await call_backs.find(id)
        assert found and (found.tries, found.closed_at) == (number, None)
        assert found.next_try_at == clock.now + timedelta(minutes=wait)
        clock.ahead(minutes=wait)
    assert found and decide(found, clock.now, clock.now, 1) == GiveUp("no_answer")


async def test_no_agent_is_no_try(call_backs: CallBacks, clock: Clock) -> None:
    id = (await call_backs.ask(PHONE)).request.id
    await call_backs.claim(id, "node")
    await call_backs.tried(id, "node", "no_agent")
    found = await call_backs.find(id)
    assert found and (found.tries, found.next_try_at, found.lease_by) == (0, NOW + timedelta(minutes=2), "")
    clock.ahead(minutes=2)
    again = await call_backs.claim(id, "node")
    assert again and (again.tries, again.dialled) == (1, 2)
    assert [(each.n, each.outcome) for each in await call_backs.tries(id)] == [(1, "no_agent"), (2, "")]


async def test_a_broken_trunk_is_no_try_of_theirs(call_backs: CallBacks, clock: Clock) -> None:
    id = (await call_backs.ask(PHONE)).request.id
    for _ in range(5):
        await call_backs.claim(id, "node")
        await call_backs.tried(id, "node", "failed")
        assert await call_backs.due(clock.now) == []
        clock.ahead(minutes=10)
        (due,) = await call_backs.due(clock.now)
    assert (due.tries, due.dialled) == (0, 5) and decide(due, clock.now, clock.now, 1) == Dial()
    assert await call_backs.called_since(due.number_digest, hours(-1)) == [], "nor did their telephone ring"


@pytest.mark.parametrize("outcome", [each for each in OUTCOMES if each != "no_answer"])
async def test_a_final_outcome_closes(call_backs: CallBacks, outcome: Any) -> None:
    id = (await call_backs.ask(PHONE)).request.id
    await call_backs.claim(id, "node")
    await call_backs.tried(id, "node", outcome)
    found = await call_backs.find(id)
    assert found and (found.outcome, found.closed_at, found.lease_until) == (outcome, NOW, None)
    assert await call_backs.list() == [] and await call_backs.open_for(PHONE) is None
    assert [each.id for each in await call_backs.list(open_only=False, digest=call_backs.digest(PHONE))] == [id]


async def test_turns(call_backs: CallBacks, clock: Clock) -> None:
    ids = []
    for number in (PHONE, OTHER, "051112345678"):
        ids.append((await call_backs.ask(number)).request.id)
        clock.ahead(minutes=1)
    await call_backs.postpone(ids[0], clock.now + timedelta(minutes=1))
    assert [each.id for each in await call_backs.due(clock.now)] == ids[1:]
    assert [each.id for each in await call_backs.list(queue="general")] == ids
    clock.ahead(minutes=1)
    assert [each.id for each in await call_backs.due(clock.now)] == ids, "the place is kept"


async def test_what_was_closed_long_ago_is_removed(call_backs: CallBacks, clock: Clock) -> None:
    closed, waiting = (await call_backs.ask(PHONE)).request.id, (await call_backs.ask(OTHER)).request.id
    await call_backs.claim(closed, "node")
    await call_backs.tried(closed, "node", "reached")
    assert await call_backs.remove_old(clock.now) == 0
    assert await call_backs.remove_old(clock.ahead(days=730)) == 1
    assert await call_backs.find(closed) is None and await call_backs.tries(closed) == []
    assert await call_backs.find(waiting)


async def test_a_reminder_is_kept_once_for_its_key(call_backs: CallBacks, clock: Clock, engine: AsyncEngine) -> None:
    assert (await call_backs.ask(PHONE)).fresh, "a call-back besides is another thing"
    assert await call_backs.remind(PHONE, "您的贷款三月五日还款。", "due 1")
    assert not await call_backs.remind(PHONE, "您的贷款三月五日还款。", "due 1")
    assert await call_backs.remind(PHONE, "您的贷款四月五日还款。", "due 2", after=hours(1))
    due = [each for each in await call_backs.due(clock.now) if each.purpose == "reminder"]
    assert len(due) == 1 and await call_backs.message(due[0].id) == "您的贷款三月五日还款。"
    assert len(await call_backs.list()) == 1, "reminders are not among the call-backs"
    await call_backs.close(due[0].id, "reached")
    assert await call_backs.message(due[0].id) == ""
    assert not await call_backs.remind(PHONE, "您的贷款三月五日还款。", "due 1"), "reached: not once more"
    async with engine.connect() as connection:
        assert not any("贷款" in str(row) for row in await connection.execute(select(table)))


async def test_a_wrong_number_is_reminded_of_nothing_more(call_backs: CallBacks) -> None:
    assert await call_backs.remind(PHONE, "提醒", "1") and await call_backs.remind(PHONE, "提醒", "2")
    due = (await call_backs.due(NOW))[0]
    await call_backs.claim(due.id, "node")
    await call_backs.answered(due.id, 1, "wrong_number")
    assert not await call_backs.remind(PHONE, "提醒", "3") and await call_backs.remind(OTHER, "提醒", "3")
    assert [each.number_digest for each in await call_backs.due(NOW)] == [call_backs.digest(OTHER)], (
        "nor of what waited"
    )
    assert (await call_backs.ask(PHONE)).fresh, "but who asks is called"


@pytest.mark.parametrize("pressed", ["refused", "wrong_number"])
async def test_who_wants_no_call_gets_none(call_backs: CallBacks, clock: Clock, pressed: Any) -> None:
    id = (await call_backs.ask(PHONE)).request.id
    await call_backs.claim(id, "node")
    found = await call_backs.answered(id, 1, pressed)
    assert found and (found.outcome, found.closed_at, found.lease_by) == (pressed, NOW, "")
    await call_backs.tried(id, "node", "machine")  # its end, told late
    assert [(each.answered, each.outcome) for each in await call_backs.tries(id)] == [(pressed, pressed)]


async def test_the_call_of_a_dead_process_has_an_heir(call_backs: CallBacks, clock: Clock) -> None:
    id = (await call_backs.ask(PHONE, queue="loan")).request.id
    await call_backs.claim(id, "dead")
    found = await call_backs.answered(id, 1, "person")
    assert found and (found.queue, found.closed_at) == ("loan", None)
    clock.ahead(seconds=61)
    assert [each.id for each in await call_backs.claimed()] == [id]
    assert await call_backs.renew(id, "dead", heir="heir") and not await call_backs.renew(id, "dead", heir="late")
    assert await call_backs.claim(id, "other") is None
    await call_backs.tried(id, "heir", "reached")
    assert await call_backs.claimed() == []
    assert await call_backs.called_since(call_backs.digest(PHONE), hours(-1)) == [NOW]
    assert await call_backs.called_since(call_backs.digest(PHONE), hours(1)) == []


WENT: list[tuple[dict[str, Any], str]] = [
    ({}, "no_answer"),  # nobody saw why
    ({"missed": "busy"}, "busy"),
    ({"missed": "failed"}, "failed"),
    ({"picked_up": True}, "machine"),  # nothing was pressed
    ({"picked_up": True, "answered": "person"}, "no_agent"),
    ({"picked_up": True, "answered": "person", "talked": True}, "reached"),
    ({"picked_up": True, "talked": True}, "reached"),  # by the key that leads to people from everywhere
    ({"picked_up": True, "answered": "refused"}, "refused"),
    ({"picked_up": True, "answered": "wrong_number"}, "wrong_number"),
    ({"purpose": "reminder", "picked_up": True, "answered": "person"}, "reached"),  # nobody else is needed
    ({"purpose": "reminder", "picked_up": True}, "machine"),
    ({"missed": "busy", "picked_up": True, "answered": "person", "talked": True}, "reached"),  # what happened counts
]


@pytest.mark.parametrize(("happened", "expected"), WENT)
def test_how_a_call_went(happened: dict[str, Any], expected: str) -> None:
    nothing: dict[str, Any] = {"purpose": "callback", "picked_up": False, "answered": "", "talked": False}
    assert outcome_of(**nothing | happened) == expected
