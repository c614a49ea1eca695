"""From a request to a row: the number normalised, the template rendered, the parts counted, the message queued once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from fund.clock import CHINA
from sms import metrics, repeats
from sms.errors import Refused
from sms.messages import Message
from sms.numbers import recipient
from sms.outbox import Added, Outbox
from sms.segments import count
from sms.settings import TextSettings
from sms.templates import Template, Templates


@dataclass(slots=True)  # not frozen, as Message
class Wish:
    """A text somebody wants sent. `params` are typed by the template; times are aware."""

    to: str
    template: str
    params: Mapping[str, Any]
    client: str
    key: str | None = None
    not_before: datetime | None = None
    expires_at: datetime | None = None
    campaign: str | None = None
    account: str = ""


class Sender:
    """The one way into the outbox."""

    def __init__(self, outbox: Outbox, templates: Templates, settings: TextSettings) -> None:
        self.outbox = outbox
        self.templates = templates
        self.abroad = settings.abroad
        prices = [checked.price for _, checked in settings.provider_settings().values()]
        self.price = max(prices)  # an estimate should not be too low

    async def send(self, wish: Wish) -> Added:
        """Queue one text. Raises `Refused` with `unknown_template`, `bad_number`, `missing_param: ...` and so on."""
        return await self.queue(self.compose(wish))

    async def queue(self, message: Message) -> Added:
        """Queue a composed text; a repeat of one that is there is not queued again, and says so."""
        return (await self.queue_all([message]))[0]

    async def queue_all(self, messages: Sequence[Message]) -> Sequence[Added]:
        """Queue composed texts together, or none of them."""
        added = await self.outbox.add_all(messages)
        if any(each.duplicate for each in added):
            added = await repeats.kept(self.outbox, messages, added)
        for message, each in zip(messages, added, strict=True):
            metrics.of(metrics.REPEATS if each.duplicate else metrics.ADDED, message.lane, message.template).inc()
        return added

    def compose(self, wish: Wish, now: datetime | None = None) -> Message:
        """The message a wish makes, `now` unless told when. Raises `Refused`. Pure but for the clock."""
        template = self.template(wish.template)
        to = recipient(wish.to, self.abroad)
        rendered = template.render(wish.params)
        parts = count(template.signed(rendered.text)).parts
        now = now or self.outbox.clock()
        starts = wish.not_before or now
        return Message(
            to=to,
            text=rendered.text,
            template=template.id,
            params=rendered.params,
            signature=template.signature,
            lane=template.lane,
            kind=template.kind if template.may_turn_off else "",
            client=wish.client,
            key=wish.key,
            once=self._once(template, to, rendered.text, max(starts, now)),
            quiet=template.quiet,
            not_before=wish.not_before,
            expires_at=wish.expires_at or starts + timedelta(seconds=template.life_seconds),
            campaign=wish.campaign,
            account=wish.account,
            parts=parts,
            cost=parts * self.price,
        )

    def template(self, id: str) -> Template:
        """The template called `id`. Raises `Refused`."""
        try:
            return self.templates[id]
        except KeyError:
            raise Refused("unknown_template") from None

    def _once(self, template: Template, to: str, text: str, goes: datetime) -> str:
        """What two notices have in common that nobody should get twice on one day, whoever asked for them."""
        return f"{_day(goes)} {template.id} {to} {text}" if template.lane == "notice" else ""


@lru_cache(maxsize=1024)  # one moment for all the texts of a request
def _day(moment: datetime) -> str:
    return moment.astimezone(CHINA).date().isoformat()
