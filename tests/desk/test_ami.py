"""The link to the exchange heals whatever happens to it, loses nothing without saying so, and blocks nobody."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator

import pytest

from desk.ami import ActionRefused, Ami, Connected, Disconnected, Exchange, Missed, NoAnswer, NotConnected
from tests.desk.exchange import FakeExchange, Listener, fake_exchange, link, packet


@pytest.fixture
async def exchange() -> AsyncIterator[FakeExchange]:
    async with fake_exchange() as exchange:
        yield exchange


async def test_an_action_is_answered_and_an_event_is_heard(exchange: FakeExchange) -> None:
    exchange.answers["QueuePause"] = lambda action: packet(Response="Success", Message=f"paused {action['Paused']}")
    async with link(exchange.port) as ami:
        listener = Listener(ami)
        await listener.until(lambda each: isinstance(each, Connected))
        answer = await ami.action("QueuePause", Interface="PJSIP/agent1", Paused="true")
        assert answer.fields["Message"] == "paused true"
        exchange.tell("QueueCallerJoin", Queue="hotline-loan", Uniqueid="test-1.1")
        assert (await listener.event("QueueCallerJoin")).fields["Queue"] == "hotline-loan"
    assert isinstance(listener.heard[-1], Disconnected) or not ami.connected
    listener.stop()


@pytest.mark.parametrize("end", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
async def test_a_name_that_a_stranger_chose_brings_no_other_field(exchange: FakeExchange, end: str) -> None:
    """What Python takes for the end of a line is none to Asterisk, which passes a caller's name on as it came."""
    async with link(exchange.port) as ami:
        listener = Listener(ami)
        await listener.until(lambda each: isinstance(each, Connected))
        exchange.tell("Hangup", Uniqueid="test-1.1", CallerIDName=f"a{end}Linkedid: test-1.9{end}ActionID: hotline-2")
        heard = await listener.event("Hangup")
        assert {*heard.fields} == {"Uniqueid", "CallerIDName"}
    listener.stop()


async def test_the_link_is_tried_again_whatever_happened(exchange: FakeExchange) -> None:
    """As when no thread can be begun, or a name cannot be looked up."""
    ami = Ami(Exchange("é" * 70, exchange.port), retry_seconds=(0.02, 0.1))
    await ami.start()
    await asyncio.sleep(0.1)
    ami._exchange = Exchange("127.0.0.1", exchange.port)
    await connected(ami)
    await ami.stop()


async def test_a_list_comes_whole(exchange: FakeExchange) -> None:
    def status(action: dict[str, str]) -> str:
        number = action["ActionID"]
        entries = "".join(packet(Event="QueueEntry", ActionID=number, Uniqueid=f"c-{n}") for n in range(500))
        done = packet(Event="QueueStatusComplete", EventList="Complete", ActionID=number)
        return packet(Response="Success", EventList="start") + entries + done

    exchange.answers["QueueStatus"] = status
    async with link(exchange.port, ping_seconds=30) as ami:
        await connected(ami)
        rows = await ami.rows("QueueStatus")
    assert [row.fields["Uniqueid"] for row in rows[:-1]] == [f"c-{n}" for n in range(500)]


async def test_refused_late_and_away_are_told_apart(exchange: FakeExchange) -> None:
    exchange.answers["QueueAdd"] = lambda action: packet(Response="Error", Message="Unable to add interface")
    exchange.silent.add("QueueRemove")
    async with link(exchange.port, limit_seconds=1.0) as ami:
        with pytest.raises(NotConnected):
            await ami.action("QueueAdd", Queue="x")
        await connected(ami)
        with pytest.raises(ActionRefused, match="Unable to add"):
            await ami.action("QueueAdd", Queue="hotline-loan")
        with pytest.raises(NoAnswer):
            await ami.action("QueueRemove", Queue="hotline-loan")


async def test_no_exchange_is_no_error() -> None:
    ami = Ami(Exchange(""))
    await ami.start()
    with pytest.raises(NotConnected):
        await ami.action("Ping")
    await ami.stop()


@pytest.mark.parametrize("value", ["a\r\nAction: Command", "a\nb", "a\rb", "a\x00b"])
async def test_nothing_with_a_line_end_is_sent(exchange: FakeExchange, value: str) -> None:
    async with link(exchange.port) as ami:
        await connected(ami)
        before = len(exchange.actions)
        for ask in (
            ami.action("QueuePause", Reason=value),
            ami.action(f"QueuePause{value}"),
            ami.originate(f"PJSIP/{value}@trunk", context="outbound", extension="s"),
            ami.originate("PJSIP/1@trunk", context="outbound", extension="s", caller_id=value),
            ami.originate("PJSIP/1@trunk", context="outbound", extension="s", variables={"A": value}),
        ):
            with pytest.raises(ValueError):
                await ask
        assert all(action["Action"] == "Ping" for action in exchange.actions[before:])
    with pytest.raises(ValueError):
        await ami.originate("Local/s@outbound&PJSIP/1", context="outbound", extension="s")


async def test_a_variable_cannot_bring_another(exchange: FakeExchange) -> None:
    async with link(exchange.port) as ami:
        await connected(ami)
        with pytest.raises(ValueError):
            await ami.originate("PJSIP/1@trunk", context="c", extension="s", variables={"A": "1,CALLERID(num)=110"})


async def test_a_reset_heals(exchange: FakeExchange) -> None:
    async with link(exchange.port) as ami:
        listener = Listener(ami)
        for times in (1, 2, 3):
            await listener.until(lambda each: isinstance(each, Connected), times)
            exchange.reset()
            await listener.until(lambda each: isinstance(each, Disconnected), times)
        await listener.until(lambda each: isinstance(each, Connected), 4)
        await ami.action("Ping")
        listener.stop()


async def test_a_restart_heals(exchange: FakeExchange) -> None:
    async with link(exchange.port) as ami:
        listener = Listener(ami)
        await listener.until(lambda each: isinstance(each, Connected))
        await exchange.close()
        await listener.until(lambda each: isinstance(each, Disconnected))
        await exchange.open()
        await listener.until(lambda each: isinstance(each, Connected), 2)
        listener.stop()


async def test_a_question_under_way_learns_of_the_loss(exchange: FakeExchange) -> None:
    exchange.silent.add("QueueStatus")
    async with link(exchange.port, limit_seconds=30.0) as ami:
        await connected(ami)
        asking = asyncio.create_task(ami.rows("QueueStatus"))
        await exchange.until("QueueStatus")
        exchange.reset()
        with pytest.raises(NoAnswer):  # it was sent
            await asking


async def test_a_link_that_is_dead_without_knowing_is_found_out(exchange: FakeExchange) -> None:
    async with link(exchange.port, limit_seconds=0.2) as ami:
        await connected(ami)
        exchange.silent.add("Ping")
        await exchange.until("Ping", len(exchange.actions) + 1)
        exchange.silent.clear()
        await exchange.until("Login", 2)
        await connected(ami)


@pytest.mark.parametrize("greeting", ["", "SSH-2.0-OpenSSH\r\n", "\r\n"])
async def test_whoever_is_not_an_exchange_is_left(exchange: FakeExchange, greeting: str) -> None:
    exchange.greeting = greeting
    async with link(exchange.port, limit_seconds=0.1) as ami:
        async with asyncio.timeout(10):
            while exchange.connections < 3:
                await asyncio.sleep(0.01)
        exchange.greeting = "Asterisk Call Manager/11.0.0\r\n"
        await connected(ami)


async def test_quiet_is_not_death(exchange: FakeExchange) -> None:
    """The library's own reader dies after its time limit without a word from the other side."""
    async with link(exchange.port, limit_seconds=2.0, ping_seconds=2.5) as ami:
        await connected(ami)
        await exchange.until("Ping", 2)
        assert exchange.connections == 1


async def test_a_flood_is_counted_not_kept_and_blocks_nobody(exchange: FakeExchange) -> None:
    async with link(exchange.port, most_events=1000, ping_seconds=30) as ami:
        listener = Listener(ami)
        await listener.until(lambda each: isinstance(each, Connected))
        # The loop sees nothing of these until it is free again; the reader's thread takes them meanwhile.
        flood = packet(Event="QueueMemberStatus", Queue="hotline-loan").encode() * 50_000
        for writer in exchange._writers:
            writer.write(flood)
        await asyncio.gather(*(writer.drain() for writer in exchange._writers), _hog(0.3))
        exchange.tell("Last")
        await listener.event("Last")
        assert any(isinstance(each, Missed) for each in listener.heard)
        assert len(listener.heard) < 50_000
        await ami.action("Ping")
        listener.stop()


async def _hog(seconds: float) -> None:
    await asyncio.sleep(0)
    time.sleep(seconds)  # noqa: ASYNC251  the loop is busy, as with a slow listener


async def test_a_listener_that_raises_hurts_nobody(exchange: FakeExchange) -> None:
    async with link(exchange.port) as ami:
        listener = Listener(ami)
        await listener.until(lambda each: isinstance(each, Connected))
        assert ami._client

        def raises(**_: object) -> None:
            raise RuntimeError("a fault of the listener's own")

        faulty = ami._client.add_listener(on_event=raises)
        ami._client._listeners.insert(0, ami._client._listeners.pop())  # before ours
        exchange.tell("First")
        await ami.action("Ping")  # the reader has come past it
        ami._client.remove_listener(faulty)
        exchange.tell("Second")
        await listener.event("Second")
        assert exchange.connections == 1
        listener.stop()


async def test_a_wrong_secret_is_tried_again_but_not_in_a_hurry(exchange: FakeExchange) -> None:
    exchange.answers["Login"] = lambda action: packet(Response="Error", Message="Authentication failed")
    async with link(exchange.port) as ami:
        await exchange.until("Login", 3)
        assert not ami.connected
        del exchange.answers["Login"]
        await connected(ami)


async def test_a_placed_call_tells_how_it_began(exchange: FakeExchange) -> None:
    def originate(action: dict[str, str]) -> str:
        assert action["Variable"] == "HOTLINE_TO=1390"
        ends = {"ActionID": action["ActionID"], "Reason": "5", "Response": "Failure", "Uniqueid": "<null>"}
        return packet(Response="Success", Message="queued") + packet(Event="OriginateResponse", **ends)

    exchange.answers["Originate"] = originate
    async with link(exchange.port) as ami:
        await connected(ami)
        placed = await ami.originate(
            "PJSIP/13900000001@trunk", context="outbound", extension="s", variables={"HOTLINE_TO": "1390"}
        )
    assert (placed.reached, placed.reason) == (False, "busy")


async def test_nothing_is_left_behind(exchange: FakeExchange) -> None:
    for _ in range(3):
        async with link(exchange.port) as ami:
            await connected(ami)
    async with asyncio.timeout(20):
        while any("listen" in thread.name for thread in threading.enumerate()):
            await asyncio.sleep(0.01)


async def connected(ami: Ami) -> None:
    async with asyncio.timeout(10):
        while not ami.connected:
            await asyncio.sleep(0.01)
