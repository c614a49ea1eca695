"""The figures the centre reports. What each of them means is in `FIGURES`, which the pages show beside it.

A period is whole days in China, both ends included. A call belongs to the day on which it began; what became of it
later still counts there. A share whose whole is zero is None: nobody called is not the same as nobody was answered.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Float, Integer, String, and_, case, column, func, literal, or_, select, table
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from desk.order import UNDONE
from desk.sql import china_day, china_hour, flow_file, medians, seconds_between
from desk.tables import call_backs, queue_visits, surveys, work_orders
from fund.clock import CHINA
from fund.columns import Moment

PROMISED_SECONDS = 15  # GB/T 33358-2016: a person answers within
REPEAT_DAYS = 7
LONGEST_DAYS = 366
EARLIEST, LATEST = date(1970, 1, 2), date(2199, 12, 31)
NO_TOPIC = "-"  # the caller never left the main menu
HOME_FILE = "main"

# The calls, as the voice side keeps them; `hotline try` is kept too, but nobody called.
_kept = table(
    "calls",
    column("id", String),
    column("line", String),
    column("caller_masked", String),
    column("caller_digest", String),
    column("outcome", String),
    column("started_at", Moment),
    column("ended_at", Moment),
)
calls = select(_kept).where(_kept.c.line != "keyboard").subquery("calls")
steps = table(
    "call_steps",
    column("call_id", String),
    column("n", Integer),
    column("node", String),
    column("seconds", Float),
    column("silences", Integer),
    column("wrongs", Integer),
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One number: what it is called, in what it is told, and exactly what it is."""

    label: str
    unit: str  # count, share, seconds
    meaning: str


FIGURES: Mapping[str, Figure] = {
    "calls": Figure("来电", "count", "期间开始的全部来电。"),
    "automatic": Figure("自动服务比例", "share", "已结束的来电中，没有进入人工队列、也没有转给工作人员的比例。"),
    "call_seconds": Figure("平均通话时长", "seconds", "已结束的来电从接通到结束的平均秒数，含排队和人工通话。"),
    "repeat": Figure("重复来电比例", "share", f"同一号码在此前 {REPEAT_DAYS} 天内来过电话的比例；不显示号码的不计。"),
    "asked": Figure("请求人工", "count", "进入人工队列的次数；一个来电两次进入算两次，溢出到另一队列的并入前一次。"),
    "answered": Figure("接通率", "share", "进入人工队列后由坐席接听的比例；仍在等待的不计。"),
    "in_time": Figure(
        f"{PROMISED_SECONDS} 秒接听率", "share", f"坐席接听的来电中，从进入队列起 {PROMISED_SECONDS} 秒内接听的比例。"
    ),
    "answer_seconds": Figure("接听等待（中位数）", "seconds", "坐席接听的来电从进入队列到接听的秒数的中位数。"),
    "lost": Figure("流失率", "share", "进入人工队列后，来电人在接听前挂机的比例；改为回电、留言、短信的不算流失。"),
    "estimate_error": Figure("等待预估误差", "seconds", "预估等待与实际等待之差的绝对值的中位数；只计坐席接听的来电。"),
    "rated": Figure("参评人数", "count", "在通话后评价的人数；未按键或挂机的是未评价，不计入满意率。"),
    "satisfied": Figure("满意率", "share", "（满意 + 基本满意）÷ 参评人数。"),
    "complaints": Figure("投诉率", "share", "期间登记的投诉工单数 ÷ 期间的来电数。"),
    "orders": Figure("工单", "count", "期间登记的工单。"),
    "late": Figure("工单超期比例", "share", "期间登记的工单中，答复晚于期限、或已过期限仍未答复的比例。"),
    "call_backs": Figure("回电请求", "count", "期间提出的回电请求。"),
    "kept": Figure("回电完成率", "share", "已结束的回电请求中，联系上来电人的比例；来电人自己取消的不计。"),
}
NODE_COLUMNS: Mapping[str, str] = {
    "entered": "进入的次数。",
    "median_seconds": "停留秒数的中位数。",
    "hung_up": "来电人在此挂机的次数。",
    "silences": "没有在时间内按键的次数。",
    "wrongs": "按错键或输入有误的次数。",
    "left_for": "之后去了哪里，从多到少。",
}


class BadPeriod(ValueError):
    """The days are the wrong way round, or too many (`LONGEST_DAYS`)."""


@dataclass(frozen=True, slots=True)
class Period:
    """Whole days, both included."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if not EARLIEST <= self.first <= self.last <= LATEST or (self.last - self.first).days >= LONGEST_DAYS:
            raise BadPeriod

    @property
    def since(self) -> datetime:
        return datetime.combine(self.first, time(), CHINA)

    @property
    def until(self) -> datetime:
        """The first moment that does not belong to it."""
        return datetime.combine(self.last + timedelta(days=1), time(), CHINA)

    def holds(self, moment: ColumnElement[datetime]) -> ColumnElement[bool]:
        return and_(moment >= self.since, moment < self.until)


@dataclass(frozen=True, slots=True)
class Report:
    """A table of figures."""

    name: str
    period: Period
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def records(self) -> list[dict[str, Any]]:
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


class Figures:
    """Counts, on either engine."""

    def __init__(self, engine: AsyncEngine, clock: Callable[[], datetime]) -> None:
        self._engine, self._clock = engine, clock
        self._reports: Mapping[str, Callable[[AsyncConnection, Period], Awaitable[Report]]] = {
            "summary": self._summary,
            "days": self._days,
            "hours": self._hours,
            "topics": self._topics,
            "nodes": self._nodes,
            "queues": self._queues,
            "ratings": self._ratings,
        }

    @property
    def names(self) -> Sequence[str]:
        """The reports there are."""
        return tuple(self._reports)

    async def report(self, name: str, period: Period) -> Report:
        """One of `names`. Raises `KeyError`."""
        make = self._reports[name]
        async with self._engine.connect() as connection:
            return await make(connection, period)

    async def _summary(self, connection: AsyncConnection, period: Period) -> Report:
        found: dict[str, float | None] = dict.fromkeys(FIGURES)
        for ask in (_calls, _repeats, _visits, _rated, _orders, _call_backs):
            found |= await ask(connection, period, self._clock())
        complaints, called = found.pop("complaint_orders"), found["calls"]
        found["complaints"] = _share(complaints, called)
        rows = [(name, found[name]) for name in FIGURES]
        return Report("summary", period, ("figure", "value"), rows)

    async def _days(self, connection: AsyncConnection, period: Period) -> Report:
        """Calls a day, and how many of them went to people; a day without a call is there with zeros."""
        counted = await _by(connection, period, china_day(calls.c.started_at))
        days = [(period.first + timedelta(days=n)).isoformat() for n in range((period.last - period.first).days + 1)]
        return Report("days", period, ("day", "calls", "people"), [(day, *counted.get(day, (0, 0))) for day in days])

    async def _hours(self, connection: AsyncConnection, period: Period) -> Report:
        """Calls by hour of the day."""
        counted = await _by(connection, period, china_hour(calls.c.started_at))
        return Report("hours", period, ("hour", "calls", "people"), [(n, *counted.get(n, (0, 0))) for n in range(24)])

    async def _topics(self, connection: AsyncConnection, period: Period) -> Report:
        """Calls by the last part of the menus they were in, the main menu left out."""
        latest = (
            select(steps.c.call_id, func.max(steps.c.n).label("n"))
            .join_from(steps, calls, calls.c.id == steps.c.call_id)
            .where(period.holds(calls.c.started_at), flow_file(steps.c.node) != HOME_FILE)
            .group_by(steps.c.call_id)
            .subquery()
        )
        at_last = and_(steps.c.call_id == latest.c.call_id, steps.c.n == latest.c.n)
        last = (
            select(latest.c.call_id, flow_file(steps.c.node).label("topic"))
            .join_from(latest, steps, at_last)
            .subquery()
        )
        counted = await _by(
            connection,
            period,
            func.coalesce(last.c.topic, NO_TOPIC),
            calls.outerjoin(last, last.c.call_id == calls.c.id),
        )
        rows = sorted(((topic, *counts) for topic, counts in counted.items()), key=lambda row: (-row[1], row[0]))
        return Report("topics", period, ("topic", "calls", "people"), rows)

    async def _nodes(self, connection: AsyncConnection, period: Period) -> Report:
        """What happens in each node of the menus."""
        after = steps.alias("after")
        walked = steps.join(calls, calls.c.id == steps.c.call_id).outerjoin(
            after, and_(after.c.call_id == steps.c.call_id, after.c.n == steps.c.n + 1)
        )
        within, node, tenths = period.holds(calls.c.started_at), steps.c.node, func.round(steps.c.seconds * 10)
        gone = _count(and_(after.c.node.is_(None), calls.c.outcome == "hung_up"))
        counts = select(node, after.c.node, func.count(), gone, func.sum(steps.c.silences), func.sum(steps.c.wrongs))
        stays = select(node, tenths, func.count()).select_from(steps.join(calls, calls.c.id == steps.c.call_id))
        stays = stays.where(within, steps.c.seconds.is_not(None)).group_by(node, tenths).order_by(tenths)
        found: dict[str, _Node] = {}
        for name, onward, *numbers in await connection.execute(
            counts.select_from(walked).where(within).group_by(node, after.c.node)
        ):
            found.setdefault(name, _Node()).add(onward, *numbers)
        for name, tenth, number in await connection.execute(stays):
            found[name].stays.append((tenth / 10, number))
        rows = [(name, *each.row()) for name, each in found.items()]
        return Report("nodes", period, ("node", *NODE_COLUMNS), sorted(rows, key=lambda row: (-row[1], row[0])))

    async def _queues(self, connection: AsyncConnection, period: Period) -> Report:
        """Each queue: how many came, were answered, in time, and were lost."""
        visit = queue_visits.c
        answered, waited = visit.answered_at.is_not(None), seconds_between(_entered(), visit.answered_at)
        quick, lost = and_(answered, waited <= PROMISED_SECONDS), and_(~answered, visit.how == "hung_up")
        within = and_(_WAITED, period.holds(visit.entered_at), visit.how != "moved")
        query = select(visit.queue, func.count(), _count(answered), _count(quick), _count(lost)).where(within)
        middle = dict(map(tuple, await connection.execute(medians(visit.queue, waited, (within,), queue_visits))))
        rows = [(*row, middle.get(row[0])) for row in await connection.execute(query.group_by(visit.queue))]
        columns = ("queue", "asked", "answered", "in_time", "lost", "answer_seconds")
        return Report("queues", period, columns, sorted(rows, key=lambda row: (-row[1], row[0])))

    async def _ratings(self, connection: AsyncConnection, period: Period) -> Report:
        """What callers said, by rating."""
        query = select(surveys.c.rating, func.count()).where(period.holds(surveys.c.at)).group_by(surveys.c.rating)
        counted = dict(map(tuple, await connection.execute(query)))
        return Report("ratings", period, ("rating", "count"), [(word, counted.get(word, 0)) for word in _RATINGS])


_RATINGS = ("satisfied", "fair", "unsatisfied")
_ENDED = calls.c.ended_at.is_not(None)
PLACED = "out-%"  # the ids of calls that we placed: the figures are of those who call us
_CAME_IN = ~calls.c.id.like(PLACED)
_WAITED = ~queue_visits.c.call_id.like(PLACED)


def _with_people() -> ColumnElement[bool]:
    """Whether a call went to people: into a queue, or handed over where no exchange tells us of queues."""
    waited = select(queue_visits.c.id).where(queue_visits.c.call_id == calls.c.id).exists()
    return or_(calls.c.outcome.in_(("transferred", "rescued")), waited)


async def _calls(connection: AsyncConnection, period: Period, now: datetime) -> dict[str, float | None]:
    length = func.avg(seconds_between(calls.c.started_at, calls.c.ended_at))
    query = select(func.count(), _count(_ENDED), _count(and_(_ENDED, _with_people())), length)
    query = query.where(_CAME_IN, period.holds(calls.c.started_at))
    total, ended, people, seconds = (await connection.execute(query)).one()
    return {"calls": total, "automatic": _share(ended - people, ended), "call_seconds": seconds}


async def _repeats(connection: AsyncConnection, period: Period, now: datetime) -> dict[str, float | None]:
    earlier = func.lag(calls.c.started_at).over(partition_by=calls.c.caller_digest, order_by=calls.c.started_at)
    rows = (
        select(calls.c.started_at, earlier.label("earlier"))
        .where(calls.c.started_at >= period.since - timedelta(days=REPEAT_DAYS), calls.c.started_at < period.until)
        .where(_CAME_IN, calls.c.caller_masked != "")
        .subquery()
    )
    again = and_(
        rows.c.earlier.is_not(None), seconds_between(rows.c.earlier, rows.c.started_at) <= REPEAT_DAYS * 86_400
    )
    query = select(func.count(), _count(again)).where(rows.c.started_at >= period.since)
    known, repeated = (await connection.execute(query)).one()
    return {"repeat": _share(repeated, known)}


async def _visits(connection: AsyncConnection, period: Period, now: datetime) -> dict[str, float | None]:
    visit, entered = queue_visits.c, _entered()
    within = and_(_WAITED, period.holds(visit.entered_at), visit.how != "moved")
    over, answered = or_(visit.answered_at.is_not(None), visit.left_at.is_not(None)), visit.answered_at.is_not(None)
    waited = seconds_between(entered, visit.answered_at)
    in_time, lost = and_(answered, waited <= PROMISED_SECONDS), and_(~answered, visit.how == "hung_up")
    query = select(func.count(), _count(over), _count(answered), _count(in_time), _count(lost)).where(within)
    asked, ended, met, quick, gone = (await connection.execute(query)).one()
    error = func.abs(waited - visit.estimate_seconds)
    middle = [
        (await connection.execute(medians(literal(0), value, (within,), queue_visits))).first()
        for value in (waited, error)
    ]
    seconds, off = (row.median if row else None for row in middle)
    return {
        "asked": asked, "answered": _share(met, ended), "in_time": _share(quick, met), "answer_seconds": seconds,
        "lost": _share(gone, ended), "estimate_error": off,
    }  # fmt: skip


def _entered() -> ColumnElement[datetime]:
    """When the wait began: for a caller moved on from another queue, in that one. What they did before is over."""
    visit, before, over = queue_visits.c, queue_visits.alias("before"), queue_visits.alias("over")
    ended = and_(over.c.call_id == visit.call_id, over.c.how != "moved", over.c.entered_at < visit.entered_at)
    since = select(func.max(over.c.entered_at)).where(ended).scalar_subquery()
    moved = and_(before.c.call_id == visit.call_id, before.c.how == "moved", before.c.entered_at < visit.entered_at)
    of_this = or_(since.is_(None), before.c.entered_at > since)
    first = select(func.min(before.c.entered_at)).where(moved, of_this).scalar_subquery()
    return func.coalesce(first, visit.entered_at, type_=Moment)


async def _rated(connection: AsyncConnection, period: Period, now: datetime) -> dict[str, float | None]:
    content = _count(surveys.c.rating.in_(("satisfied", "fair")))
    query = select(func.count(), content).where(period.holds(surveys.c.at))
    rated, satisfied = (await connection.execute(query)).one()
    return {"rated": rated, "satisfied": _share(satisfied, rated)}


async def _orders(connection: AsyncConnection, period: Period, now: datetime) -> dict[str, float | None]:
    order = work_orders.c
    late = or_(order.answered_at > order.answer_by, and_(order.state.in_(UNDONE), order.answer_by < now))
    query = select(func.count(), _count(late), _count(order.kind == "complaint"))
    query = query.where(period.holds(order.opened_at), order.state != "draft")
    total, overdue, complaints = (await connection.execute(query)).one()
    return {"orders": total, "late": _share(overdue, total), "complaint_orders": complaints}


async def _call_backs(connection: AsyncConnection, period: Period, now: datetime) -> dict[str, float | None]:
    asked_for = call_backs.c.purpose == "callback"
    done = and_(call_backs.c.closed_at.is_not(None), call_backs.c.outcome != "cancelled")
    query = select(func.count(), _count(done), _count(call_backs.c.outcome == "reached"))
    mine = query.where(asked_for, period.holds(call_backs.c.asked_at))
    asked, closed, reached = (await connection.execute(mine)).one()
    return {"call_backs": asked, "kept": _share(reached, closed)}


async def _by(
    connection: AsyncConnection, period: Period, group: ColumnElement[Any], source: Any = calls
) -> dict[Any, tuple[int, int]]:
    """Calls, and those that went to people, by `group`."""
    query = select(group.label("what"), func.count(), _count(_with_people())).select_from(source)
    rows = await connection.execute(query.where(_CAME_IN, period.holds(calls.c.started_at)).group_by(group))
    return {what: (total, people) for what, total, people in rows}


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    """How many rows it is true of; 0 when there are none."""
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def _share(part: float | None, whole: float | None) -> float | None:
    return None if not whole or part is None else part / whole


@dataclass(slots=True)
class _Node:
    """One node's figures in the making. `stays`: (seconds, how often), shortest first, to a tenth of a second."""

    entered: int = 0
    hung_up: int = 0
    silences: int = 0
    wrongs: int = 0
    ways: list[tuple[int, str]] = field(default_factory=list)
    stays: list[tuple[float, int]] = field(default_factory=list)

    def add(self, onward: str | None, entered: int, hung_up: int, silences: int, wrongs: int) -> None:
        """Those who went on to one node, or to none."""
        self.entered += entered
        self.hung_up += hung_up
        self.silences += silences
        self.wrongs += wrongs
        if onward is not None:
            self.ways.append((entered, onward))

    def row(self) -> tuple[Any, ...]:
        """As in `NODE_COLUMNS`; the ways from the busiest: `loan/start 12, main/agent 3`."""
        ways = ", ".join(f"{node} {number}" for number, node in sorted(self.ways, key=lambda way: (-way[0], way[1])))
        return self.entered, _middle(self.stays), self.hung_up, self.silences, self.wrongs, ways


def _middle(counted: Sequence[tuple[float, int]]) -> float | None:
    """The median of values given with how often they came, in order."""
    size, passed, low = sum(number for _, number in counted), 0, None
    for value, number in counted:
        passed += number
        if low is None and passed >= (size + 1) // 2:
            low = value
        if low is not None and passed >= size // 2 + 1:
            return (low + value) / 2
    return low
