"""What callers said: WAV files as a line left them, then sealed, then gone.

A take is called after its work order, `2611254821-1`; what an agent and a caller said to each other after their call,
`talk-CALL-1732550000`. Asterisk writes into the folder itself (it shares that one folder
with this service and nothing else); what is complete is encrypted under `kept/`, and the open file removed.
Whoever listens goes through `load`, and audits it.
"""

import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from fund.privacy import Privacy, Unreadable

_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,90}-[0-9]{1,12}")
_TALK = "talk-"
_HALF = timedelta(days=1)  # what was being written so long ago never will be
_HEADER_BYTES = 44
_BYTES_A_SECOND = 16_000  # 8 kHz, 16 bit


@dataclass(frozen=True, slots=True)
class Take:
    """One open recording: its name, how long it is, and when it was last written to (seconds since 1970)."""

    name: str
    seconds: float
    touched: float

    @property
    def order(self) -> str:
        """The number of the order it belongs to; empty for a talk."""
        return "" if self.name.startswith(_TALK) else self.name.rpartition("-")[0]


class Tapes:
    """The folder of recordings. Calls block on the disk: use from a thread."""

    def __init__(self, folder: Path, privacy: Privacy) -> None:
        self.folder, self._privacy = folder, privacy
        folder.mkdir(parents=True, exist_ok=True)
        self._kept = folder / "kept"
        self._kept.mkdir(mode=0o700, exist_ok=True)

    def save(self, name: str, wav: bytes) -> None:
        """Keep a whole recording, where the line has it in memory."""
        _write(self._open_path(name), wav)

    def load(self, name: str) -> bytes:
        """A recording as WAV, open or sealed. Raises `OSError` when there is none."""
        try:
            return self._open_path(name).read_bytes()
        except FileNotFoundError:
            return self._privacy.open_bytes(self._kept_path(name).read_bytes())

    def seconds(self, name: str) -> float:
        """How long an open recording is so far; 0 when nothing is there."""
        try:
            return _seconds(self._open_path(name).stat().st_size)
        except OSError:
            return 0.0

    def takes(self) -> Iterator[Take]:
        """Every open recording, oldest first."""
        found = [path for path in self.folder.glob("*.wav") if _NAME.fullmatch(path.stem)]
        for path, stat in sorted(_stats(found), key=lambda each: each[1].st_mtime):
            yield Take(path.stem, _seconds(stat.st_size), stat.st_mtime)

    def talks(self, call_id: str) -> list[str]:
        """What was recorded of a call's talks with agents, oldest first."""
        names = [path.stem for folder in (self.folder, self._kept) for path in folder.glob(f"{_TALK}*")]
        return sorted({name for name in names if name.rpartition("-")[0] == _TALK + call_id})

    def seal(self, name: str) -> None:
        """Encrypt an open recording; the open file goes once the sealed one is on the disk."""
        path, kept = self._open_path(name), self._kept_path(name)
        try:
            sealed = self._privacy.seal_bytes(path.read_bytes())
        except FileNotFoundError:  # another node was quicker
            return
        _write(kept, sealed)
        path.unlink(missing_ok=True)

    def forget(self, name: str) -> None:
        """Remove an open recording that nobody wants."""
        self._open_path(name).unlink(missing_ok=True)

    def remove_old(self, now: datetime, keep: timedelta) -> int:
        """Remove what is older than we may keep it: how many."""
        oldest = (now - keep).timestamp()
        half = max(oldest, (now - _HALF).timestamp())
        files = [*self.folder.glob("*.wav"), *self.folder.glob("*.part"), *self._kept.iterdir()]
        old = [path for path, stat in _stats(files) if stat.st_mtime < (half if path.suffix == ".part" else oldest)]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)

    def reseal(self) -> tuple[int, int]:
        """Encrypt what is kept under the newest key: how many were, and how many no key opens. They stay as old."""
        done = unreadable = 0
        for path, stat in _stats(sorted(self._kept.glob("*.sealed"))):
            try:
                _write(path, self._privacy.reseal(path.read_bytes()))
            except FileNotFoundError:  # removed meanwhile
                continue
            except Unreadable:
                unreadable += 1
                continue
            os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
            done += 1
        return done, unreadable

    def _open_path(self, name: str) -> Path:
        return self.folder / f"{_checked(name)}.wav"

    def _kept_path(self, name: str) -> Path:
        return self._kept / f"{_checked(name)}.sealed"


def _checked(name: str) -> str:
    """A name that cannot lead out of the folder. Raises `FileNotFoundError`."""
    if not _NAME.fullmatch(name):
        raise FileNotFoundError(name)
    return name


def _write(path: Path, data: bytes) -> None:
    """The whole file or none, readable by us alone."""
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError:  # a full disk: it is tried again, and each try would leave a piece
        fresh.unlink(missing_ok=True)
        raise


def _stats(paths: list[Path]) -> Iterator[tuple[Path, os.stat_result]]:
    for path in paths:
        try:
            yield path, path.stat()
        except FileNotFoundError:  # another node was quicker
            continue


def _seconds(size: int) -> float:
    """By its size: the header of a file that is still being written does not know yet."""
    return max(0, size - _HEADER_BYTES) / _BYTES_A_SECOND
