"""Telephone sound: any WAV in, 8 kHz mono at an even level out."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ivr import audio
from ivr.audio import NotAudio

Samples = NDArray[np.float64]


def speech_like(rate: int, seconds: float = 1.0, loud: float = 0.3) -> Samples:
    """A chord that swells and fades like syllables."""
    turns = 2 * np.pi * np.arange(int(rate * seconds)) / rate
    return loud * np.sin(3 * turns) ** 2 * (np.sin(220 * turns) + 0.4 * np.sin(900 * turns)) / 1.4


def file(samples: Samples, rate: int, kind: str = "<i2", *, code: int = 1) -> bytes:
    """A WAV file as a studio makes it; `samples` may be frames by channels."""
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    bits = 8 * np.dtype(kind).itemsize
    if kind == "u1":
        body = np.rint(samples * 127 + 128).astype("u1").tobytes()
    elif kind.startswith("<f"):
        body = samples.astype(kind).tobytes()
    else:
        body = np.rint(samples * (2 ** (bits - 1) - 1)).astype(kind).tobytes()
    frame = channels * bits // 8
    return riff(struct.pack("<HHIIHH", code, channels, rate, rate * frame, frame, bits), body)


def riff(form: bytes, body: bytes) -> bytes:
    chunks = b"".join(
        name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
        for name, data in ((b"LIST", b"INFOodd"), (b"fmt ", form), (b"data", body))
    )
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks


def level(sound: audio.Sound) -> float:
    """dBFS of everything."""
    return 20 * float(np.log10(np.sqrt(((sound / 32768) ** 2).mean())))


@pytest.mark.parametrize(("kind", "code"), [("<i2", 1), ("<i4", 1), ("u1", 1), ("<f4", 3), ("<f8", 3)])
@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2])
def test_any_plain_wav_becomes_telephone_sound(kind: str, code: int, rate: int, channels: int) -> None:
    samples = speech_like(rate)
    wave, found_rate = audio.read(file(np.stack([samples] * channels, axis=1), rate, kind, code=code))
    assert wave.shape == (rate, channels) and found_rate == rate
    assert wave[:, 0] == pytest.approx(samples, abs=0.01)
    sound = audio.prepared(wave, found_rate)
    assert sound.dtype == np.int16
    assert audio.seconds(sound) == pytest.approx(1.0, abs=0.08)
    assert level(sound) == pytest.approx(-20, abs=2)


def test_24_bit_and_extensible_headers() -> None:
    samples = speech_like(48000)
    whole = np.rint(samples * (2**23 - 1)).astype("<i4")
    body = whole.view("u1").reshape(-1, 4)[:, :3].tobytes()
    extensible = struct.pack("<HHIIHHHHIH", 0xFFFE, 1, 48000, 144000, 3, 24, 22, 24, 4, 1) + b"\0" * 14
    for form in (struct.pack("<HHIIHH", 1, 1, 48000, 144000, 3, 24), extensible):
        wave, _ = audio.read(riff(form, body))
        assert wave[:, 0] == pytest.approx(samples, abs=1e-4)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "空的"),
        (b"ID3\x04rest", "MP3"),
        (b"\xff\xfb\x90\x00", "MP3"),
        (b"OggS....", "不是 WAV"),
        (riff(b"short", b""), "不完整"),
        (riff(struct.pack("<HHIIHH", 7, 1, 8000, 8000, 1, 8), b"\0" * 80), "编码"),
        (riff(struct.pack("<HHIIHH", 1, 0, 8000, 0, 0, 16), b"\0" * 80), "编码"),
        (riff(struct.pack("<HHIIHH", 1, 1, 96, 192, 2, 16), b"\0" * 80), "编码"),
    ],
)
def test_what_is_no_wav_is_told_apart(data: bytes, told: str) -> None:
    with pytest.raises(NotAudio, match=told):
        audio.read(data)


SOME = file(speech_like(8000, 0.01), 8000)


@given(st.integers(0, len(SOME)), st.binary(max_size=99))
def test_hostile_bytes_are_refused_or_read(cut: int, rest: bytes) -> None:
    try:
        wave, rate = audio.read(SOME[:cut] + rest)
    except NotAudio:
        return
    audio.prepared(wave, rate)


@pytest.mark.parametrize("loud", [0.01, 0.3, 1.0])
def test_loud_and_soft_come_out_alike_and_never_clip(loud: float) -> None:
    sound = audio.prepared(speech_like(16000, loud=loud).astype(np.float32), 16000)
    assert level(sound) == pytest.approx(-20, abs=1.5)
    assert np.abs(sound).max() < 0.92 * 32768


def test_silence_and_offset_at_the_ends_are_taken_off() -> None:
    padded = np.concatenate([np.zeros(8000), speech_like(8000), np.zeros(16000)]) + 0.05
    sound = audio.prepared(padded.astype(np.float32), 8000)
    assert audio.seconds(sound) == pytest.approx(1.0, abs=0.1)
    assert abs(int(sound[0])) < 50 and abs(int(sound[-1])) < 50
    assert len(audio.prepared(np.zeros(8000, np.float32), 8000)) == 0
    assert len(audio.prepared(np.zeros((0, 2), np.float32), 44100)) == 0


def test_files_are_written_and_read_back() -> None:
    sound = audio.joined([audio.prepared(speech_like(8000).astype(np.float32), 8000), audio.silence(0.5)])
    assert np.array_equal(audio.unwav(audio.wav(sound)), sound)
    wave, rate = audio.read(audio.wav(sound))
    assert rate == audio.RATE and np.array_equal(np.rint(wave[:, 0] * 32768), sound)
    assert audio.seconds(audio.joined([])) == 0
