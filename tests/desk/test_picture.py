"""The live picture, event by event as a real exchange sent them; any order of any events leaves it whole."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.ami import AmiEvent
from desk.picture import Picture, Visit, after, anew, changed, without_ended

BEGIN = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


def event(name: str, second: float = 0, **fields: str) -> AmiEvent:
    names = {"queue": "Queue", "call": "Uniqueid", "agent": "MemberName"}
    told = {names.get(key, key): f"hotline-{value}" if key == "queue" else value for key, value in fields.items()}
    return AmiEvent(name, told | {"Timestamp": str((BEGIN + timedelta(seconds=second)).timestamp())})


def member(
    agent: str, queue: str = "loan", status: str = "1", *, name: str = "QueueMemberStatus", **more: str
) -> AmiEvent:
    fields = {
        "Interface": f"PJSIP/{agent}",
        "Status": status,
        "Paused": "0",
        "PausedReason": "",
        "Membership": "static",
    }
    return event(name, queue=queue, agent=agent, **fields | more)


def played(*events: AmiEvent, before: Picture | None = None) -> Picture:
    return reduce(lambda picture, each: after(picture, each, BEGIN), events, before or Picture())


def joins(call: str, queue: str = "loan", second: float = 0) -> AmiEvent:
    return event("QueueCallerJoin", second, queue=queue, call=call)


def leaves(call: str, queue: str = "loan", second: float = 0) -> AmiEvent:
    return event("QueueCallerLeave", second, queue=queue, call=call)


def answers(agent: str, call: str, queue: str = "loan", second: float = 0) -> list[AmiEvent]:
    """As Asterisk tells it: the caller leaves, then is connected."""
    return [leaves(call, queue, second), event("AgentConnect", second, queue=queue, call=call, agent=agent)]


def completes(agent: str, call: str, second: float = 0, reason: str = "agent", talk: str = "60") -> AmiEvent:
    return event("AgentComplete", second, queue="loan", call=call, agent=agent, Reason=reason, TalkTime=talk)


def at(second: float) -> datetime:
    return BEGIN + timedelta(seconds=second)


def test_a_call_from_the_queue_to_its_end() -> None:
    picture = played(member("agent1"), joins("c1"))
    assert [visit.call_id for visit in picture.waiting()] == ["c1"]
    assert picture.queue("loan").waiting == 1

    picture = played(
        event("AgentCalled", 1, queue="loan", call="c1", agent="agent1"), member("agent1", status="3"), before=picture
    )
    agent = picture.agents["agent1"]
    assert (agent.state, agent.call_id, agent.since) == ("ringing", "c1", at(1))

    picture = played(*answers("agent1", "c1", second=7), before=picture)
    agent = picture.agents["agent1"]
    assert (agent.state, agent.call_id, agent.since) == ("talking", "c1", at(7))
    assert picture.waiting() == []
    assert picture.visits["c1"] == (Visit("c1", "loan", BEGIN, 0, at(7), "agent1"),)

    picture = played(completes("agent1", "c1", 67), member("agent1"), before=picture)
    assert picture.agents["agent1"].state == "free"
    assert picture.visits["c1"][0].left_at == at(67) and picture.visits["c1"][0].how == "served"
    assert picture.talks == {"loan": (60,)}


@pytest.mark.parametrize(
    ("events", "how"),
    [
        (
            [
                event("QueueCallerAbandon", 9, queue="loan", call="c1"),
                leaves("c1", second=9),
                event("Hangup", 9.01, call="c1"),
            ],
            "hung_up",
        ),
        ([leaves("c1", second=9), event("Hangup", 60, call="c1")], "chose"),
        ([leaves("c1", second=9)], "chose"),
        ([event("Hangup", 9, call="c1")], "hung_up"),
        ([*answers("agent1", "c1", second=1), completes("agent1", "c1", 9, "caller")], "hung_up"),
        ([*answers("agent1", "c1", second=1), event("Hangup", 9, call="c1")], "hung_up"),
        ([*answers("agent1", "c1", second=1), completes("agent1", "c1", 9)], "served"),
    ],
)
def test_how_a_visit_ends(events: list[AmiEvent], how: str) -> None:
    picture = played(member("agent1"), joins("c1"), *events)
    (visit,) = picture.visits["c1"]
    assert (visit.how, visit.left_at) == (how, at(9))
    assert not visit.waits and picture.agents["agent1"].state == "free"


def test_out_and_in_again_is_the_same_visit() -> None:
    picture = played(joins("c1"), leaves("c1", second=30), joins("c1", second=30.1))
    assert picture.visits["c1"] == (Visit("c1", "loan", BEGIN),)


def test_too_long_and_to_the_general_queue_are_two() -> None:
    abandons = event("QueueCallerAbandon", 120, queue="loan", call="c1")  # Asterisk says so of a timeout as well
    picture = played(joins("c1"), abandons, leaves("c1", second=120), joins("c1", "general", second=120.1))
    first, second = picture.visits["c1"]
    assert (first.how, first.left_at, second.queue, second.waits) == ("moved", at(120), "general", True)


def test_a_choice_and_back_later_are_two() -> None:
    picture = played(joins("c1"), leaves("c1", second=30), joins("c1", second=50))
    assert [visit.how for visit in picture.visits["c1"]] == ["chose", ""]


@pytest.mark.parametrize(
    ("members", "state", "reason"),
    [
        ([member("a")], "free", ""),
        ([member("a", status="5")], "away", "no_telephone"),
        ([member("a", status="4")], "away", "no_telephone"),
        ([member("a", status="2")], "talking", ""),  # a call that came by no queue
        ([member("a", status="6")], "ringing", ""),
        ([member("a", Paused="1", PausedReason="lunch")], "paused", "lunch"),
        ([member("a", Paused="1", PausedReason="signed_out")], "away", ""),
        ([member("a", Paused="1", PausedReason="signed_out"), member("a", "general")], "free", ""),
        ([member("a"), member("a", "general", Paused="1", PausedReason="lunch")], "free", ""),
        ([member("a", Paused="1", PausedReason="lunch", status="2")], "talking", ""),
        ([member("a"), member("a", name="QueueMemberRemoved")], "away", ""),
    ],
)
def test_what_an_agent_does(members: list[AmiEvent], state: str, reason: str) -> None:
    agent = played(*members).agents["a"]
    assert (agent.state, agent.reason) == (state, reason)


def test_since_stays_while_nothing_changes() -> None:
    picture = played(member("a"))
    later = after(picture, replace_time(member("a", "general"), 60), BEGIN)
    assert later.agents["a"].since == picture.agents["a"].since
    paused = after(later, replace_time(member("a", Paused="1", PausedReason="lunch"), 90), BEGIN)
    paused = after(paused, replace_time(member("a", "general", Paused="1", PausedReason="lunch"), 91), BEGIN)
    assert paused.agents["a"].since == at(91)


def replace_time(told: AmiEvent, second: float) -> AmiEvent:
    return AmiEvent(told.name, {**told.fields, "Timestamp": str(at(second).timestamp())})


def test_a_queue_counts_who_is_there_and_who_is_ahead() -> None:
    picture = played(
        member("a"), member("b", status="2"), member("c", Paused="1", PausedReason="lunch"), member("d", status="5"),
        member("a", "general"), joins("c1"), joins("c2", "general"),
    )  # fmt: skip
    loan = picture.queue("loan")
    assert (loan.waiting, loan.agents_logged_in, loan.agents_free) == (1, 3, 1)
    # c1 and c2 are ahead for the same people: (2 - 1 free + 1) talks of 180 s among two who work
    assert loan.expected_wait_seconds == 180
    assert played(member("a")).queue("loan").expected_wait_seconds == 0
    assert Picture().queue("loan").expected_wait_seconds is None


def test_not_answered_rings_the_next() -> None:
    picture = played(
        member("a"), member("b"), joins("c1"),
        event("AgentCalled", 1, queue="loan", call="c1", agent="a"),
        event("AgentRingNoAnswer", 16, queue="loan", call="c1", agent="a"),
        event("AgentCalled", 17, queue="loan", call="c1", agent="b"),
    )  # fmt: skip
    assert [picture.agents[name].state for name in "ab"] == ["free", "ringing"]
    assert [visit.call_id for visit in picture.waiting()] == ["c1"]


# the exchange's own account


def row(name: str, **fields: str) -> AmiEvent:
    return AmiEvent(name, fields)


def account(*entries: tuple[str, str, int], agents: tuple[str, ...] = ("agent1",), status: str = "1") -> list[AmiEvent]:
    return [
        row("QueueParams", Queue="hotline-loan"),
        row("QueueParams", Queue="hotline-general"),
        *(row("QueueMember", Queue="hotline-loan", Name=agent, Location=f"PJSIP/{agent}", Status=status, Paused="0",
              PausedReason="", Membership="dynamic") for agent in agents),
        *(row("QueueEntry", Queue=f"hotline-{queue}", Uniqueid=call, Wait=str(wait)) for call, queue, wait in entries),
        row("QueueStatusComplete"),
    ]  # fmt: skip


def test_anew_from_nothing() -> None:
    picture = anew(Picture(), account(("c1", "loan", 40)), frozenset({"c1"}), at(100))
    assert picture.known == {"loan", "general"}
    assert picture.waiting() == [Visit("c1", "loan", at(60))]
    assert picture.agents["agent1"].state == "free" and picture.agents["agent1"].telephone == "PJSIP/agent1"


def test_anew_keeps_what_goes_on_and_ends_what_does_not() -> None:
    before = played(
        member("agent1"), member("agent9"), joins("waits"), joins("gone"), joins("talks"), joins("answered"),
        *answers("agent1", "talks", second=5), *answers("agent9", "answered", second=6),
    )  # fmt: skip
    picture = anew(before, account(("waits", "loan", 99), status="2"), frozenset({"waits", "talks"}), at(100))
    how = {call: visits[-1].how for call, visits in picture.visits.items()}
    assert how == {"waits": "", "gone": "unknown", "talks": "", "answered": "unknown"}
    assert [visit.entered_at for visit in picture.waiting()] == [BEGIN]
    assert picture.agents["agent1"].state == "talking" and picture.agents["agent1"].call_id == "talks"
    assert picture.agents["agent9"].state == "away"
    assert {visit.call_id for visit in changed(before, picture)} == {"gone", "answered"}
    assert set(without_ended(picture, "gone", "answered", "waits").visits) == {"waits", "talks"}


def test_who_waits_again_talks_no_more() -> None:
    """The end of the talk came while the link was away."""
    before = played(member("agent1"), joins("c1"), *answers("agent1", "c1", second=5))
    picture = anew(before, account(("c1", "loan", 10)), frozenset({"c1"}), at(100))
    assert [(visit.agent, visit.how) for visit in picture.visits["c1"]] == [("agent1", "unknown"), ("", "")]
    assert picture.agents["agent1"].state == "free"
    again = played(joins("c1", second=100), before=before)
    assert [(visit.agent, visit.how) for visit in again.visits["c1"]] == [("agent1", "unknown"), ("", "")]


def test_events_that_were_under_way_while_we_asked_change_nothing() -> None:
    picture = anew(Picture(), account(("c1", "loan", 40)), frozenset({"c1"}), at(100))
    assert after(picture, joins("c1", second=60), BEGIN).waiting() == picture.waiting()


CALLS, AGENTS, QUEUES = ["c1", "c2"], ["a", "b"], ["loan", "general"]
anything: st.SearchStrategy[AmiEvent] = st.builds(
    lambda name, call, agent, queue, status, paused, second, more: event(
        name, second, call=call, agent=agent, queue=queue, Status=status, Paused=paused, Interface=f"PJSIP/{agent}", **more
    ),
    st.sampled_from([
        "QueueMemberAdded", "QueueMemberStatus", "QueueMemberPause", "QueueMemberRemoved", "QueueCallerJoin",
        "QueueCallerAbandon", "QueueCallerLeave", "AgentCalled", "AgentRingNoAnswer", "AgentConnect", "AgentComplete",
        "Hangup", "SomethingElse",
    ]),
    st.sampled_from(CALLS), st.sampled_from(AGENTS), st.sampled_from(QUEUES), st.sampled_from("0123456789"),
    st.sampled_from("01"), st.floats(0, 1000),
    st.dictionaries(st.sampled_from(["Reason", "TalkTime", "PausedReason"]), st.text(max_size=5), max_size=3),
)  # fmt: skip


@given(st.lists(anything, max_size=40), st.lists(st.sampled_from(CALLS), max_size=2, unique=True))
def test_any_events_leave_a_whole_picture(events: list[AmiEvent], there: list[str]) -> None:
    picture = Picture()
    for each in events:
        before: Any = replace(picture)
        now = after(picture, each, BEGIN)
        assert picture == before
        assert {visit.call_id for visit in changed(picture, now)} <= {each.fields.get("Uniqueid")}
        assert all(visit.left_at for visits in now.visits.values() for visit in visits[:-1]), "one at a time"
        picture = now
    for queue in picture.known:
        now_there = picture.queue(queue)
        assert 0 <= now_there.agents_free <= now_there.agents_logged_in <= len(AGENTS)
    fresh = anew(picture, account(*((call, "loan", 5) for call in there)), frozenset(there), at(2000))
    assert {visit.call_id for visit in fresh.waiting()} == set(there)
    assert all(visit.left_at for visits in fresh.visits.values() for visit in visits[:-1])
    assert all(visit.left_at for call, visits in fresh.visits.items() if call not in there for visit in visits)


def test_what_cannot_be_read_hurts_nobody() -> None:
    for name in (
        "QueueMemberStatus",
        "QueueCallerJoin",
        "AgentConnect",
        "AgentComplete",
        "Hangup",
        "QueueMemberRemoved",
    ):
        assert after(Picture(), AmiEvent(name, {}), BEGIN)
        assert after(Picture(), AmiEvent(name, {"Timestamp": "soon", "TalkTime": "long", "Status": "x"}), BEGIN)
