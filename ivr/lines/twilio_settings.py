"""What an operator may set about Twilio Voice: `HOTLINE_TWILIO_VOICE__ACCOUNT_SID=AC...` and so on. Off by default."""

import re
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from fund.setting_faults import Finding, Wrong
from ivr.values import Language

# Which voices speak a language: a wrong pair is silence at run time. https://www.twilio.com/docs/voice/twiml/say
_POLLY = {
    "cmn-CN": ("Zhiyu", "Zhiyu-Neural"),
    "en-US": ("Joanna", "Joanna-Neural", "Matthew", "Matthew-Neural", "Salli", "Salli-Neural", "Kendra-Neural"),
    "en-GB": ("Amy", "Amy-Neural", "Emma", "Emma-Neural", "Brian", "Brian-Neural"),
}
_SPEAKS: dict[Language, tuple[str, ...]] = {"zh": ("cmn-CN",), "en": ("en-US", "en-GB")}
_PERSON = re.compile(r"\+[1-9]\d{4,14}|sips?:[^\s,<>]{1,200}")
_QUEUE = re.compile(r"queue:\S{1,64}")


class TwilioVoiceSettings(BaseModel):
    """The Twilio account whose calls we answer. Callers go to `+86511...` or `sip:...`, several with commas."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    account_sid: str = Field("", pattern=r"^(AC[0-9a-fA-F]{32})?$", description="empty: Twilio Voice is off")
    auth_token: SecretStr = Field(SecretStr(""), description="Twilio signs its requests with it")
    shared_key: SecretStr = Field(SecretStr(""), description="secret of a webhooks shared key (HMAC-SHA256), if any")
    people: str = Field("", description="who is dialled for a person, and when nothing else works: +86511..., sip:...")
    queues: dict[str, str] = Field({}, description="queue -> its own people, or queue:NAME for a queue at Twilio")
    caller_id: str = Field("", pattern=r"^(\+[1-9]\d{4,14})?$", description="shown to people; empty: the caller's own")
    number: str = Field(
        "",
        pattern=r"^(\+[1-9]\d{4,14})?$",
        description="a number of ours at Twilio, from which calls are placed while no exchange does; empty: none are",
    )
    machines: Literal["talk", "hang_up"] = Field(
        "talk", description="hang_up: Twilio listens whether a machine answers our calls (it costs), and we hang up"
    )
    ring_seconds: int = Field(25, ge=5, le=600, description="then the call comes back to the flow")
    speak: Literal["play", "say"] = Field("play", description="our own sound, or a voice of Twilio's")
    voices: dict[Language, str] = Field(
        {"zh": "cmn-CN Polly.Zhiyu-Neural", "en": "en-US Polly.Joanna-Neural"},
        description="language and voice of Twilio's; the Chinese one also speaks in the fallback document",
    )
    music: str = Field(
        "http://com.twilio.sounds.music.s3.amazonaws.com/MARKOVICHAMP-Borghestral.mp3",
        pattern=r"^https?://\S+$",
        description="for callers who wait in a queue at Twilio; after each piece they hear their place",
    )
    pins: Literal["keyed", "people"] = Field(
        "keyed", description="Twilio sees what is keyed; people: a person is dialled where a PIN or code is asked for"
    )
    audio_url: str = Field(
        "", pattern=r"^(https?://\S+)?$", description="where Twilio fetches sound from this node; empty: public_url"
    )

    endpoint: str = Field(
        "https://api.twilio.com",
        pattern=r"^https?://[^/?#]+$",
        description="Twilio's REST API: places calls, keeps recordings",
    )

    @property
    def on(self) -> bool:
        """Whether Twilio's calls are answered at all."""
        return bool(self.account_sid)

    def voice(self, language: Language) -> tuple[str, str]:
        """(language, voice) as `<Say>` wants them."""
        code, _, name = self.voices.get(language, self.voices["zh"]).partition(" ")
        return code, name

    def place(self, queue: str) -> str:
        """Where the callers of a queue go."""
        return self.queues.get(queue, self.people)

    @model_validator(mode="after")
    def _sound(self) -> Self:
        faults = [*self._missing(), *self._voice_faults()]
        places = {"people": self.people} | {f"queues.{name}": place for name, place in self.queues.items()}
        for name, place in places.items():
            people = all(_PERSON.fullmatch(each) for each in place.split(","))
            if place and not people and not (name != "people" and _QUEUE.fullmatch(place)):
                queue = name != "people"
                zh = "要写成 +8651112345678 或 sip:name@host，多个用逗号隔开" + "，或 queue:名称" * queue
                en = "write +8651112345678 or sip:name@host, several with commas" + ", or queue:NAME" * queue
                faults.append((name, zh, en))
        if faults:
            raise Wrong(*faults)
        return self

    def _missing(self) -> list[Finding]:
        needed = {"account_sid": self.account_sid, "auth_token": self.auth_token.get_secret_value()}
        needed["people"] = self.people
        missing = [name for name, value in needed.items() if not value]
        zh, en = f"{'、'.join(needed)} 要填就都要填", f"needed once any of {', '.join(needed)} is set"
        return [(name, zh, en) for name in missing] if len(missing) < len(needed) else []

    def _voice_faults(self) -> list[Finding]:
        no_zh: Finding = ("voices", "要有 zh 的声音", "a voice for zh is needed")
        faults = [] if "zh" in self.voices else [no_zh]
        for language, written in self.voices.items():
            code, _, name = written.partition(" ")
            if code not in _SPEAKS[language]:
                zh = f"要以 {' 或 '.join(_SPEAKS[language])} 开头，空一格再写声音"
                en = f"begin with {' or '.join(_SPEAKS[language])}, then a blank and a voice"
                faults.append((f"voices.{language}", zh, en))
            elif not (name.removeprefix("Polly.") in _POLLY[code] or re.fullmatch(rf"Google\.{code}-[\w-]+", name)):
                known = ", ".join(f"Polly.{each}" for each in _POLLY[code])
                zh = f"没有说 {code} 的这种声音；有 {known}、Google.{code}-..."
                en = f"no such voice speaks {code}; there are {known}, Google.{code}-..."
                faults.append((f"voices.{language}", zh, en))
        return faults
