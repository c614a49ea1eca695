"""Taking a voice actor's recordings in: every file is looked at first, and every fault told at once.

A file is named as the script names it, in any folder of the delivery, at any rate, mono or stereo. What is wrong with
it is told in words that a studio understands.
"""

import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

import numpy as np

from ivr import audio
from ivr.audio import NotAudio, Sound, Wave
from ivr.script import Line
from ivr.speech import Language

LARGEST_BYTES = 64 * 2**20  # of one file
MOST_FILES = 5000
_BESIDE = {".csv", ".txt", ".md", ".pdf", ".doc", ".docx", ".xls", ".xlsx"}  # what may lie beside recordings
_QUIETEST = 10 ** (-40 / 20)  # of the loudest sample; made as loud as the others it would hiss
_CLIPPED_RUN, _CLIPPED_RUNS = 4, 3  # so many samples at the very top in a row, so many times: cut off
_SHORTER, _LONGER, _GRACE_SECONDS = 0.35, 2.5, 1.0  # against what the words should take


class NotADelivery(Exception):
    """What was given is neither a folder nor a ZIP file that can be opened: nothing was looked at."""


class Unfit(ValueError):
    """A recording cannot be used: the message says why, for the studio."""


@dataclass
class Intake:
    """What came of a delivery: `taken` can be given to `Recordings.keep`; `faults` are (file, what is wrong)."""

    taken: list[tuple[str, Language, str, Sound]] = field(default_factory=list)
    faults: list[tuple[str, str]] = field(default_factory=list)


def delivery(source: Path) -> Iterator[tuple[str, bytes]]:
    """The files of a folder or ZIP that may be recordings: (path, contents, cut off after `LARGEST_BYTES`).

    Raises `NotADelivery`.
    """
    if source.is_dir():
        for path in sorted(source.rglob("*")):
            if path.is_file() and _meant(path.relative_to(source).as_posix()):
                with path.open("rb") as file:
                    yield path.relative_to(source).as_posix(), file.read(LARGEST_BYTES + 1)
        return
    try:
        with zipfile.ZipFile(source) as archive:
            for entry in archive.infolist():
                if not entry.is_dir() and _meant(entry.filename):
                    with archive.open(entry) as packed:
                        yield entry.filename, packed.read(LARGEST_BYTES + 1)
    except (OSError, RuntimeError, NotImplementedError, zipfile.BadZipFile) as fault:
        raise NotADelivery(f"{source} 不是文件夹，也不是能打开的 ZIP 文件：{fault}") from None


def _meant(path: str) -> bool:
    """Not a note beside the recordings, and not what a computer leaves behind."""
    parts = PurePosixPath(path).parts
    return not any(part.startswith((".", "__")) for part in parts) and PurePosixPath(path).suffix.lower() not in _BESIDE


def examine(files: Iterable[tuple[str, bytes]], script: Iterable[Line]) -> Intake:
    """Look at every file of a delivery."""
    lines, seen, intake = {line.name: line for line in script}, dict[str, str](), Intake()
    for count, (path, data) in enumerate(files):
        if count == MOST_FILES:
            intake.faults.append((path, f"一次最多 {MOST_FILES} 个文件，其余没有看"))
            break
        name = PurePosixPath(path).stem.lower()
        try:
            if name in seen:
                raise Unfit(f"与 {seen[name]} 重名，请只留一个")
            seen[name] = path
            line = _line(name, lines)
            intake.taken.append((name, line.language, line.text, _sound(data, line)))
        except (Unfit, NotAudio) as fault:
            intake.faults.append((path, str(fault)))
    return intake


def _line(name: str, lines: Mapping[str, Line]) -> Line:
    if name in lines:
        return lines[name]
    near = get_close_matches(name, lines, 1, 0.8)
    raise Unfit("录音脚本里没有这个文件名" + (f"(是不是 {near[0]}?)" if near else "，请按脚本的文件名命名"))


def _sound(data: bytes, line: Line) -> Sound:
    if len(data) > LARGEST_BYTES:
        raise Unfit(f"文件大于 {LARGEST_BYTES // 2**20} MB")
    wave, rate = audio.read(data)
    if rate < audio.RATE:
        raise Unfit(f"采样率只有 {rate} Hz，至少要 {audio.RATE} Hz（建议 44100 或 48000）")
    _check_level(wave)
    sound = audio.prepared(wave, rate)
    _check_length(audio.seconds(sound), line)
    return sound


def _check_level(wave: Wave) -> None:
    peak = float(np.abs(wave).max(initial=0.0))
    if peak < _QUIETEST:
        raise Unfit("没有声音" if peak < _QUIETEST / 100 else "音量太小，请靠近话筒重录")
    for channel in wave.T:
        at_top = np.abs(channel) >= 0.999
        edges = np.flatnonzero(np.diff(np.concatenate([[0], at_top.astype(np.int8), [0]])))
        if (edges[1::2] - edges[::2] >= _CLIPPED_RUN).sum() >= _CLIPPED_RUNS:
            raise Unfit("声音削顶（录得太响），请调低增益重录")


def _check_length(seconds: float, line: Line) -> None:
    expected = f"“{line.text[:20]}”大约要 {line.seconds:.1f} 秒"
    if seconds < line.seconds * _SHORTER:
        raise Unfit(f"只有 {seconds:.1f} 秒，太短：{expected}")
    if seconds > line.seconds * _LONGER + _GRACE_SECONDS:
        raise Unfit(f"有 {seconds:.1f} 秒，太长：{expected}")
