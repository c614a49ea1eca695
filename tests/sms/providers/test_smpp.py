"""SMPP against a real SMPP server on a socket: binds, parts, windows, receipts, texts from telephones, lost links."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms.errors import NotSent, OutcomeUnknown, Refused, TextError, TryLater
from sms.providers.base import Accepted, Inbound, Outgoing, Receipt
from sms.providers.smpp import Ids, Smpp, SmppSettings, decode, encode, validity
from sms.segments import encoding_of

smpp34 = pytest.importorskip("smpp34")

SHORT = Outgoing("01JD0000000000000000000000", "13900000001", "验证码012345。", "镇江公积金", life_seconds=300)
LONG = Outgoing("01JD0000000000000000000001", "13900000001", "额" * 130, "镇江公积金")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Centre:
    """A message centre: accepts every text with the next id, or rejects it with the next of `rejects`."""

    port: int
    ids: list[str] = field(default_factory=lambda: [f"{n:X}" for n in range(0xA0, 0x1A0)])
    rejects: list[int | None] = field(default_factory=list)
    submitted: list[object] = field(default_factory=list)
    silent: bool = False

    async def start(self) -> None:
        self.bound: asyncio.Queue[object] = asyncio.Queue()
        self._server = smpp34.Server("127.0.0.1", self.port, system_id="centre")
        async with asyncio.timeout(10):
            while not await self._listens():  # the one before may not have let go of the port yet
                await asyncio.sleep(0.1)
        self._task = asyncio.create_task(self._serve())

    async def _listens(self) -> bool:
        try:
            await self._server.start()
        except smpp34.SmppError:
            return False
        return True

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._server.stop()

    async def _serve(self) -> None:
        kept = []
        while True:
            event = await self._server.next()
            if isinstance(event, smpp34.Esme):
                self.bound.put_nowait(event)
            elif isinstance(event, smpp34.SubmitSmEvent):
                self.submitted.append(event)
                status = self.rejects.pop(0) if self.rejects else None
                if self.silent:
                    kept.append(event)
                elif status is None:
                    event.accept(self.ids.pop(0))
                else:
                    event.reject(status)


@dataclass
class News:
    """What the provider hands over."""

    queue: "asyncio.Queue[Receipt | Inbound]" = field(default_factory=asyncio.Queue)

    async def __call__(self, receipts: Sequence[Receipt], inbound: Sequence[Inbound]) -> None:
        for each in (*receipts, *inbound):
            self.queue.put_nowait(each)


@pytest.fixture
async def centre() -> AsyncIterator[Centre]:
    centre = Centre(_free_port())
    await centre.start()
    yield centre
    await centre.stop()


@pytest.fixture
def news() -> News:
    return News()


def _settings(port: int, **given: object) -> SmppSettings:
    return SmppSettings.model_validate(
        {
            "host": "127.0.0.1",
            "port": port,
            "system_id": "hotline",
            "password": "secret",
            "sender": "12329",
            "timeout_seconds": 2,
        }
        | given
    )


Bind = Callable[..., Awaitable[Smpp]]


@pytest.fixture
async def bind(centre: Centre, news: News) -> AsyncIterator[Bind]:
    opened: list[Smpp] = []

    async def bind(**given: object) -> Smpp:
        smpp = Smpp("smpp", _settings(centre.port, **given), cast(aiohttp.ClientSession, None))
        opened.append(smpp)
        await smpp.start(news)
        await asyncio.wait_for(smpp.bound.wait(), 10)
        return smpp

    yield bind
    for smpp in opened:
        await smpp.stop()


async def test_the_exact_unit(centre: Centre, bind: Bind) -> None:
    smpp = await bind()
    assert await smpp.send(SHORT) == Accepted(("a0",))
    (submitted,) = centre.submitted
    assert {
        name: getattr(submitted, name)
        for name in (
            "source_addr",
            "source_addr_ton",
            "source_addr_npi",
            "destination_addr",
            "dest_addr_ton",
            "dest_addr_npi",
            "esm_class",
            "data_coding",
            "registered_delivery",
            "short_message",
        )
    } == {
        "source_addr": "12329",
        "source_addr_ton": 0,
        "source_addr_npi": 1,
        "destination_addr": "8613900000001",
        "dest_addr_ton": 1,
        "dest_addr_npi": 1,
        "esm_class": 0,
        "data_coding": 8,
        "registered_delivery": 1,
        "short_message": "【镇江公积金】验证码012345。".encode("utf-16-be"),
    }


async def test_latin_text_goes_in_the_default_alphabet(centre: Centre, bind: Bind) -> None:
    smpp = await bind()
    await smpp.send(Outgoing("x", "13900000001", "Code 012345 {€}", ""))
    (submitted,) = centre.submitted
    assert (submitted.data_coding, submitted.short_message) == (0, b"Code 012345 \x1b\x28\x1b\x65\x1b\x29")


async def test_a_long_text_goes_in_parts_with_an_id_each(centre: Centre, bind: Bind) -> None:
    smpp = await bind()
    assert await smpp.send(LONG) == Accepted(("a0", "a1", "a2"))
    messages = [submitted.short_message for submitted in centre.submitted]
    assert [message[:3] for message in messages] == [b"\x05\x00\x03"] * 3
    assert len({message[3] for message in messages}) == 1, "one reference"
    assert [(message[4], message[5]) for message in messages] == [(3, 1), (3, 2), (3, 3)]
    assert max(map(len, messages)) <= 140 and {submitted.esm_class for submitted in centre.submitted} == {0x40}
    assert "".join(message[6:].decode("utf-16-be") for message in messages) == LONG.signed_text


ANSWERS = [
    (0x58, TryLater),  # ESME_RTHROTTLED
    (0x14, TryLater),  # ESME_RMSGQFUL
    (0x08, TryLater),  # ESME_RSYSERR
    (0x04, TryLater),  # ESME_RINVBNDSTS
    (0x0B, Refused),  # ESME_RINVDSTADR
    (0x0A, Refused),  # ESME_RINVSRCADR
    (0x01, Refused),  # ESME_RINVMSGLEN
]


@pytest.mark.parametrize("status, fault", ANSWERS)
async def test_what_answers_mean(centre: Centre, bind: Bind, status: int, fault: type[TextError]) -> None:
    smpp = await bind()
    centre.rejects = [status]
    with pytest.raises(fault) as told:
        await smpp.send(SHORT)
    assert len(centre.submitted) == 1
    assert getattr(told.value, "link", False) == (fault is TryLater and status != 0x08), "for whom the pause is"


async def test_taken_without_an_id_is_not_refused(centre: Centre, bind: Bind) -> None:
    smpp = await bind()
    centre.ids = [""]
    with pytest.raises(OutcomeUnknown):
        await smpp.send(SHORT)


async def test_a_throttled_later_part_is_tried_again(centre: Centre, bind: Bind) -> None:
    smpp = await bind()
    centre.rejects = [None, 0x58, None, None]
    assert len((await smpp.send(LONG)).refs) == 3


async def test_a_refused_later_part_leaves_the_text_unknown(centre: Centre, bind: Bind) -> None:
    smpp = await bind()
    centre.rejects = [None, 0x0B]
    with pytest.raises(OutcomeUnknown, match="part 2 of 3"):
        await smpp.send(LONG)


async def test_no_answer_leaves_the_text_unknown(centre: Centre, bind: Bind) -> None:
    smpp = await bind(timeout_seconds=0.3)
    centre.silent = True
    with pytest.raises(OutcomeUnknown):
        await smpp.send(SHORT)
    assert len(centre.submitted) == 1


async def test_not_bound_means_not_sent() -> None:
    smpp = Smpp("smpp", _settings(_free_port()), cast(aiohttp.ClientSession, None))
    await smpp.start(News())
    with pytest.raises(NotSent):
        await smpp.send(SHORT)
    await smpp.stop()


async def test_many_at_once_through_the_window(centre: Centre, bind: Bind) -> None:
    smpp = await bind(window=8)
    accepted = await asyncio.gather(*(smpp.send(SHORT) for _ in range(100)))
    assert len({answer.refs for answer in accepted}) == 100


async def test_bound_again_after_the_centre_went_away(news: News) -> None:
    port = _free_port()
    first = Centre(port)
    await first.start()
    smpp = Smpp("smpp", _settings(port), cast(aiohttp.ClientSession, None))
    await smpp.start(news)
    await asyncio.wait_for(smpp.bound.wait(), 10)
    esme = await first.bound.get()
    await esme.unbind()  # type: ignore[attr-defined]
    await first.stop()
    async with asyncio.timeout(15):
        while smpp.bound.is_set():
            await asyncio.sleep(0.01)
    with pytest.raises((NotSent, OutcomeUnknown)):
        await smpp.send(SHORT)
    second = Centre(port)
    await second.start()
    await asyncio.wait_for(smpp.bound.wait(), 40)
    assert await smpp.send(SHORT) == Accepted(("a0",))
    await smpp.stop()
    await second.stop()


def _dlr(id: str, stat: str = "DELIVRD", error: str = "000") -> bytes:
    dates = "submit date:2603021000 done date:2603021001"
    return f"id:{id} sub:001 dlvrd:001 {dates} stat:{stat} err:{error} text:".encode()


async def _delivered(centre: Centre, content: bytes, **given: object) -> None:
    esme = await centre.bound.get()
    centre.bound.put_nowait(esme)
    answer = await esme.deliver_sm("12329", content, source_addr="8613900000001", **given)  # type: ignore[attr-defined]
    assert answer.is_success


async def test_a_receipt_in_words(centre: Centre, bind: Bind, news: News) -> None:
    smpp = await bind()
    await smpp.send(SHORT)
    await _delivered(centre, _dlr("A0"), esm_class=4)
    assert await news.queue.get() == Receipt("delivered", "a0", reason="DELIVRD")


async def test_no_receipt_holds_what_no_database_takes(centre: Centre, bind: Bind, news: News) -> None:
    await bind()
    await _delivered(centre, _dlr("B" * 80).removesuffix(b" text:") + b"\0", esm_class=4)
    assert await news.queue.get() == Receipt("delivered", "b" * 64, reason="DELIVRD")


async def test_a_receipt_in_fields(centre: Centre, bind: Bind, news: News) -> None:
    await bind()
    tlvs = [smpp34.Tlv(0x001E, b"00A0\x00"), smpp34.Tlv(0x0427, b"\x05")]
    await _delivered(centre, b"", esm_class=4, tlvs=tlvs)
    assert await news.queue.get() == Receipt("failed", "a0", reason="UNDELIV")


STATS = [
    ("DELIVRD", "000", "delivered", "DELIVRD"),
    ("ACCEPTD", "000", "sent", "ACCEPTD"),
    ("ENROUTE", "000", "sent", "ENROUTE"),
    ("UNKNOWN", "000", "unknown", "UNKNOWN"),
    ("EXPIRED", "000", "failed", "EXPIRED"),
    ("REJECTD", "045", "failed", "REJECTD 045"),
    ("MK:0001", "000", "failed", "MK:0001"),
]


@pytest.mark.parametrize("stat, error, status, reason", STATS)
async def test_what_stats_mean(
    centre: Centre, bind: Bind, news: News, stat: str, error: str, status: str, reason: str
) -> None:
    await bind()
    await _delivered(centre, _dlr("1", stat, error), esm_class=4)
    receipt = await news.queue.get()
    assert isinstance(receipt, Receipt) and (receipt.status, receipt.reason) == (status, reason)


async def test_an_id_in_another_base_is_found_again(centre: Centre, bind: Bind, news: News) -> None:
    smpp = await bind()
    await smpp.send(SHORT)  # answered A0
    await smpp.send(SHORT)  # answered A1
    await _delivered(centre, _dlr("0000000160"), esm_class=4)
    await _delivered(centre, _dlr("161"), esm_class=4)
    assert [(await news.queue.get()).ref for _ in range(2)] == ["a0", "a1"]  # type: ignore[union-attr]


def test_the_form_of_ids_once_learnt_serves_older_ones() -> None:
    ids = Ids(None)
    assert ids.receipted("160") == "160", "nothing learnt yet: as it stands"
    ids.accepted("FF")
    assert ids.receipted("255") == "ff"
    assert ids.receipted("160") == "a0", "handed out before a restart"


def test_a_second_receipt_of_a_text_is_the_same_text() -> None:
    """ENROUTE, then DELIVRD; with ids counted from 1, `1000` in hexadecimal is another text's `4096`."""
    ids = Ids(None)
    for number in range(1, 5000):
        ids.accepted(str(number))
    assert [ids.receipted("1000"), ids.receipted("1000")] == ["1000", "1000"]
    assert ids.receipted("1001") == "1001"


def test_one_receipt_read_wrongly_is_outvoted() -> None:
    """After a restart a late `1000`, which only this process's `4096` explains, is soon known for a chance."""
    ids = Ids(None)
    for number in range(4000, 4200):
        ids.accepted(str(number))
    ids.receipted("1000")
    for number in range(4000, 4002):
        ids.receipted(str(number))
    assert ids.receipted("4002") == "4002"


@pytest.mark.parametrize(
    "form, answered, told", [("same", "00AB", "ab"), ("decimal", "1F", "31"), ("hex", "31", "1F"), ("hex", "zz", "zz")]
)
def test_configured_forms_of_ids(form: str, answered: str, told: str) -> None:
    ids = Ids(form)  # type: ignore[arg-type]
    assert ids.receipted(told) == ids.accepted(answered)


@given(st.integers(1, 2**60), st.sampled_from(["d", "x", "X", "020d"]), st.sampled_from(["d", "x", "X"]))
def test_ids_of_any_form_lead_to_what_was_kept(number: int, answered: str, told: str) -> None:
    ids = Ids(None)
    kept = ids.accepted(format(number, answered))
    assert ids.receipted(format(number, told)) == kept


async def test_texts_from_telephones(centre: Centre, bind: Bind, news: News) -> None:
    await bind()
    await _delivered(centre, "余额".encode("utf-16-be"), data_coding=8)
    await _delivered(centre, b"YE", data_coding=0)
    await _delivered(centre, "退订".encode("gb18030"), data_coding=15)
    texts = [await news.queue.get() for _ in range(3)]
    assert texts == [Inbound("8613900000001", text, to="12329") for text in ("余额", "YE", "退订")]


async def test_parts_of_a_long_text_say_where_they_belong(centre: Centre, bind: Bind, news: News) -> None:
    await bind()
    for header in (
        b"\x05\x00\x03\x07\x02\x02",
        b"\x06\x08\x04\x01\x07\x02\x01",
        b"\x05\x00\x03\x07\x00\x09",
        b"\x09\x00",
    ):
        await _delivered(centre, header + "额".encode("utf-16-be"), data_coding=8, esm_class=0x40)
    second, first, nonsense, cut = [await news.queue.get() for _ in range(4)]
    group = "8613900000001/12329"
    assert second == Inbound("8613900000001", "额", to="12329", part=2, parts=2, group=f"{group}/07/2")
    assert first == Inbound("8613900000001", "额", to="12329", part=1, parts=2, group=f"{group}/0107/2")
    assert isinstance(nonsense, Inbound) and nonsense.parts == 1
    assert isinstance(cut, Inbound) and cut.parts == 1


async def test_parts_that_say_it_in_fields(centre: Centre, bind: Bind, news: News) -> None:
    await bind()
    for part, parts in ((2, 3), (4, 3), (0, 0)):
        tlvs = [smpp34.Tlv(0x020C, b"\x01\x07"), smpp34.Tlv(0x020E, bytes([parts])), smpp34.Tlv(0x020F, bytes([part]))]
        await _delivered(centre, "额".encode("utf-16-be"), data_coding=8, tlvs=tlvs)
    second, *nonsense = [await news.queue.get() for _ in range(3)]
    assert second == Inbound("8613900000001", "额", to="12329", part=2, parts=3, group="8613900000001/12329/0107/3")
    assert nonsense == [Inbound("8613900000001", "额", to="12329")] * 2


async def test_news_wait_for_a_database_that_is_away(centre: Centre) -> None:
    tries: list[int] = []
    done = asyncio.Event()

    async def take(receipts: Sequence[Receipt], inbound: Sequence[Inbound]) -> None:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("database is away")
        done.set()

    smpp = Smpp("smpp", _settings(centre.port), cast(aiohttp.ClientSession, None))
    await smpp.start(take)
    await asyncio.wait_for(smpp.bound.wait(), 10)
    await _delivered(centre, b"YE")
    await asyncio.wait_for(done.wait(), 10)
    assert len(tries) == 2
    await smpp.stop()


@pytest.mark.parametrize(
    "seconds, written",
    [(300, "000000000500000R"), (86400, "000001000000000R"), (0, "000000000001000R"), (10**9, "000030")],
)
def test_validity(seconds: int, written: str) -> None:
    assert validity(seconds).startswith(written) and len(validity(seconds)) == 16


@given(st.text(max_size=160))
def test_texts_survive_the_wire(text: str) -> None:
    encoding = encoding_of(text)
    assert decode(encode(text, encoding), 8 if encoding == "ucs2" else 0) == text or "\ud800" <= max(text) <= "\udfff"


@given(st.binary(max_size=200), st.integers(0, 255))
def test_decoding_never_fails(content: bytes, data_coding: int) -> None:
    assert isinstance(decode(content, data_coding), str)


def test_settings_tell_every_fault_at_once() -> None:
    with pytest.raises(ValueError) as told:
        SmppSettings.model_validate({"port": 0, "system_id": "", "password": "much too long", "sender": "!"})
    for name in ("host", "port", "system_id", "password", "sender"):
        assert f"\n{name}\n" in str(told.value)
    assert "much too long" not in repr(_settings(1, password="hush"))
