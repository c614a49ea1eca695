"""The board against an exchange: it syncs, keeps up, writes every wait down, and does what supervisors ask."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from desk.ami import Ami, Exchange, NotConnected
from desk.board import Board, Unfit
from desk.picture import Visit
from desk.tables import queue_visits
from desk.visits import Visits
from tests.desk.exchange import FakeExchange, fake_exchange, link, packet


class Asterisk:
    """What the fake exchange tells of itself."""

    def __init__(self, exchange: FakeExchange) -> None:
        self.exchange = exchange
        self.members = [{"Queue": "hotline-loan", "Name": "agent1", "Membership": "static", "Status": "1"}]
        self.entries: list[dict[str, str]] = []
        self.channels: list[str] = []
        exchange.answers |= {"QueueStatus": self._status, "CoreShowChannels": self._channels}

    def _status(self, action: dict[str, str]) -> str:
        number = action["ActionID"]
        told = packet(Response="Success", EventList="start")
        for queue in ("hotline-loan", "hotline-general"):
            told += packet(Event="QueueParams", Queue=queue, ActionID=number)
        for member in self.members:
            place = {"Location": f"PJSIP/{member['Name']}", "Paused": "0", "PausedReason": "", "ActionID": number}
            told += packet(Event="QueueMember", **place | member)
        for entry in self.entries:
            told += packet(Event="QueueEntry", ActionID=number, **entry)
        return told + packet(Event="QueueStatusComplete", EventList="Complete", ActionID=number)

    def _channels(self, action: dict[str, str]) -> str:
        number = action["ActionID"]
        told = packet(Response="Success", EventList="start")
        for channel in self.channels:
            told += packet(Event="CoreShowChannel", Uniqueid=channel, ActionID=number)
        return told + packet(Event="CoreShowChannelsComplete", EventList="Complete", ActionID=number)


@pytest.fixture
async def asterisk() -> AsyncIterator[Asterisk]:
    async with fake_exchange() as exchange:
        yield Asterisk(exchange)


async def until(board: Board, true: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        async for _ in board.watch():
            if true():
                return


async def rows(engine: AsyncEngine, count: int) -> list[tuple[object, ...]]:
    """The visits written down, once there are so many that ended."""
    visit = queue_visits.c
    query = select(visit.call_id, visit.queue, visit.agent, visit.how).order_by(visit.entered_at)
    async with asyncio.timeout(10):
        while True:
            async with engine.connect() as connection:
                found = [tuple(row) for row in await connection.execute(query)]
            if len([row for row in found if row[3]]) >= count:
                return found
            await asyncio.sleep(0.02)


async def test_a_call_is_seen_and_written_down(asterisk: Asterisk, engine: AsyncEngine) -> None:
    over: list[str] = []

    async def ended(call: str) -> None:
        over.append(call)

    async with link(asterisk.exchange.port) as ami:
        board = Board(ami, Visits(engine))
        board.over = ended
        assert board.exchange == "away" and board.outlook("loan") == ("unavailable", {})
        await board.start()
        await until(board, lambda: board.exchange == "connected")
        assert board.outlook("loan")[0] == "open" and board.outlook("nowhere")[0] == "failed"
        assert board.outlook("general")[0] == "closed"

        tell, at = asterisk.exchange.tell, {"Queue": "hotline-loan", "Uniqueid": "c1", "Linkedid": "c1"}
        tell("QueueCallerJoin", Timestamp="1772416800.5", **at)
        await until(board, lambda: board.waiting)
        agent = {"MemberName": "agent1", "Interface": "PJSIP/agent1"}
        tell("AgentCalled", **at, **agent)
        await until(board, lambda: board.agents["agent1"].state == "ringing")
        assert board.agents["agent1"].call_id == "c1"
        tell("QueueCallerLeave", **at)
        tell("AgentConnect", Timestamp="1772416812.5", **at, **agent)
        await until(board, lambda: board.agents["agent1"].state == "talking")
        told, data = board.outlook("loan")
        assert (told, data) == ("busy", {"ahead": 0, "minutes": 3})
        tell("AgentComplete", Reason="agent", TalkTime="60", **at, **agent)
        tell("Hangup", **at)
        await until(board, lambda: board.visit("c1") is None)
        assert await rows(engine, 1) == [("c1", "loan", "agent1", "served")]
        await board.stop()
    assert over == ["c1"]


async def test_a_wait_goes_on_over_a_restart_of_the_service(asterisk: Asterisk, engine: AsyncEngine) -> None:
    async with link(asterisk.exchange.port) as ami:
        first = Board(ami, Visits(engine))
        await first.start()
        await until(first, lambda: first.exchange == "connected")
        for call, stamp in (("waits", "1"), ("gone", "2"), ("talks", "3")):
            at = {"Queue": "hotline-loan", "Uniqueid": call, "Timestamp": f"{recent()}.{stamp}"}
            asterisk.exchange.tell("QueueCallerJoin", **at)
        at = {"Queue": "hotline-loan", "Uniqueid": "talks", "MemberName": "agent1"}
        asterisk.exchange.tell("AgentConnect", **at)
        await until(first, lambda: len(first.waiting) == 2 and first.agents["agent1"].state == "talking")
        await first.stop()

    asterisk.entries = [{"Queue": "hotline-loan", "Uniqueid": "waits", "Wait": "30"}]
    asterisk.channels = ["waits", "talks"]
    async with link(asterisk.exchange.port) as ami:
        second, over = Board(ami, Visits(engine)), asyncio.Queue[str]()
        second.over = over.put
        await second.start()
        await until(second, lambda: second.exchange == "connected")
        assert [visit.call_id for visit in second.waiting] == ["waits"]
        assert second.agents["agent1"].call_id == "talks"
        assert await asyncio.wait_for(over.get(), 20) == "gone"
        found = await rows(engine, 1)
        await second.stop()
    assert sorted(found) == [
        ("gone", "loan", "", "unknown"),
        ("talks", "loan", "agent1", ""),
        ("waits", "loan", "", ""),
    ]


async def test_a_name_too_long_holds_no_visit_up(engine: AsyncEngine) -> None:
    """The exchange's own configuration names queues and agents; PostgreSQL refuses what does not fit."""
    at, visits = datetime.fromtimestamp(recent(), UTC), Visits(engine)
    agent = "agent1 of the loan department, on the second floor, in the room at the end"
    long = Visit(
        "c1" * 50, "a_queue_that_somebody_named_at_length", at, answered_at=at, agent=agent, left_at=at, how="served"
    )
    await visits.write([long, Visit("c2", "loan", at, left_at=at, how="hung_up")])
    await visits.write([long])
    found = await rows(engine, 2)
    assert sorted(how for *_, how in found) == ["hung_up", "served"], "once each"


def recent() -> int:
    import time

    return int(time.time()) - 60


async def test_it_is_told_anew_after_a_break(asterisk: Asterisk, sqlite_engine: AsyncEngine) -> None:
    async with link(asterisk.exchange.port) as ami:
        board = Board(ami, Visits(sqlite_engine))
        await board.start()
        await until(board, lambda: board.exchange == "connected")
        asterisk.entries = [{"Queue": "hotline-loan", "Uniqueid": "c7", "Wait": "5"}]
        asterisk.exchange.reset()
        await until(board, lambda: [visit.call_id for visit in board.waiting] == ["c7"])
        await board.stop()


async def test_an_exchange_that_is_not_ready_is_asked_again(
    asterisk: Asterisk, sqlite_engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("desk.board.RETRY_SECONDS", 0.02)
    answers = [packet(Response="Error", Message="Invalid/unknown command")] * 2
    asterisk.exchange.answers["QueueStatus"] = lambda action: answers.pop() if answers else asterisk._status(action)
    async with link(asterisk.exchange.port) as ami:
        board = Board(ami, Visits(sqlite_engine))
        await board.start()
        await until(board, lambda: board.exchange == "connected")
        assert not answers
        await board.stop()


async def test_what_is_not_understood_is_asked_for_anew(
    asterisk: Asterisk, sqlite_engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("desk.board.RETRY_SECONDS", 0.02)
    whole = asterisk._status

    def halved(action: dict[str, str]) -> str:
        asterisk.exchange.answers["QueueStatus"] = whole
        return whole(action).replace("Name: agent1\r\n", "")

    asterisk.exchange.answers["QueueStatus"] = halved
    async with link(asterisk.exchange.port) as ami:
        board = Board(ami, Visits(sqlite_engine))
        await board.start()
        await until(board, lambda: board.exchange == "connected" and board.agents)
        assert [action["Action"] for action in asterisk.exchange.actions].count("QueueStatus") == 2
        await board.stop()


async def test_signing_in_and_out_and_pauses(asterisk: Asterisk, sqlite_engine: AsyncEngine) -> None:
    asterisk.members += [{"Queue": "hotline-general", "Name": "agent2", "Membership": "dynamic", "Status": "1"}]
    async with link(asterisk.exchange.port, ping_seconds=60) as ami:
        board = Board(ami, Visits(sqlite_engine))
        await board.start()
        await until(board, lambda: board.exchange == "connected")
        before = len(asterisk.exchange.actions)
        await board.log_in("agent2", ["loan"])
        await board.pause("agent1", "lunch")
        await board.unpause("agent1")
        await board.log_out("agent1")
        with pytest.raises(Unfit):
            await board.pause("agent1", "a\r\nb")
        with pytest.raises(Unfit):
            await board.log_in("agent1", ["loan"], telephone="Local/1@from-trunk&PJSIP/x")
        asked = [
            (action["Action"], action["Queue"], action["Interface"], action.get("Paused", ""), action.get("Reason", ""))
            for action in asterisk.exchange.actions[before:]
        ]
        await board.stop()
    assert asked == [
        ("QueueAdd", "hotline-loan", "PJSIP/agent2", "", ""),
        ("QueueRemove", "hotline-general", "PJSIP/agent2", "", ""),
        ("QueuePause", "hotline-loan", "PJSIP/agent1", "true", "lunch"),
        ("QueuePause", "hotline-loan", "PJSIP/agent1", "false", ""),
        ("QueuePause", "hotline-loan", "PJSIP/agent1", "true", "signed_out"),
    ]


async def test_without_an_exchange_it_stands_empty_and_says_so(sqlite_engine: AsyncEngine) -> None:
    board = Board(Ami(Exchange("")), Visits(sqlite_engine))
    await board.start()
    assert (board.exchange, board.queues, board.agents, board.waiting) == ("none", {}, {}, [])
    assert board.outlook("general") == ("unavailable", {})
    for ask in (board.log_in("agent1", ["loan"]), board.log_out("agent1"), board.pause("agent1", "lunch"),
                board.unpause("agent1")):  # fmt: skip
        with pytest.raises(NotConnected):  # and not "done", while their telephone rings on
            await ask
    await board.stop()


async def test_a_database_that_is_away_loses_no_visit(asterisk: Asterisk, sqlite_engine: AsyncEngine) -> None:
    class Away(Visits):
        down = True

        async def write(self, visits: object) -> None:
            if self.down:
                raise OSError
            await super().write(visits)  # type: ignore[arg-type]

    async with link(asterisk.exchange.port) as ami:
        visits = Away(sqlite_engine)
        board = Board(ami, visits)
        await board.start()
        await until(board, lambda: board.exchange == "connected")
        asterisk.exchange.tell("QueueCallerJoin", Queue="hotline-loan", Uniqueid="c1")
        asterisk.exchange.tell("QueueCallerLeave", Queue="hotline-loan", Uniqueid="c1")
        await until(board, lambda: (visit := board.visit("c1")) and visit.left_at)
        asterisk.exchange.tell("Hangup", Uniqueid="c1")
        await until(board, lambda: board.visit("c1") is None)
        visits.down = False
        assert await rows(sqlite_engine, 1) == [("c1", "loan", "", "hung_up")]
        await board.stop()


@pytest.fixture
async def sqlite_engine(sqlite_url: str) -> AsyncIterator[AsyncEngine]:
    from hotline.database import open_database

    engine = open_database(sqlite_url)
    yield engine
    await engine.dispose()
