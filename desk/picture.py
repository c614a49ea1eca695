"""The live picture of the people's side: who works, who waits, who talks to whom. Pure: `after(picture, event, at)`.

Everything comes from the exchange's own events, or, when the link is new, from its own account of itself (`anew`).
A caller is named by the call's id, never by a number. Events that do not fit (of a caller or an agent not heard of) are
taken as far as they make sense: what was missed is corrected by the next `anew`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from desk.ami import AmiEvent
from desk.waiting import RECENT, expected_wait, service_seconds

PREFIX = "hotline-"  # Asterisk keeps the name `general` for itself
SIGNED_OUT = "signed_out"  # the pause of a member who is listed in queues.conf and cannot be taken out
NO_TELEPHONE = "no_telephone"  # the reason of an agent who signed in, but whose telephone is not there
_ABSENT = {"4", "5"}  # device states: invalid, unavailable
_ENGAGED = {"2", "3", "7", "8"}  # in use, busy, ringing besides, on hold
_CONTINUES = timedelta(seconds=1)  # out of a queue and into one again: the same visit, or an overflow

State = Literal["away", "free", "ringing", "talking", "paused"]


@dataclass(frozen=True, slots=True)
class AgentNow:
    """What an agent does, since when; `call_id` is of the caller who rings or talks."""

    name: str
    telephone: str
    state: State
    since: datetime
    reason: str = ""
    call_id: str = ""
    queues: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class QueueNow:
    """How a queue is. `expected_wait_seconds`: for whoever came now; None when nobody works."""

    name: str
    waiting: int
    agents_logged_in: int
    agents_free: int
    expected_wait_seconds: int | None


@dataclass(frozen=True, slots=True)
class Visit:
    """One caller's time in one queue, and how it ended.

    `served`: the agent hung up; `hung_up`: the caller did, answered or not; `chose`: another way, by a key or because
    nobody was there any more (the call's own steps tell which); `moved`: to the general queue, after its time;
    `unknown`: while nobody watched.
    """

    call_id: str
    queue: str
    entered_at: datetime
    estimate_seconds: int | None = None
    answered_at: datetime | None = None
    agent: str = ""
    left_at: datetime | None = None
    how: str = ""

    @property
    def waits(self) -> bool:
        """Whether this caller is waiting now."""
        return self.answered_at is None and self.left_at is None


@dataclass(frozen=True, slots=True)
class Member:
    """An agent's telephone in one queue."""

    queue: str
    agent: str
    telephone: str
    status: str
    paused: bool
    reason: str
    dynamic: bool

    @property
    def signed_in(self) -> bool:
        """Whether this agent is there for this queue, at work or in a pause."""
        return self.status not in _ABSENT and not (self.paused and self.reason == SIGNED_OUT)


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything at one moment."""

    known: frozenset[str] = frozenset()  # queues
    members: Mapping[tuple[str, str], Member] = field(default_factory=dict)  # (queue, agent)
    agents: Mapping[str, AgentNow] = field(default_factory=dict)
    ringing: Mapping[str, str] = field(default_factory=dict)  # agent -> call
    talking: Mapping[str, str] = field(default_factory=dict)
    visits: Mapping[str, tuple[Visit, ...]] = field(default_factory=dict)  # of calls that are still there
    talks: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # queue -> seconds, the newest last

    def waiting(self) -> list[Visit]:
        """Whoever waits, the longest first."""
        return sorted((visits[-1] for visits in self.visits.values() if visits[-1].waits), key=lambda v: v.entered_at)

    def queue(self, name: str) -> QueueNow:
        """How a queue is now."""
        here = [member for member in self.members.values() if member.queue == name and member.signed_in]
        working = {member.agent for member in here if not member.paused}
        free = sum(self.agents[agent].state == "free" for agent in working)
        shared = {member.queue for member in self.members.values() if member.agent in working and not member.paused}
        waiting = self.waiting()
        # Whoever waits for the same people in another queue is ahead as well, although callers are told of their own.
        ahead = sum(visit.queue == name or visit.queue in shared for visit in waiting)
        seconds = expected_wait(ahead, free, len(working), service_seconds(self.talks.get(name, ())))
        return QueueNow(name, sum(visit.queue == name for visit in waiting), len(here), free, seconds)


def after(picture: Picture, event: AmiEvent, at: datetime) -> Picture:
    """The picture after an event; `at` is used where the event does not carry its own moment."""
    fields = event.fields
    at = _moment(fields, at)
    queue, call, agent = _queue(fields), fields.get("Uniqueid", ""), fields.get("MemberName", "")
    match event.name:
        case "QueueMemberAdded" | "QueueMemberStatus" | "QueueMemberPause":
            return _agents(_with_member(picture, fields), at, agent)
        case "QueueMemberRemoved":
            members = {key: member for key, member in picture.members.items() if key != (queue, agent)}
            return _agents(replace(picture, members=members), at, agent)
        case "QueueCallerJoin":
            return _joined(picture, call, queue, at)
        case "QueueCallerLeave":
            return _ended(picture, call, at, "chose")
        case "AgentCalled":
            return _agents(replace(picture, ringing={**picture.ringing, agent: call}), at, agent)
        case "AgentRingNoAnswer" | "AgentDump":
            return _agents(replace(picture, ringing=_without(picture.ringing, agent)), at, agent)
        case "AgentConnect":
            return _connected(picture, call, queue, agent, at)
        case "AgentComplete":
            return _complete(picture, call, queue, agent, at, fields)
        case "Hangup":
            return _gone(picture, call, at)
    return picture


def anew(picture: Picture, rows: Iterable[AmiEvent], calls: frozenset[str], at: datetime) -> Picture:
    """The picture by the exchange's own account: the rows of `QueueStatus`, and the ids of the channels there are.

    Of what was known before, only that stays which the account cannot tell: when somebody was answered, and by whom.
    """
    rows = list(rows)
    known = frozenset(_queue(row.fields) for row in rows if row.name == "QueueParams")
    entries = {row.fields["Uniqueid"]: row.fields for row in rows if row.name == "QueueEntry"}
    visits = {call: tuple(map(_still(entries, calls, at), seen)) for call, seen in picture.visits.items()}
    for call, fields in entries.items():
        seen = visits.get(call, ())
        if not (seen and seen[-1].waits and seen[-1].queue == _queue(fields)):
            since = at - timedelta(seconds=_whole(fields, "Wait"))
            visits[call] = (*_over(seen, at), Visit(call, _queue(fields), since))
    talking = {visits[-1].agent: call for call, visits in visits.items() if visits[-1].agent and not visits[-1].left_at}
    fresh = replace(picture, known=known, members={}, ringing={}, talking=talking, visits=visits)
    for row in rows:
        if row.name == "QueueMember":
            named = {"MemberName": row.fields["Name"], "Interface": row.fields["Location"]}
            fresh = _with_member(fresh, {**row.fields, **named})
    return _agents(fresh, at, *{member.agent for member in fresh.members.values()}, *picture.agents)


def changed(before: Picture, now: Picture) -> list[Visit]:
    """The visits that began, went on or ended between two pictures."""
    if before.visits is now.visits:
        return []
    old = {visit for visits in before.visits.values() for visit in visits}
    return [visit for visits in now.visits.values() for visit in visits if visit not in old]


def without_ended(picture: Picture, *calls: str) -> Picture:
    """Without the visits of calls that are over, once they have been written down."""
    over = {call for call in calls if all(visit.left_at for visit in picture.visits.get(call, ()))}
    return replace(picture, visits={call: seen for call, seen in picture.visits.items() if call not in over})


def _still(entries: Mapping[str, Mapping[str, str]], calls: frozenset[str], at: datetime) -> Callable[[Visit], Visit]:
    def still(visit: Visit) -> Visit:
        waits = visit.waits and _queue(entries.get(visit.call_id, {})) == visit.queue
        talks = visit.answered_at is not None and visit.call_id in calls
        return visit if visit.left_at or waits or talks else replace(visit, left_at=at, how="unknown")

    return still


def _joined(picture: Picture, call: str, queue: str, at: datetime) -> Picture:
    seen = picture.visits.get(call, ())
    last = seen[-1] if seen else None
    if last and last.waits:
        return picture  # known already: the event was under way while we asked
    if last and last.how == "chose" and last.left_at and at - last.left_at < _CONTINUES:
        if last.queue == queue:
            return _with_visits(picture, call, (*seen[:-1], replace(last, left_at=None, how="")))
        seen = (*seen[:-1], replace(last, how="moved"))
    estimate = picture.queue(queue).expected_wait_seconds
    return _with_visits(picture, call, (*_over(seen, at), Visit(call, queue, at, estimate)))


def _over(visits: tuple[Visit, ...], at: datetime) -> tuple[Visit, ...]:
    """Whoever waits anew has ended what was before, though nobody saw how."""
    return tuple(visit if visit.left_at else replace(visit, left_at=at, how="unknown") for visit in visits)


def _ended(picture: Picture, call: str, at: datetime, how: str) -> Picture:
    seen = picture.visits.get(call, ())
    if not seen or seen[-1].left_at:
        return picture
    return _with_visits(picture, call, (*seen[:-1], replace(seen[-1], left_at=at, how=how)))


def _connected(picture: Picture, call: str, queue: str, agent: str, at: datetime) -> Picture:
    *earlier, last = picture.visits.get(call) or (Visit(call, queue, at),)
    answered = replace(last, answered_at=at, agent=agent, left_at=None, how="")  # it has just been told to have left
    others = {each for each, ringing in picture.ringing.items() if ringing == call}
    ringing = {each: ringing for each, ringing in picture.ringing.items() if each not in others}
    picture = replace(picture, ringing=ringing, talking={**picture.talking, agent: call})
    return _agents(_with_visits(picture, call, (*earlier, answered)), at, agent, *others)


def _complete(picture: Picture, call: str, queue: str, agent: str, at: datetime, fields: Mapping[str, str]) -> Picture:
    talks = (*picture.talks.get(queue, ()), _whole(fields, "TalkTime"))[-RECENT:]
    picture = replace(picture, talking=_without(picture.talking, agent), talks={**picture.talks, queue: talks})
    how = "hung_up" if fields.get("Reason") == "caller" else "served"
    return _agents(_ended(picture, call, at, how), at, agent)


def _gone(picture: Picture, call: str, at: datetime) -> Picture:
    involved = {each for told in (picture.ringing, picture.talking) for each, its in told.items() if its == call}
    if not involved and call not in picture.visits:
        return picture
    picture = replace(
        _ended(_hung_up(picture, call, at), call, at, "hung_up"),
        ringing=_without(picture.ringing, *involved),
        talking=_without(picture.talking, *involved),
    )
    return _agents(picture, at, *involved)


def _hung_up(picture: Picture, call: str, at: datetime) -> Picture:
    """Who left the queue the moment before hung up in it. (QueueCallerAbandon is told of those who move as well.)"""
    *earlier, last = picture.visits.get(call) or (None,)
    if last and last.how == "chose" and last.left_at and at - last.left_at < _CONTINUES:
        return _with_visits(picture, call, (*(each for each in earlier if each), replace(last, how="hung_up")))
    return picture


def _with_member(picture: Picture, fields: Mapping[str, str]) -> Picture:
    member = Member(
        _queue(fields),
        fields.get("MemberName", ""),
        fields.get("Interface", ""),
        fields.get("Status", "0"),
        fields.get("Paused") == "1",
        fields.get("PausedReason", ""),
        fields.get("Membership") == "dynamic",
    )
    known = picture.known | {member.queue}
    return replace(picture, known=known, members={**picture.members, (member.queue, member.agent): member})


def _with_visits(picture: Picture, call: str, visits: tuple[Visit, ...]) -> Picture:
    return replace(picture, visits={**picture.visits, call: visits})


def _agents(picture: Picture, at: datetime, *names: str) -> Picture:
    """Look again at what these agents do."""
    agents = dict(picture.agents)
    for name in names:
        before, now = agents.get(name), _agent(picture, name, at)
        same = before and (before.state, before.reason, before.call_id) == (now.state, now.reason, now.call_id)
        agents[name] = replace(now, since=before.since) if before and same else now
    return replace(picture, agents=agents)


def _agent(picture: Picture, name: str, at: datetime) -> AgentNow:
    members = [member for member in picture.members.values() if member.agent == name]
    known = picture.agents.get(name)
    telephone = members[0].telephone if members else known.telephone if known else ""
    state, reason, call = _state(picture, name, members)
    queues = frozenset(member.queue for member in members if member.signed_in)
    return AgentNow(name, telephone, state, at, reason, call, queues)


def _state(picture: Picture, name: str, members: list[Member]) -> tuple[State, str, str]:
    if name in picture.talking:
        return "talking", "", picture.talking[name]
    if name in picture.ringing:
        return "ringing", "", picture.ringing[name]
    if not members or all(member.paused and member.reason == SIGNED_OUT for member in members):
        return "away", "", ""
    status = members[0].status  # of the telephone: the same in every queue
    if status in _ABSENT:
        return "away", NO_TELEPHONE, ""
    if status in _ENGAGED:
        return "talking", "", ""
    if status == "6":
        return "ringing", "", ""
    pauses = [member for member in members if member.signed_in]
    if all(member.paused for member in pauses):
        return "paused", pauses[0].reason, ""
    return "free", "", ""


def _queue(fields: Mapping[str, str]) -> str:
    return fields.get("Queue", "").removeprefix(PREFIX)


def _whole(fields: Mapping[str, str], name: str) -> int:
    text = fields.get(name, "")
    return int(text) if text.isdecimal() else 0


def _without(told: Mapping[str, str], *names: str) -> Mapping[str, str]:
    return {name: call for name, call in told.items() if name not in names}


def _moment(fields: Mapping[str, str], at: datetime) -> datetime:
    try:
        return datetime.fromtimestamp(float(fields["Timestamp"]), UTC)
    except (KeyError, ValueError, OverflowError):
        return at
