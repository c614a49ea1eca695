"""Whatever is tried by whomever and whenever, tries are counted by the rule of `fund.pins`, told here once more, plainly.

And what the rule is for holds: nobody but the own phone locks the own phone out, and no account stands more guesses.
"""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cryptography.fernet import Fernet
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import create_async_engine

from fund.pins import LIGHT, Pins
from fund.privacy import Privacy
from fund.tables import metadata

AT = datetime(2026, 3, 2, 10, 7, tzinfo=UTC)
PIN, WRONG = "135790", "246802"
OWNERS = {"321100001": "13900000001", "321100002": "13900000002"}
CALLERS = [*OWNERS.values(), "02588888888", None]
LOCKS = {3: timedelta(minutes=15), 6: timedelta(hours=1), 9: timedelta(hours=24)}
PRIVACY = Privacy(b"p" * 32, [Fernet.generate_key().decode()])

Call = tuple[str, str | None, bool, float]  # account, calling number, whether the PIN is right, minutes since the last
calls = st.lists(
    st.tuples(
        st.sampled_from(list(OWNERS)),
        st.sampled_from(CALLERS),
        st.booleans() | st.just(False),
        st.sampled_from([0.0, 0.0, 1.0, 14.0, 16.0, 61.0, 1500.0]),
    ),
    max_size=40,
)


@dataclass
class Count:
    """Wrong ones by one caller or at one account."""

    tries: int = 0
    last: datetime = AT
    unlocked: bool = False  # something was given back since: no lock holds any more

    def add(self, at: datetime) -> None:
        self.tries = self.tries + 1 if at < self.last + timedelta(hours=24) else 1
        self.last, self.unlocked = at, False

    def locked(self, at: datetime) -> bool:
        return not self.unlocked and self.tries in LOCKS and at < self.last + LOCKS[self.tries]

    def give_back(self, spent: int) -> None:
        self.tries, self.unlocked = max(self.tries - spent, 0), True


@dataclass
class Rule:
    """The rule, in memory."""

    accounts: dict[str, Count] = field(default_factory=lambda: defaultdict(Count))
    owners: dict[str, Count] = field(default_factory=lambda: defaultdict(Count))
    callers: dict[str, Count] = field(default_factory=lambda: defaultdict(Count))
    withheld: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def check(self, account: str, caller: str | None, right: bool, at: datetime) -> str:
        own = caller == OWNERS[account]
        mine = (self.owners if own else self.accounts)[account]
        hour = f"{at:%d-%H}"
        number = self.callers[caller] if caller else Count()
        if mine.locked(at) or number.locked(at) or (not caller and self.withheld[hour] >= 30):
            return "locked"
        mine.add(at)
        number.add(at)
        self.withheld[hour] += not caller
        if right:
            number.give_back(mine.tries)
            self.withheld[hour] = max(self.withheld[hour] - mine.tries * (not caller), 0)
            mine.tries = 0
            return "ok"
        if own and not self.accounts[account].locked(at):
            self.accounts[account].add(at)
        over = mine.tries % 3 == 0 or (number.tries % 3 == 0 if caller else self.withheld[hour] >= 30)
        return "locked" if over else "wrong"


async def outcomes(made: list[Call]) -> list[tuple[str, str]]:
    """What the database says and what the rule says, call by call."""
    with TemporaryDirectory() as folder:
        engine = create_async_engine(f"sqlite+aiosqlite:///{Path(folder) / 'pins.db'}")
        async with engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
        pins, rule, at, said = Pins(engine, PRIVACY, cost=LIGHT), Rule(), AT, []
        await pins.seed([(account, PIN) for account in OWNERS], AT)
        for account, caller, right, minutes in made:
            at += timedelta(minutes=minutes)
            own: dict[str, Any] = {"own": caller == OWNERS[account]}
            found = await pins.check(account, caller, PIN if right else WRONG, at, **own)
            said.append((found.outcome, rule.check(account, caller, right, at)))
        await engine.dispose()
    return said


@settings(max_examples=60, deadline=None)
@given(calls)
def test_every_sequence_of_calls_is_counted_by_the_rule(made: list[Call]) -> None:
    said = asyncio.run(outcomes(made))
    assert [found for found, _ in said] == [expected for _, expected in said]


@settings(max_examples=40, deadline=None)
@given(calls)
def test_nothing_that_others_do_locks_the_own_phone(made: list[Call]) -> None:
    account, owner = next(iter(OWNERS.items()))
    others = [call for call in made if call[1] != owner]
    said = asyncio.run(outcomes([*others, (account, owner, True, 0.0)]))
    assert said[-1][0] == "ok"


def test_an_account_stands_nine_guesses_a_day_however_many_numbers_a_stranger_has() -> None:
    every_five_minutes = [("321100001", f"025{n:08d}", False, 5.0) for n in range(24 * 12)]
    said = [found for found, _ in asyncio.run(outcomes(every_five_minutes))]
    assert said.count("wrong") == 6, "and each third one locks"
