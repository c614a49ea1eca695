"""The bulletin: switched in one step, over by itself, never the reason that a call waits or ends."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from desk.bulletin import LONGEST_CHARACTERS, BulletinRefused, Bulletins, faults_of
from hotline.database import open_database
from tests.desk.conftest import Clock

WORDS = "今天下午系统升级，余额查询暂停到18:00，请稍后再拨。"


@pytest.fixture
async def bulletins(engine: AsyncEngine, clock: Clock) -> Bulletins:
    return Bulletins(engine, clock)


async def test_it_is_said_until_its_end(bulletins: Bulletins, clock: Clock) -> None:
    assert await bulletins.words_at(clock.now) == ""
    await bulletins.switch_on(WORDS, clock.now + timedelta(hours=8), "cli:zhang")
    assert await bulletins.words_at(clock.now) == WORDS
    current = await bulletins.now()
    assert current and (current.who, current.until) == ("cli:zhang", clock.now + timedelta(hours=8))
    clock.ahead(hours=8)
    assert await bulletins.words_at(clock.now) == "" and await bulletins.now() is None


async def test_the_newest_counts_and_every_switch_is_kept(bulletins: Bulletins, clock: Clock) -> None:
    await bulletins.switch_on("第一条", clock.now + timedelta(hours=8), "zhang")
    clock.ahead(minutes=5)
    await bulletins.switch_on("第二条", clock.now + timedelta(hours=1), "li")
    assert await bulletins.words_at(clock.now) == "第二条"
    clock.ahead(minutes=5)
    off = await bulletins.switch_off("wang")
    assert off and off.text == "第二条"
    assert await bulletins.words_at(clock.now) == "" and await bulletins.switch_off("wang") is None
    assert [(each.who, each.text) for each in await bulletins.history()] == [
        ("wang", ""),
        ("li", "第二条"),
        ("zhang", "第一条"),
    ]


async def test_another_process_switches_it(bulletins: Bulletins, engine: AsyncEngine, clock: Clock) -> None:
    assert await bulletins.words_at(clock.now) == ""
    await Bulletins(engine, clock).switch_on(WORDS, clock.now + timedelta(hours=1), "cli:zhang")
    clock.ahead(seconds=1)
    assert await bulletins.words_at(clock.now) == WORDS


async def test_without_its_database_the_last_is_said_until_its_end(
    bulletins: Bulletins, engine: AsyncEngine, clock: Clock
) -> None:
    await bulletins.switch_on(WORDS, clock.now + timedelta(hours=1), "zhang")
    assert await bulletins.words_at(clock.now) == WORDS
    async with engine.begin() as connection:
        await connection.execute(text("DROP TABLE bulletins"))
    clock.ahead(minutes=1)
    assert await bulletins.words_at(clock.now) == WORDS
    clock.ahead(hours=1)
    assert await bulletins.words_at(clock.now) == ""


async def test_a_database_that_never_was_there_says_nothing(tmp_path: Path, clock: Clock) -> None:
    engine = open_database(f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}")
    assert await Bulletins(engine, clock).words_at(clock.now) == ""
    await engine.dispose()


@pytest.mark.parametrize(
    ("words", "hours", "zh", "en"),
    [
        ("", 1, "没有可以读的字", "nothing to say"),
        ("……", 1, "没有可以读的字", "nothing to say"),
        ("长" * (LONGEST_CHARACTERS + 3), 1, "请删去 3 个字", "3 characters too long"),
        ("系统升级😀★", 1, "请改成文字：😀 ★", "use words: 😀 ★"),
        ("系统\x07升级", 1, "'\\x07'", "'\\x07'"),
        ("系统升级", 0, "已经过了", "has passed"),
        ("系统升级", 24 * 40, "31 天之内", "31 days"),
    ],
)
async def test_what_cannot_be_said(
    bulletins: Bulletins, clock: Clock, words: str, hours: int, zh: str, en: str
) -> None:
    with pytest.raises(BulletinRefused) as refused:
        await bulletins.switch_on(words, clock.now + timedelta(hours=hours), "zhang")
    assert zh in refused.value.told("zh")[0] and en in refused.value.told("en")[0]
    assert await bulletins.history() == []


def test_every_fault_is_told_at_once(clock: Clock) -> None:
    assert len(faults_of("★" * 200, clock.now, clock.now)) == 4
