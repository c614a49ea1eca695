"""Reminders are made once, from where a run stopped, whatever happens in the middle; on both engines."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from fund import demo, occasions
from fund.demo.tables import DETAIL, EMPLOYER
from fund.ledger import Ledger, LedgerAway
from hotline.database import open_database
from sms import templates as template_files
from sms.outbox import Outbox
from sms.reminder_kinds import KINDS, REMINDERS
from sms.reminders import Counts, Reminders
from sms.sender import Sender
from sms.settings import TextSettings
from sms.store import Store
from sms.tables import message, opt_out

TODAY = date(2026, 3, 2)
TEMPLATES = template_files.load(Path("prompts/sms.yaml"))
BORROWER, DEBTOR = "13900000001", "13900000004"


@pytest.fixture(scope="module")
def ledger_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('ledger') / 'ledger.db'}"

    async def make() -> None:
        engine = open_database(url)
        await demo.create(engine, TODAY)
        await engine.dispose()

    asyncio.run(make())
    return url


class House:
    """Reminders on a clock of their own."""

    def __init__(self, store: Store, engine: AsyncEngine) -> None:
        self.now, self.store, self.engine = datetime(2026, 3, 2, 2, 0, tzinfo=UTC), store, engine
        self.outbox = Outbox(store, lambda: self.now)
        self.reminders = self.process()

    def process(self, at: time | None = time(9), ledger: Ledger | None = None, **only: Any) -> Reminders:
        sender = Sender(self.outbox, TEMPLATES, TextSettings())
        return Reminders(self.store, sender, ledger or Ledger(self.engine), at, only.get("kinds", frozenset(KINDS)))

    async def sent(self) -> list[tuple[str, str]]:
        wanted = select(message.c.template, message.c.to_masked).order_by(message.c.id)
        async with self.store.read() as connection:
            return [(template, to) for template, to in await connection.execute(wanted)]

    async def templates(self) -> set[str]:
        return {template for template, _ in await self.sent()}

    async def counts(self) -> dict[str, Counts]:
        return {run.kind: run.counts for run in await self.reminders.runs() if run.done_at}


@pytest.fixture
async def house(store: Store, ledger_url: str) -> AsyncIterator[House]:
    engine = open_database(ledger_url, read_only=True)
    yield House(store, engine)
    await engine.dispose()


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """So few a page that every kind takes several."""
    monkeypatch.setattr(occasions, "PAGE", 3)


def test_every_kind_has_its_template() -> None:
    assert set(REMINDERS) == set(KINDS)
    assert all(TEMPLATES[each.template].lane == "notice" for each in REMINDERS.values())


async def test_a_day(house: House) -> None:
    await house.reminders.tick()
    assert await house.templates() == {"repayment_due", "overdue", "employer_behind", "certificate_ending"}
    counts = await house.counts()
    assert set(counts) == {"due", "overdue", "behind", "certificate"}, "interest is for July"
    for each in counts.values():
        assert each.queued and each.found == each.queued + each.no_phone + each.turned_off + each.refused
    sent = await house.sent()
    assert ("repayment_due", "*******0001") in sent and ("overdue", "*******0004") in sent
    (first,) = [each for each in await house.outbox.claim(["notice"], 1000, 30) if each.to == BORROWER]
    assert "将于2026年3月5日还款" in first.text
    await house.reminders.tick()
    assert await house.sent() == sent


async def test_not_before_the_hour_and_not_without_one(house: House) -> None:
    house.now = datetime(2026, 3, 2, 0, 59, tzinfo=UTC)
    await house.reminders.tick()
    await house.process(at=None).tick()
    assert await house.sent() == []
    await house.process(kinds=frozenset({"overdue"})).tick()
    assert await house.sent() == []
    house.now += timedelta(minutes=1)
    await house.process(kinds=frozenset({"overdue"})).tick()
    assert await house.templates() == {"overdue"}


async def test_the_next_day_says_nothing_twice(house: House) -> None:
    await house.reminders.tick()
    before = await house.sent()
    house.now += timedelta(days=1)
    await house.reminders.tick()
    runs = [run for run in await house.reminders.runs() if run.day == date(2026, 3, 3)]
    queued = {run.kind: run.counts.queued for run in runs}
    assert (queued["overdue"], queued["behind"]) == (0, 0), "employers are dunned once a month"
    fresh = (await house.sent())[len(before) :]
    assert {template for template, _ in fresh} <= {"repayment_due", "certificate_ending"}


async def test_what_is_overdue_is_told_once_a_payment_and_not_again_when_the_month_turns(house: House) -> None:
    house.now = datetime(2026, 2, 28, 2, 0, tzinfo=UTC)
    first = await house.reminders.now("overdue")
    house.now += timedelta(days=1)
    assert ((await house.reminders.now("overdue")).queued, first.queued > 0) == (0, True)
    once, month = REMINDERS["overdue"].once, timedelta(days=31)
    owed = {"tail": "0004", "overdue_count": 2, "next_date": date(2026, 3, 20)}
    paid_one = owed | {"next_date": date(2026, 4, 20)}
    assert once(owed, date(2026, 3, 20)) != once(paid_one, date(2026, 3, 21))
    over = owed | {"next_date": None}
    for ended in (owed, over):
        assert once(ended, date(2026, 5, 1)) != once(ended, date(2026, 5, 1) + month)


async def test_a_first_that_was_missed_is_made_up_for(house: House) -> None:
    house.now = datetime(2026, 3, 7, 2, 0, tzinfo=UTC)
    await house.reminders.tick()
    assert "employer_behind" in await house.templates()
    house.now = datetime(2026, 4, 8, 2, 0, tzinfo=UTC)
    assert "behind" not in house.reminders.in_season()


async def test_interest_goes_out_from_the_first_of_july(house: House) -> None:
    house.now = datetime(2025, 6, 30, 2, 0, tzinfo=UTC)
    assert "interest" not in house.reminders.in_season()
    house.now = datetime(2025, 7, 1, 2, 0, tzinfo=UTC)
    assert "interest" in house.reminders.in_season()
    counts = await house.reminders.now("interest")
    assert counts.found > 600 and counts.queued > 400
    claimed = await house.outbox.claim(["notice"], 1, 30)
    assert "已于2025年6月30日完成年度结息，利息" in claimed[0].text


async def test_interest_that_is_booked_late_is_told_on_a_later_day(store: Store, tmp_path: Path) -> None:
    ledger = open_database(f"sqlite+aiosqlite:///{tmp_path / 'late.db'}")
    await demo.create(ledger, TODAY)
    booked = DETAIL.c.day == date(2025, 6, 30)
    async with ledger.begin() as connection:
        lines = [dict(row) for row in (await connection.execute(select(DETAIL).where(booked))).mappings()]
        await connection.execute(delete(DETAIL).where(booked))
    house = House(store, ledger)
    house.now = datetime(2025, 7, 1, 2, 0, tzinfo=UTC)
    await house.reminders.tick()
    assert "interest" not in await house.templates()
    async with ledger.begin() as connection:
        await connection.execute(insert(DETAIL), lines)
    for _ in range(2):
        house.now += timedelta(days=1)
        await house.reminders.tick()
    await ledger.dispose()
    queued = [run.counts.queued for run in await house.reminders.runs() if run.kind == "interest"]
    assert queued[0] == queued[2] == 0 and queued[1] > 400, "on the second of three days, and once"


class Faulty(Ledger):
    """A ledger that goes away after so many questions."""

    def __init__(self, engine: AsyncEngine, answers: int) -> None:
        super().__init__(engine)
        self.left = answers

    async def _ask(self, statement: Any, **values: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise LedgerAway("for a test")
        return await super()._ask(statement, **values)


@pytest.mark.parametrize("answers", range(1, 9))
async def test_a_ledger_that_goes_away_in_the_middle(house: House, small_pages: None, answers: int) -> None:
    due = {"kinds": frozenset({"due"})}
    await house.process(ledger=Faulty(house.engine, answers), **due).tick()
    half = len(await house.sent())
    await house.process(**due).tick()
    whole = await house.sent()
    assert len(whole) >= half and len(whole) == len(set(whole))
    counts = (await house.counts())["due"]
    assert (counts.queued, counts.repeated) == (len(whole), 0), "nothing was done again"
    assert counts.found == (await house.reminders.dry("due")).found


async def test_killed_in_the_middle_another_goes_on_when_the_lease_is_over(house: House, small_pages: None) -> None:
    class Dies(BaseException):
        pass

    class Dying(Faulty):
        async def _ask(self, statement: Any, **values: Any) -> Any:
            if self.left == 0:
                raise Dies
            return await super()._ask(statement, **values)

    with pytest.raises(Dies):
        await house.process(ledger=Dying(house.engine, 3), kinds=frozenset({"due"})).tick()
    half = await house.sent()
    other = house.process(kinds=frozenset({"due"}))
    await other.tick()
    assert await house.sent() == half, "it may still be at it"
    house.now += timedelta(minutes=3)
    await other.tick()
    whole = await house.sent()
    assert len(whole) > len(half) and (await house.counts())["due"].repeated == 0


async def test_two_processes_do_it_once(house: House) -> None:
    await asyncio.gather(house.reminders.tick(), house.process().tick(), house.process().tick())
    counts = await house.counts()
    assert all(each.repeated == 0 for each in counts.values())
    assert len(await house.sent()) == sum(each.queued for each in counts.values())


async def test_turned_off(house: House) -> None:
    async with house.store.write() as connection:
        rows = [{"to_hash": house.store.phone(phone), "kind": "loan", "at": house.now} for phone in (BORROWER, DEBTOR)]
        await connection.execute(insert(opt_out), rows)
    await house.reminders.tick()
    sent = await house.sent()
    assert ("repayment_due", "*******0001") not in sent
    assert ("overdue", "*******0004") in sent, "what has consequences is told all the same"
    assert (await house.counts())["due"].turned_off == 1


async def test_a_dry_run_counts_and_does_nothing(house: House) -> None:
    would = await house.reminders.dry("due")
    assert await house.sent() == [] and await house.reminders.runs() == []
    assert asdict(await house.reminders.now("due")) == asdict(would)
    after = await house.reminders.dry("due")
    assert (after.queued, after.repeated) == (0, would.queued)


async def test_now_again_reminds_nobody_again(house: House) -> None:
    first = await house.reminders.now("overdue")
    again = await house.reminders.now("overdue")
    assert (again.queued, again.repeated) == (0, first.queued)


async def test_without_a_ledger(house: House) -> None:
    sender = Sender(house.outbox, TEMPLATES, TextSettings())
    reminders = Reminders(house.store, sender, None, time(9), frozenset(KINDS))
    await reminders.tick()
    with pytest.raises(LedgerAway):
        await reminders.now("due")


async def test_who_has_a_land_line_is_called(store: Store, tmp_path: Path) -> None:
    called: dict[str, tuple[str, str]] = {}

    async def speak(number: str, text: str, key: str) -> bool:
        fresh = key not in called
        called[key] = (number, text)
        return fresh

    ledger = open_database(f"sqlite+aiosqlite:///{tmp_path / 'landlines.db'}")
    await demo.create(ledger, TODAY)
    async with ledger.begin() as connection:
        await connection.execute(update(EMPLOYER).values(handler_phone="051185212579"))
    house = House(store, ledger)
    silent = await house.process().now("behind")  # the command line, which has no telephone
    assert silent.no_phone == silent.found > 0 and not called
    service = house.process(kinds=frozenset({"behind"}))
    service.speak = speak
    await service.tick()
    assert len(called) == silent.found and (await house.counts())["behind"].found == silent.found
    called.clear()
    house.reminders.speak = speak
    first = await house.reminders.now("behind")
    again = await house.reminders.now("behind")
    await ledger.dispose()
    assert (first.spoken, first.no_phone, again.spoken) == (first.found, 0, 0) and again.repeated == first.found > 0
    assert {number for number, _ in called.values()} == {"051185212579"} and len(called) == first.found
    assert await house.sent() == [] and all("短信" not in text for _, text in called.values())
