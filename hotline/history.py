"""`hotline versions` and `hotline rollback`: everything that was ever in force, and the way back to it.

The service keeps each version it takes up: of the flows, and of the words of the text side (their name begins with
`texts-`). Rolling back writes that version's files where they were; the service takes them up like any change.
What was there and never in force is put aside, not lost.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import desc, select

from fund.clock import CHINA, china_now
from fund.yaml_source import Fault
from hotline import text_versions
from hotline.database import open_database
from hotline.flows import load_files
from hotline.migrations import upgrade
from hotline.settings import Settings
from ivr.difference import differences
from ivr.flow import Flow
from ivr.loader import flow_paths, read_folder, version_of
from ivr.recordings import write_whole
from ivr.tables import flow_versions
from sms.wording import KEYWORDS, TEMPLATES, BadWording, Words, read

Print = Callable[[str], object]
Readable = Flow | Words
MOST_SHOWN = 20


@dataclass(frozen=True)
class Version:
    """One set of flows, or of the text side's words, that was in force."""

    name: str
    taken_up_at: datetime
    files: dict[str, bytes]

    @property
    def of_texts(self) -> bool:
        return self.name.startswith(text_versions.PREFIX)


async def _kept(settings: Settings) -> list[Version]:
    """The latest versions, newest first."""
    engine = open_database(settings.own_database_url)
    try:
        await upgrade(engine)
        query = select(flow_versions.c.version, flow_versions.c.taken_up_at, flow_versions.c.files)
        async with engine.connect() as connection:
            rows = await connection.execute(query.order_by(desc(flow_versions.c.taken_up_at)).limit(2 * MOST_SHOWN))
            return [Version(name, at, _bytes(files)) for name, at, files in rows]
    finally:
        await engine.dispose()


def _bytes(files: str) -> dict[str, bytes]:
    return {name: text.encode() for name, text in json.loads(files).items()}


def show(settings: Settings, say: Print) -> int:
    """List the versions, and what each changed."""
    zh, kept, now = settings.language == "zh", asyncio.run(_kept(settings)), _now(settings)
    read_ones = [_readable(settings, version)[0] for version in kept]
    for number, version in enumerate(kept[:MOST_SHOWN], 1):
        mark = ("  ← 现在" if zh else "  <- now") if version.name in now else ""
        kind = ("  短信" if zh else "  texts") if version.of_texts else ""
        say(f"{number:2} {version.taken_up_at.astimezone(CHINA):%Y-%m-%d %H:%M} {version.name}{kind}{mark}")
        earlier = (read_ones[n] for n in range(number, len(kept)) if kept[n].of_texts == version.of_texts)
        for line in _changes(next(earlier, None), read_ones[number - 1], settings.language):
            say(f"     {line}")
    if not kept:
        say("还没有生效过的版本" if zh else "no version has been in force yet")
        return 0
    for name in now:
        of_texts = name.startswith(text_versions.PREFIX)
        alike = {version.name for version in kept if version.of_texts == of_texts}
        if alike and name not in alike:
            say(_never(_what(settings, of_texts), zh))
    return 0


def _now(settings: Settings) -> list[str]:
    """The names of what is in the files now: the menus, and the words of the text side if there are any."""
    texts = _texts(settings)
    names = [version_of(read_folder(settings.flows))]
    return names + [text_versions.name_of(texts)] * bool(texts)


def _texts(settings: Settings) -> dict[str, bytes]:
    return {name: path.read_bytes() for name, path in _paths(settings).items() if path.exists()}


def _paths(settings: Settings) -> dict[str, Path]:
    return {TEMPLATES: settings.sms.templates, KEYWORDS: settings.keywords}


def _what(settings: Settings, of_texts: bool) -> str:
    return "、".join(map(str, _paths(settings).values())) if of_texts else f"{settings.flows.name}/"


def _never(what: str, zh: bool) -> str:
    return f"{what} 里现在的内容还没有生效过" if zh else f"what is in {what} now has not been in force"


def _readable(settings: Settings, version: Version) -> tuple[Readable | None, Sequence[Fault]]:
    """A version as the service reads it, or what is wrong with it today."""
    if not version.of_texts:
        loaded = load_files(settings, version.files)
        return loaded.flow, loaded.faults
    try:
        return read(version.files), ()
    except BadWording as bad:
        return None, bad.faults


def _changes(before: Readable | None, after: Readable | None, language: str, most: int = 3) -> list[str]:
    match before, after:
        case Flow(), Flow():
            told = list(differences(before, after, language))
        case Words(), Words():
            told = list(text_versions.changes(before, after, language))
        case _:
            return []
    more = f"……另有 {len(told) - most} 处" if language == "zh" else f"... and {len(told) - most} more"
    return told[:most] + [more] * (len(told) > most)


def rollback(settings: Settings, wanted: str, say: Print) -> int:
    """Put a version back where it was, by its number in the list or its name; 1 when that cannot be."""
    zh, kept = settings.language == "zh", asyncio.run(_kept(settings))
    numbered = {str(number): version for number, version in enumerate(kept, 1)}
    version = numbered.get(wanted) or next((each for each in kept if each.name == wanted), None)
    if version is None:
        say(f"没有版本 {wanted}：用 hotline versions 看有哪些" if zh else f"no version {wanted}: see hotline versions")
        return 1
    readable, faults = _readable(settings, version)
    if readable is None:
        for fault in faults:
            say(fault.tell(settings.language))
        return 1
    current = _current(settings, version.of_texts)
    if current.name not in {each.name for each in kept}:
        aside = settings.home / "flows-aside" / f"{china_now():%Y%m%d-%H%M%S}"
        _write({aside / name: raw for name, raw in current.files.items()})
        what = _what(settings, version.of_texts)
        say(f"{what} 里没有生效过的内容另存在 {aside}" if zh else f"what was never in force is kept in {aside}")
    before, _ = _readable(settings, current)
    _put_back(settings, version)
    for line in _changes(before, readable, settings.language, most=20):
        say(line)
    say(f"已换回 {version.name}，服务 2 秒内采用" if zh else f"{version.name} is back; it is in force within 2 s")
    return 0


def _current(settings: Settings, of_texts: bool) -> Version:
    """What is in the files now, as if it were a version."""
    files = _texts(settings) if of_texts else read_folder(settings.flows)
    return Version(text_versions.name_of(files) if of_texts else version_of(files), china_now(), files)


def _put_back(settings: Settings, version: Version) -> None:
    if version.of_texts:
        paths = _paths(settings)
        _write({paths[name]: raw for name, raw in version.files.items()})
        return
    _write({settings.flows / name: raw for name, raw in version.files.items()})
    for path in flow_paths(settings.flows):
        if path.name not in version.files:
            path.unlink()


def _write(files: Mapping[Path, bytes]) -> None:
    for path, raw in files.items():
        write_whole(path, raw)
