"""Before anything is sent: what a file of recipients holds, row by row, while it comes in. Memory does not grow."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import select

from sms.errors import Refused
from sms.numbers import recipient
from sms.rows import CsvRows, Fault, JsonRows, Row
from sms.seen import Seen
from sms.segments import count
from sms.sender import Sender
from sms.store import Store
from sms.tables import opt_out
from sms.templates import Template

Kind = Literal["csv", "ndjson"]
MOST_FAULTS = 100_000  # bad rows of one file that are kept; with more it is no list of recipients
CHUNK = 40  # rows that move together; a few milliseconds of work, which is what a code may have to wait


@dataclass(slots=True)
class Report:
    """What the preflight found, and what only showed later.

    `parts`: texts of 1, 2, ... parts; `cost` in fen; `faults`: how often each reason.
    """

    rows: int = 0
    good: int = 0
    bad: int = 0
    duplicates: int = 0
    opted_out: int = 0
    parts: dict[str, int] = field(default_factory=dict)
    cost: int = 0
    encoding: str = ""
    ignored_columns: list[str] = field(default_factory=list)
    faults: dict[str, int] = field(default_factory=dict)
    finished_at: str = ""  # if it started now
    stopped: str = ""  # why it was paused by itself: `unknown_template`, or what else is wrong with what is left of it

    def add(self, chunk: "Chunk") -> None:
        self.rows += len(chunk.good) + len(chunk.faults)
        self.good += len(chunk.good)
        reasons = Counter(reason for _, reason in chunk.faults)
        self.duplicates += reasons["duplicate"]
        self.opted_out += reasons["opted_out"]
        self.bad += sum(reasons.values()) - reasons["duplicate"] - reasons["opted_out"]
        self.faults = dict(Counter(self.faults) + reasons)
        self.parts = dict(Counter(self.parts) + Counter(str(row[3]) for row in chunk.good))
        self.cost += sum(row[3] for row in chunk.good) * chunk.price


@dataclass(slots=True)
class Chunk:
    """Rows on their way in: good ones as [to, text, params, parts], bad ones as [line, reason]."""

    price: int
    good: list[list[Any]] = field(default_factory=list)
    faults: list[tuple[int, str]] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)


class Preflight:
    """The check of one file. `report` is complete when `chunks` has ended."""

    def __init__(self, store: Store, sender: Sender, template: Template, kind: Kind) -> None:
        self.store = store
        self.sender = sender
        self.template = template
        self.rows: CsvRows | JsonRows = CsvRows(template.params) if kind == "csv" else JsonRows(template.params)
        self.report = Report()

    async def chunks(self, data: AsyncIterator[bytes]) -> AsyncIterator[Chunk]:
        """The checked rows. Raises `Refused` for a file that makes no sense."""
        with Seen() as seen:
            async for chunk in self._judged(data):
                await self._weed(chunk, seen)
                self.report.add(chunk)
                if self.report.rows - self.report.good > MOST_FAULTS + self.report.good:
                    raise Refused("too_many_faults")
                yield chunk
        self.report.encoding, self.report.ignored_columns = self.rows.text.encoding, self.rows.ignored[:20]

    async def _judged(self, data: AsyncIterator[bytes]) -> AsyncIterator[Chunk]:
        """Rows judged one by one, in chunks; others get their turn between two chunks."""
        chunk = Chunk(self.sender.price)
        async for piece in data:
            for found in self.rows.feed(piece):
                self._judge(found, chunk)
                if len(chunk.good) + len(chunk.faults) >= CHUNK:
                    yield chunk
                    chunk = Chunk(self.sender.price)
                    await asyncio.sleep(0)
                    await self.store.calm()
        for found in self.rows.end():
            self._judge(found, chunk)
        yield chunk

    def _judge(self, found: Row | Fault, chunk: Chunk) -> None:
        if isinstance(found, Fault):
            chunk.faults.append((found.line, found.reason))
            return
        try:
            to = recipient(found.to, self.sender.abroad)
            rendered = self.template.render(found.params)
        except Refused as fault:
            chunk.faults.append((found.line, fault.reason))
            return
        parts = count(self.template.signed(rendered.text)).parts
        chunk.good.append([to, rendered.text, dict(rendered.params), parts])
        chunk.digests.append(self.store.phone(to))
        chunk.lines.append(found.line)

    async def _weed(self, chunk: Chunk, seen: Seen) -> None:
        """Take out numbers that came before, and people who turned this kind off."""
        fresh = seen.new(chunk.digests)
        off = await self._opted_out(chunk.digests)
        kept = []
        for row, digest, line, new in zip(chunk.good, chunk.digests, chunk.lines, fresh, strict=True):
            reason = "duplicate" if not new else "opted_out" if digest in off else ""
            if reason:
                chunk.faults.append((line, reason))
            else:
                kept.append(row)
        chunk.good = kept
        chunk.faults.sort()  # by line again, as they are downloaded

    async def _opted_out(self, digests: list[bytes]) -> set[bytes]:
        if not self.template.may_turn_off or not digests:
            return set()
        found = select(opt_out.c.to_hash).where(
            opt_out.c.to_hash.in_(digests), opt_out.c.kind.in_((self.template.kind, "*"))
        )
        async with self.store.read() as connection:
            return set((await connection.execute(found)).scalars())
