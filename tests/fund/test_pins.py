"""Three tries, counted before they are compared, for the account and for the calling number; on both engines."""

import asyncio
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from fund.pins import LIGHT, WITHHELD_AN_HOUR, Cost, Pins
from fund.privacy import Privacy
from fund.tables import PIN_TRIES, PINS

AT = datetime(2026, 3, 2, 10, tzinfo=UTC)
ACCOUNT, PIN, WRONG, CALLER = "321100123", "135790", "246802", "13900000001"
PRIVACY = Privacy(b"p" * 32, [Fernet.generate_key().decode()])


@pytest.fixture
async def pins(engine: AsyncEngine) -> Pins:
    pins = Pins(engine, PRIVACY, cost=LIGHT)
    await pins.seed([(ACCOUNT, PIN), ("321100999", PIN)], AT)
    return pins


async def outcome(
    pins: Pins, pin: str, *, account: str = ACCOUNT, caller: str | None = CALLER, later: float = 0, own: bool = False
) -> str:
    return (await pins.check(account, caller, pin, AT + timedelta(hours=later), own=own)).outcome


async def test_right_and_wrong(pins: Pins) -> None:
    assert await outcome(pins, PIN) == "ok"
    checked = await pins.check(ACCOUNT, CALLER, WRONG, AT)
    assert (checked.outcome, checked.attempts_left) == ("wrong", 2)


async def test_every_third_wrong_one_locks_even_the_right_one_out_and_longer_each_time(pins: Pins) -> None:
    since = 0.0
    for hours in (0.25, 1, 24):
        assert [await outcome(pins, WRONG, later=since) for _ in range(3)] == ["wrong", "wrong", "locked"]
        locked = await pins.check(ACCOUNT, CALLER, PIN, AT + timedelta(hours=since))
        assert (locked.outcome, locked.locked_until) == ("locked", AT + timedelta(hours=since + hours))
        assert await outcome(pins, PIN, later=since + hours - 0.01) == "locked"
        since += hours
    assert await outcome(pins, PIN, later=since) == "ok"


async def test_the_account_is_locked_whoever_calls_and_the_caller_whatever_account(pins: Pins) -> None:
    for _ in range(3):
        await outcome(pins, WRONG)
    assert await outcome(pins, PIN, caller="13900000777") == "locked"
    assert await outcome(pins, PIN, account="321100999") == "locked"
    assert await outcome(pins, PIN, account="321100999", caller=None) == "ok"


async def test_strangers_never_lock_the_account_s_own_phone_out(pins: Pins) -> None:
    for caller in (None, "0085212345678", "+4915112345678", "02500000001"):
        await outcome(pins, WRONG, caller=caller)
    assert await outcome(pins, PIN, caller="02500000002") == "locked"
    assert await outcome(pins, WRONG, own=True) == "wrong"
    assert await outcome(pins, PIN, own=True) == "ok"
    assert await outcome(pins, PIN, caller="02500000002") == "locked", "what its owner does frees nobody else"


async def test_the_own_phone_is_held_to_three_tries_and_its_tries_count_for_everybody(pins: Pins) -> None:
    assert [await outcome(pins, WRONG, own=True) for _ in range(3)] == ["wrong", "wrong", "locked"]
    assert await outcome(pins, PIN, own=True) == "locked"
    assert await outcome(pins, PIN, caller="02500000002") == "locked"


async def test_callers_without_a_number_share_one_count(pins: Pins) -> None:
    """Or one PIN could be tried at every account there is."""
    guessed = [await outcome(pins, WRONG, account=f"3211{n:05d}", caller=None) for n in range(WITHHELD_AN_HOUR + 1)]
    assert guessed.index("locked") == WITHHELD_AN_HOUR
    withheld = await pins.check(ACCOUNT, None, PIN, AT + timedelta(minutes=5))
    assert (withheld.outcome, withheld.locked_until) == ("locked", AT + timedelta(hours=1))
    assert await outcome(pins, PIN, caller="02500000002") == "ok"
    assert await outcome(pins, PIN, caller=None, later=1) == "ok"


async def test_a_right_one_given_back_does_not_lock(pins: Pins) -> None:
    """Four, less the one that was right, are three: but the lock of the third is over."""
    for account in ("321100555", "321100556", "321100557"):
        await outcome(pins, WRONG, account=account)
    assert [await outcome(pins, PIN, later=0.3) for _ in range(3)] == ["ok", "ok", "ok"]


async def test_a_right_one_clears_the_account_but_gives_the_number_back_only_what_it_spent_there(pins: Pins) -> None:
    """Two wrong guesses at a stranger's account are not washed off by a right call to one's own."""
    for account in ("321100555", "321100556"):
        assert await outcome(pins, WRONG, account=account) in ("wrong", "unset")
    assert await outcome(pins, PIN) == "ok"
    assert await outcome(pins, WRONG, account="321100557") in ("locked", "unset")
    assert await outcome(pins, WRONG, account="321100558") == "locked"


async def test_who_hangs_up_over_a_right_one_has_spent_no_try(engine: AsyncEngine) -> None:
    pins = Pins(engine, PRIVACY, cost=Cost(19_456, 10, 1))
    await pins.seed([(ACCOUNT, PIN)], AT)
    calls = []
    async with asyncio.timeout(30):
        for _ in range(4):
            calls.append(asyncio.create_task(outcome(pins, PIN)))
            while not await counted(engine):
                await asyncio.sleep(0.001)
            calls[-1].cancel()
            while await counted(engine):
                await asyncio.sleep(0.01)
    assert any(call.cancelled() for call in calls)
    assert await outcome(pins, PIN) == "ok"


async def counted(engine: AsyncEngine) -> int:
    """The tries that are counted now."""
    async with engine.connect() as connection:
        return (await connection.execute(select(func.max(PIN_TRIES.c.tries)))).scalar() or 0


async def test_nobody_learns_whether_an_account_exists(pins: Pins) -> None:
    checked = [await pins.check("321100404", None, PIN, AT, known=False) for _ in range(3)]
    assert [(one.outcome, one.attempts_left) for one in checked] == [("wrong", 2), ("wrong", 1), ("locked", 0)]


async def test_guesses_side_by_side_get_no_extra_tries(pins: Pins) -> None:
    guesses = [f"{guess:06d}" for guess in range(100_000, 100_030)]
    found = Counter(await asyncio.gather(*(outcome(pins, guess, caller=None) for guess in guesses)))
    assert found["wrong"] == 2 and found["locked"] == 28


async def test_an_account_without_a_pin(pins: Pins) -> None:
    assert await outcome(pins, PIN, account="321100777") == "unset"


async def test_a_pin_is_set_by_entering_it_twice(pins: Pins) -> None:
    assert await pins.offer(ACCOUNT, "123456", None, None, AT) == "weak"
    assert await pins.confirm(ACCOUNT, "123456", AT) == "expired"
    assert await pins.offer(ACCOUNT, "928374", None, date(1985, 6, 18), AT) == "ok"
    assert await pins.confirm(ACCOUNT, "928375", AT) == "differs"
    assert await pins.confirm(ACCOUNT, "928374", AT) == "expired", "an offer is used up, right or wrong"
    await pins.offer(ACCOUNT, "928374", None, None, AT)
    assert await pins.confirm(ACCOUNT, "928374", AT + timedelta(minutes=11)) == "expired"
    for own in (True, False, True, True):
        await outcome(pins, WRONG, own=own)
    await pins.offer(ACCOUNT, "928374", None, None, AT)
    assert await pins.confirm(ACCOUNT, "928374", AT) == "set"
    assert await outcome(pins, "928374", caller=None) == "ok", "a new PIN ends the lock"
    assert await outcome(pins, "928374", caller="13900000002", own=True) == "ok"


async def test_what_is_kept_is_argon2id_bound_to_its_account(pins: Pins, engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        rows = (await connection.execute(select(PINS))).all()
        assert all(row.hash.startswith("$argon2id$") and ACCOUNT not in row.account for row in rows)
        assert len({row.hash for row in rows}) == 2
        one, other = (row.account for row in rows)
        await connection.execute(  # a thief with write access moves a known hash into another's row
            text("UPDATE pins SET hash = (SELECT hash FROM pins WHERE account = :one) WHERE account = :other"),
            {"one": one, "other": other},
        )
    assert sorted(
        [await outcome(pins, PIN, caller=None), await outcome(pins, PIN, account="321100999", caller=None)]
    ) == ["ok", "wrong"]


async def test_tidying_forgets_what_is_over(pins: Pins, engine: AsyncEngine) -> None:
    await outcome(pins, WRONG)
    await pins.offer(ACCOUNT, "928374", None, None, AT)
    await pins.tidy(AT + timedelta(hours=1))
    async with engine.connect() as connection:
        counts = [
            (await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one()
            for table in ("pin_tries", "pin_offers")
        ]
    assert counts == [2, 0]  # the account's and the caller's
    await pins.tidy(AT + timedelta(hours=25))
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM pin_tries"))).scalar_one() == 0
