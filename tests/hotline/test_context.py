"""Who is calling and why: gathered from real records, the demo ledger and the desk, on both databases."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from desk.orders import Orders
from desk.tables import queue_visits
from fund import demo
from fund.ledger import Ledger
from fund.privacy import Privacy
from hotline.context import Context, Contexts
from hotline.database import open_database
from ivr.call import Call
from ivr.records import CallRecords
from ivr.state import State
from ivr.way import Stop, met_at, way
from tests.desk.conftest import weekdays
from tests.hotline.staff.desk import OneFlow
from tests.ivr.golden import BEGIN, flow_of

PRIVACY = Privacy(b"p" * 32, [Fernet.generate_key().decode()])
BOUND, SENIOR, STRANGER = "13900000001", "13900000003", "13911112222"
FLOW = flow_of(
    {
        "nodes": {
            "start": {"menu": {"1": {"say": "查询个人账户", "short": "个人账户", "go": "who"}, "2": {"say": "贷款业务", "go": "loan"}}},
            "who": {"identify": "employee", "next": "balance", "failed": "agent"},
            "balance": {"report": "balance", "say": "余额{balance}", "next": "start", "unavailable": "agent"},
            "loan": {"say": "贷款说明", "next": "start"},
        }
    }
)  # fmt: skip


class Records:
    """Calls that happened, and what is told of them."""

    def __init__(self, engine: AsyncEngine, ledger: AsyncEngine) -> None:
        self.engine = engine
        self.orders = Orders(engine, PRIVACY, weekdays, clock=lambda: BEGIN)
        self.contexts = Contexts(engine, PRIVACY, Ledger(ledger), OneFlow(FLOW), self.orders, lambda: BEGIN)

    async def call(
        self, id: str, caller: str, *nodes: str, minutes: float = 0, outcome: str = "", account: str = "",
        looks: tuple[tuple[str, str], ...] = (), waiting: str = "keys",
    ) -> None:  # fmt: skip
        began = BEGIN + timedelta(minutes=minutes)
        person = {"kind": "employee", "account": account} if account else None
        call = Call(
            id,
            "asterisk",
            State("v1", caller, began.isoformat(), node="main/start", outcome=outcome, person=person, waiting=waiting),
        )
        call.steps = [(f"main/{node}", began) for node in nodes]
        call.ended_at = began + timedelta(minutes=1) if outcome else None
        records = CallRecords(self.engine, PRIVACY)
        await records.start()
        for action, said in looks:
            records.note(id, action, said, account, began)
        await records.save(call)
        await records.stop()

    async def of(self, id: str) -> Context:
        found = await self.contexts.of(id)
        assert found
        return found


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo ledger, made once."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"

    async def make() -> None:
        engine = open_database(f"sqlite+aiosqlite:///{path}")
        await demo.create(engine, BEGIN.date())
        await engine.dispose()

    asyncio.run(make())
    return path


@pytest.fixture
async def records(engine: AsyncEngine, ledger: Path) -> AsyncIterator[Records]:
    read = open_database(f"sqlite+aiosqlite:///{ledger}", read_only=True)
    yield Records(engine, read)
    await read.dispose()


async def test_a_caller_who_proved_who_they_are_and_heard_the_balance(records: Records) -> None:
    person = next(each for each in demo.people(BEGIN.date()) if each.phone == BOUND)
    looks = (
        ("identify:phone", "wrong"),
        ("identify:phone", "ok"),
        ("report:balance", "ok"),
        ("report:loan", "nothing"),
    )
    await records.call("c1", BOUND, "start", "who", "balance", "start", "agent", account=person.account, looks=looks)
    context = await records.of("c1")
    assert (context.caller, context.account, context.name) == (BOUND, person.account, person.name)
    assert (context.identified, context.kind, context.senior, context.queue) == ("phone", "employee", False, "general")
    assert context.way == [
        Stop("chose", "个人账户"), Stop("identify", ""), Stop("report", "账户余额"), Stop("transfer", "general"),
    ]  # fmt: skip
    assert context.heard == ["账户余额"]
    assert str(person.balance) not in str(context.as_json()), "figures are never in it"


async def test_masked_eyes_see_no_number_name_or_account(records: Records) -> None:
    person = next(each for each in demo.people(BEGIN.date()) if each.phone == BOUND)
    await records.call("c1", BOUND, "start", account=person.account)
    shown = str((await records.of("c1")).shown(full=False).as_json())
    assert "*******0001" in shown
    for secret in (BOUND, person.account, person.name):
        assert secret not in shown


@pytest.mark.parametrize(
    ("caller", "looks", "identified", "senior"),
    [
        (BOUND, (), "bound", False),
        (SENIOR, (), "bound", True),
        (STRANGER, (), "no", False),
        ("", (), "no", False),
        (STRANGER, (("identify:number", "wrong"),), "no", False),
    ],
)
async def test_who_is_known_without_a_pin(
    records: Records, caller: str, looks: Any, identified: str, senior: bool
) -> None:
    await records.call("c1", caller, "start", looks=looks)
    context = await records.of("c1")
    assert (context.identified, context.senior) == (identified, senior)
    assert bool(context.name) == (identified == "bound")


async def test_earlier_calls_and_open_orders_of_the_same_number(records: Records) -> None:
    await records.call("old", STRANGER, "start", "loan", minutes=-90, outcome="hung_up")
    await records.call("other", BOUND, "start", minutes=-80, outcome="hung_up")
    await records.call("now", STRANGER, "start")
    mine = await records.orders.open("complaint", caller=STRANGER, text="等太久")
    await records.orders.open("consult", caller=BOUND)
    done = await records.orders.open("consult", caller=STRANGER)
    await records.orders.move(done.number, "closed", "wang", outcome="已说明")
    context = await records.of("now")
    assert [(each.id, each.last, each.outcome) for each in context.earlier] == [("old", "贷款业务", "hung_up")]
    assert [(each.number, each.kind, each.late) for each in context.orders] == [(mine.number, "complaint", False)]
    assert "等太久" not in str(context.as_json())


async def test_withheld_numbers_are_nobody_in_particular(records: Records) -> None:
    await records.call("a", "", "start", minutes=-5, outcome="transferred")
    await records.call("b", "", "start")
    context = await records.of("b")
    assert context.earlier == [] and not context.sent_around


async def test_sent_around_twice_within_a_day(records: Records) -> None:
    await records.call("yesterday", STRANGER, "agent", minutes=-26 * 60, outcome="transferred")
    await records.call("morning", STRANGER, "agent", minutes=-60, outcome="transferred")
    assert not (await records.of("morning")).sent_around
    await records.call("now", STRANGER, "agent", waiting="keys")
    assert not (await records.of("now")).sent_around
    await records.call("now", STRANGER, "agent", waiting="transfer")
    assert (await records.of("now")).sent_around
    async with records.engine.begin() as connection:
        visit = {"call_id": "now", "queue": "loan", "entered_at": BEGIN, "agent": "", "how": ""}
        await connection.execute(insert(queue_visits).values(visit))
    context = await records.of("now")
    assert context.sent_around and context.queue == "loan"


async def test_what_is_known_stays_known_until_the_caller_is_forgotten(records: Records) -> None:
    await records.call("c1", BOUND, "start", outcome="transferred")
    assert (await records.of("c1")).caller == BOUND


async def test_a_ledger_that_is_away_leaves_the_rest(engine: AsyncEngine) -> None:
    records = Records(engine, engine)  # a database without the ledger's views
    await records.call("c1", BOUND, "start", "loan")
    context = await records.of("c1")
    assert (context.name, context.identified, context.caller) == ("", "no", BOUND)
    assert await records.contexts.of("nobody") is None


def test_a_node_is_called_what_callers_meet_there() -> None:
    nodes = {
        "start": {"menu": {"1": {"say": "听余额", "go": "who"}, "2": {"say": "申请材料", "go": "papers"}}},
        "who": {"identify": "employee", "next": "papers", "failed": "people"},
        "papers": {"say": "请带身份证。", "next": "onward"},
        "onward": {"say": "感谢来电。", "next": "people"},
        "people": {"transfer": "general", "failed": "start"},
    }
    assert met_at(flow_of({"nodes": nodes})) == {
        "main/start": Stop("menu", ""),
        "main/who": Stop("identify", ""),
        "main/papers": Stop("chose", "申请材料"),
        "main/people": Stop("transfer", "general"),
        "main/agent": Stop("transfer", "general"),  # which every flow here has
    }


def test_a_way_through_another_flow_leaves_out_what_is_not_there() -> None:
    assert way(FLOW, ["main/gone", "main/start", "main/loan", "main/start", "main/loan"]) == [Stop("chose", "贷款业务")]
