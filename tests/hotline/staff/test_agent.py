"""The agent's page over a real board, which hears of its telephones by AMI: who rings, and what may be done about it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from desk.board import Board
from desk.visits import Visits
from tests.desk.exchange import fake_exchange, link
from tests.desk.test_board import Asterisk, until
from tests.hotline.staff.desk import Office
from tests.hotline.staff.test_pages import CALLER, a_call

CALL = "asterisk-1.1"
AT = {"Queue": "hotline-loan", "Uniqueid": CALL, "Linkedid": CALL}
AGENT = {"MemberName": "agent1", "Interface": "PJSIP/agent1"}


@asynccontextmanager
async def connected(desk: Office) -> AsyncIterator[tuple[Board, Asterisk]]:
    """An exchange with the queues loan and general, and agent1 at work in loan."""
    async with fake_exchange() as exchange:
        asterisk = Asterisk(exchange)
        async with link(exchange.port, ping_seconds=60) as ami:
            desk.parts.board = board = Board(ami, Visits(desk.staff.door.trail._engine))
            await board.start()
            await until(board, lambda: board.exchange == "connected")
            yield board, asterisk
            await board.stop()


async def test_the_agent_sees_who_rings_before_picking_up(desk: Office) -> None:
    await a_call(desk)
    agent = await desk.signed_in("agent", "agent1")
    other = desk.browser()
    await desk.member("li", "agent", "agent2")
    await other.sign_in("li")
    async with connected(desk) as (board, asterisk):
        tell = asterisk.exchange.tell
        await agent.get("/agent")
        assert "当前没有来电" in agent.text and "空闲" in agent.text
        tell("QueueCallerJoin", Timestamp="1772416800.5", **AT)
        await until(board, lambda: board.waiting)
        await agent.get("/agent")
        assert "*******0001" in agent.text and CALLER not in agent.text, "who waits is masked"
        tell("AgentCalled", **AT, **AGENT)
        await until(board, lambda: board.agents["agent1"].state == "ringing")
        await agent.get("/agent")
        assert CALLER in agent.text and "贷款业务" in agent.text and "振铃" in agent.text
        assert ("agent", "look.call", CALL) in await desk.trail()
        await other.get("/agent")
        assert CALLER not in other.text, "it rings at somebody else's"
        await other.get(f"/calls/{CALL}")
        assert CALLER not in other.text
        tell("QueueCallerLeave", **AT)
        tell("AgentConnect", Timestamp="1772416812.5", **AT, **AGENT)
        await until(board, lambda: board.agents["agent1"].state == "talking")
        await agent.get("/agent")
        assert CALLER in agent.text and "通话中" in agent.text
        tell("AgentComplete", Reason="agent", TalkTime="60", **AT, **AGENT)
        tell("Hangup", **AT)
        await until(board, lambda: board.agents["agent1"].state == "free")
        await agent.get("/agent")
        assert CALLER not in agent.text, "the call is over, and so is the look"
        await agent.get(f"/calls/{CALL}")
        assert CALLER not in agent.text


async def test_whoever_takes_calls_stays_signed_in_without_a_click(desk: Office) -> None:
    await a_call(desk)
    agent = await desk.signed_in("agent", "agent1")
    async with connected(desk) as (board, asterisk):
        asterisk.exchange.tell("QueueCallerJoin", Timestamp="1772416800.5", **AT)
        asterisk.exchange.tell("AgentConnect", Timestamp="1772416812.5", **AT, **AGENT)
        await until(board, lambda: board.agents["agent1"].state == "talking")
        for _ in range(3):
            desk.later(minutes=50)
            assert (await agent.get("/agent", **{"X-Live": "1"})).status == 200
        asterisk.exchange.tell("AgentComplete", Reason="agent", TalkTime="60", **AT, **AGENT)
        await until(board, lambda: board.agents["agent1"].state == "free")
        desk.later(minutes=50)
        assert (await agent.get("/agent", **{"X-Live": "1"})).status == 200
        desk.later(minutes=50)
        assert (await agent.get("/agent", **{"X-Live": "1"})).status == 401, "nobody is there"


async def test_an_agent_signs_in_pauses_and_leaves(desk: Office) -> None:
    agent = await desk.signed_in("agent", "agent1")
    async with connected(desk) as (_, asterisk):
        before = len(asterisk.exchange.actions)
        for form in (
            {"what": "log_in", "queue-general": "on", "queue-nowhere": "on"},
            {"what": "pause", "reason": "lunch"},
            {"what": "unpause"},
            {"what": "log_out"},
        ):
            assert (await agent.post("/agent/state", **form)).status == 303
        asked = [(each["Action"], each["Queue"], each.get("Reason", "")) for each in asterisk.exchange.actions[before:]]
        assert asked == [
            ("QueueAdd", "hotline-general", ""),
            ("QueuePause", "hotline-loan", "signed_out"),
            ("QueuePause", "hotline-loan", "lunch"),
            ("QueuePause", "hotline-loan", ""),
            ("QueuePause", "hotline-loan", "signed_out"),
        ]
        for form in (
            {"what": "pause", "reason": "x\r\nAction: Logoff"},
            {"what": "log_in", "queue-nowhere": "on"},
            {"what": "explode"},
        ):
            assert (await agent.post("/agent/state", **form)).status == 422
        assert len(asterisk.exchange.actions) == before + len(asked)
        await agent.get("/queues")
        assert "loan" in agent.text and "agent1" in agent.text and "未连接" not in agent.text
    assert ("agent", "seat.pause", "agent1") in await desk.trail()


async def test_an_exchange_that_went_away_is_told(desk: Office) -> None:
    agent = await desk.signed_in("agent", "agent1")
    async with connected(desk) as (board, asterisk):
        await asterisk.exchange.close()
        await until(board, lambda: board.exchange == "away")
        await agent.get("/queues")
        assert "正在恢复" in agent.text
        assert (await agent.post("/agent/state", what="unpause")).status == 422
        await asterisk.exchange.open()


async def test_somebody_without_a_seat_has_nothing_to_sign_in(desk: Office) -> None:
    agent = await desk.signed_in("agent")
    async with connected(desk):
        await agent.get("/agent")
        assert "您还没有坐席号" in agent.text
        assert (await agent.post("/agent/state", what="unpause")).status == 422
