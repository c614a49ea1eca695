"""The embedded default: texts go nowhere, and the page at /sandbox shows them as a telephone would."""

import asyncio
import itertools

from pydantic import Field

from sms.providers.base import Accepted, Outgoing, Provider, ProviderSettings, Receipt, Take


class SandboxSettings(ProviderSettings):
    """How the pretended carrier behaves."""

    rate: float = Field(2000, gt=0, description="messages a second, over all lanes")
    window: int = Field(400, gt=0, description="messages on the wire at once, unanswered")
    answer_seconds: float = Field(0.0, ge=0, description="how long it takes to accept a text")
    receipts: bool = Field(True, description="whether it says that texts were delivered")
    price: int = Field(0, ge=0, description="fen a part")


class Sandbox(Provider):
    """Accepts everything, then says it was delivered."""

    Settings = SandboxSettings
    pretends = True
    settings: SandboxSettings

    async def start(self, take: Take) -> None:
        self._take = take
        self._count = itertools.count(1)
        self._delivered: list[str] = []
        self._telling: asyncio.Task[None] | None = None

    async def stop(self) -> None:
        if self._telling:
            await self._telling

    async def send(self, message: Outgoing) -> Accepted:
        if self.settings.answer_seconds:
            await asyncio.sleep(self.settings.answer_seconds)
        ref = f"{message.id}-{next(self._count)}"
        if self.settings.receipts:
            self._delivered.append(ref)
            self._telling = self._telling or asyncio.create_task(self._tell())
        return Accepted((ref,))

    async def _tell(self) -> None:
        """Receipts in batches, as carriers do; the first ones may well come before the answer is written down."""
        try:
            while self._delivered:
                batch, self._delivered = self._delivered, []
                await self._take([Receipt("delivered", ref, reason="DELIVRD") for ref in batch], [])
        finally:
            self._telling = None
