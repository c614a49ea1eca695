"""Texts are kept once and whole: repeats, parts in any order, late and missing ones, on both engines."""

import itertools
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from sms.inbound import Inbox
from sms.providers.base import Inbound
from sms.retention import remove_old
from sms.seals import reseal
from sms.store import Store
from sms.tables import inbound, inbound_part

NOW = datetime(2026, 3, 2, 2, 0, 30, tzinfo=UTC)
PHONE = "13900000001"


class House:
    """An inbox on a clock of its own, and what is in it."""

    def __init__(self, store: Store) -> None:
        self.now, self.store, self.woken = NOW, store, 0
        self.inbox = Inbox(store, self._wake, clock=lambda: self.now)

    def _wake(self) -> None:
        self.woken += 1

    async def take(self, *texts: Inbound) -> None:
        await self.inbox.take("carrier", texts)

    async def rows(self) -> Sequence[Any]:
        async with self.store.read() as connection:
            return (await connection.execute(select(inbound).order_by(inbound.c.id))).all()

    async def texts(self) -> list[str]:
        return [json.loads(self.store.privacy.open(row.body))["text"] for row in await self.rows()]

    async def parts(self) -> int:
        async with self.store.read() as connection:
            return (await connection.execute(select(func.count()).select_from(inbound_part))).scalar_one()


@pytest.fixture
def house(store: Store) -> House:
    return House(store)


async def test_a_text_is_kept_sealed(house: House) -> None:
    await house.take(Inbound("+86 139 0000 0001", "余额", id="1"))
    (row,) = await house.rows()
    assert (row.state, row.from_masked, row.from_hash) == ("new", "*******0001", house.store.phone(PHONE))
    assert "余额".encode() not in row.body and PHONE.encode() not in row.body
    assert house.woken == 1


async def test_a_number_that_cannot_be_answered_is_kept_and_left_alone(house: House) -> None:
    await house.take(Inbound("10086", "您的话费余额", id="1"), Inbound("乱" * 99, "x", id="2"))
    assert [row.state for row in await house.rows()] == ["ignored", "ignored"]


REPEATS = [
    ([Inbound(PHONE, "余额", id="1"), Inbound(PHONE, "余额", id="1")], 1),
    ([Inbound(PHONE, "余额", id="1"), Inbound(PHONE, "余额", id="2")], 2),
    ([Inbound(PHONE, "余额", at=NOW), Inbound(PHONE, "余额", at=NOW)], 1),
    ([Inbound(PHONE, "余额", at=NOW), Inbound(PHONE, "余额", at=NOW + timedelta(seconds=1))], 2),
    ([Inbound(PHONE, "余额"), Inbound("+8613900000001", "余额")], 1),
    ([Inbound(PHONE, "余额"), Inbound(PHONE, "明细")], 2),
    ([Inbound(PHONE, "余额"), Inbound("13900000002", "余额")], 2),
]


@pytest.mark.parametrize("texts, kept", REPEATS)
async def test_repeats(house: House, texts: list[Inbound], kept: int) -> None:
    await house.take(*texts)
    assert len(await house.rows()) == kept


async def test_without_an_id_the_same_words_are_a_repeat_for_a_minute_only(house: House) -> None:
    await house.take(Inbound(PHONE, "余额"))
    house.now += timedelta(seconds=50)  # the next minute by the clock
    await house.take(Inbound(PHONE, "余额"))
    assert len(await house.rows()) == 1
    house.now += timedelta(minutes=2)
    await house.take(Inbound(PHONE, "余额"))
    assert len(await house.rows()) == 2


async def test_without_an_id_only_the_newest_words_are_a_repeat(house: House) -> None:
    """Who opts out, in, and out again within a minute is out."""
    for words in ("TD", "TD", "KT", "TD", "TD"):
        house.now += timedelta(seconds=5)
        await house.take(Inbound(PHONE, words))
    assert await house.texts() == ["TD", "KT", "TD"]
    await house.take(Inbound(PHONE, "KT"), Inbound(PHONE, "TD"), Inbound(PHONE, "TD"), Inbound("13900000002", "TD"))
    assert await house.texts() == ["TD", "KT", "TD", "KT", "TD", "TD"], "in one transaction as well"


def part(n: int, text: str, parts: int = 3, group: str = "g7") -> Inbound:
    return Inbound(PHONE, text, id=f"id-{group}-{n}-{text}", part=n, parts=parts, group=group)


@pytest.mark.parametrize("order", list(itertools.permutations([1, 2, 3])))
async def test_parts_in_any_order_and_doubled_are_one_text(house: House, order: tuple[int, ...]) -> None:
    words = {1: "我想", 2: "查一下", 3: "余额"}
    for n in order:
        await house.take(part(n, words[n]), part(n, words[n]))
    assert await house.texts() == ["我想查一下余额"]
    await house.take(*(part(n, words[n]) for n in order))
    assert await house.texts() == ["我想查一下余额"], "the whole again is a repeat"


async def test_a_missing_part_is_not_waited_for_for_ever(house: House) -> None:
    await house.take(part(3, "余额"), part(1, "我想查"))
    await house.inbox.join_late()
    assert await house.texts() == []
    house.now += timedelta(minutes=3)
    await house.inbox.join_late()
    assert await house.texts() == ["我想查余额"]
    await house.take(part(2, "一下"))
    await house.inbox.join_late()
    assert await house.texts() == ["我想查余额"], "too late: it has been answered"


async def test_a_phone_that_counts_anew_is_another_text(house: House) -> None:
    await house.take(part(1, "余", 2), part(2, "额", 2))
    await house.take(part(1, "明", 2), part(2, "细", 2))
    assert await house.texts() == ["余额", "明细"]


async def test_a_part_that_is_missing_is_not_taken_from_the_next_text(house: House) -> None:
    """Some phones give every long text the same number."""
    await house.take(part(1, "甲一", 2))
    await house.take(part(1, "乙一", 2), part(1, "乙一", 2), part(2, "乙二", 2))
    assert await house.texts() == ["甲一", "乙一乙二"]


async def test_parts_of_two_phones_do_not_mix(house: House) -> None:
    other = Inbound("13900000002", "额", part=2, parts=2, group="g7")
    await house.take(part(1, "余", 2), other)
    assert await house.texts() == []


@pytest.mark.parametrize("n, parts", [(0, 3), (4, 3), (1, 99), (-1, -1)])
async def test_nonsense_about_parts_is_a_text_of_its_own(house: House, n: int, parts: int) -> None:
    await house.take(part(n, "余额", parts))
    assert await house.texts() == ["余额"]


async def test_parts_are_forgotten(house: House) -> None:
    await house.take(part(1, "余", 2), part(2, "额", 2))
    assert await house.parts() == 2
    house.now += timedelta(hours=2)
    await house.inbox.join_late()
    assert await house.parts() == 0


async def test_a_lost_key_costs_its_part_only(house: House, store: Store) -> None:
    await house.take(part(1, "余额", 2))
    async with store.write() as connection:
        await connection.execute(inbound_part.update().values(body=b"not ours"))
    await house.take(part(2, "明细", 2))
    assert await house.texts() == ["明细"]


async def test_texts_are_emptied_and_then_removed(house: House, store: Store) -> None:
    await house.take(Inbound(PHONE, "余额", id="1"), Inbound(PHONE, "明细", id="2"))
    async with store.write() as connection:
        answered = inbound.update().where(inbound.c.id == (await house.rows())[0].id)
        await connection.execute(answered.values(state="answered"))
    for days, bodies in ((29, [True, True]), (31, [False, True]), (181, [])):
        await remove_old(store, 180, 30, lambda days=days: NOW + timedelta(days=days))  # type: ignore[misc]
        assert [bool(row.body) for row in await house.rows()] == bodies, "one that waits is still to be answered"


async def test_joined_parts_are_sealed_again_under_a_new_key(house: House, store: Store) -> None:
    await house.take(part(1, "余", 2), part(2, "额", 2), part(1, "明", 2, "g8"))
    assert (await reseal(store))[1] == 0, "nothing that no key opens"


async def test_very_long_ones_are_cut(house: House) -> None:
    await house.take(Inbound(PHONE, "长" * 100_000, id="1"))
    assert [len(text) for text in await house.texts()] == [2000]
