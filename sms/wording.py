"""The words of the text side in force: the templates (`prompts/sms.yaml`) and the keywords (`flows/sms.yaml`).

Both files are watched and taken up together, within 2 s, once they have been still for one look and are good. A fault
in either, or a template gone that somebody still uses, changes nothing: the last good words stay, each fault is told.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from fund.yaml_source import BadFile, Fault, parse
from sms import keywords, metrics, templates
from sms.keywords import BARE, BadKeywords, Table
from sms.templates import BadTemplates, Template, Templates

log = structlog.get_logger(__name__)
TEMPLATES, KEYWORDS = "prompts/sms.yaml", "flows/sms.yaml"  # what the two files are called, wherever they are

Files = Mapping[str, bytes]
Used = Callable[[], Mapping[str, str]]  # templates somebody needs -> who
_Signature = tuple[tuple[int, int] | None, ...]


class BadWording(BadFile):
    """The words cannot be used: mend every fault that is told."""


@dataclass(frozen=True)
class Words:
    """Both files, read and found good."""

    templates: Templates
    table: Table


def read(files: Files, names: Mapping[str, str] | None = None) -> Words:
    """The words of both files; without keywords the few that the law wants. Raises `BadWording` with every fault.

    `names`: what a file is called in its faults.
    """
    named = names or {}
    found: Templates | None = None
    table, faults = BARE, []
    try:
        found = templates.read(parse(files.get(TEMPLATES, b""), named.get(TEMPLATES, TEMPLATES)))
    except BadTemplates as bad:
        faults += bad.faults
    if KEYWORDS in files:
        try:
            table = keywords.load(parse(files[KEYWORDS], named.get(KEYWORDS, KEYWORDS)), found)
        except BadKeywords as bad:
            faults += bad.faults
    if found is None or faults:
        raise BadWording(faults)
    return Words(found, table)


class _InForce(Mapping[str, Template]):
    """The templates as whoever holds them sees them: always those in force."""

    def __init__(self) -> None:
        self.now: Templates = {}

    def __getitem__(self, name: str) -> Template:
        return self.now[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.now)

    def __len__(self) -> int:
        return len(self.now)


class Wording:
    """See above. Raises `BadWording` when there is nothing good to begin with.

    `used` tells of templates that must not go; `taken_up` is told the files of whatever comes into force.
    """

    def __init__(self, templates_path: Path, keywords_path: Path) -> None:
        self._paths = {TEMPLATES: templates_path, KEYWORDS: keywords_path}
        self._names = {name: str(path) for name, path in self._paths.items()}
        self.templates = _InForce()
        self.faults: list[Fault] = []
        self.used: list[Used] = []
        self.taken_up: list[Callable[[Files], Awaitable[None]]] = []
        self._seen = self._settling = self._signature()
        self.files: Files = self._read_files({})
        if TEMPLATES not in self.files:
            raise BadWording(templates.check(templates_path))
        if KEYWORDS not in self.files:
            log.error("keywords.no_file", file=str(keywords_path))
        words = read(self.files, self._names)
        self.templates.now, self.table = words.templates, words.table

    async def start(self) -> None:
        """Tell what is in force to begin with."""
        for told in self.taken_up:
            await told(self.files)

    async def look(self) -> None:
        """Take up what has changed once it has been still for one look: editors write in several goes."""
        now = self._signature()
        if now != self._seen and now == self._settling and any(now):
            self._seen = now
            await self._take_up()
        self._settling = now

    async def _take_up(self) -> None:
        files = await asyncio.to_thread(self._read_files, self.files)
        try:
            words = await asyncio.to_thread(read, files, self._names)
            self._keep_used(words.templates)
        except BadWording as bad:
            self.faults = bad.faults
            metrics.WORDING_REFUSED.set(1)
            log.error("wording.refused", faults=[each.tell("en") for each in self.faults if not each.warning][:20])
            return
        self.faults, self.files = [], files
        self.templates.now, self.table = words.templates, words.table
        metrics.WORDING_REFUSED.set(0)
        log.info("wording.taken_up", templates=len(words.templates), keywords=len(words.table.file.keywords))
        await self.start()

    def _keep_used(self, fresh: Templates) -> None:
        """Raises `BadWording` for a template that was there, is not any more, and is still needed."""
        users = {name: user for used in self.used for name, user in used().items()}
        gone = [name for name in users if name in self.templates and name not in fresh]
        if gone:
            raise BadWording([self._missed(name, users[name]) for name in gone])

    def _missed(self, name: str, user: str) -> Fault:
        en = f"the template {name} is gone, and still needed: {user}"
        return Fault(self._names[TEMPLATES], 1, f"模板 {name} 不见了，{user}还要用它", en)

    def _read_files(self, before: Files) -> Files:
        """Both files as they are now; one that is not there just now, as it was."""
        found = dict(before)
        for name, path in self._paths.items():
            with contextlib.suppress(OSError):
                found[name] = path.read_bytes()
        return found

    def _signature(self) -> _Signature:
        return tuple(_stat(path) for path in self._paths.values())


def _stat(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size
