"""Texts are answered once, crash or not, from the real keywords and a real demo ledger, on both engines."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from fund import demo
from fund.ledger import Ledger
from hotline.database import open_database
from hotline.text_world import TextWorld
from sms import templates as template_files
from sms.answers import Answers
from sms.inbound import Inbox
from sms.messages import Message
from sms.outbox import Outbox, Outcome
from sms.providers.base import Inbound
from sms.replies import Replies
from sms.sender import Sender
from sms.settings import TextSettings
from sms.store import Store
from sms.tables import audit, inbound, message, opt_out, text_session
from sms.wording import Wording

NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
TEMPLATES = template_files.load(Path("prompts/sms.yaml"))
BOUND, UNBOUND, NOBODY = "13900000001", "13900000002", "13812345678"


@pytest.fixture(scope="module")
def ledger_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('ledger') / 'ledger.db'}"

    async def make() -> None:
        engine = open_database(url)
        await demo.create(engine, date(2026, 3, 2))
        await engine.dispose()

    asyncio.run(make())
    return url


class House:
    """The way of a text in and its answer out, on a clock of its own."""

    def __init__(self, store: Store, ledger: Ledger | None) -> None:
        self.now, self.store = NOW, store
        self.outbox = Outbox(store, lambda: self.now)
        self.wording = Wording(Path("prompts/sms.yaml"), Path("flows/sms.yaml"))
        self.sender = Sender(self.outbox, TEMPLATES, TextSettings())
        self.replies = self.restart(ledger)
        self.inbox = Inbox(store, self.replies.wake, clock=lambda: self.now)

    def restart(self, ledger: Ledger | None) -> Replies:
        """A process that knows nothing but the database."""
        answers = Answers(TEMPLATES, TextWorld(ledger))
        self.replies = Replies(self.store, self.sender, self.wording, answers, lambda: self.now)
        return self.replies

    async def text(self, phone: str, words: str, id: str = "") -> list[str]:
        """Text us; the templates of all answers so far."""
        self.now += timedelta(minutes=1)
        await self.inbox.take("carrier", [Inbound(phone, words, id=id or f"{random.random()}")])
        await self.replies.answer_new()
        return [row.template for row in await self.sent(phone)]

    async def sent(self, phone: str) -> list[Any]:
        wanted = select(message).where(message.c.to_hash == self.store.phone(phone)).order_by(message.c.id)
        return await self.rows(wanted)

    async def rows(self, wanted: Any) -> list[Any]:
        async with self.store.read() as connection:
            return list((await connection.execute(wanted)).all())


@pytest.fixture
async def ledger(ledger_url: str) -> AsyncIterator[Ledger]:
    engine = open_database(ledger_url, read_only=True)
    yield Ledger(engine)
    await engine.dispose()


@pytest.fixture
def house(store: Store, ledger: Ledger) -> House:
    return House(store, ledger)


async def answer_all(replies: Replies) -> None:
    while await replies.answer_new():
        pass


async def test_one_person_is_answered_in_order(house: House) -> None:
    words = ["明细", "2月", "退订贷款", "KT", "余额"]
    await house.inbox.take("carrier", [Inbound(BOUND, each, id=each) for each in words])
    await answer_all(house.replies)
    told = [row.template for row in await house.sent(BOUND)]
    assert told == ["reply_which_month", "report_details", "opt_out_confirm", "opt_in_confirm", "report_balance"]


async def test_bound_unbound_and_nobody(house: House) -> None:
    assert await house.text(BOUND, "余额") == ["report_balance"]
    assert await house.text(UNBOUND, "余额") == await house.text(NOBODY, "余额") == ["reply_bind_first"]
    (reply,) = await house.sent(BOUND)
    assert (reply.lane, reply.client, reply.kind) == ("reply", "text", "")
    assert reply.account_hash == house.store.digest("account", "321000001")
    (heard,) = await house.rows(select(inbound).where(inbound.c.from_hash == house.store.phone(BOUND)))
    assert (heard.state, heard.answer) == ("answered", reply.id)


async def test_who_looked_at_what_is_audited(house: House) -> None:
    await house.text(BOUND, "余额")
    await house.text(UNBOUND, "余额")
    (line,) = await house.rows(select(audit))
    assert (line.client, line.action, line.subject) == ("text", "report:balance", "*****0001")
    assert "*******0001" in line.detail and BOUND not in line.detail


async def test_two_steps_with_the_question_kept_sealed_and_over_a_restart(house: House, ledger: Ledger) -> None:
    assert await house.text(BOUND, "明细") == ["reply_which_month"]
    (session,) = await house.rows(select(text_session))
    assert b"321000001" not in session.state and b"details" not in session.state
    house.restart(ledger)
    assert (await house.text(BOUND, "2月"))[-1] == "report_details"
    assert await house.rows(select(text_session)) == []


async def test_a_question_ends_by_itself(house: House) -> None:
    await house.text(BOUND, "明细")
    house.now += timedelta(minutes=11)
    assert (await house.text(BOUND, "202602"))[-1] == "reply_unknown"
    await house.text(BOUND, "明细")
    house.now += timedelta(minutes=11)
    await house.replies.forget_sessions()
    assert await house.rows(select(text_session)) == []


async def test_the_same_text_twice_is_answered_once(house: House) -> None:
    await house.text(BOUND, "余额", id="7")
    assert await house.text(BOUND, "余额", id="7") == ["report_balance"]


async def test_a_crash_between_storing_and_answering(house: House, ledger: Ledger) -> None:
    await house.inbox.take("carrier", [Inbound(BOUND, "余额", id="1")])
    house.restart(ledger)  # nobody answered; the next process finds it
    assert await house.replies.answer_new() == 1
    assert await house.replies.answer_new() == 0
    assert [row.template for row in await house.sent(BOUND)] == ["report_balance"]


async def test_two_processes_answer_once(house: House, ledger: Ledger) -> None:
    await house.inbox.take("carrier", [Inbound(BOUND, f"余额{n}", id=f"{n}") for n in range(5)])
    await house.inbox.take("carrier", [Inbound(UNBOUND, "退订贷款", id="x")])
    other = Replies(house.store, house.sender, house.wording, Answers(TEMPLATES, TextWorld(ledger)), lambda: house.now)
    await asyncio.gather(answer_all(house.replies), answer_all(other), answer_all(house.replies))
    assert len(await house.sent(BOUND)) == 5
    assert len(await house.sent(UNBOUND)) == 1


async def test_opting_out_and_in(house: House) -> None:
    assert await house.text(BOUND, "退订贷款") == ["opt_out_confirm"]
    assert await house.text(BOUND, "退订贷款") == ["opt_out_confirm"]
    assert {row.kind for row in await house.rows(select(opt_out))} == {"loan"}
    await house.text(BOUND, "TD全部")
    assert {row.kind for row in await house.rows(select(opt_out))} == {"*"}
    await house.text(BOUND, "开通贷款")
    assert {row.kind for row in await house.rows(select(opt_out))} == {"account", "employer", "policy"}
    await house.text(BOUND, "KT")
    assert await house.rows(select(opt_out)) == []
    lines = [row.detail.split(";")[0] for row in await house.rows(select(audit).order_by(audit.c.id))]
    assert lines == ["off now: loan", "off now: *", "off now: account employer policy", "off now: nothing"]


async def test_r_turns_off_what_was_sent_last(house: House) -> None:
    """Not what was written last: a campaign that waits for the morning has bothered nobody yet."""
    for kind in ("policy", "loan", "account"):
        house.now += timedelta(minutes=1)
        waiting = house.now + timedelta(hours=20) if kind == "account" else None
        notice = Message(to=BOUND, text="x", lane="notice", kind=kind, template=f"t_{kind}", not_before=waiting)
        await house.outbox.add(notice)
    due = {row.template: row.id for row in await house.sent(BOUND)}
    for kind in ("loan", "policy"):
        house.now += timedelta(minutes=1)
        await house.outbox.record(Outcome(due[f"t_{kind}"], "sent", "carrier"))
    await house.text(BOUND, "R")
    assert {row.kind for row in await house.rows(select(opt_out))} == {"policy"}


async def test_the_limit_of_a_day_counts_over_restarts(house: House, ledger: Ledger) -> None:
    for _ in range(10):
        house.now += timedelta(minutes=5)
        await house.text(BOUND, "余额")
        house.restart(ledger)
    assert (await house.text(BOUND, "余额"))[-1] == "reply_limit"
    assert len(await house.text(BOUND, "余额")) == 11, "and that is told once"


async def test_the_ledger_away(store: Store) -> None:
    house = House(store, None)
    assert await house.text(BOUND, "余额") == ["reply_away"]
    assert await house.text(BOUND, "网点") == ["reply_away", "reply_branches"]


async def test_a_text_that_cannot_be_read_does_not_hold_up_the_others(house: House) -> None:
    await house.inbox.take("carrier", [Inbound(BOUND, "余额", id="1")])
    async with house.store.write() as connection:
        await connection.execute(inbound.update().values(body=b"not ours"))
    await house.text(UNBOUND, "余额")
    assert {row.state for row in await house.rows(select(inbound))} == {"failed", "answered"}


async def test_it_runs_by_itself(house: House) -> None:
    running = asyncio.create_task(house.replies.run())
    told = asyncio.Event()
    house.outbox.added.append(lambda lane: told.set())
    await house.inbox.take("carrier", [Inbound(BOUND, "余额", id="1")])
    await asyncio.wait_for(told.wait(), 20)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert [row.template for row in await house.sent(BOUND)] == ["report_balance"]
