"""What a provider is: two pure translations (`build_request`, `parse_reply`), one call (`send`), and what it tells us.

To add one: `sms/providers/NAME.py` with a `Settings` model and a `Provider` subclass, its test in `tests/sms/`
with a table of exact requests and replies, and one line in `sms/providers/__init__.py`. Nothing else changes.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

import aiohttp
import structlog
from pydantic import BaseModel, ConfigDict, Field

from sms.errors import NotSent, OutcomeUnknown, Refused
from sms.messages import Lane, Status

log = structlog.get_logger(__name__)

NEVER_CONNECTED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)


@dataclass(slots=True)  # not frozen, as Message
class Outgoing:
    """One text as a provider is given it."""

    id: str  # ours, 26 characters: put it where the provider echoes it (OutId, SessionContext, ...)
    to: str  # normalised: 13900000001
    text: str  # without the signature
    signature: str  # without 【】; `signed_text` has both
    template: str = ""  # our template id
    provider_template: str = ""  # this provider's own id of that template; empty when it has none
    params: Mapping[str, str] = field(default_factory=dict)  # in the template's order
    lane: Lane = "notice"
    life_seconds: int = 86400  # how long it is still worth delivering

    @property
    def signed_text(self) -> str:
        """The text as the telephone shows it, for providers that do not add the signature themselves."""
        return f"【{self.signature}】{self.text}" if self.signature else self.text


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request, exactly as it will be sent."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP reply, exactly as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider has it. `refs` are its ids, one a part, in the order of the parts; one for the whole is usual."""

    refs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a message (or of one part), found by the provider's `ref`, or by our `id` if it was echoed."""

    status: Status  # sent (still under way), delivered, failed, unknown
    ref: str = ""
    id: str = ""
    reason: str = ""  # the provider's code, kept as it came: DELIVRD, 30008, MK:0001
    at: datetime | None = None  # when it happened, aware; None when the provider does not say
    operator: str = ""  # mobile | unicom | telecom | broadnet, where the receipt teaches it


@dataclass(frozen=True, slots=True)
class Inbound:
    """A text somebody sent us (or one part of it)."""

    sender: str  # as the provider gives it; normalised by whoever takes it
    text: str
    id: str = ""  # the provider's, to tell a repeat; empty when it has none
    to: str = ""  # the number it was sent to
    at: datetime | None = None
    part: int = 1  # of `parts`, for long texts that arrive in pieces
    parts: int = 1
    group: str = ""  # what the pieces of one text have in common


@dataclass(frozen=True, slots=True)
class Posted:
    """A webhook as it arrived: what signatures are checked against."""

    method: str
    url: str  # the public one, with query
    headers: Mapping[str, str]  # look up in any case: it is a CIMultiDict
    body: bytes
    remote: str  # the caller's address, after trusted proxies


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What the provider wants to hear after a webhook, or it repeats it."""

    status: int = 200
    content_type: str = "application/json"
    body: bytes = b"{}"


Take = Callable[[Sequence[Receipt], Sequence[Inbound]], Awaitable[None]]  # where pulled or connected providers put news


class ProviderSettings(BaseModel):
    """What every provider may be told. Secrets are `SecretStr`: their values never reach a log, a page or an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rate: float = Field(100, gt=0, description="messages a second, over all lanes")
    window: int = Field(64, gt=0, description="messages on the wire at once, unanswered")
    code_share: float = Field(0.2, ge=0, lt=1, description="share of rate and window kept for codes")
    timeout_seconds: float = Field(10, gt=0, description="no answer for so long: the outcome is unknown")
    price: int = Field(5, ge=0, description="fen a part, for estimates")
    links: bool = Field(False, description="whether texts through it may hold links")

    def timeout(self) -> aiohttp.ClientTimeout:
        """Of a request: who is not even connected by half of it is known to have been sent nothing."""
        return aiohttp.ClientTimeout(total=self.timeout_seconds, connect=self.timeout_seconds / 2)


class Provider(ABC):
    """One way out. `name` is the configured one (there may be two accounts with one vendor)."""

    Settings: ClassVar[type[ProviderSettings]] = ProviderSettings
    pull_seconds: ClassVar[float | None] = None  # how often `pull` is worth calling; None: it is not offered
    acknowledgement: ClassVar[Acknowledgement] = Acknowledgement()
    wants_ids: ClassVar[bool] = False  # whether it takes filed templates only
    pretends: ClassVar[bool] = False  # its texts reach nobody, so nobody is woken by them

    def __init__(self, name: str, settings: ProviderSettings, session: aiohttp.ClientSession) -> None:
        self.name = name
        self.settings = settings
        self.session = session

    async def start(self, take: Take) -> None:  # noqa: B027 - most have nothing to start
        """Open what stays open. Returns at once even if the peer is away; connections are made again by themselves."""

    async def stop(self) -> None:  # noqa: B027
        """Close what `start` opened. No `send` is under way any more."""

    @abstractmethod
    async def send(self, message: Outgoing) -> Accepted:
        """One text onto the wire, one answer. Raises only `Refused`, `TryLater`, `NotSent`, `OutcomeUnknown`."""

    def parse_receipt(self, posted: Posted) -> Sequence[Receipt]:
        """A pushed webhook of receipts. Raises `Forged`, `Garbled`. Pure."""
        raise Refused("no_receipts_here")

    def parse_inbound(self, posted: Posted) -> Sequence[Inbound]:
        """A pushed webhook of texts to us. Raises `Forged`, `Garbled`. Pure."""
        raise Refused("no_inbound_here")

    async def pull(self, take: Take) -> None:  # noqa: B027
        """What the provider kept for us since the last time, a page safe before the next is asked for.

        Raises any `TextError` but the webhooks'.
        """


class HttpProvider(Provider):
    """A provider spoken to in single HTTP requests: gives `send`; the subclass gives the two translations."""

    @abstractmethod
    def build_request(self, message: Outgoing) -> Request:
        """Ours -> theirs. Pure but for the clock and the nonce of the signature."""

    @abstractmethod
    def parse_reply(self, reply: Reply) -> Accepted:
        """Theirs -> ours. Raises `Refused`, `TryLater`, `OutcomeUnknown` (garbage, 5xx). Pure."""

    async def send(self, message: Outgoing) -> Accepted:
        return self.parse_reply(await self.post(self.build_request(message)))

    async def post(self, request: Request) -> Reply:
        """One request, once. Raises `NotSent` when no connection was made, `OutcomeUnknown` for anything after that."""
        try:
            async with self.session.request(
                request.method,
                request.url,
                headers=request.headers,
                data=request.body,
                timeout=self.settings.timeout(),
                allow_redirects=False,
            ) as reply:
                return Reply(reply.status, reply.headers, await reply.read())
        except NEVER_CONNECTED as fault:
            raise NotSent(type(fault).__name__) from fault
        except (aiohttp.ClientError, TimeoutError, OSError) as fault:
            raise OutcomeUnknown(type(fault).__name__) from fault


async def handed_over(take: Take, receipts: Sequence[Receipt], inbound: Sequence[Inbound]) -> None:
    """Hand over news that nobody repeats, or only if unanswered; hold them while the database is away."""
    while True:
        try:
            return await take(receipts, inbound)
        except Exception as fault:
            log.error("texts.news_wait", fault=type(fault).__name__)
            await asyncio.sleep(1)
