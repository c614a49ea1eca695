"""Writes the safety net's own words beside this file: what Asterisk says when the service cannot speak.

Run from the repository: `.venv/bin/python deploy/asterisk/sounds/make.py`. Replace any of the files with a recording
(WAV, PCM 16 bit, 8 kHz, mono) of the same words.
"""

from pathlib import Path

from ivr import audio
from ivr.voice import EmbeddedVoice, pronunciations

HERE = Path(__file__).parent
WORDS = {
    "moment": "请稍候。",
    "recovering": "系统正在恢复。",
    "to_people": "正在为您转接人工服务。",
    "waiting": "坐席正在接听其他来电,请您稍候,我们会尽快为您服务。",
}


def main() -> None:
    voice = EmbeddedVoice(pronunciations(HERE.parents[2] / "prompts" / "pronounce.yaml"))
    for name, words in WORDS.items():
        spoken = audio.joined([voice.say(words, "zh"), audio.silence(0.3)])
        (HERE / f"{name}.wav").write_bytes(audio.wav(spoken))
        print(f"{name}.wav  {audio.seconds(spoken):.1f} s  {words}")


if __name__ == "__main__":
    main()
