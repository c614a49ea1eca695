"""What was heard on a call: finds prompts in a recording of it, where they began, and how far they were played.

For tests on real lines. A call comes back through µ-law, a jitter buffer and a few lost frames, its beginning perhaps
cut off, louder or softer than it was sent: so the recording is compared by normalised cross-correlation, first with
the head of each prompt (by FFT, over the whole call), then piece by piece, each piece allowed to slip a little.

Compare with the very sound that was served: the embedded voice never says the same words twice alike to the sample.

    call = load(Path("dump-dec.wav"))
    for heard in listen(call, {"welcome": unwav(welcome), "menu": unwav(menu)}):
        print(heard)                                     # welcome from 0.31 s to 2.87 s, all of it, score 0.98
    assert_in_order(call, [("welcome", unwav(welcome)), ("menu", unwav(menu))])
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from ivr import audio

Wave = NDArray[np.float64]

HEAD_SECONDS = 0.8  # what a prompt is found by; one that was cut off earlier than about half of this is not found
STEP_SECONDS = 0.4  # the pieces by which it is followed
SLIP_SECONDS = 0.2  # how far a piece may stand from where the one before leads: a busy exchange falters, and goes on
LIKELY = 0.4  # correlation of a head worth following; different words of the same voice rarely reach it
SURE = 0.5  # correlation of a piece that was played
_LEAD = int(0.5 * audio.RATE)  # silence put before the call, since its beginning may be cut off


@dataclass(frozen=True)
class Heard:
    """One prompt, found in a call. `score` is the correlation (1 is identical) over the part that was played."""

    name: str
    start_seconds: float
    end_seconds: float
    played: float  # 0..1 of the prompt
    score: float

    @property
    def whole(self) -> bool:
        """Played to the end, or so nearly that no word is missing."""
        return self.played > 0.95

    def __str__(self) -> str:
        part = "all of it" if self.whole else f"the first {self.played:.0%}"
        when = f"from {self.start_seconds:.2f} s to {self.end_seconds:.2f} s"
        return f"{self.name} {when}, {part}, score {self.score:.2f}"


def load(path: Path) -> audio.Sound:
    """A recording of a call, at any rate, as telephone sound; nothing is trimmed or levelled."""
    wave, rate = audio.read(path.read_bytes())
    mono = wave.mean(axis=1)
    telephone = soxr.resample(mono, rate, audio.RATE) if rate != audio.RATE else mono
    return np.rint(telephone.clip(-1, 1) * 32767).astype(np.int16)


def listen(call: audio.Sound, prompts: Mapping[str, audio.Sound]) -> list[Heard]:
    """Every time that any of the prompts was played, in the order of the call."""
    wave = np.concatenate([np.zeros(_LEAD), _sharpened(call), np.zeros(_LEAD)])
    found = [heard for name, sound in prompts.items() for heard in _occurrences(wave, name, _sharpened(sound))]
    return sorted(_without_rivals(found), key=lambda heard: heard.start_seconds)


def assert_in_order(
    call: audio.Sound, prompts: Sequence[tuple[str, audio.Sound]], *, whole: Iterable[str] = ()
) -> list[Heard]:
    """The given prompts were played in this order, others perhaps between; those named in `whole` to their end."""
    heard = listen(call, dict(prompts))
    told = "\n".join(map(str, heard)) or "nothing"
    left = iter(heard)
    for name, _ in prompts:
        assert any(one.name == name for one in left), f"{name} is missing or out of order; heard:\n{told}"
    for name in whole:
        assert any(one.name == name and one.whole for one in heard), f"{name} was cut off; heard:\n{told}"
    return heard


def _sharpened(sound: audio.Sound) -> Wave:
    """Without the low hum that all vowels share, so that only the same words are alike."""
    wave = sound.astype(np.float64) / 32768
    return np.diff(wave, prepend=0.0) + 0.3 * wave


def _occurrences(call: Wave, name: str, prompt: Wave) -> list[Heard]:
    head = prompt[: int(HEAD_SECONDS * audio.RATE)]
    if not len(head) or len(call) < len(head):
        return []
    scores = _correlation(call, head)
    found = []
    for at in _peaks(scores):
        length, score = _follow(call, prompt, at)
        start = (at - _LEAD) / audio.RATE
        found.append(Heard(name, start, start + length / audio.RATE, length / len(prompt), score))
    return found


def _correlation(call: Wave, piece: Wave) -> Wave:
    """Normalised: for each place in the call, -1..1."""
    size = 1 << (len(call) + len(piece) - 1).bit_length()
    product = np.fft.irfft(np.fft.rfft(call, size) * np.conj(np.fft.rfft(piece, size)), size)
    places = len(call) - len(piece) + 1
    energy = np.concatenate([[0.0], np.cumsum(call**2)])
    local = np.sqrt(np.maximum(energy[len(piece) :] - energy[:places], 0)) * np.sqrt((piece**2).sum())
    quiet = 1e-4 * len(piece) ** 0.5 * np.sqrt((piece**2).sum())  # silence resembles nothing
    return product[:places] / np.maximum(local, quiet)


def _peaks(scores: Wave) -> list[int]:
    """The best places above `LIKELY`, no two within half a head of each other."""
    apart = int(HEAD_SECONDS * audio.RATE / 2)
    peaks: list[int] = []
    likely = np.flatnonzero(scores >= LIKELY)
    for at in likely[np.argsort(scores[likely])[::-1]]:
        if all(abs(at - peak) >= apart for peak in peaks):
            peaks.append(int(at))
    return peaks


def _follow(call: Wave, prompt: Wave, at: int) -> tuple[int, float]:
    """How many samples of the prompt were played from there, and how much alike they are. One bad piece is forgiven."""
    step = int(STEP_SECONDS * audio.RATE)
    played, alike, weight, missed = 0, 0.0, 1e-12, 0
    for begin in range(0, len(prompt), step):
        piece = prompt[begin : begin + step]
        energy = float((piece**2).sum())
        if energy / len(piece) < 1e-7:  # a pause says nothing
            continue
        score, slipped = _nearby(call, piece, at + begin)
        missed = 0 if score >= SURE else missed + 1
        if missed == 2:
            break
        if not missed:
            at += slipped
            played, alike, weight = begin + len(piece), alike + score * energy, weight + energy
    return played, alike / weight


def _nearby(call: Wave, piece: Wave, at: int) -> tuple[float, int]:
    """How well a piece fits about here, and how far from here it fits best."""
    slip = int(SLIP_SECONDS * audio.RATE)
    start = max(0, at - slip)
    window = call[start : at + len(piece) + slip]
    if len(window) < len(piece):
        return 0.0, 0
    scores = _correlation(window, piece)
    best = int(scores.argmax())
    return float(scores[best]), start + best - at


def _without_rivals(found: list[Heard]) -> list[Heard]:
    """Of prompts that begin alike and claim the same moment, the one that was followed furthest."""
    kept: list[Heard] = []
    for heard in sorted(found, key=lambda heard: (heard.end_seconds - heard.start_seconds, heard.score), reverse=True):
        if heard.played and not any(_overlap(heard, other) > 0.1 for other in kept):
            kept.append(heard)
    return kept


def _overlap(one: Heard, other: Heard) -> float:
    return min(one.end_seconds, other.end_seconds) - max(one.start_seconds, other.start_seconds)
