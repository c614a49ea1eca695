"""What the service says, as the very sound that it serves."""

from pathlib import Path

from hotline.settings import Settings
from hotline.sounds import open_prompts
from ivr import audio
from ivr.loader import read_phrases
from ivr.utterance import Utterance, fill
from tests.real.running import Running

PHRASES = read_phrases(Path("prompts/voice.yaml"))


def said(words: str, *, personal: bool = False, **values: tuple[str, object]) -> Utterance:
    """A sentence as the engine says it."""
    return Utterance(fill(words, values, personal=personal))  # type: ignore[arg-type]


def sound(running: Running, *utterances: Utterance) -> audio.Sound:
    """What the service served for these, said in one breath: its own files, for the voice never says a thing twice alike."""
    settings = Settings(_env_file=None, home=running.home)  # type: ignore[call-arg]
    prompts = open_prompts(settings, settings.privacy())
    try:
        return audio.unwav(prompts.make(sum(utterances, Utterance())).wav)
    finally:
        prompts.close()
