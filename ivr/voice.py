"""Who speaks what is not recorded: the embedded voice, or another one that a command runs.

A voice turns words into telephone sound; `identity` changes whenever the same words would sound different, so that
nothing old is played from a cache. The embedded voice is eSpeak NG from the `espeakng-loader` wheel, called through
ctypes: no system package, Mandarin and English, about 1.5 ms a second of speech.
"""

import atexit
import ctypes
import hashlib
import re
import shlex
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import espeakng_loader
import numpy as np

from fund.yaml_source import parse
from ivr import audio
from ivr.audio import Sound
from ivr.phrases import BadPhrases
from ivr.speech import Language


class VoiceFault(Exception):
    """The voice did not speak: see the message for what it said instead, and correct HOTLINE_VOICE_COMMAND."""


class Voice(Protocol):
    """What `ivr.prompts` needs of a voice. May be called from several threads."""

    @property
    def identity(self) -> str:
        """Stands for this voice and its settings, in the key of everything it says."""

    def say(self, words: str, language: Language, *, brisk: bool = False) -> Sound:
        """`words` as sound; `brisk` for a part of a number, which is said without the drawl of a sentence's end.

        Raises `VoiceFault`.
        """


def pronunciations(path: Path) -> Mapping[str, str]:
    """`prompts/pronounce.yaml`: word -> pinyin, one syllable a character. Raises `BadPhrases` naming every bad word."""
    source = parse(path.read_bytes(), str(path))
    words = source.data.get("words") if isinstance(source.data, dict) else None
    words = words if isinstance(words, dict) else {}
    faults = [
        source.fault(
            ("words", word),
            f"{word}：拼音应是每字一个音节、带声调数字，如 huan2 kuan3",
            f"{word}: a syllable with the figure of its tone for each character, such as huan2 kuan3",
        )
        for word, pinyin in words.items()
        if not _is_pinyin(str(word), str(pinyin))
    ]
    if faults := [*source.faults, *faults]:
        raise BadPhrases(faults)
    return {str(word): str(pinyin) for word, pinyin in words.items()}


def _is_pinyin(word: str, pinyin: str) -> bool:
    return bool(re.fullmatch(r"[a-z]{1,6}[1-5](?: [a-z]{1,6}[1-5])*", pinyin)) and len(pinyin.split()) == len(word)


# The embedded voice

_SYNCHRONOUS, _KEEP_RUNNING, _UTF8 = 2, 0x8000, 1
_SPEED, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4
_LONGEST_PATH = 150  # bytes that the library has room for
# Its pitch is widened: as it comes the tones span five semitones, too few for a telephone. Louder, it would clip.
_SETTINGS = {_VOLUME: 70, _PITCH: 60, _RANGE: 100}
_BRISK = 1.15  # times as fast: a part of a number, said alone, is drawn out by as much
_VOICES: Mapping[Language, bytes] = {"zh": b"cmn", "en": b"en"}
# Only the wide forms make it pause between Chinese characters.
_WIDE = str.maketrans(",.;:!?\n", "\uff0c\u3002\uff1b\uff1a\uff01\uff1f\uff0c")
_HEAR = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
_ONE_AT_A_TIME = threading.Lock()  # the library has one state for the whole process


def short_path(path: str) -> str:
    """The same folder at a path that the library has room for: a link to it, if need be, until the program ends."""
    if len(path.encode()) <= _LONGEST_PATH:
        return path
    folder = tempfile.TemporaryDirectory(prefix="voice-")
    atexit.register(folder.cleanup)
    link = Path(folder.name, "data")
    link.symlink_to(path)
    return str(link)


class _Library:
    """eSpeak NG, started once. Use under `_ONE_AT_A_TIME`."""

    def __init__(self) -> None:
        try:
            self._lib = ctypes.CDLL(espeakng_loader.get_library_path())
        except OSError as fault:
            raise VoiceFault(f"the embedded voice does not run on this machine: {fault}") from fault
        self._heard: list[np.ndarray[Any, np.dtype[np.int16]]] = []
        self._callback = _HEAR(self._hear)  # kept: the library calls it for as long as it lives
        data = short_path(espeakng_loader.get_data_path())
        self.rate = self._lib.espeak_Initialize(_SYNCHRONOUS, 0, data.encode(), _KEEP_RUNNING)
        if self.rate <= 0:
            raise VoiceFault(f"the embedded voice cannot read its data in {data}: install espeakng-loader again")
        self._lib.espeak_Synth.argtypes = [
            *(ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint, ctypes.c_uint),
            *(ctypes.c_void_p, ctypes.c_void_p),
        ]
        self._lib.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, ctypes.c_int]
        self._lib.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self._lib.espeak_SetSynthCallback(self._callback)
        self._language: Language | None = None

    def _hear(self, samples: Any, count: int, _: Any) -> int:
        if samples and count > 0:
            self._heard.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    def speak(self, words: str, language: Language, settings: Mapping[int, int]) -> audio.Wave:
        self._turn_to(language)
        for setting, value in settings.items():
            self._lib.espeak_SetParameter(setting, value, 0)
        text = words.replace("\0", " ").encode()
        self._heard.clear()
        if self._lib.espeak_Synth(text, len(text) + 1, 0, 1, 0, _UTF8, None, None):
            raise VoiceFault("the embedded voice could not speak")
        return np.concatenate([np.zeros(0, np.int16), *self._heard]).astype(np.float32) * np.float32(2**-15)

    def phonemes(self, words: str, language: Language) -> str:
        self._turn_to(language)
        rest, found = ctypes.c_char_p(words.encode()), []
        while rest.value:  # a clause at a time
            found.append(self._lib.espeak_TextToPhonemes(ctypes.byref(rest), _UTF8, 0).decode())
        return " ".join(found)

    def _turn_to(self, language: Language) -> None:
        if language != self._language:
            if self._lib.espeak_SetVoiceByName(_VOICES[language]):
                raise VoiceFault(f"the embedded voice has no {language}")
            self._language = language


_library = cache(_Library)


class EmbeddedVoice:
    """eSpeak NG, a little slow for old ears: its 165 words a minute are 3.4 Mandarin syllables a second."""

    def __init__(self, pronounce: Mapping[str, str] | None = None, words_a_minute: int = 165) -> None:
        self._pronounce, self._speed = dict(pronounce or {}), words_a_minute

    @cached_property
    def identity(self) -> str:
        """The settings, and every pronunciation."""
        table = hashlib.sha256(repr(sorted(self._pronounce.items())).encode()).hexdigest()[:16]
        return f"espeak-ng {version('espeakng-loader')} {self._speed} {_BRISK} {_SETTINGS} {table}"

    @cached_property
    def _awkward(self) -> re.Pattern[str]:
        longest_first = sorted(self._pronounce, key=len, reverse=True)
        return re.compile("|".join(map(re.escape, longest_first)) or "(?!)")

    def say(self, words: str, language: Language, *, brisk: bool = False) -> Sound:
        """See `Voice`."""
        words = self._spelled(words, language)
        speed = round(self._speed * _BRISK) if brisk else self._speed
        with _ONE_AT_A_TIME:
            library = _library()
            wave = library.speak(words, language, {_SPEED: speed} | _SETTINGS)
        return audio.prepared(wave, library.rate)

    def phonemes(self, words: str, language: Language) -> str:
        """How it would say them, in its own notation: 公积金 is `k'ong55 tS;'i55 tS;'i55n`."""
        with _ONE_AT_A_TIME:
            return _library().phonemes(self._spelled(words, language), language).replace("_|", "")

    def _spelled(self, words: str, language: Language) -> str:
        if language != "zh":
            return words
        return self._awkward.sub(lambda found: f" {self._pronounce[found[0]]} ", words.translate(_WIDE))


class CommandVoice:
    """Another voice: a command that reads words (UTF-8) from standard input and writes a WAV file to standard output.

    `{language}` in the command becomes `zh` or `en`. After a failure it rests for `rest_seconds`, so that a voice that
    hangs does not hang every call.
    """

    def __init__(
        self,
        command: str,
        *,
        limit_seconds: float = 10.0,
        rest_seconds: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.identity = f"command {command}"
        self._command = shlex.split(command)
        self._limit_seconds, self._rest_seconds, self._clock = limit_seconds, rest_seconds, clock
        self._rests_until = float("-inf")

    def say(self, words: str, language: Language, *, brisk: bool = False) -> Sound:
        """See `Voice`."""
        if self._clock() < self._rests_until:
            raise VoiceFault("the voice command failed a moment ago and rests")
        try:
            wave, rate = audio.read(self._run([part.replace("{language}", language) for part in self._command], words))
            return audio.prepared(wave, rate)
        except (OSError, subprocess.SubprocessError, audio.NotAudio) as fault:
            self._rests_until = self._clock() + self._rest_seconds
            raise VoiceFault(f"the voice command {self._command[0]} failed: {_reason(fault)}") from fault

    def _run(self, command: Sequence[str], words: str) -> bytes:
        given = words.encode()
        return subprocess.run(command, input=given, capture_output=True, timeout=self._limit_seconds, check=True).stdout


def _reason(fault: Exception) -> str:
    if isinstance(fault, subprocess.CalledProcessError):
        said = (fault.stderr or b"").decode("utf-8", "replace").strip().splitlines()
        return f"exit {fault.returncode}" + (f": {said[-1][:200]}" if said else "")
    if isinstance(fault, subprocess.TimeoutExpired):
        return f"no answer within {fault.timeout:g} s"
    return str(fault)
