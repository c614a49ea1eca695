"""Opens the prompts: recordings first, then the configured voice, then the embedded one."""

from fund.privacy import Privacy
from hotline.settings import Settings
from ivr.addresses import Addresses
from ivr.prompts import Prompts
from ivr.recordings import Recordings
from ivr.voice import CommandVoice, EmbeddedVoice, Voice, pronunciations


def open_prompts(settings: Settings, privacy: Privacy) -> Prompts:
    """Every sound a caller hears; static ones are kept in `home/audio`. Close it at the end."""
    embedded = EmbeddedVoice(pronunciations(settings.prompts / "pronounce.yaml"))
    voice: Voice = CommandVoice(settings.voice_command) if settings.voice_command else embedded
    return Prompts(
        settings.home / "audio",
        Recordings(settings.prompts / "recordings"),
        voice,
        Addresses(settings.audio_url or settings.public_url, privacy.key("audio addresses")),
        secret=privacy.key("audio keys"),
        spare=embedded if settings.voice_command else None,
    )
