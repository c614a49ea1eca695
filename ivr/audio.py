"""Sound for the telephone: 8 kHz, mono, 16 bit, even in level, without silence at its ends.

`read` takes any plain WAV apart, `prepared` makes a telephone `Sound` of it, `wav` writes that back. Pure: bytes in,
bytes out.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import cast

import numpy as np
import soxr
from numpy.typing import NDArray

Sound = NDArray[np.int16]  # 8,000 of them a second
Wave = NDArray[np.float32]  # in -1..1, at any rate; frames, or frames by channels

RATE = 8000
LEVEL = 10 ** (-20 / 20)  # RMS of what is spoken; telephone prompts sit at about -20 dBFS
_KNEE, _CEILING = 0.6, 0.9  # peaks above the knee are rounded off; nothing passes the ceiling, about -1 dBFS
_AUDIBLE = 10 ** (-40 / 20)  # of the loudest moment; what is softer is silence
_SILENCE = 10 ** (-60 / 20)  # softer than this is silence whatever stands beside it
_FRAME = RATE // 100
_FADE = RATE // 250
_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE


class NotAudio(ValueError):
    """不是可用的 WAV 文件,请导出为 WAV(PCM 16 位) / not a WAV file that can be used: export it as PCM, 16 bit."""


def wav(sound: Sound) -> bytes:
    """A complete WAV file: PCM, 16 bit, mono, 8 kHz."""
    body = sound.astype("<i2").tobytes()
    return _header(len(body)) + body


def unwav(data: bytes) -> Sound:
    """The sound of a file that `wav` wrote."""
    return np.frombuffer(data, "<i2", offset=_HEADER.size)


def spliced(parts: Sequence[tuple[float, bytes]]) -> bytes:
    """One file of many that `wav` wrote, each after so many seconds of silence."""
    size = sum(2 * round(pause * RATE) + len(data) - _HEADER.size for pause, data in parts)
    sounds = ((bytes(2 * round(pause * RATE)), memoryview(data)[_HEADER.size :]) for pause, data in parts)
    return b"".join([_header(size), *(sound for pair in sounds for sound in pair)])


def wav_seconds(data: bytes) -> float:
    """How long a file lasts that `wav` wrote."""
    return (len(data) - _HEADER.size) / 2 / RATE


def _header(size: int) -> bytes:
    form = (b"fmt ", 16, _PCM, 1, RATE, RATE * 2, 2, 16)
    return _HEADER.pack(b"RIFF", size + 36, b"WAVE", *form, b"data", size)


def is_whole(data: bytes) -> bool:
    """Whether a file is as `wav` wrote it: a crash of the machine can leave it empty or short."""
    return len(data) >= _HEADER.size and _HEADER.unpack_from(data)[-1] == len(data) - _HEADER.size


def read(data: bytes) -> tuple[Wave, int]:
    """Frames by channels, and frames a second, of a WAV file of 8 to 32 bits or float. Raises `NotAudio`."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise NotAudio(_what_it_is(data))
    chunks = dict(reversed(list(_chunks(data))))
    form, body = chunks.get(b"fmt ", b""), chunks.get(b"data", b"")
    if len(form) < 16:
        raise NotAudio("WAV 文件不完整，请重新导出")
    code, channels, rate, _, _, bits = struct.unpack("<HHIIHH", form[:16])
    if code == _EXTENSIBLE and len(form) >= 26:
        code = struct.unpack("<H", form[24:26])[0]
    if (code, bits) not in _DECODERS or not 1 <= channels <= 8 or not 4000 <= rate <= 384_000:
        raise NotAudio("WAV 的编码不能使用，请导出为 PCM 16 位")
    frame = channels * bits // 8
    wave = _DECODERS[code, bits](body[: len(body) // frame * frame])
    return wave.reshape(-1, channels), rate


def _what_it_is(data: bytes) -> str:
    if not data:
        return "文件是空的"
    if data[:3] == b"ID3" or (data[0] == 0xFF and data[1:2] >= b"\xe0"):
        return "这是 MP3 文件，请导出为 WAV（PCM 16 位）"
    return "不是 WAV 文件，请导出为 WAV（PCM 16 位）"


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 12
    while at + 8 <= len(data):
        name, size = struct.unpack("<4sI", data[at : at + 8])
        yield name, data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _scaled(kind: str, bits: int) -> Callable[[bytes], Wave]:
    return lambda body: np.frombuffer(body, kind).astype(np.float32) * np.float32(2.0 ** (1 - bits))


def _unsigned(body: bytes) -> Wave:
    return (np.frombuffer(body, "u1").astype(np.float32) - np.float32(128)) * np.float32(1 / 128)


def _triples(body: bytes) -> Wave:
    widened = np.zeros((len(body) // 3, 4), "u1")
    widened[:, 1:] = np.frombuffer(body, "u1").reshape(-1, 3)
    return _scaled("<i4", 32)(widened.tobytes())


def _float(kind: str) -> Callable[[bytes], Wave]:
    return lambda body: np.nan_to_num(np.frombuffer(body, kind)).clip(-1, 1).astype(np.float32)


_DECODERS: Mapping[tuple[int, int], Callable[[bytes], Wave]] = {
    (_PCM, 8): _unsigned,
    (_PCM, 16): _scaled("<i2", 16),
    (_PCM, 24): _triples,
    (_PCM, 32): _scaled("<i4", 32),
    (_FLOAT, 32): _float("<f4"),
    (_FLOAT, 64): _float("<f8"),
}


def prepared(wave: Wave, rate: int) -> Sound:
    """Frames, or frames by channels, as telephone sound: resampled, trimmed, levelled. All silence: nothing left."""
    mono = wave.mean(axis=1, dtype=np.float32) if wave.ndim == 2 else wave
    if not len(mono):
        return silence(0)
    centred = mono - mono.mean(dtype=np.float32)
    telephone = soxr.resample(centred, rate, RATE) if rate != RATE else centred
    return np.rint(_levelled(_trimmed(telephone)) * 32767).astype(np.int16)


def _trimmed(wave: Wave) -> Wave:
    """Without the silence at both ends, faded in and out over 4 ms so that nothing clicks."""
    spoken = np.flatnonzero(_spoken(_loudness(wave)))
    if not len(spoken):
        return wave[:0]
    kept = wave[max(0, (spoken[0] - 1) * _FRAME) : (spoken[-1] + 2) * _FRAME].copy()
    fade = np.linspace(0, 1, min(_FADE, len(kept)), dtype=np.float32)
    kept[: len(fade)] *= fade
    kept[len(kept) - len(fade) :] *= fade[::-1]
    return kept


def _levelled(wave: Wave) -> Wave:
    """With the spoken parts at `LEVEL`, and peaks rounded off below the ceiling."""
    loudness = _loudness(wave)
    spoken = loudness[_spoken(loudness)]
    if not len(spoken):
        return wave
    louder = wave * np.float32(LEVEL / np.sqrt((spoken**2).mean()))
    over = np.abs(louder) > _KNEE
    room = _CEILING - _KNEE
    louder[over] = np.sign(louder[over]) * (_KNEE + room * np.tanh((np.abs(louder[over]) - _KNEE) / room))
    return louder


def _loudness(wave: Wave) -> Wave:
    """RMS of each 10 ms."""
    frames = np.pad(wave, (0, -len(wave) % _FRAME)).reshape(-1, _FRAME)
    return cast(Wave, np.sqrt((frames**2).mean(axis=1)))


def _spoken(loudness: Wave) -> NDArray[np.bool_]:
    return loudness > max(float(loudness.max(initial=0)) * _AUDIBLE, _SILENCE)


def silence(seconds: float) -> Sound:
    """That much of nothing."""
    return np.zeros(round(seconds * RATE), np.int16)


def joined(sounds: Iterable[Sound]) -> Sound:
    """One after the other."""
    return np.concatenate([silence(0), *sounds])


def seconds(sound: Sound) -> float:
    """How long it lasts."""
    return len(sound) / RATE
