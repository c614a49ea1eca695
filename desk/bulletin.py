"""The spoken bulletin: a few words that every caller hears first, until their end time, switched on in one step.

Every switch is a row, the newest counts, and so the table is its own audit: who said what from when to when.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import desc, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from desk.database import writing
from desk.tables import bulletins
from fund.statements import NO_DATABASE

log = structlog.get_logger()
LONGEST_CHARACTERS = 120  # about half a minute
LONGEST_DAYS = 31  # what is true for longer belongs in the flows
REMEMBERED_SECONDS = 1.0  # calls do not each ask the database
LIMIT_SECONDS = 1.0  # nor wait for it
_SILENT = re.compile(r"[^\u4e00-\u9fffA-Za-z0-9\s，。！？、；：“”‘’（）《》…—·~,.!?;:()%/'\"-]")
_WORDS = re.compile(r"[\u4e00-\u9fffA-Za-z0-9]")
Clock = Callable[[], datetime]
Sentences = tuple[str, str]  # Chinese, English


class BulletinRefused(ValueError):
    """The bulletin cannot be switched on: mend what `faults` say, all at once."""

    def __init__(self, faults: Sequence[Sentences]) -> None:
        super().__init__("; ".join(en for _, en in faults))
        self.faults = faults

    def told(self, language: str = "zh") -> list[str]:
        """What to mend."""
        return [zh if language == "zh" else en for zh, en in self.faults]


@dataclass(frozen=True, slots=True)
class Bulletin:
    """One switch: `text` is empty when it was switched off."""

    at: datetime
    who: str
    text: str
    until: datetime

    def heard(self, at: datetime) -> bool:
        """Whether a caller hears it at a moment."""
        return bool(self.text) and at < self.until


def faults_of(text: str, until: datetime, now: datetime) -> list[Sentences]:
    """Why these words cannot be spoken to everybody until then; empty: they can."""
    faults: list[Sentences] = []
    if not _WORDS.search(text):
        faults.append(("公告没有可以读的字", "there is nothing to say"))
    if len(text) > LONGEST_CHARACTERS:
        over = len(text) - LONGEST_CHARACTERS
        faults.append(
            (f"公告太长，请删去 {over} 个字（最多 {LONGEST_CHARACTERS} 个字）", f"{over} characters too long")
        )
    if odd := dict.fromkeys(_SILENT.findall(text)):
        shown = " ".join(character if character.isprintable() else repr(character) for character in odd)
        faults.append((f"这些字符读不出来，请改成文字：{shown}", f"these cannot be spoken, use words: {shown}"))
    if until <= now:
        faults.append(("结束时间已经过了", "the end time has passed"))
    elif until > now + timedelta(days=LONGEST_DAYS):
        zh = f"结束时间最晚在 {LONGEST_DAYS} 天之内；长期的说明请写进菜单"
        faults.append((zh, f"at most {LONGEST_DAYS} days; what is true for longer belongs in the menus"))
    return faults


class Bulletins:
    """Switches the bulletin, and tells each call what to say."""

    def __init__(self, engine: AsyncEngine, clock: Clock = lambda: datetime.now(UTC)) -> None:
        self._engine, self._clock = engine, clock
        self._latest: Bulletin | None = None
        self._asked_at: datetime | None = None

    async def switch_on(self, text: str, until: datetime, who: str) -> Bulletin:
        """Say `text` to every caller from now on. It takes the place of the one before. Raises `BulletinRefused`."""
        text = " ".join(text.split())
        if faults := faults_of(text, until, self._clock()):
            raise BulletinRefused(faults)
        return await self._switch(text, until, who)

    async def switch_off(self, who: str) -> Bulletin | None:
        """Say it no more: what was said until now, if anything was."""
        before = await self._newest()
        now = self._clock()
        if before is None or not before.heard(now):
            return None
        await self._switch("", now, who)
        return before

    async def now(self) -> Bulletin | None:
        """What callers hear now. Raises what the database raises."""
        newest = await self._newest()
        return newest if newest and newest.heard(self._clock()) else None

    async def history(self, limit: int = 20) -> list[Bulletin]:
        """The latest switches, newest first."""
        wanted = select(*_SHOWN).order_by(desc(bulletins.c.id)).limit(limit)
        async with self._engine.connect() as connection:
            return [Bulletin(**row._mapping) for row in await connection.execute(wanted)]

    async def words_at(self, at: datetime) -> str:
        """For a call: the words to say at a moment, or none.

        While the database is away the last that was known is said until its end; a call never waits or ends for it.
        """
        now = self._clock()
        if self._asked_at is None or (now - self._asked_at).total_seconds() >= REMEMBERED_SECONDS:
            self._asked_at = now  # other calls say what is known meanwhile
            await self._ask()
        return self._latest.text if self._latest and self._latest.heard(at) else ""

    async def _ask(self) -> None:
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                self._latest = await self._newest()
        except NO_DATABASE as fault:
            log.error("bulletin_away", fault=type(fault).__name__, remembered=self._latest is not None)

    async def _newest(self) -> Bulletin | None:
        return next(iter(await self.history(1)), None)

    async def _switch(self, text: str, until: datetime, who: str) -> Bulletin:
        switched = Bulletin(self._clock(), who[:64], text, until)
        row = {"at": switched.at, "who": switched.who, "text": text, "until": until}
        async with writing(self._engine) as connection:
            await connection.execute(insert(bulletins).values(row))
        self._asked_at = None
        log.info("bulletin_switched", who=switched.who, on=bool(text), until=until.isoformat())
        return switched


_SHOWN = [bulletins.c.at, bulletins.c.who, bulletins.c.text, bulletins.c.until]
