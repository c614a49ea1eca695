"""`hotline versions` and `hotline rollback`: every set of flows that was ever in force, and the way back to one.

The service keeps each version it takes up. Rolling back writes that version's files into the folder; the service takes
them up as it takes up any change. What was in the folder and never in force is put aside, not lost.
"""

import asyncio
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import desc, select

from fund.clock import CHINA, china_now
from hotline.database import open_database
from hotline.flows import load_files
from hotline.migrations import upgrade
from hotline.settings import Settings
from ivr.difference import differences
from ivr.flow import Flow
from ivr.loader import flow_paths, read_folder, version_of
from ivr.tables import flow_versions

Print = Callable[[str], object]
MOST_SHOWN = 20


@dataclass(frozen=True)
class Version:
    """One set of flows that was in force."""

    name: str
    taken_up_at: datetime
    files: dict[str, bytes]


async def _kept(settings: Settings) -> list[Version]:
    """The latest versions, newest first."""
    engine = open_database(settings.own_database_url)
    try:
        await upgrade(engine)
        query = select(flow_versions.c.version, flow_versions.c.taken_up_at, flow_versions.c.files)
        async with engine.connect() as connection:
            rows = await connection.execute(query.order_by(desc(flow_versions.c.taken_up_at)).limit(MOST_SHOWN + 1))
            return [Version(name, at, _bytes(files)) for name, at, files in rows]
    finally:
        await engine.dispose()


def _bytes(files: str) -> dict[str, bytes]:
    return {name: text.encode() for name, text in json.loads(files).items()}


def show(settings: Settings, say: Print) -> int:
    """List the versions, and what each changed."""
    zh, kept, now = settings.language == "zh", asyncio.run(_kept(settings)), version_of(read_folder(settings.flows))
    flows = [load_files(settings, version.files).flow for version in kept]
    for number, version in enumerate(kept[:MOST_SHOWN], 1):
        mark = ("  ← 现在" if zh else "  <- now") if version.name == now else ""
        say(f"{number:2} {version.taken_up_at.astimezone(CHINA):%Y-%m-%d %H:%M} {version.name}{mark}")
        for line in _changes(flows[number : number + 1], flows[number - 1], settings.language):
            say(f"     {line}")
    if not kept:
        say("还没有生效过的版本" if zh else "no version has been in force yet")
    elif now not in {version.name for version in kept}:
        say("flows/ 里现在的内容还没有生效过" if zh else "what is in flows/ now has not been in force")
    return 0


def _changes(before: Sequence[Flow | None], after: Flow | None, language: str, most: int = 3) -> list[str]:
    old = before[0] if before else None
    if not old or not after:
        return []
    told = list(differences(old, after, language))
    more = f"……另有 {len(told) - most} 处" if language == "zh" else f"... and {len(told) - most} more"
    return told[:most] + [more] * (len(told) > most)


def rollback(settings: Settings, wanted: str, say: Print) -> int:
    """Put a version back into the folder, by its number in the list or its name; 1 when that cannot be."""
    zh, kept = settings.language == "zh", asyncio.run(_kept(settings))
    numbered = {str(number): version for number, version in enumerate(kept, 1)}
    version = numbered.get(wanted) or next((each for each in kept if each.name == wanted), None)
    if version is None:
        say(f"没有版本 {wanted}：用 hotline versions 看有哪些" if zh else f"no version {wanted}: see hotline versions")
        return 1
    loaded = load_files(settings, version.files)
    if loaded.flow is None:
        for fault in loaded.faults:
            say(fault.tell(settings.language))
        return 1
    current = read_folder(settings.flows)
    if version_of(current) not in {each.name for each in kept}:
        aside = settings.home / "flows-aside" / f"{china_now():%Y%m%d-%H%M%S}"
        _write(aside, current)
        say(f"flows/ 里没有生效过的内容另存在 {aside}" if zh else f"what was never in force is kept in {aside}")
    before = load_files(settings, current).flow
    _write(settings.flows, version.files)
    for line in _changes([before], loaded.flow, settings.language, most=20):
        say(line)
    say(f"已换回 {version.name}，服务 2 秒内采用" if zh else f"{version.name} is back; it is in force within 2 s")
    return 0


def _write(folder: Path, files: dict[str, bytes]) -> None:
    """Make the YAML files of a folder these, each whole at any moment."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, raw in files.items():
        fresh = folder / f".{name}.{os.getpid()}"
        fresh.write_bytes(raw)
        fresh.replace(folder / name)
    for path in flow_paths(folder):
        if path.name not in files:
            path.unlink()
