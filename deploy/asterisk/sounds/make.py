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
    "sorry": "对不起,系统暂时出现故障,我们会再给您打来。再见。",
    "waiting": "工作人员正在接听其他来电,请您稍候,我们会尽快为您服务。",
    # The place in a queue, said by Queue(): `place` number `in_line`, or `next`; then `patience`.
    "place": "您现在排在第",
    "in_line": "位。",
    "next": "您是下一位。",
    "patience": "请您稍候,我们会尽快为您服务。",
}
# Numbers as Asterisk joins them for the language zh, in sounds/zh/digits.
DIGITS = {str(number): spoken for number, spoken in enumerate("零一二三四五六七八九")}
DIGITS |= {"10": "十"} | {f"{ten}0": f"{DIGITS[str(ten)]}十" for ten in range(2, 10)}
DIGITS |= {"hundred": "百", "thousand": "千"}


def main() -> None:
    voice = EmbeddedVoice(pronunciations(HERE.parents[2] / "prompts" / "pronounce.yaml"))
    (HERE / "zh" / "digits").mkdir(parents=True, exist_ok=True)
    for name, words in (WORDS | {f"zh/digits/{name}": words for name, words in DIGITS.items()}).items():
        spoken = audio.joined([voice.say(words, "zh"), audio.silence(0.05 if "digits" in name else 0.3)])
        (HERE / f"{name}.wav").write_bytes(audio.wav(spoken))
        print(f"{name}.wav  {audio.seconds(spoken):.1f} s  {words}")


if __name__ == "__main__":
    main()
