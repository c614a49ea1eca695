"""The demo ledger through the documented views, on both engines: people, reports, occasions, and a ledger that fails."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from fund import demo
from fund.fields import REPORTS, VALUE_TYPES
from fund.ledger import Ledger, LedgerAway
from fund.weak_pins import is_weak
from hotline.database import open_database
from ivr.numbers import is_id_card
from tests.databases import Postgres

TODAY = date(2026, 3, 2)
PEOPLE = {person.account: person for person in demo.people(TODAY)}
FIRST = demo.people(TODAY)[0]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def ledger_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The demo ledger of one day on each engine in turn; nobody writes to it, so one is enough for all tests."""
    if request.param == "sqlite":
        url = f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('ledger') / 'ledger.db'}"
        asyncio.run(_create(url))
        yield url
    else:
        server: Postgres = request.getfixturevalue("postgres_server")
        server.run("CREATE DATABASE demo_ledger")
        asyncio.run(_create(server.url("demo_ledger")))
        yield server.url("demo_ledger")
        server.run("DROP DATABASE demo_ledger WITH (FORCE)")


async def _create(url: str) -> None:
    engine = open_database(url)
    await demo.create(engine, TODAY)
    await engine.dispose()


@pytest.fixture
async def reading(ledger_url: str) -> AsyncIterator[AsyncEngine]:
    engine = open_database(ledger_url, read_only=True)
    yield engine
    await engine.dispose()


@pytest.fixture
def ledger(reading: AsyncEngine) -> Ledger:
    return Ledger(reading, limit_seconds=20)


async def rows(engine: AsyncEngine, query: str) -> list[tuple[object, ...]]:
    async with engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(query))]


async def test_the_demo_is_as_large_and_various_as_it_says(ledger: Ledger, reading: AsyncEngine) -> None:
    people = await rows(reading, "SELECT ZJHM, GRZHZT, SJHM FROM hotline_employee")
    assert len(people) == 1000
    assert len(await rows(reading, "SELECT DWZH FROM hotline_employer")) == 40
    assert {state for _, state, _ in people} == {"01", "02", "03", "04", "05", "06", "99"}
    assert {state for (state,) in await rows(reading, "SELECT DWZHZT FROM hotline_employer")} >= {
        "01",
        "02",
        "03",
        "04",
        "05",
    }
    ages = [TODAY.year - int(str(card)[6:10]) for card, _, _ in people]
    assert min(ages) <= 23 and max(ages) >= 79
    assert all(is_id_card(str(card)) for card, _, _ in people), "a caller may key any of them in"
    overdue = Counter(count > 0 for (count,) in await rows(reading, "SELECT LJYQQS FROM hotline_loan"))  # type: ignore[operator]
    assert overdue[True] >= 10 and overdue[False] >= 100
    years = {str(day)[:4] for (day,) in await rows(reading, "SELECT DISTINCT JZRQ FROM hotline_detail")}
    assert years >= {"2023", "2024", "2025", "2026"}


async def test_the_lines_add_up_to_the_balance(ledger: Ledger) -> None:
    for person in PEOPLE.values():
        if person.kind == "employee" and (report := await ledger.report("balance", person.account)):
            values = report.values
            assert values["carried"] + values["added"] == values["balance"] == Decimal(person.balance or "")  # type: ignore[operator]
            assert values["mine"] + values["employers"] == values["monthly"]  # type: ignore[operator]
            details = await ledger.report("details", person.account)
            assert details and details.rows[0]["balance"] == values["balance"]


def test_the_demo_is_the_same_every_time() -> None:
    assert demo.people(TODAY) == demo.people(TODAY)
    one, other = (dict(demo.pins()) for _ in range(2))
    assert one == other
    assert not [pin for account, pin in one.items() if is_weak(pin, account)]


async def test_who_is_who(ledger: Ledger) -> None:
    by_phone = await ledger.by_phone(FIRST.phone)
    assert by_phone and by_phone.account == FIRST.account and by_phone.bound and by_phone.birth == FIRST.birth
    assert FIRST.id_card
    for number in (FIRST.account, FIRST.id_card, FIRST.id_card.lower()):
        assert await ledger.by_number("employee", number) == by_phone
    employer = next(person for person in PEOPLE.values() if person.kind == "employer")
    unit = await ledger.by_number("employer", employer.account)
    assert unit and (unit.kind, unit.phone) == ("employer", employer.phone)
    for nobody in ("999999999", "", "' OR 1=1 --", "3" * 200):
        assert await ledger.by_number("employee", nobody) is None
        assert await ledger.by_phone(nobody) is None


async def test_an_unbound_phone_and_one_that_two_have_bound_are_nobodys(ledger: Ledger) -> None:
    unbound = next(person for person in PEOPLE.values() if person.kind == "employee" and not person.bound)
    assert await ledger.by_phone(unbound.phone) is None
    shared = next(person for person in PEOPLE.values() if person.special.startswith("与另一人"))
    assert await ledger.by_phone(shared.phone) is None
    assert (await ledger.by_number("employee", shared.account)) is not None


async def test_a_person_is_masked_in_what_is_printed(ledger: Ledger) -> None:
    assert repr(await ledger.by_phone(FIRST.phone)) == "<employee *****0001>"


@pytest.mark.parametrize("name", REPORTS)
async def test_every_report_has_every_field_of_its_kind(ledger: Ledger, name: str) -> None:
    report = REPORTS[name]
    filled = 0
    for person in PEOPLE.values():
        if person.kind == report.audience and (data := await ledger.report(name, person.account)):
            filled += 1
            _of_their_kinds(report.fields, data.values)
            for row in data.rows:
                _of_their_kinds(report.rows or {}, row)
    assert filled
    assert await ledger.report(name, "999999999") is None or name == "details"


def _of_their_kinds(fields: object, values: object) -> None:
    assert isinstance(fields, dict) and isinstance(values, dict) and set(fields) == set(values)
    for name, value in values.items():
        assert value is None or isinstance(value, VALUE_TYPES[fields[name].kind]), name


async def test_the_figures_of_the_first_demo_person(ledger: Ledger) -> None:
    balance = await ledger.report("balance", FIRST.account)
    assert balance
    assert balance.values["balance"] == Decimal("12345.67")
    assert (balance.values["state"], balance.values["paid_to"]) == ("正常", "2026-02")
    loan = await ledger.report("loan", FIRST.account)
    assert loan and loan.values["next_date"] == date(2026, 3, 5) and loan.values["overdue_count"] == 0
    debtor = next(person for person in PEOPLE.values() if "逾期" in person.special)
    owed = await ledger.report("loan", debtor.account)
    assert owed and owed.values["overdue_count"] and owed.values["overdue_amount"] > Decimal(0)  # type: ignore[operator]


async def test_details_of_one_month(ledger: Ledger) -> None:
    february = await ledger.report("details", FIRST.account, "2026-02")
    assert february and february.rows
    assert all(date(2026, 2, 1) <= row["date"] < date(2026, 3, 1) for row in february.rows)  # type: ignore[operator]
    before = await ledger.report("details", FIRST.account, "1999-01")
    assert before and before.values["count"] == 0


async def test_whom_to_remind(ledger: Ledger) -> None:
    due = [
        one.person.account async for page in ledger.due(date(2026, 3, 3), date(2026, 3, 5)) for one in page.occasions
    ]
    assert FIRST.account in due and len(due) == len(set(due))
    overdue = [one.values["overdue_count"] async for page in ledger.overdue() for one in page.occasions]
    assert overdue and all(overdue)
    behind = [one.person.account async for page in ledger.behind("2026-02") for one in page.occasions]
    assert any(person.account in behind for person in PEOPLE.values() if person.special == "欠缴两个月")
    pages = [page async for page in ledger.interest(date(2025, 6, 30))]
    interest = [one for page in pages for one in page.occasions]
    assert len(interest) > 500, "more than a page"
    assert len({one.person.account for one in interest}) == len(interest)
    rest = [page async for page in ledger.interest(date(2025, 6, 30), pages[0].last)]
    assert [page.last for page in rest] == [page.last for page in pages[1:]], "from where somebody stopped"


async def test_nobody_is_written_to_about_no_money(tmp_path: Path) -> None:
    engine = open_database(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}")
    await demo.create(engine, TODAY)
    ledger = Ledger(engine, limit_seconds=20)

    async def occasions() -> list[int]:
        searches = (
            ledger.due(date(2026, 3, 3), date(2026, 3, 5)),
            ledger.behind("2026-02"),
            ledger.interest(date(2025, 6, 30)),
        )
        return [len([one async for page in search for one in page.occasions]) for search in searches]

    assert all(await occasions())
    async with engine.begin() as connection:
        for table, amount in (("loan", "next_amount"), ("detail", "amount"), ("employer", "monthly")):
            await connection.execute(text(f"UPDATE demo_{table} SET {amount} = 0"))
    assert await occasions() == [0, 0, 0]
    await engine.dispose()


async def test_a_ledger_that_is_not_there_or_not_what_was_promised(tmp_path: Path, database_url: str) -> None:
    for url in (
        f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}",
        "postgresql+asyncpg://nobody@127.0.0.1:1/nothing",
        database_url,
    ):
        engine = open_database(url, read_only=True)
        ledger = Ledger(engine, limit_seconds=3)
        for question in (ledger.by_phone("13900000001"), ledger.report("balance", "1"), ledger.ready()):
            with pytest.raises(LedgerAway):
                await question
        await engine.dispose()


async def test_a_slow_ledger_is_given_up_and_recovers(tmp_path: Path) -> None:
    """A database that is busy for longer than the limit is away; when it is free again it answers again."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}"
    engine = open_database(url)
    await demo.create(engine, TODAY)
    reading = open_database(url, read_only=True)
    ledger = Ledger(reading, limit_seconds=0.2)
    async with engine.connect() as locking:
        await locking.exec_driver_sql("PRAGMA locking_mode=EXCLUSIVE")
        await locking.exec_driver_sql("BEGIN EXCLUSIVE")
        began = asyncio.get_running_loop().time()
        with pytest.raises(LedgerAway):
            await ledger.by_phone(FIRST.phone)
        assert asyncio.get_running_loop().time() - began < 3
        await locking.rollback()
    await engine.dispose()
    async with asyncio.timeout(20):
        while True:
            try:
                assert await ledger.by_phone(FIRST.phone)
                break
            except LedgerAway:
                await asyncio.sleep(0.1)
    await ledger.close()
    await reading.dispose()


async def test_the_embedded_ledger_cannot_be_written_through_our_engine(reading: AsyncEngine) -> None:
    if reading.dialect.name != "sqlite":
        return  # PostgreSQL: the DBA grants SELECT on the views, and nothing else
    with pytest.raises(Exception, match=r"readonly|read.only"):
        async with reading.connect() as connection:
            await connection.execute(text("DELETE FROM demo_employee"))
