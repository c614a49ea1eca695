"""The text side, put together: `open_text(...)`, then `start`; `stop` mirrors it.

Reads top to bottom: the outbox, the providers and the way to them, the workers, and what comes back.
"""

import asyncio
import random
from collections.abc import Collection, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from fund.ledger import Ledger
from fund.privacy import Privacy
from hotline import text_versions
from hotline.text_world import TextWorld
from sms.answers import Answers, World
from sms.audit import audit
from sms.callbacks import Callbacks
from sms.campaigns import Campaigns
from sms.codes import BY_OTHERS, WITHHELD, Call, Codes
from sms.dead_letters import DeadLetters
from sms.given_up import GivenUp
from sms.housekeeping import Chore, Housekeeper, ended, give_up_waiting, measure
from sms.inbound import Inbox
from sms.keys import Keys
from sms.notices import Notices
from sms.outbox import Outbox
from sms.providers import PROVIDERS
from sms.providers.base import Inbound, Provider, Receipt, Take
from sms.receipts import Receipts
from sms.reminders import Reminders
from sms.replies import Replies
from sms.retention import remove_old
from sms.routing import Router
from sms.sender import Sender, Wish
from sms.settings import TextSettings
from sms.store import Store
from sms.unfiled import unfiled
from sms.wake import listen
from sms.wording import Wording
from sms.workers import CODE_LANES, OTHER_LANES, Rules, Worker

log = structlog.get_logger(__name__)
OURSELVES = "hotline"  # the client of texts nobody outside asked for


class TextService:
    """Everything of the text side that lives as long as the process."""

    def __init__(
        self,
        settings: TextSettings,
        store: Store,
        session: aiohttp.ClientSession,
        ledger: Ledger | None,
        call: Call | None,
        world: World,
        keywords: Path,
    ) -> None:
        chance = random.SystemRandom()
        self.settings = settings
        self.store = store
        self.session = session
        self.ledger = ledger
        self.keys = Keys(store)
        self.outbox = Outbox(store)
        self.wording = Wording(settings.templates, keywords)
        self.wording.used.append(text_versions.ours)
        self.wording.taken_up.append(partial(text_versions.keep, store.engine))
        self.templates = self.wording.templates
        self.sender = Sender(self.outbox, self.templates, settings)
        self.codes = Codes(store, self.sender, settings.codes, call)
        self.providers: dict[str, Provider] = {
            name: PROVIDERS[kind](name, checked, session)
            for name, (kind, checked) in settings.provider_settings().items()
        }
        self.router = Router(self.providers, settings.routes, chance)
        self.receipts = Receipts(store, self.router, listeners=self.outbox.listeners)
        self.replies = Replies(store, self.sender, self.wording, Answers(self.templates, world))
        self.inbox = Inbox(store, self.replies.wake, settings.abroad)
        self.reminders = Reminders(store, self.sender, ledger, settings.remind_at, settings.reminders)
        self.notices = Notices(store, self.sender, ledger)
        self.outbox.accepted.append(self.receipts.accepted)
        rules = Rules(settings.day(), settings.second_way_seconds, self._provider_template, settings.lease_seconds)
        self.workers = [Worker(lanes, self.outbox, self.router, rules, chance) for lanes in (CODE_LANES, OTHER_LANES)]
        self.housekeeper = Housekeeper(self._chores())
        self.campaigns = Campaigns(store, self.sender, self.router, rules.day)
        self.callbacks = Callbacks(self.outbox.listeners, session)
        self.dead_letters = DeadLetters(store)
        self.given_up = GivenUp(self.outbox.listeners)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Open the providers, then serve the outbox."""
        await self.wording.start()
        if names := unfiled(self.settings, self.templates):
            log.warning("templates_not_filed", templates=sorted(names), cure="hotline check tells where")
        for provider in self.providers.values():
            await provider.start(self._take_from(provider.name))
        for worker in self.workers:
            worker.start()
        self.housekeeper.start()
        self._tasks.append(asyncio.create_task(self.campaigns.feed(), name="campaigns"))
        self._tasks.append(asyncio.create_task(self.callbacks.run(), name="callbacks"))
        self._tasks.append(asyncio.create_task(self.replies.run(), name="replies"))
        if not self.store.sqlite:
            self._tasks.append(asyncio.create_task(listen(self.store.engine, self._heard), name="listen"))

    async def stop(self) -> None:
        """Claim nothing more, let the wire finish, close the providers."""
        await ended(self._tasks)
        await self.housekeeper.stop()
        await asyncio.gather(*(worker.stop() for worker in self.workers))
        for provider in self.providers.values():
            await provider.stop()
        await self.session.close()

    async def take(self, provider: str, receipts: Sequence[Receipt], inbound: Sequence[Inbound]) -> None:
        """News from a provider, by webhook, pull or connection; back when it is on the disk."""
        if receipts:
            await self.receipts.take(provider, receipts)
        if inbound:
            await self.inbox.take(provider, inbound)

    async def audit(self, client: str, action: str, subject: str, detail: str = "") -> None:
        """Keep who did what. `subject` is an id or masked."""
        await audit(self.store, client, action, subject, detail, self.outbox.clock())

    def wanted(self, template: str) -> Collection[str]:
        """For the voice side: the parameters of a template; none for one that is not there."""
        return self.templates[template].params.keys() if template in self.templates else ()

    async def send_text(self, to: str, template: str, params: dict[str, Any], key: str | None = None) -> str:
        """For the voice side: queue a text, get its id. Raises `Refused`."""
        return (await self.sender.send(Wish(to, template, params, OURSELVES, key))).id

    async def send_code(self, to: str, purpose: str, caller: str) -> str:
        """For the voice side: send a code, get the verification's id. Raises `Refused`, `TryLater`."""
        if caller == to:
            return (await self.codes.begin(OURSELVES, to, purpose)).id
        return (await self.codes.begin(BY_OTHERS, to, purpose, caller or WITHHELD)).id

    async def pretend_code(self, number: str, caller: str) -> None:
        """For the voice side: the limits of `send_code` for a number nobody has. Raises `TryLater`."""
        await self.codes.pretend(BY_OTHERS, number, caller or WITHHELD)

    async def check_code(self, id: str, code: str) -> str:
        """For the voice side: `approved`, `pending` (wrong, try again), `expired` or `exhausted`."""
        checked = await self.codes.check(OURSELVES, id, code) or await self.codes.check(BY_OTHERS, id, code)
        return checked.status if checked else "expired"

    def _take_from(self, name: str) -> Take:
        async def take(receipts: Sequence[Receipt], inbound: Sequence[Inbound]) -> None:
            await self.take(name, receipts, inbound)

        return take

    def _provider_template(self, template: str, provider: str) -> str:
        known = self.templates.get(template)
        return known.provider_ids.get(provider, "") if known else ""

    def _heard(self, lane: str) -> None:
        for worker in self.workers:
            worker.wake(lane)  # type: ignore[arg-type]

    def _chores(self) -> list[Chore]:
        settings, store = self.settings, self.store
        day = timedelta(days=1).total_seconds()
        chores = [
            Chore("strand", 5, self.outbox.strand),
            Chore("give up waiting", 60, lambda: give_up_waiting(store, settings.unknown_hours)),
            Chore("match receipts", 60, self.receipts.sweep),
            Chore("forget codes", 600, self.codes.forget),
            Chore("look at the words", 0.5, self.wording.look),
            Chore("join parts", 20, self.inbox.join_late),
            Chore("remind", 60, self.reminders.tick),
            Chore("forget sessions", 600, self.replies.forget_sessions),
            Chore("measure", 15, self._measure),
            Chore("remove old", day, lambda: remove_old(store, settings.keep_days, settings.keep_text_days)),
        ]
        return chores + [
            Chore(f"pull {each.name}", each.pull_seconds, partial(each.pull, self._take_from(each.name)))
            for each in self.providers.values()
            if each.pull_seconds
        ]

    async def _measure(self) -> None:
        self.router.measure()
        await measure(self.store)


def open_text(
    settings: TextSettings,
    engine: AsyncEngine,
    privacy: Privacy,
    ledger: Ledger | None = None,
    call: Call | None = None,
    *,
    keywords: Path | None = None,
    world: World | None = None,
) -> TextService:
    """The text side on an open, migrated database. Call inside the loop.

    `call` places voice codes: (phone, code). `world` answers what texts ask; without it, only from the ledger.
    Raises `BadWording`.
    """
    keywords = keywords or settings.keywords or Path("flows/sms.yaml")
    store = Store(engine, privacy)
    world = world or TextWorld(ledger)
    # as many connections as the providers' windows hold: none waits because another provider is slow to answer
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
    return TextService(settings, store, session, ledger, call, world, keywords)
