"""The recordings of a voice actor: which words are recorded, and where their sound lies.

`prompts/recordings/index.csv` lists them. A file's name holds a digest of its sound and the index is written last, so
an import is seen whole or not at all; files that the index does not name are not played. The recording before the
current one is kept, to go back to.
"""

import contextlib
import csv
import hashlib
import io
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass, fields, replace
from functools import lru_cache
from pathlib import Path

import structlog

from ivr import audio
from ivr.audio import Sound
from ivr.reading import recording_name
from ivr.speech import Language

log = structlog.get_logger()
_LOOK_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Recording:
    """One line of the index. `digest` stands for the sound, `previous` for the one it replaced."""

    name: str
    language: str
    text: str
    seconds: float
    digest: str
    previous: str = ""

    @property
    def file(self) -> str:
        """Stands for this very sound: `zh-0a1b2c3d4e.5f60718293a4`."""
        return f"{self.name}.{self.digest}"


class Recordings:
    """A folder of recordings. `refresh` sees what another process imported; nothing else reads a file twice."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.folder, self._clock, self._looks_again = folder, clock, 0.0
        self._index = folder / "index.csv"
        self.edition: tuple[int, int] | None = None  # changes with every import
        self._known: Mapping[str, Recording] = {}
        self._load = lru_cache(maxsize=1024)(self._read)
        self._look()

    def refresh(self) -> None:
        """Read the index again if it changed, looking every two seconds at most; leave a bad one alone."""
        if self._clock() < self._looks_again:
            return
        try:
            self._look()
        except (OSError, ValueError, KeyError) as fault:
            log.error("recordings_unreadable", index=str(self._index), reason=repr(fault))

    def _look(self) -> None:
        self._looks_again = self._clock() + _LOOK_SECONDS
        stamp = _stamp(self._index)
        if stamp != self.edition:
            text = self._index.read_text("utf-8") if stamp else ""
            self._known = {row["name"]: _line(row) for row in csv.DictReader(io.StringIO(text, newline=""))}
            self.edition = stamp

    def __iter__(self) -> Iterator[Recording]:
        return iter(self._known.values())

    def __len__(self) -> int:
        return len(self._known)

    def find(self, script: str, language: Language) -> Recording | None:
        """The recording of these words, if there is one."""
        return self._known.get(recording_name(script, language)) if self._known else None

    def sound(self, file: str) -> Sound:
        """The sound of a `Recording.file`. Raises `OSError` when it is gone."""
        return self._load(file)

    def keep(self, taken: Iterable[tuple[str, Language, str, Sound]]) -> None:
        """Take in sounds with their name, language and text."""
        known = dict(self._known)
        for name, language, text, sound in taken:
            old = known.get(name, Recording(name, language, text, 0.0, ""))
            digest = hashlib.sha256(sound.tobytes()).hexdigest()[:12]
            previous = old.previous if digest == old.digest else old.digest
            new = Recording(name, language, text, round(audio.seconds(sound), 2), digest, previous)
            write_whole(self._path(new.file), audio.wav(sound))
            known[name] = new
        self._write(known)

    def restore(self, names: Iterable[str]) -> list[str]:
        """Exchange recordings with those they replaced: the names of those that had one. Twice is as before."""
        known = dict(self._known)
        restored = [name for name in names if name in known and known[name].previous]
        for name in restored:
            now = known[name]
            seconds = round(audio.seconds(self._read(f"{name}.{now.previous}")), 2)
            known[name] = replace(now, digest=now.previous, previous=now.digest, seconds=seconds)
        self._write(known)
        return restored

    def _path(self, file: str) -> Path:
        return self.folder / file[:2] / f"{file}.wav"

    def _read(self, file: str) -> Sound:
        return audio.unwav(self._path(file).read_bytes())

    def _write(self, known: Mapping[str, Recording]) -> None:
        if known == self._known:  # nothing came of it: no index is left behind where there was none
            return
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(field.name for field in fields(Recording))
        writer.writerows(astuple(known[name]) for name in sorted(known))
        write_whole(self._index, text.getvalue().encode())
        self._look()
        self._clear_out()

    def _clear_out(self) -> None:
        """Remove sounds older than the one to go back to."""
        wanted = {self._path(f"{known.name}.{digest}") for known in self for digest in (known.digest, known.previous)}
        for path in set(self.folder.glob("[a-z][a-z]/*.wav")) - wanted:
            path.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part; who may write to it still may."""
    fresh = _beside(path, data)
    with contextlib.suppress(FileNotFoundError):
        shutil.copymode(path, fresh)
    fresh.replace(path)


def write_first(path: Path, data: bytes) -> bool:
    """Write a whole file unless there is one; whether it was written."""
    fresh = _beside(path, data)
    try:
        os.link(fresh, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    return True


def _beside(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    fresh.write_bytes(data)
    return fresh


def _line(row: Mapping[str, str]) -> Recording:
    return Recording(row["name"], row["language"], row["text"], float(row["seconds"]), row["digest"], row["previous"])


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size
