"""`hotline prompts`: the script for a voice actor, the recordings that come back, the sounds made beforehand."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import click

from fund.clock import china_now
from hotline.flows import load_folder
from hotline.settings import Settings
from hotline.sounds import open_prompts
from ivr.intake import NotADelivery, delivery, examine
from ivr.recordings import Recordings
from ivr.script import Line, Saying, script, to_build, to_come
from ivr.utterance import Utterance
from ivr.voice import VoiceFault

Print = Callable[[str], object]
Track = Callable[[Sequence[Utterance]], AbstractContextManager[Iterable[Utterance]]]

_HEADS = {
    "zh": ("文件名", "语言", "文字", "读作", "用在", "约几秒", "已录"),
    "en": ("file", "language", "text", "read as", "used in", "seconds", "recorded"),
}
_YES_NO = {"zh": ("否", "是"), "en": ("no", "yes")}


class NoScript(click.ClickException):
    """The flows have faults, told one a line: correct them, then there is a script."""


def recordings(settings: Settings) -> Recordings:
    """The voice actor's recordings."""
    return Recordings(settings.prompts / "recordings")


def _sayings(settings: Settings) -> list[Saying]:
    loaded = load_folder(settings, None)
    if loaded.flow is None:
        raise NoScript("\n".join(fault.tell(settings.language) for fault in loaded.faults))
    return list(to_come(loaded.flow, china_now().date()))


def script_csv(settings: Settings, *, missing: bool) -> str:
    """The script as CSV; `missing`: only what is not recorded yet."""
    taken = recordings(settings)
    recorded = {recording.name for recording in taken}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_HEADS[settings.language])
    for line in script(_sayings(settings)):
        if not (missing and line.name in recorded):
            writer.writerow(_row(line, _YES_NO[settings.language][line.name in recorded]))
    return text.getvalue()


def _row(line: Line, recorded: str) -> tuple[str, ...]:
    heard = "" if line.heard == line.text else line.heard
    return f"{line.name}.wav", line.language, line.text, heard, " ".join(line.where), f"{line.seconds:.1f}", recorded


def build(settings: Settings, track: Track, say: Print) -> int:
    """Make every sound that can be made before anybody calls; 1 when the voice fails."""
    prompts = open_prompts(settings, settings.privacy())
    seconds = 0.0
    try:
        with track(to_build(_sayings(settings))) as utterances:
            for utterance in utterances:
                seconds += prompts.make(utterance, makeshift=False).seconds
    except VoiceFault as fault:
        say(str(fault))
        return 1
    finally:
        prompts.close()
    minutes = f"{seconds / 60:.0f}"
    say(f"已备好 {minutes} 分钟语音" if settings.language == "zh" else f"{minutes} minutes of speech are ready")
    return 0


def take_in(settings: Settings, source: Path, say: Print, *, partial: bool) -> int:
    """Take recordings in from a folder or ZIP: all of them or, unless `partial`, none. 1 when one is at fault."""
    try:
        intake = examine(delivery(source), script(_sayings(settings)))
    except NotADelivery as wrong:
        say(str(wrong))
        return 1
    for path, fault in intake.faults:
        say(f"{path}: {fault}")
    if intake.faults and not partial:
        say("有错误，一个文件也没有导入；改好后重来，或加 --partial 只导入没有错误的" if settings.language == "zh" else
            "nothing was taken in; correct these, or take in the good ones with --partial")  # fmt: skip
        return 1
    recordings(settings).keep(intake.taken)
    say(f"导入 {len(intake.taken)} 个录音" if settings.language == "zh" else f"{len(intake.taken)} recordings taken in")
    return 1 if intake.faults else 0


def restore(settings: Settings, names: Sequence[str], say: Print) -> int:
    """Go back to the recordings before the current ones; 1 when one has none before it."""
    stems = [Path(name).stem for name in names]
    restored = recordings(settings).restore(stems)
    for name in stems:
        if name in restored:
            say(f"{name}: 已换回上一版" if settings.language == "zh" else f"{name}: the one before is back")
        else:
            say(f"{name}: 没有上一版" if settings.language == "zh" else f"{name}: there is none before it")
    return 0 if len(restored) == len(stems) else 1
