"""Taking a voice actor's recordings in: every file is looked at first, and every fault told at once.

A file is named as the script names it, in any folder of the delivery, at any rate, mono or stereo. What is wrong with
it is told in words that a studio understands.
"""

import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from ivr import audio
from ivr.audio import NotAudio, Sound, Wave
from ivr.script import Line
from ivr.speech import Language

LARGEST_BYTES = 64 * 2**20  # of one file
MOST_FILES = 5000
_BESIDE = {".csv", ".txt", ".md", ".pdf", ".doc", ".docx", ".xls", ".xlsx", ".ini", ".db", ""}  # not meant as recordings
_LOWEST_RATE = 8000
_QUIETEST = 10 ** (-45 / 20)  # peak; louder by 40 dB it would be noise
_CLIPPED_RUN, _CLIPPED_RUNS = 4, 3  # so many samples in a row at the top, so many times: the microphone was too loud
_SHORTEST_SECONDS = 0.12
_SHORTER, _LONGER, _GRACE_SECONDS = 0.35, 2.5, 2.0  # of what the words should take


class NotADelivery(Exception):
    """What was given is neither a folder nor a ZIP file that can be opened; nothing was taken in."""


@dataclass
class Intake:
    """What came of a delivery: `taken` can be kept; `faults` are (file, what is wrong)."""

    taken: list[tuple[str, Language, str, Sound]] = field(default_factory=list)
    faults: list[tuple[str, str]] = field(default_factory=list)


def examine(files: Iterable[tuple[str, bytes | None]], script: Iterable[Line]) -> Intake:
    """Look at every file of a delivery; None for one that is too large to look at."""
    lines = {line.name: line for line in script}
    intake = Intake()
    seen: dict[str, str] = {}
    for path, data in files:
        name = PurePosixPath(path.replace("\\", "/")).stem.lower()
        try:
            if name in seen:
                raise NotAudio(f"与 {seen[name]} 重名,请只留一个")
            seen[name] = path
            line = _wanted(name, lines)
            intake.taken.append((name, line.language, line.text, _examined(data, line)))
        except NotAudio as fault:
            intake.faults.append((path, str(fault)))
    return intake


def delivery(source: Path) -> Iterator[tuple[str, bytes | None]]:
    """The files of a folder or ZIP that may be recordings: (path, contents). Raises `NotADelivery`."""
    if source.is_dir():
        for path in sorted(source.rglob("*")):
            if path.is_file() and _meant(path.relative_to(source).as_posix()):
                yield path.relative_to(source).as_posix(), path.read_bytes() if path.stat().st_size <= LARGEST_BYTES else None
        return
    try:
        with zipfile.ZipFile(source) as archive:
            for entry in archive.infolist()[:MOST_FILES]:
                if not entry.is_dir() and _meant(entry.filename):
                    yield entry.filename, archive.read(entry) if entry.file_size <= LARGEST_BYTES else None
    except (OSError, RuntimeError, zipfile.BadZipFile, NotImplementedError) as fault:
        raise NotADelivery(f"{source}: 不是文件夹,也不是能打开的 ZIP 文件({fault})") from None
