"""The flows in force: the `flows/` folder is watched, and what checks clean is taken up within 2 s.

A call keeps the version it started on, even on another node after a restart: each version's files are kept in the
database. A folder with a fault, or half-written, changes nothing: the last good flow stays.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import structlog
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from fund.statements import NO_DATABASE
from ivr.flow import Flow
from ivr.loader import Files, Loaded, flow_paths, read_folder, unreadable
from ivr.metrics import FLOW_REFUSED
from ivr.tables import flow_versions

log = structlog.get_logger()
LOOK_SECONDS = 0.5
LIMIT_SECONDS = 2.0  # a caller waits meanwhile, and hears nothing
Load = Callable[[Files], Loaded]
Signature = tuple[tuple[str, int, int], ...]


class NoFlow(Exception):
    """The flows have faults, and there is no good version to run: mend them (`hotline check`), then start again."""

    def __init__(self, loaded: Loaded) -> None:
        super().__init__("\n".join(fault.tell() for fault in loaded.faults))
        self.loaded = loaded


class FlowVersions:
    """The current flow, and every other version a call may still be on. `start` before use."""

    current: Flow

    def __init__(self, folder: Path, load: Load, engine: AsyncEngine, *, look_seconds: float = LOOK_SECONDS) -> None:
        self._folder, self._load, self._engine, self._look_seconds = folder, load, engine, look_seconds
        self._flows: dict[str, Flow] = {}
        self._watch: asyncio.Task[None] | None = None
        self._again = False
        self.faults: Loaded | None = None  # what is wrong with the folder now, when it is
        self.taken_up: list[Callable[[Flow], None]] = []  # who wants to hear of another current flow

    async def start(self) -> None:
        """Load the folder and begin to watch it. Raises `NoFlow`."""
        loaded = await self._take_up()
        if not loaded.flow:
            raise NoFlow(loaded)
        self._watch = asyncio.create_task(self._watch_forever(self._signature()))

    def look_again(self) -> None:
        """What the folder is checked against has changed: if it was refused, it may be good now."""
        self._again = self.faults is not None

    async def stop(self) -> None:
        """Stop watching."""
        if self._watch:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch

    async def version(self, version: str) -> Flow | None:
        """A flow by its version, from memory or the database; None when nobody has it."""
        if version in self._flows:
            return self._flows[version]
        query = select(flow_versions.c.files).where(flow_versions.c.version == version)
        try:
            async with asyncio.timeout(LIMIT_SECONDS), self._engine.connect() as connection:
                kept = (await connection.execute(query)).scalar_one_or_none()
        except NO_DATABASE:
            return None
        files = {name: text.encode() for name, text in json.loads(kept).items()} if kept else {}
        flow = (await asyncio.to_thread(self._load, files)).flow if files else None
        if flow:
            self._flows[version] = flow
        return flow

    async def _take_up(self) -> Loaded:
        """Read the folder and, when it is good, make it the current flow."""
        files: Files = {}
        try:
            files = await asyncio.to_thread(read_folder, self._folder)
            loaded = await asyncio.to_thread(self._load, files)
        except OSError as fault:
            loaded, self._again = unreadable(fault), True  # it may be readable soon without being changed
        FLOW_REFUSED.set(loaded.flow is None)
        if not loaded.flow:
            before, self.faults = self.faults, loaded
            if before is None or before.faults != loaded.faults:  # saved again as bad as it was: told already
                faults = [fault.tell("en") for fault in loaded.faults if not fault.warning]
                log.error("flows_refused", faults=faults[:20])
            return loaded
        self.faults = None
        self.current = self._flows[loaded.flow.version] = loaded.flow
        log.info("flows_taken_up", version=loaded.flow.version, nodes=len(loaded.flow.nodes))
        for tell in self.taken_up:
            tell(loaded.flow)
        await keep_version(self._engine, loaded.flow.version, files)
        return loaded

    def _signature(self) -> Signature:
        with contextlib.suppress(OSError):
            stats = [(path.name, path.stat()) for path in flow_paths(self._folder)]
            return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats)
        return ()

    async def _watch_forever(self, seen: Signature) -> None:
        """Take up a changed folder once it has been still for one look: editors write in several goes."""
        settling = seen
        while True:
            await asyncio.sleep(self._look_seconds)
            now = self._signature()
            if (now != seen or self._again) and now == settling:
                seen, self._again = now, False
                try:
                    await self._take_up()
                except Exception as fault:  # the folder is watched on, and the last good flow stays
                    log.exception("flows_not_read", fault=type(fault).__name__)
            settling = now


async def keep_version(engine: AsyncEngine, version: str, files: Files) -> None:
    """Keep the files of what came into force, once. A database that is away is told, and nothing else."""
    row = {
        "version": version,
        "files": json.dumps({name: raw.decode() for name, raw in files.items()}, ensure_ascii=False),
        "taken_up_at": datetime.now(UTC),
    }
    try:
        async with engine.begin() as connection:
            known = select(flow_versions.c.version).where(flow_versions.c.version == version)
            if not (await connection.execute(known)).first():
                await connection.execute(flow_versions.insert().values(row))
    except IntegrityError:
        pass  # another node kept it at the same moment
    except NO_DATABASE as fault:
        log.error("flow_version_not_kept", version=version, fault=type(fault).__name__)
