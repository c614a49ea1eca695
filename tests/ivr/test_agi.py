"""FastAGI over real TCP: what strangers, broken exchanges and callers may send, and that the next call is served."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from ivr.line import Gone
from ivr.lines.agi import AgiCall, AgiServer, CommandRefused, command
from tests.ivr.exchange import FIELDS, Exchange, opening

Handle = Callable[[AgiCall], Awaitable[None]]


@pytest.fixture(autouse=True)
async def exchanges() -> AsyncIterator[None]:
    """Every exchange ends with its test."""
    yield
    await Exchange.end_all()


async def greet(call: AgiCall) -> None:
    """Play one sound, as the simplest service would."""
    await call.stream_file("hello")


@asynccontextmanager
async def serving(handle: Handle = greet, **options: float) -> AsyncIterator[tuple[AgiServer, int]]:
    server = AgiServer(handle, **options)  # type: ignore[arg-type]
    yield server, await server.start("127.0.0.1", 0)
    await server.stop()


async def serves(port: int) -> bool:
    """Whether a good call is still answered."""
    exchange = await Exchange.call(port)
    await exchange.carry()
    return exchange.commands[0] == 'STREAM FILE "hello" "" "0"'


STRANGERS = {
    "a web browser": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "bytes": bytes(range(256)) * 8 + b"\n\n",
    "a megabyte without an end": b"x" * 2**20,
    "a megabyte of fields": b"agi_x: 1\n" * 2**17,
    "nothing": b"\n",
    "no call id": opening({"agi_network": "yes"}),
    "not from the network": opening({"agi_uniqueid": "1.1"}),
    "a field twice": opening(FIELDS)[:-1] + b"agi_callerid: 13900000002\n\n",
    "a field of another name": opening(FIELDS | {"other": "1"}),
    "a long field": opening(FIELDS | {"agi_callerid": "1" * 3000 * 4}),
    "too many fields": opening(FIELDS | {f"agi_arg_{n}": "x" for n in range(100)}),
    "a field with a carriage return": opening(FIELDS).replace(b"\n", b"\r\n"),
}


@pytest.mark.parametrize("said", STRANGERS.values(), ids=STRANGERS)
async def test_a_stranger_is_shown_the_door(said: bytes) -> None:
    async with serving() as (server, port):
        stranger = await Exchange.connect(port)
        await stranger.say(said)
        assert await stranger.closed()
        assert server.refused == 1
        assert await serves(port)


async def test_a_port_probe_hurts_nobody() -> None:
    async with serving() as (_, port):
        for end in (Exchange.hang_up, Exchange.break_off):
            end(await Exchange.connect(port))
            half = await Exchange.connect(port)
            await half.say(opening(FIELDS)[:40])
            end(half)
        assert await serves(port)


async def test_who_says_nothing_or_little_is_let_go() -> None:
    async with serving(fields_seconds=0.3) as (_, port):
        silent, slow = await Exchange.connect(port), await Exchange.connect(port)

        async def dribble() -> None:
            while True:
                await slow.say(b"a")
                await asyncio.sleep(0.02)

        task = asyncio.create_task(dribble())
        async with asyncio.timeout(10):
            assert await silent.closed()
            assert await slow.closed()
        task.cancel()
        assert await serves(port)


async def test_more_calls_than_there_is_room_for_go_elsewhere() -> None:
    async with serving(most_calls=2) as (server, port):
        first, second = await Exchange.call(port), await Exchange.call(port)
        await first.command(), await second.command()
        third = await Exchange.call(port)
        assert await third.closed() and server.refused == 1
        first.hang_up()
        async with asyncio.timeout(10):
            while not await serves(port):  # the place is free once the end has been heard
                pass
        await second.say(b"200 result=0 endpos=8000\n")
        assert await second.closed()


WRONG = [
    "hello", "200", "200 result", "200 result=x", "600 result=1", "\x00", "x" * 3000, "200 result=1\n200 result=1",
    "200 result=135790*#", "200 result=1 endpos=5", "200 result=1114112 endpos=5", "200 result=0 endpos=" + "9" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("answer", WRONG)
async def test_a_wrong_answer_ends_the_connection(answer: str) -> None:
    ended: asyncio.Queue[type[BaseException] | None] = asyncio.Queue()

    async def handle(call: AgiCall) -> None:
        try:
            await call.stream_file("hello")
            await asyncio.sleep(30)  # busy with something else when the second answer comes
        except BaseException as fault:
            ended.put_nowait(type(fault))
            raise

    async with serving(handle) as (_, port):
        exchange = await Exchange.call(port)
        await exchange.command()
        await exchange.say(answer.encode() + b"\n")
        async with asyncio.timeout(10):
            assert await exchange.closed()
        if "\n" not in answer:
            assert issubclass(await ended.get() or object, Gone)


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ("510 Invalid or unknown command", CommandRefused),
        (
            "520-Invalid command syntax.  Proper usage follows:\nUsage: STREAM FILE\n520 End of proper usage.",
            CommandRefused,
        ),
        ("511 Command Not Permitted on a dead channel or intercept routine", Gone),
        ("HANGUP", Gone),
        ("200 result=-1\nHANGUP", Gone),
        ("200 result=-1 endpos=0", FileNotFoundError),
    ],
)
async def test_what_went_wrong_is_told(answer: str, fault: type[Exception]) -> None:
    told: asyncio.Queue[Exception] = asyncio.Queue()

    async def handle(call: AgiCall) -> None:
        try:
            await call.stream_file("http://somewhere/hello")
        except Exception as wrong:
            told.put_nowait(wrong)

    async with serving(handle) as (_, port):
        exchange = await Exchange.call(port)
        await exchange.command()
        await exchange.say(answer.encode() + b"\n")
        async with asyncio.timeout(10):
            assert isinstance(await told.get(), fault)
        exchange.hang_up()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("200 result=35 (dtmf) endpos=80000", 80000),  # the # key
        ("200 result=0 (timeout) endpos=8000", 8000),  # silence, or the time is up
        ("200 result=-1 (writefile)", None),  # no such folder, or a full disk
        ("200 result=-1 (hangup) endpos=4000", Gone),
        ("HANGUP", Gone),
    ],
)
async def test_a_recording_ends(answer: str, expected: object) -> None:
    told: asyncio.Queue[object] = asyncio.Queue()

    async def handle(call: AgiCall) -> None:
        try:
            told.put_nowait(await call.record_file("/tapes/2611254821-1", "#", 120_000, 5))
        except Gone:
            told.put_nowait(Gone)

    async with serving(handle) as (_, port):
        exchange = await Exchange.call(port)
        assert await exchange.command() == 'RECORD FILE "/tapes/2611254821-1" "wav" "#" "120000" "BEEP" "s=5"'
        await exchange.say(answer.encode() + b"\n")
        async with asyncio.timeout(10):
            assert await told.get() == expected
        exchange.hang_up()


async def test_one_answer_byte_by_byte() -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def handle(call: AgiCall) -> None:
        heard.put_nowait((await call.get_data("hello", 5000, 6)).digits)

    async with serving(handle) as (_, port):
        exchange = await Exchange.connect(port)
        for at in range(len(opening(FIELDS))):
            await exchange.say(opening(FIELDS)[at : at + 1])
        await exchange.command()
        for byte in b"200 result=135790\n":
            await exchange.say(bytes([byte]))
        assert await heard.get() == "135790"


async def test_keys_between_two_commands_are_overheard_and_never_two_commands_are_under_way() -> None:
    keys: list[str] = []
    thought = asyncio.Event()

    async def handle(call: AgiCall) -> None:
        call.overhear(keys.append)
        await thought.wait()
        speaking = asyncio.create_task(call.stream_file("hello"))
        while not speaking.done():  # whoever wants to overhear just then is too late
            call.overhear(keys.append)
            await asyncio.sleep(0)

    async with serving(handle) as (_, port):
        exchange = await Exchange.call(port)
        for code in ("49", "0", "35"):
            assert await exchange.command() == 'WAIT FOR DIGIT "100"'
            await exchange.say(f"200 result={code}\n".encode())
        assert await exchange.command() == 'WAIT FOR DIGIT "100"'
        thought.set()
        await asyncio.sleep(0.05)  # time enough to send a second one
        await exchange.say(b"200 result=50\n")
        assert await exchange.command() == 'STREAM FILE "hello" "" "0"'
        assert keys == ["1", "#", "2"]
        await exchange.say(b"200 result=0 endpos=8000\n")
        assert await exchange.closed()


@pytest.mark.parametrize("end", [b"200 result=-1\n", b"200 result=-1\nHANGUP\n", b"HANGUP\n", None])
async def test_a_hang_up_while_keys_are_overheard_ends_the_call(end: bytes | None) -> None:
    ended: asyncio.Queue[type[BaseException]] = asyncio.Queue()
    thought = asyncio.Event()

    async def handle(call: AgiCall) -> None:
        call.overhear(lambda key: None)
        await thought.wait()
        try:
            await call.stream_file("hello")
        except BaseException as fault:
            ended.put_nowait(type(fault))
            raise

    async with serving(handle) as (_, port):
        exchange = await Exchange.call(port)
        await exchange.command()
        thought.set()
        await asyncio.sleep(0)
        await exchange.say(end) if end else exchange.hang_up()
        if end == b"200 result=-1\n":
            assert await exchange.command() == 'STREAM FILE "hello" "" "0"'
            await exchange.say(b"511 Command Not Permitted on a dead channel or intercept routine\n")
        async with asyncio.timeout(10):
            assert issubclass(await ended.get(), Gone)


async def test_a_service_that_is_stuck_gives_the_call_back() -> None:
    async with serving(lambda call: asyncio.sleep(60), idle_seconds=0.2) as (_, port):
        exchange = await Exchange.call(port)
        async with asyncio.timeout(10):
            assert await exchange.closed()


async def test_stopping_gives_every_call_back() -> None:
    async with serving() as (server, port):
        exchanges = [await Exchange.call(port) for _ in range(5)]
        for exchange in exchanges:
            await exchange.command()
        await server.stop()
        assert all([await exchange.closed() for exchange in exchanges])


@pytest.mark.parametrize("word", ["a\nHANGUP", "a\r", "\x00", "x" * 3000])
def test_no_argument_becomes_a_second_command(word: str) -> None:
    with pytest.raises(ValueError, match="STREAM FILE"):
        command("STREAM FILE", word)
