"""SMPP 3.4: a bound transceiver at a carrier's or an aggregator's centre.

`sms.providers.smpp_link` frames, numbers and times the protocol's units; here they are given meaning. The bind is
made again by itself, a second after it is lost and then ever more slowly. A long text goes as several parts tied by a
user data header; each part has an id of its own and a receipt of its own.
"""

import asyncio
import itertools
import random
import re
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Literal

import aiohttp
import structlog
from pydantic import Field, SecretStr

from fund.phone import e164
from sms.errors import NotSent, OutcomeUnknown, Refused, TextError, TryLater
from sms.messages import Status
from sms.providers.base import (
    Accepted,
    Inbound,
    Outgoing,
    Provider,
    ProviderSettings,
    Receipt,
    Take,
    handed_over,
)
from sms.providers.smpp_link import OK, SUBMIT, Delivery, Link, LinkLost, first_word, submit_sm
from sms.segments import GSM_BASIC, GSM_EXTENSION, Encoding, encoding_of, split

log = structlog.get_logger(__name__)

SYSTEM_ERROR = 0x08  # ESME_RSYSERR
TRY_LATER: Mapping[int, float] = {  # command_status -> seconds; nothing was taken
    0x14: 5,  # ESME_RMSGQFUL
    0x58: 1,  # ESME_RTHROTTLED
    SYSTEM_ERROR: 5,
    0x04: 5,  # ESME_RINVBNDSTS: the centre has forgotten the bind
}
PART_TRIES = 5  # for the second and later parts of a text, which cannot go elsewhere any more
STATUSES: Mapping[str, Status] = {
    "ENROUTE": "sent",
    "ACCEPTD": "sent",
    "DELIVRD": "delivered",
    "UNKNOWN": "unknown",
}  # everything else (EXPIRED, DELETED, UNDELIV, REJECTD, a carrier's own code) is a failure
STATES: Mapping[int, str] = {  # the TLV message_state, for receipts without text
    1: "ENROUTE",
    2: "DELIVRD",
    3: "EXPIRED",
    4: "DELETED",
    5: "UNDELIV",
    6: "ACCEPTD",
    7: "UNKNOWN",
    8: "REJECTD",
}
TLV_RECEIPTED_ID, TLV_STATE, TLV_PAYLOAD = 0x001E, 0x0427, 0x0424
TLV_REFERENCE, TLV_PARTS, TLV_PART = 0x020C, 0x020E, 0x020F
IdForm = Literal[
    "same",  # receipts repeat the id of the answer
    "decimal",  # the answer's id is hexadecimal, the receipt's decimal
    "hex",  # the answer's id is decimal, the receipt's hexadecimal
]


class SmppSettings(ProviderSettings):
    """One bind."""

    host: str = Field(min_length=1)
    port: int = Field(2775, gt=0, le=65535)
    system_id: str = Field(min_length=1, max_length=15)
    password: SecretStr = Field(max_length=8)
    system_type: str = Field("", max_length=12)
    tls: bool = False
    sender: str = Field(pattern=r"^\+?[0-9A-Za-z]{1,20}$", description="source address: 12329, with the extension")
    sender_ton: int = Field(0, ge=0, le=6)
    sender_npi: int = Field(1, ge=0, le=18)
    receipt_ids: IdForm | None = Field(None, description="how receipts write the ids of answers; empty: learnt")


class Smpp(Provider):
    """One connection, bound as a transceiver."""

    Settings = SmppSettings
    settings: SmppSettings

    def __init__(self, name: str, settings: ProviderSettings, session: aiohttp.ClientSession) -> None:
        super().__init__(name, settings, session)
        self.bound = asyncio.Event()
        self._link: Link | None = None
        self._task: asyncio.Task[None] | None = None
        self._references = itertools.count(random.randrange(256))
        self._ids = Ids(self.settings.receipt_ids)
        self._source = (self.settings.sender_ton, self.settings.sender_npi, self.settings.sender)

    async def start(self, take: Take) -> None:
        self._task = asyncio.create_task(self._keep_bound(take), name=f"smpp {self.name}")

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def send(self, message: Outgoing) -> Accepted:
        text = message.signed_text
        encoding, parts = encoding_of(text), split(text)
        if len(parts) == 1:
            return Accepted((await self._submit(message, encode(text, encoding), encoding),))
        return Accepted(tuple([ref async for ref in self._submit_parts(message, encoding, parts)]))

    async def _submit_parts(self, message: Outgoing, encoding: Encoding, parts: Sequence[str]) -> AsyncIterator[str]:
        reference = next(self._references) % 256
        for number, part in enumerate(parts, 1):
            content = bytes((5, 0, 3, reference, len(parts), number)) + encode(part, encoding)
            submit = partial(self._submit, message, content, encoding, header=True)
            yield await (submit() if number == 1 else self._rest(submit, number, len(parts)))

    async def _rest(self, submit: Callable[[], Awaitable[str]], number: int, total: int) -> str:
        """A later part: the text is under way, so it waits out a throttle, and any other fault leaves it unknown."""
        for left in reversed(range(PART_TRIES)):
            try:
                return await submit()
            except TryLater as fault:
                if not left:
                    raise OutcomeUnknown(f"part {number} of {total}: {fault.reason}") from None
                await asyncio.sleep(fault.after_seconds)
            except TextError as fault:
                raise OutcomeUnknown(f"part {number} of {total}: {fault.reason}") from None
        raise AssertionError("unreachable")

    async def _submit(self, message: Outgoing, content: bytes, encoding: Encoding, *, header: bool = False) -> str:
        if self._link is None or not self._link.is_open:
            raise NotSent("not_bound")
        unit = submit_sm(
            self._source,
            (1, 1, e164(message.to).removeprefix("+")),
            content,
            esm_class=0x40 if header else 0,
            data_coding=8 if encoding == "ucs2" else 0,
            validity=validity(message.life_seconds),
        )
        try:
            status, body = await self._link.ask(SUBMIT, unit)
        except (LinkLost, TimeoutError) as fault:
            raise OutcomeUnknown(type(fault).__name__) from None
        if status != OK:
            raise _fault(status)
        if not (id := first_word(body)):
            raise OutcomeUnknown("smpp_no_id")  # taken, but no receipt will find it
        return self._ids.accepted(id)

    async def _keep_bound(self, take: Take) -> None:
        """Bind, listen until the connection is lost, wait, and again, until cancelled."""
        wait = 1.0
        while True:
            link = Link(self.settings.timeout_seconds)
            try:
                await self._bind(link)
                log.info("smpp.bound", provider=self.name)
                wait = 1.0
                await self._serve(link, take)
                log.warning("smpp.lost", provider=self.name)
            except Exception as fault:  # whatever the network came up with: bind again
                log.warning("smpp.not_bound", provider=self.name, fault=type(fault).__name__, again_seconds=wait)
            finally:
                self._link = None
                self.bound.clear()
                await link.close()
            await asyncio.sleep(wait * random.uniform(0.8, 1.2))
            wait = min(wait * 2, 30)

    async def _bind(self, link: Link) -> None:
        settings = self.settings
        password = settings.password.get_secret_value()
        await link.open(settings.host, settings.port, settings.tls, settings.system_id, password, settings.system_type)
        self._link = link
        self.bound.set()

    async def _serve(self, link: Link, take: Take) -> None:
        """Until the connection is lost."""
        handing_over = asyncio.create_task(self._hand_over(link, take), name=f"smpp news {self.name}")
        try:
            await link.keep()
        finally:
            handing_over.cancel()
            await asyncio.gather(handing_over, return_exceptions=True)

    async def _hand_over(self, link: Link, take: Take) -> None:
        """What came, as much at once as there is; answered when it is on the disk, or the centre keeps it."""
        while True:
            news = [await link.news.get()]
            while not link.news.empty():
                news.append(link.news.get_nowait())
            receipts = [self._receipt(each) for each in news if each.esm_class & 0x3C]
            inbound = [_inbound(each) for each in news if not each.esm_class & 0x3C]
            await handed_over(take, receipts, inbound)
            for each in news:
                link.answer(each)

    def _receipt(self, each: Delivery) -> Receipt:
        text = _content(each).decode("latin-1").replace("\0", " ")  # some end it as if it were C's
        found = re.search(r"\bid:\s*([^\s:]+)", text)
        id = first_word(each.fields.get(TLV_RECEIPTED_ID, b"")) or (found[1] if found else "")
        stat = re.search(r"\bstat:\s*([^\s]+)", text, re.IGNORECASE)
        word = stat[1].upper() if stat else STATES.get(int.from_bytes(each.fields.get(TLV_STATE, b"")), "")
        error = re.search(r"\berr:\s*([^\s]+)", text, re.IGNORECASE)
        status = STATUSES.get(word, "failed" if word else "unknown")
        code = error[1] if error and error[1].strip("0") else ""
        return Receipt(status, ref=self._ids.receipted(id)[:64], reason=f"{word} {code}".strip()[:64])


class Ids:
    """The ids of answers, found again in receipts that write them in another base.

    Many centres answer a submit with a hexadecimal id and write it in decimal in the receipt, or the other way round.
    Unless it is configured, the form is the one of most receipts that, of the ids handed out lately, can mean one only:
    where ids are counted from 1, "1000" may be another text's in another base.
    """

    MOST = 50_000

    def __init__(self, form: IdForm | None) -> None:
        self.form: IdForm = form or "same"
        self._learns = form is None
        self._seen: Counter[IdForm] = Counter()
        self._lately: OrderedDict[str, None] = OrderedDict()

    def accepted(self, id: str) -> str:
        """The id of an answer, as it is kept."""
        kept = _canonical(id)
        if self._learns:
            self._lately[kept] = None
            if len(self._lately) > self.MOST:
                self._lately.popitem(last=False)
        return kept

    def receipted(self, id: str) -> str:
        """The kept id that a receipt's `id` means."""
        forms: dict[IdForm, str] = {
            "same": _canonical(id),
            "decimal": _rebased(id, 10, "x"),
            "hex": _rebased(id, 16, "d"),
        }
        if self._learns:
            known = [form for form, kept in forms.items() if kept in self._lately]
            if len(known) == 1:
                self._seen[known[0]] += 1
                self.form = self._seen.most_common(1)[0][0]
        return forms[self.form] or forms["same"]


def _canonical(id: str) -> str:
    return id.strip().lower().lstrip("0") or "0"


def _rebased(id: str, base: int, to: str) -> str:
    try:
        return format(int(id, base), to)
    except ValueError:
        return ""


def encode(part: str, encoding: Encoding) -> bytes:
    """A part as it goes into `short_message`: UTF-16 big endian, or one septet a byte."""
    if encoding == "ucs2":
        return part.encode("utf-16-be", "surrogatepass")
    return b"".join(_SEPTETS[character] for character in part)


_SEPTETS = {character: bytes((at,)) for at, character in enumerate(GSM_BASIC)} | {
    character: bytes((0x1B, at)) for character, at in GSM_EXTENSION.items()
}


def validity(seconds: int) -> str:
    """A relative validity period, `YYMMDDhhmmss000R`."""
    minutes, second = divmod(max(seconds, 1), 60)
    hours, minute = divmod(minutes, 60)
    day, hour = divmod(hours, 24)
    return f"0000{min(day, 30):02}{hour:02}{minute:02}{second:02}000R"


def decode(content: bytes, data_coding: int) -> str:
    """What a telephone wrote. Never raises: what cannot be read becomes U+FFFD."""
    match data_coding & 0x0F:
        case 8:
            return content.decode("utf-16-be", "replace")
        case 15:
            return content.decode("gb18030", "replace")
        case 1 | 3:
            return content.decode("latin-1")
    return _from_septets(content)


def _from_septets(content: bytes) -> str:
    extension = {at: character for character, at in GSM_EXTENSION.items()}
    text, escaped = "", False
    for septet in content:
        if escaped or septet != 0x1B:
            text += extension.get(septet, " ") if escaped else GSM_BASIC[septet] if septet < 128 else "\ufffd"
        escaped = not escaped and septet == 0x1B
    return text


def _inbound(each: Delivery) -> Inbound:
    content = _content(each)
    reference, parts, part = _in_fields(each.fields)
    if each.esm_class & 0x40 and content:
        header, content = content[1 : 1 + content[0]], content[1 + content[0] :]
        reference, parts, part = _concatenation(header)
    group = f"{each.source}/{each.destination}/{reference}/{parts}" if parts > 1 else ""
    text = decode(content, each.data_coding)
    return Inbound(each.source, text, to=each.destination, part=part, parts=parts, group=group)


def _concatenation(header: bytes) -> tuple[str, int, int]:
    """(reference, parts, part) of a user data header; one part when it says nothing, or nonsense."""
    at = 0
    while at + 2 <= len(header):
        kind, size = header[at], header[at + 1]
        element = header[at + 2 : at + 2 + size]
        if (kind, size) in ((0, 3), (8, 4)) and len(element) == size:
            *reference, parts, part = element
            if 1 <= part <= parts:
                return bytes(reference).hex(), parts, part
        at += 2 + size
    return "", 1, 1


def _in_fields(fields: Mapping[int, bytes]) -> tuple[str, int, int]:
    """The same where the centre took the header off and tells it in fields of its own."""
    parts, part = (int.from_bytes(fields.get(tag, b"")[:1]) for tag in (TLV_PARTS, TLV_PART))
    return (fields.get(TLV_REFERENCE, b"").hex(), parts, part) if 1 <= part <= parts else ("", 1, 1)


def _content(each: Delivery) -> bytes:
    return each.content or each.fields.get(TLV_PAYLOAD, b"")


def _fault(command_status: int) -> TextError:
    reason = f"smpp_{command_status:08x}"
    if command_status in TRY_LATER:
        return TryLater(reason, TRY_LATER[command_status], link=command_status != SYSTEM_ERROR)
    return Refused(reason)
