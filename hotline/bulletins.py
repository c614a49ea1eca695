"""`hotline bulletin`, and the same for the staff pages: how a bulletin will sound, and until when it is said."""

import getpass
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from desk.bulletin import Bulletin, BulletinRefused, Bulletins, faults_of
from fund.clock import CHINA, china_now
from hotline.database import open_database
from hotline.logs import configure
from hotline.migrations import upgrade
from hotline.settings import Settings
from hotline.sounds import open_prompts
from ivr.prompts import Prompts
from ivr.reading import reading
from ivr.utterance import said

Print = Callable[[str], object]


class NoSuchTime(ValueError):
    """Not a time: write 18:00, 2026-11-26 18:00, 2h or 30m."""


@dataclass(frozen=True)
class Preview:
    """How a bulletin will sound."""

    heard: str  # figures in words
    seconds: float
    wav: bytes


def ending(text: str, now: datetime) -> datetime:
    """The end that somebody wrote: `18:00` (the next one), `2026-11-26 18:00`, `2h`, `30m`. Raises `NoSuchTime`."""
    text, now = text.strip(), now.astimezone(CHINA)
    if span := re.fullmatch(r"([1-9]\d{0,3})(m|h)", text):
        return now + timedelta(minutes=int(span[1]) * {"m": 1, "h": 60}[span[2]])
    try:
        if re.fullmatch(r"\d{1,2}:\d{2}", text):
            clock = datetime.strptime(text, "%H:%M").time()
            end = datetime.combine(now.date(), clock, CHINA)
            return end if end > now else end + timedelta(days=1)
        return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=CHINA)
    except ValueError:
        raise NoSuchTime(text) from None


def preview(prompts: Prompts, text: str) -> Preview:
    """Make the sound, so that the first caller hears it at once. For a thread, or a command. Raises `VoiceFault`."""
    text = " ".join(text.split())
    prompt = prompts.make(said(text))
    return Preview(reading(text), prompt.seconds, prompt.wav)


def sound_of(prompts: Prompts) -> Callable[[str], Awaitable[bytes]]:
    """The same for the staff page, which waits for no voice. Raises `VoiceFault`."""

    async def sound(text: str) -> bytes:
        return (await prompts.prompt(said(" ".join(text.split())))).wav

    return sound


def when(moment: datetime, now: datetime) -> str:
    """`18:00` today, with the date otherwise."""
    local = moment.astimezone(CHINA)
    return f"{local:%H:%M}" if local.date() == now.astimezone(CHINA).date() else f"{local:%Y-%m-%d %H:%M}"


async def show(settings: Settings, say: Print) -> int:
    """What callers hear now, and the last switches."""
    zh, now = settings.language == "zh", china_now()
    async with _bulletins(settings) as bulletins:
        current, switches = await bulletins.now(), await bulletins.history(5)
    if current:
        end = when(current.until, now)
        say(f"公告开着，到 {end} 自动结束：{current.text}" if zh else f"on until {end}: {current.text}")
    else:
        say("没有公告" if zh else "there is no bulletin")
    for switch in switches:
        say(f"  {switch.at.astimezone(CHINA):%Y-%m-%d %H:%M} {switch.who} {_switched(switch, zh)}")
    return 0


def _switched(switch: Bulletin, zh: bool) -> str:
    if not switch.text:
        return "关闭" if zh else "off"
    end = f"{switch.until.astimezone(CHINA):%Y-%m-%d %H:%M}"
    return f"开启到 {end}：{switch.text}" if zh else f"on until {end}: {switch.text}"


async def switch_on(settings: Settings, text: str, until: str, say: Print) -> int:
    """Switch it on; 1 when it cannot be said."""
    zh, now = settings.language == "zh", china_now()
    try:
        end = ending(until, now)
        if faults := faults_of(text, end, now):
            raise BulletinRefused(faults)
    except NoSuchTime:
        say("结束时间要写成 18:00、2026-11-26 18:00、2h 或 30m" if zh else
            "write the end as 18:00, 2026-11-26 18:00, 2h or 30m")  # fmt: skip
        return 1
    except BulletinRefused as refused:
        for fault in refused.told(settings.language):
            say(fault)
        return 1
    told = _told(_made(settings, text), zh=zh)  # before it is on: the first caller need not wait for the voice
    async with _bulletins(settings) as bulletins:
        await bulletins.switch_on(text, end, _who())
    say(f"公告已开启，到 {when(end, now)} 自动结束；{told}" if zh else f"on until {when(end, now)}; {told}")
    return 0


def try_out(settings: Settings, text: str, sound: Path, say: Print) -> int:
    """Write to a file how it would sound, and switch nothing on; 1 when it cannot be said."""
    zh, now = settings.language == "zh", china_now()
    if faults := faults_of(text, now + timedelta(hours=1), now):
        for fault in BulletinRefused(faults).told(settings.language):
            say(fault)
        return 1
    made = _made(settings, text)
    sound.write_bytes(made.wav)
    told = _told(made, zh=zh)
    say(f"试听文件 {sound}，公告还没有开启；{told}" if zh else f"listen to {sound}; it is not on yet; {told}")
    return 0


def _told(made: Preview, *, zh: bool) -> str:
    return f"{made.seconds:.0f} 秒，读作：{made.heard}" if zh else f"{made.seconds:.0f} s, heard as: {made.heard}"


def _made(settings: Settings, text: str) -> Preview:
    prompts = open_prompts(settings, settings.privacy())
    try:
        return preview(prompts, text)
    finally:
        prompts.close()


async def switch_off(settings: Settings, say: Print) -> int:
    """Switch it off; that none is on is no fault."""
    async with _bulletins(settings) as bulletins:
        before = await bulletins.switch_off(_who())
    if settings.language == "zh":
        say(f"公告已关闭：{before.text}" if before else "本来就没有公告")
    else:
        say(f"off: {before.text}" if before else "there was no bulletin")
    return 0


def _who() -> str:
    try:
        return f"cli:{getpass.getuser()}"
    except (OSError, KeyError):  # a user without a name, as in some containers
        return "cli"


@asynccontextmanager
async def _bulletins(settings: Settings) -> AsyncIterator[Bulletins]:
    configure(settings, at_least=logging.ERROR)
    engine = open_database(settings.own_database_url)
    try:
        await upgrade(engine)
        yield Bulletins(engine)
    finally:
        await engine.dispose()
