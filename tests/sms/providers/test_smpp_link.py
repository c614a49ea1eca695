"""One SMPP connection against a peer that writes bytes by hand: what no well-behaved centre does."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms.providers import smpp_link
from sms.providers.smpp_link import (
    ANSWER,
    BIND,
    DELIVER,
    ENQUIRE,
    HEADER,
    NACK,
    NEVER,
    OK,
    SUBMIT,
    UNBIND,
    UNKNOWN_COMMAND,
    Link,
    LinkLost,
    delivery,
    first_word,
)

Unit = tuple[int, int, int, bytes]  # command, status, sequence number, body
RECEIPT = (
    b"\0\x01\x01"
    + b"8613900000001\0"
    + b"\0\x01"
    + b"12329\0"
    + b"\x04\0\0"
    + b"\0\0"
    + b"\0\0\x08\0"
    + b"\x04"
    + b"id:A"
    b"\x00\x1e\x00\x02A\0" + b"\x04\x27\x00\x01\x02"
)


def unit(command: int, number: int, body: bytes = b"", status: int = OK) -> bytes:
    return HEADER.pack(HEADER.size + len(body), command, status, number) + body


class Far:
    """The other end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def heard(self) -> Unit:
        length, command, status, number = HEADER.unpack(await self._reader.readexactly(HEADER.size))
        return command, status, number, await self._reader.readexactly(length - HEADER.size)

    async def say(self, *units: bytes, piece: int = 1 << 20) -> None:
        data = b"".join(units)
        for at in range(0, len(data), piece):
            self._writer.write(data[at : at + piece])
            await self._writer.drain()
            await asyncio.sleep(0)

    def hang_up(self) -> None:
        self._writer.close()


Bound = Callable[..., Awaitable[tuple[Link, Far]]]


@asynccontextmanager
async def listening(answer: int | None = OK) -> AsyncIterator[tuple[int, "asyncio.Queue[Far]"]]:
    """A port whose peer answers a bind, or does not."""
    there: asyncio.Queue[Far] = asyncio.Queue()

    async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far = Far(reader, writer)
        command, _, number, _ = await far.heard()
        assert command == BIND
        if answer is not None:
            await far.say(unit(BIND | ANSWER, number, b"centre\0", answer))
        there.put_nowait(far)

    server = await asyncio.start_server(met, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1], there
    server.close()


@pytest.fixture
async def bound() -> AsyncIterator[tuple[Link, Far]]:
    async with listening() as (port, there):
        link = Link(0.5)
        await link.open("127.0.0.1", port, False, "hotline", "secret", "")
        far = await there.get()
        keeping = asyncio.create_task(link.keep())
        yield link, far
        link.drop()
        await keeping
        far.hang_up()


@pytest.mark.parametrize("answer, fault", [(0x0E, LinkLost), (None, TimeoutError)])
async def test_a_bind_that_is_refused_or_not_answered(answer: int | None, fault: type[Exception]) -> None:
    async with listening(answer) as (port, there):
        link = Link(0.2)
        with pytest.raises(fault):
            await link.open("127.0.0.1", port, False, "hotline", "wrong", "")
        link.drop()
        (await there.get()).hang_up()


async def test_answers_find_what_was_asked_in_any_order_and_in_any_pieces(bound: tuple[Link, Far]) -> None:
    link, far = bound
    asked = [link.ask(SUBMIT, b"x") for _ in range(3)]
    numbers = [(await far.heard())[2] for _ in asked]
    answers = [unit(SUBMIT | ANSWER, number, f"id{number}".encode() + b"\0") for number in reversed(numbers)]
    await far.say(*answers, piece=1)
    assert [first_word(body) for _, body in await asyncio.gather(*asked)] == [f"id{number}" for number in numbers]


async def test_what_is_not_answered_in_time_is_given_up_and_its_late_answer_forgotten(bound: tuple[Link, Far]) -> None:
    link, far = bound
    late = link.ask(SUBMIT)
    _, _, number, _ = await far.heard()
    with pytest.raises(TimeoutError):
        await late
    again = link.ask(SUBMIT)
    await far.heard()
    await far.say(unit(SUBMIT | ANSWER, number, b"late\0"), unit(SUBMIT | ANSWER, number + 1, b"again\0"))
    assert await again == (OK, b"again\0")


async def test_what_the_other_side_asks_is_answered(bound: tuple[Link, Far]) -> None:
    link, far = bound
    await far.say(unit(ENQUIRE, 7), unit(0x103, 8), unit(0x102, 9), unit(DELIVER, 10, RECEIPT[:20]))
    heard = [await far.heard() for _ in range(3)]
    assert heard == [
        (ENQUIRE | ANSWER, OK, 7, b""),
        (NACK, UNKNOWN_COMMAND, 8, b""),
        (DELIVER | ANSWER, NEVER, 10, b"\0"),
    ]
    assert link.news.empty()


async def test_a_delivery_is_answered_by_whoever_took_it(bound: tuple[Link, Far]) -> None:
    link, far = bound
    await far.say(unit(DELIVER, 11, RECEIPT), unit(ENQUIRE, 12))
    assert (await far.heard())[0] == ENQUIRE | ANSWER, "nobody has taken it yet"
    news = await link.news.get()
    assert (news.source, news.destination, news.esm_class, news.data_coding) == ("+8613900000001", "12329", 4, 8)
    assert (news.content, news.fields) == (b"id:A", {0x1E: b"A\0", 0x427: b"\2"})
    link.answer(news)
    assert await far.heard() == (DELIVER | ANSWER, OK, 11, b"\0")


@pytest.mark.parametrize(
    "garbage", [b"HTTP/1.1 400 Bad Request\r\n\r\n", unit(ENQUIRE, 1)[:3] + b"\x01" + b"\xff" * 12]
)
async def test_what_is_not_smpp_ends_the_link(bound: tuple[Link, Far], garbage: bytes) -> None:
    link, far = bound
    asked = link.ask(SUBMIT)
    await far.heard()
    await far.say(garbage)
    with pytest.raises(LinkLost):
        await asked
    assert not link.is_open


async def test_a_link_that_is_lost_loses_what_was_asked_and_takes_nothing_more(bound: tuple[Link, Far]) -> None:
    link, far = bound
    asked = link.ask(SUBMIT)
    await far.heard()
    await far.say(unit(UNBIND, 3))
    assert await far.heard() == (UNBIND | ANSWER, OK, 3, b"")
    with pytest.raises(LinkLost):
        await asked
    assert not link.is_open


async def test_who_says_goodbye_and_hangs_is_left_soon(bound: tuple[Link, Far]) -> None:
    link, far = bound
    asked = [link.ask(SUBMIT, bytes(60_000)) for _ in range(200)]  # more than is on its way unread
    await far.say(unit(UNBIND, 3))
    async with asyncio.timeout(5):
        faults = await asyncio.gather(*asked, return_exceptions=True)
        while not link._lost.is_set():
            await asyncio.sleep(0.05)
    assert {type(fault) for fault in faults} <= {LinkLost, TimeoutError}


async def test_silence_is_asked_about_and_then_ends_the_link(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smpp_link, "ENQUIRE_SECONDS", 0.3)
    async with listening() as (port, there):
        link = Link(0.4)
        await link.open("127.0.0.1", port, False, "hotline", "secret", "")
        far = await there.get()
        keeping = asyncio.create_task(link.keep())
        command, _, number, _ = await far.heard()
        assert command == ENQUIRE
        await far.say(unit(ENQUIRE | ANSWER, number))
        assert (await far.heard())[0] == ENQUIRE and link.is_open, "and again"
        await asyncio.wait_for(keeping, 5)
        assert not link.is_open
        far.hang_up()


async def test_goodbye(bound: tuple[Link, Far]) -> None:
    link, far = bound
    closing = asyncio.create_task(link.close())
    command, _, number, _ = await far.heard()
    assert command == UNBIND
    await far.say(unit(UNBIND | ANSWER, number))
    await closing
    assert not link.is_open


async def test_a_goodbye_cut_short_ends_the_link_as_well(bound: tuple[Link, Far]) -> None:
    link, far = bound
    closing = asyncio.create_task(link.close())
    await far.heard()
    closing.cancel()
    await asyncio.wait([closing])
    assert not link.is_open


@given(st.binary(max_size=120), st.integers(0, len(RECEIPT)))
def test_no_delivery_makes_anything_but_a_fault_that_is_known(noise: bytes, kept: int) -> None:
    with contextlib.suppress(IndexError, ValueError, smpp_link.struct.error):
        delivery(1, RECEIPT[:kept] + noise)


@pytest.mark.parametrize(
    ("kind", "written", "source"),
    [
        (1, b"13105550123", "+13105550123"),  # Los Angeles
        (1, b"+8613900000001", "+8613900000001"),
        (1, b"", ""),
        (0, b"13105550123", "13105550123"),  # a mobile at home
        (2, b"13900000001", "13900000001"),
        (5, b"CHINA", "CHINA"),
    ],
)
def test_numbers_that_are_said_to_be_international(kind: int, written: bytes, source: str) -> None:
    body = RECEIPT.replace(b"\x01\x018613900000001", bytes((kind, 1)) + written, 1)
    assert delivery(1, body).source == source
