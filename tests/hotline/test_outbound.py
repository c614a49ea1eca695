"""Calls that we place, against an exchange that does as it is told: when, how often, and what a crash leaves."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncEngine

from desk.board import Board
from desk.callbacks import CallBacks
from desk.tables import call_backs as table
from desk.tables import queue_visits
from desk.visits import Visits
from fund.calendar import Calendar, Timetable
from fund.privacy import Privacy
from hotline.outbound import Hours, Outbound, callable_at, closed_days
from hotline.placing import parsed
from hotline.placing_exchange import ByExchange
from hotline.settings import OutboundSettings
from ivr.flow import ENTRIES
from ivr.tables import calls
from sms.errors import TryLater
from tests.desk.conftest import CHINA, Clock
from tests.desk.exchange import fake_exchange, link, packet
from tests.desk.test_board import Asterisk, rows, until

PHONE, OTHER = "13900000001", "13900000002"
NOW = datetime(2026, 3, 2, 10, tzinfo=CHINA)  # a Monday
HOURS = Hours(time(8, 30), time(20))
ALL_DAY = {"begin": time(0), "end": time(23, 59, 59)}


def at(written: str) -> datetime:
    return datetime.strptime(written, "%Y-%m-%d %H:%M").replace(tzinfo=CHINA)


PEOPLE = Calendar(
    {
        "people": Timetable({"working_days": ((9 * 60, 12 * 60), (14 * 60, 17 * 60))}),
        "loan": Timetable({"working_days": ((6 * 60, 7 * 60), (19 * 60 + 30, 22 * 60))}),
        "closed": Timetable({}),
    }
)


@pytest.mark.parametrize(
    ("calendar", "queue", "now", "expected"),
    [
        (None, "general", "2026-03-02 10:00", "2026-03-02 10:00"),
        (None, "general", "2026-03-02 08:29", "2026-03-02 08:30"),
        (None, "general", "2026-03-02 20:00", "2026-03-03 08:30"),
        (Calendar(), "general", "2026-03-02 12:30", "2026-03-02 12:30"),  # no timetable: the hours alone
        (PEOPLE, "general", "2026-03-02 10:00", "2026-03-02 10:00"),
        (PEOPLE, "general", "2026-03-02 12:30", "2026-03-02 14:00"),
        (PEOPLE, "general", "2026-03-06 17:00", "2026-03-09 09:00"),  # after the weekend
        (PEOPLE, "loan", "2026-03-02 06:30", "2026-03-02 19:30"),  # open at 6:30, but nobody is called so early
        (PEOPLE, "loan", "2026-03-02 21:00", "2026-03-03 19:30"),  # nor so late
        (PEOPLE, "closed", "2026-03-02 10:00", None),
    ],
)
def test_when_somebody_may_be_called(calendar: Calendar | None, queue: str, now: str, expected: str | None) -> None:
    assert callable_at(HOURS, calendar, queue, at(now)) == (at(expected) if expected else None)


@pytest.mark.parametrize(
    ("calendar", "queue", "since", "now", "days"),
    [
        (None, "general", "2026-02-14 17:30", "2026-02-24 09:00", 0),
        (PEOPLE, "general", "2026-02-14 17:30", "2026-02-24 09:00", 9),  # the Spring Festival
        (PEOPLE, "general", "2026-02-14 10:00", "2026-02-14 17:30", 0),
        (PEOPLE, "general", "2026-03-02 10:00", "2026-03-09 10:00", 2),  # a weekend
        (PEOPLE, "general", "2025-12-31 23:30", "2026-01-04 00:30", 3),  # the 4th is a working Sunday
        (PEOPLE, "closed", "2026-03-02 10:00", "2026-03-09 10:00", 0),  # nobody ever: that is no reason to keep it
    ],
)
def test_days_on_which_nobody_could_be_called(
    calendar: Calendar | None, queue: str, since: str, now: str, days: int
) -> None:
    assert closed_days(HOURS, calendar, queue, at(since), at(now)) == timedelta(days=days)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("out-callback-abc-3", ("callback", "abc-3")),
        ("out-code-01M8-1", ("code", "01M8-1")),
        ("1764096306.12", ("", "")),
        ("out-anything-1", ("", "")),
        ("xout-code-1", ("", "")),
    ],
)
def test_a_call_says_what_it_is_for(call: str, expected: tuple[str, str]) -> None:
    assert parsed(call) == expected


def test_the_dialplan_knows_why_we_call_and_nothing_else() -> None:
    dialplan = Path("deploy/asterisk/extensions.conf").read_text().partition("[outgoing]")[2].partition("\n[")[0]
    assert {*re.findall(r"exten => ([^,]+),1", dialplan)} == {*ENTRIES, "s"}


class Town:
    """The exchange, one process that calls by it, and what a test may do to both."""

    def __init__(
        self, asterisk: Asterisk, outbound: Outbound, carrier: ByExchange, call_backs: CallBacks, board: Board
    ) -> None:
        self.asterisk, self.outbound, self.carrier = asterisk, outbound, carrier
        self.call_backs, self.board = call_backs, board
        self.missed: list[str] = []  # who was told that we tried in vain

    async def dialled(self, times: int = 1) -> dict[str, str]:
        """The call that makes it so many."""
        return await self.asterisk.exchange.until("Originate", times)

    async def ends(self, call: str, reason: str) -> None:
        """It rang, and this came of it (Asterisk's own numbers)."""
        await self.dialled()
        number = next(each["ActionID"] for each in self.asterisk.exchange.actions if each.get("ChannelId") == call)
        said = "Success" if reason == "4" else "Failure"
        self.asterisk.exchange.tell("OriginateResponse", ActionID=number, Response=said, Reason=reason, Uniqueid=call)

    @property
    def originated(self) -> list[str]:
        return [each["ChannelId"] for each in self.asterisk.exchange.actions if each["Action"] == "Originate"]


@asynccontextmanager
async def town(
    engine: AsyncEngine, clock: Clock, privacy: Privacy, calendar: Calendar | None = None, *,
    agents_first: bool = False, **settings: Any,
) -> AsyncIterator[Town]:  # fmt: skip
    call_backs = CallBacks(engine, privacy, clock=clock)
    async with fake_exchange() as exchange:
        asterisk = Asterisk(exchange)
        exchange.answers["Originate"] = lambda action: packet(Response="Success")
        async with link(exchange.port, limit_seconds=20.0, ping_seconds=60) as ami:
            board = Board(ami, Visits(engine))

            async def spoken(of: str) -> str:
                return {"v1-1": "135790"}.get(of, "")

            missed: list[str] = []

            async def told(id: str) -> None:
                missed.append(id)

            chosen = OutboundSettings(**ALL_DAY | settings)
            carrier = ByExchange(ami, board, engine, chosen, agents_first=agents_first)
            outbound = Outbound(carrier, call_backs, spoken, told, chosen, lambda: calendar or Calendar(), clock)
            await board.start()
            outbound.start()
            await until(board, lambda: board.exchange == "connected")
            here = Town(asterisk, outbound, carrier, call_backs, board)
            here.missed = missed
            yield here
            await outbound.stop()
            await board.stop()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def privacy() -> Privacy:
    return Privacy(b"p" * 32, [Fernet.generate_key().decode()])


async def test_what_is_due_is_dialled_once_in_its_turn(engine: AsyncEngine, clock: Clock, privacy: Privacy) -> None:
    async with town(engine, clock, privacy) as here:
        first = (await here.call_backs.ask(PHONE, queue="loan")).request.id
        clock.ahead(seconds=1)
        await here.call_backs.ask(OTHER, queue="loan")
        await here.outbound.tick()
        sent = await here.dialled()
        assert sent["Channel"] == f"PJSIP/{PHONE}@trunk" and sent["ChannelId"] == f"out-callback-{first}-1"
        assert (sent["Context"], sent["Exten"], sent["CallerID"]) == ("outgoing", "callback", "12329")
        assert sent["Variable"] == f"CALLED={PHONE}"
        for _ in range(3):  # one agent is free, and is expected to talk with the first
            await here.outbound.tick()
        assert here.originated == [f"out-callback-{first}-1"]


async def test_nobody_is_called_without_an_agent_or_outside_the_hours(
    engine: AsyncEngine, clock: Clock, privacy: Privacy
) -> None:
    async with town(engine, clock, privacy, begin=time(8, 30), end=time(20)) as here:
        id = (await here.call_backs.ask(PHONE)).request.id  # general: nobody is there
        await here.outbound.tick()
        clock.now = at("2026-03-02 20:30")
        await here.call_backs.remind(OTHER, "提醒", "1")
        await here.outbound.tick()
        assert here.originated == []
        assert [each.purpose for each in await here.call_backs.due(at("2026-03-03 08:29"))] == []
        clock.now = at("2026-03-03 08:30")
        await here.outbound.tick()
        assert (await here.dialled())["Exten"] == "reminder", "which needs no agent"
        assert len(await here.call_backs.tries(id)) == 0


async def test_a_number_is_called_so_often_a_day(engine: AsyncEngine, clock: Clock, privacy: Privacy) -> None:
    async with town(engine, clock, privacy, most_a_day=2) as here:
        for key in "abc":
            await here.call_backs.remind(PHONE, "提醒", key)
        for times in (1, 2):
            await here.outbound.tick()
            await here.outbound.tick()
            call = (await here.dialled(times))["ChannelId"]
            assert len(here.originated) == times, "one call at a time to one telephone"
            await here.ends(call, "5")
            await settled(here, call.split("-")[2], "busy")
        clock.ahead(minutes=9)  # the two rest for ten minutes, the third for the day
        await here.outbound.tick()
        clock.ahead(hours=23, minutes=50)
        due = [each for each in await here.call_backs.due(clock.now) if not each.tries]
        assert len(here.originated) == 2 and due == []
        clock.ahead(minutes=1)
        assert len([each for each in await here.call_backs.due(clock.now) if not each.tries]) == 1


async def test_one_agent_of_two_queues_is_expected_by_one_of_them(
    engine: AsyncEngine, clock: Clock, privacy: Privacy
) -> None:
    async with town(engine, clock, privacy) as here:
        here.asterisk.members = [
            {"Queue": f"hotline-{queue}", "Name": name, "Membership": "static", "Status": "1"}
            for queue, name in (("loan", "agent1"), ("general", "agent1"), ("deposit", "agent2"))
        ]
        here.asterisk.exchange.reset()
        await until(here.board, lambda: "agent2" in here.board.agents)
        ids = []
        for number, queue in ((PHONE, "loan"), (OTHER, "general"), ("13900000003", "deposit")):
            ids.append((await here.call_backs.ask(number, queue=queue)).request.id)
            clock.ahead(seconds=1)
        for _ in range(3):
            await here.outbound.tick()
        await here.dialled(2)
        assert here.originated == [f"out-callback-{ids[0]}-1", f"out-callback-{ids[2]}-1"]


async def test_an_agent_who_talks_is_not_expected_any_more(engine: AsyncEngine, clock: Clock, privacy: Privacy) -> None:
    """Agents are rung first: they wait on the far end of the call, and the second of two is free for the next."""
    async with town(engine, clock, privacy, agents_first=True, most_calls=2) as here:
        here.asterisk.members.append({"Queue": "hotline-loan", "Name": "agent2", "Membership": "static", "Status": "1"})
        here.asterisk.exchange.reset()
        await until(here.board, lambda: here.board.queues["loan"].agents_free == 2)
        await here.call_backs.ask(PHONE, queue="loan")
        await here.outbound.tick()
        first = (await here.dialled())["ChannelId"]
        far = {"Queue": "hotline-loan", "Uniqueid": f"{first}-far"}
        here.asterisk.exchange.tell("QueueCallerJoin", **far)
        here.asterisk.exchange.tell("AgentConnect", MemberName="agent1", Interface="PJSIP/agent1", **far)
        await until(here.board, lambda: here.board.queues["loan"].agents_free == 1)
        here.asterisk.channels = [first, f"{first}-far"]
        second = (await here.call_backs.ask(OTHER, queue="loan")).request.id
        await here.outbound.tick()
        assert (await here.dialled(2))["ChannelId"] == f"out-callback-{second}-1"


async def test_only_so_many_lines(engine: AsyncEngine, clock: Clock, privacy: Privacy) -> None:
    async with town(engine, clock, privacy, most_calls=1) as here:
        here.asterisk.channels = ["out-code-x-1", "1764096306.12"]
        await here.call_backs.ask(PHONE, queue="loan")
        await here.outbound.tick()
        assert here.originated == []
        with pytest.raises(TryLater, match="lines_busy"):
            await here.outbound.code(OTHER, "v1-1")
        here.asterisk.channels = []
        await here.outbound.tick()
        assert len(here.originated) <= 1 and await here.dialled()


@pytest.mark.parametrize(
    ("reason", "cause", "outcome"),
    [
        ("5", "", "busy"),
        ("3", "", "no_answer"),
        ("0", "", "failed"),
        ("8", "34", "failed"),
        ("0", "17", "busy"),  # the channel's end knows better
        ("0", "19", "no_answer"),
        ("1", "21", "busy"),
    ],
)
async def test_why_it_was_not_picked_up_is_kept(
    engine: AsyncEngine, clock: Clock, privacy: Privacy, reason: str, cause: str, outcome: str
) -> None:
    async with town(engine, clock, privacy) as here:
        id = (await here.call_backs.ask(PHONE, queue="loan")).request.id
        await here.outbound.tick()
        await here.dialled()
        if cause:
            here.asterisk.exchange.tell("Hangup", Uniqueid=f"out-callback-{id}-1", Cause=cause)
        await here.ends(f"out-callback-{id}-1", reason)
        await settled(here, id, outcome)


@pytest.mark.parametrize("agents_first", [False, True])
async def test_what_the_exchange_did_not_dial_is_no_try_of_theirs(
    engine: AsyncEngine, clock: Clock, privacy: Privacy, agents_first: bool
) -> None:
    async with town(engine, clock, privacy, agents_first=agents_first) as here:
        here.asterisk.exchange.answers["Originate"] = lambda action: packet(
            Response="Error", Message="Permission denied"
        )
        id = (await here.call_backs.ask(PHONE, queue="loan")).request.id
        await here.outbound.tick()
        await here.dialled()
        await settled(here, id, "failed")
        assert (await here.call_backs.find(id)).tries == 0  # type: ignore[union-attr]
        here.asterisk.exchange.answers["Originate"] = lambda action: packet(Response="Success")
        here.asterisk.exchange.silent.add("Originate")
        clock.ahead(minutes=10)
        await here.outbound.tick()
        await here.dialled(2)
        here.asterisk.exchange.reset()
        await until(here.board, lambda: here.board.exchange == "connected")
        await settled(here, id, "no_answer")
        assert (await here.call_backs.find(id)).tries == 1, "it may have rung"  # type: ignore[union-attr]


async def test_why_it_was_not_picked_up_is_forgotten_with_the_request(
    engine: AsyncEngine, clock: Clock, privacy: Privacy
) -> None:
    async with town(engine, clock, privacy) as here:
        id = (await here.call_backs.ask(PHONE, queue="loan")).request.id
        await here.outbound.tick()
        call = (await here.dialled())["ChannelId"]
        for other in ("out-code-v1-1", "out-callback-of-another-node-1", call):
            here.asterisk.exchange.tell("Hangup", Uniqueid=other, Cause="17")
        await here.ends(call, "5")
        await settled(here, id, "busy")
        await here.outbound.tick()
        for each in ("out-code-v1-1", "out-callback-of-another-node-1", call):
            assert (await here.carrier.went(each)).missed == "no_answer", "nothing is known of it any more"


async def test_who_asked_and_never_answered_is_told_with_the_last_try(
    engine: AsyncEngine, clock: Clock, privacy: Privacy
) -> None:
    async with town(engine, clock, privacy) as here:
        id = (await here.call_backs.ask(PHONE, queue="loan")).request.id
        await here.call_backs.remind(OTHER, "提醒", "1")
        for n in (1, 2, 3):
            assert here.missed == []
            await here.outbound.tick()
            await here.dialled(2 * n)
            for call in here.originated[-2:]:
                await here.ends(call, "3")
            await settled(here, id, "no_answer")
            clock.ahead(hours=3)
        for _ in range(3):
            await here.outbound.tick()
        assert here.missed == [id], "once, and nobody who did not ask"
        assert (await here.call_backs.find(id)).outcome == "no_answer"  # type: ignore[union-attr]


async def settled(here: Town, id: str, outcome: str) -> None:
    """The try is over, in this way, after as many ticks as it takes."""
    for _ in range(200):
        await here.outbound.tick()
        tries = await here.call_backs.tries(id)
        if tries[-1].outcome:
            break
    assert tries[-1].outcome == outcome


@pytest.mark.parametrize(
    ("picked_up", "pressed", "talked", "outcome"),
    [
        (False, "", False, "no_answer"),  # it died while it rang
        (True, "", False, "machine"),
        (True, "person", False, "no_agent"),
        (True, "person", True, "reached"),
    ],
)
async def test_what_a_dead_process_dialled_is_followed_up_before_it_is_dialled_again(
    engine: AsyncEngine, clock: Clock, privacy: Privacy, picked_up: bool, pressed: Any, talked: bool, outcome: str
) -> None:
    async with town(engine, clock, privacy) as here:
        id = (await here.call_backs.ask(PHONE, queue="loan")).request.id
        await here.call_backs.claim(id, "dead", 30)
        call = f"out-callback-{id}-1"
        here.asterisk.channels = [call]
        await here.outbound.tick()
        assert (await here.call_backs.find(id)).lease_by == "dead", "it may yet live"  # type: ignore[union-attr]
        clock.ahead(minutes=1)
        await here.outbound.tick()
        assert (await here.call_backs.find(id)).lease_by != "dead", "taken over while the call is up"  # type: ignore[union-attr]
        async with engine.begin() as connection:
            if picked_up:
                await connection.execute(insert(calls).values(**a_call(call)))
            if talked:
                visit = {"queue": "loan", "entered_at": NOW, "answered_at": NOW, "agent": "agent1", "how": "served"}
                await connection.execute(insert(queue_visits).values(call_id=call, **visit))
        if pressed:
            await here.outbound.answers["answered"](call, {"how": pressed}, NOW)
        here.asterisk.channels = []
        await here.outbound.tick()
        assert here.originated == [] and (await here.call_backs.tries(id))[0].outcome == ""
        await here.outbound.tick()
        assert [each.outcome for each in await here.call_backs.tries(id)] == [outcome]
        assert here.originated == []


def a_call(id: str) -> dict[str, Any]:
    return {
        "id": id, "line": "asterisk", "flow_version": "1", "language": "zh", "caller_masked": "", "caller_digest": "",
        "node": "outbound/callback", "outcome": "hung_up", "started_at": NOW, "ended_at": NOW,
    }  # fmt: skip


@pytest.mark.parametrize(("back_in_time", "outcome"), [(True, "reached"), (False, "reached"), (None, "no_agent")])
async def test_who_may_have_talked_while_nobody_watched_is_not_called_again(
    engine: AsyncEngine, clock: Clock, privacy: Privacy, back_in_time: bool | None, outcome: str
) -> None:
    """The link breaks while they wait and an agent answers, or before they wait; None: it holds, and they hang up."""
    async with town(engine, clock, privacy) as here:
        id = (await here.call_backs.ask(PHONE, queue="loan")).request.id
        await here.outbound.tick()
        call = (await here.dialled())["ChannelId"]
        await here.ends(call, "4")
        async with engine.begin() as connection:
            await connection.execute(insert(calls).values(**a_call(call) | {"ended_at": None, "outcome": ""}))
        await here.outbound.answers["answered"](call, {"how": "person"}, NOW)
        here.asterisk.channels = [call]
        if back_in_time is not False:
            here.asterisk.exchange.tell("QueueCallerJoin", Queue="hotline-loan", Uniqueid=call)
            await until(here.board, lambda: here.board.waiting)
        if back_in_time is None:
            here.asterisk.exchange.tell("Hangup", Uniqueid=call, Linkedid=call)
            await rows(engine, 1)
        else:
            here.asterisk.exchange.reset()
        await until(here.board, lambda: here.board.exchange == "connected" and not here.board.waiting)
        here.asterisk.channels = []
        await settled(here, id, outcome)


async def test_a_code_is_rung_and_read_out(engine: AsyncEngine, clock: Clock, privacy: Privacy) -> None:
    async with town(engine, clock, privacy) as here:
        await here.outbound.code(PHONE, "v1-1")
        assert (await here.dialled())["ChannelId"] == "out-code-v1-1"
        read = here.outbound.answers["read_out"]
        assert await read("out-code-v1-1", {"of": "code"}, NOW) == ("ok", {"code": "135790"})
        for call, of in (("out-code-v2-1", "code"), ("1764096306.1", "code"), ("out-reminder-v1-1", "code")):
            assert await read(call, {"of": of}, NOW) == ("nothing", {}), call
        assert "135790" not in str(here.asterisk.exchange.actions)
        here.asterisk.exchange.reset()
        await here.asterisk.exchange.close()
        await until(here.board, lambda: here.board.exchange == "away")
        with pytest.raises(TryLater, match="exchange_away"):
            await here.outbound.code(PHONE, "v1-1")


async def test_a_reminder_is_read_to_whoever_pressed(engine: AsyncEngine, clock: Clock, privacy: Privacy) -> None:
    async with town(engine, clock, privacy) as here:
        await here.call_backs.remind(PHONE, "您的贷款三月五日还款。", "1")
        await here.outbound.tick()
        call = (await here.dialled())["ChannelId"]
        id = call.split("-")[2]
        assert (await here.outbound.answers["answered"](call, {"how": "person"}, NOW))[0] == "ok"
        read = here.outbound.answers["read_out"]
        assert await read(call, {"of": "message"}, NOW) == ("ok", {"text": "您的贷款三月五日还款。"})
        await here.ends(call, "4")
        await settled(here, id, "reached")
        assert await read(call, {"of": "message"}, NOW) == ("nothing", {})


async def test_a_request_that_waited_too_long_is_given_up(engine: AsyncEngine, clock: Clock, privacy: Privacy) -> None:
    async with town(engine, clock, privacy) as here:
        id = (await here.call_backs.ask(PHONE, queue="loan")).request.id
        async with engine.begin() as connection:
            await connection.execute(update(table).values(asked_at=NOW - timedelta(days=8)))
        await here.outbound.tick()
        assert (await here.call_backs.find(id)).outcome == "given_up" and here.originated == []  # type: ignore[union-attr]


async def test_a_number_that_no_key_opens_holds_no_other_call_up(
    engine: AsyncEngine, clock: Clock, privacy: Privacy
) -> None:
    """A key was taken out of the settings too early."""
    lost = Privacy(b"p" * 32, [Fernet.generate_key().decode()])
    async with town(engine, clock, privacy) as here:
        first = (await CallBacks(engine, lost, clock=clock).ask(PHONE, queue="loan")).request.id
        clock.ahead(seconds=1)
        second = (await here.call_backs.ask(OTHER, queue="loan")).request.id
        await here.outbound.tick()
        assert (await here.dialled())["ChannelId"] == f"out-callback-{second}-1"
        waits = await here.call_backs.find(first)
        assert waits and (waits.tries, waits.outcome, waits.next_try_at) == (0, "", clock.now + timedelta(hours=1))


async def test_a_long_holiday_is_no_reason_to_give_up(engine: AsyncEngine, clock: Clock, privacy: Privacy) -> None:
    """The Spring Festival of 2026 lasts nine days, and a request may wait for seven."""
    office = Calendar({"people": PEOPLE.timetables["people"]})
    async with town(engine, clock, privacy, office) as here:
        clock.now = at("2026-02-14 17:30")
        id = (await here.call_backs.ask(PHONE, queue="loan")).request.id
        await here.outbound.tick()
        assert (await here.call_backs.find(id)).next_try_at == at("2026-02-24 09:00")  # type: ignore[union-attr]
        clock.now = at("2026-02-24 09:00")
        await here.outbound.tick()
        assert (await here.dialled())["ChannelId"] == f"out-callback-{id}-1"
