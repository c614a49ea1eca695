"""Calls as they are kept, on SQLite and PostgreSQL: resumed from their state, written behind, masked."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from fund.privacy import Privacy
from hotline.database import open_database
from hotline.migrations import upgrade
from ivr.call import Call
from ivr.records import CallRecords, end_lost, forget_callers, remove_old
from ivr.state import State
from ivr.tables import audit, call_steps, calls
from tests.ivr.golden import BEGIN

PRIVACY = Privacy(b"p" * 32, [Fernet.generate_key().decode()])


def a_call(**state: object) -> Call:
    given = {"caller": "13900000001", "started": BEGIN.isoformat(), "node": "main/main", "waiting": "keys"} | state
    return Call("asterisk-1", "asterisk", State("v1", **given))  # type: ignore[arg-type]


async def test_a_call_is_resumed_from_its_state(engine: AsyncEngine) -> None:
    first = CallRecords(engine, PRIVACY)
    await first.start()
    call = a_call(person={"kind": "employee", "account": "321100123"}, answers={"month": "2026-03"})
    call.steps = [("main/welcome", BEGIN), ("main/main", BEGIN)]
    await first.save(call)
    await first.stop()

    second = CallRecords(engine, PRIVACY)
    await second.start()
    assert await second.resume("asterisk-1") == call.state
    assert await second.resume("asterisk-2") is None
    call.steps = [("main/agent", BEGIN + timedelta(seconds=7))]
    call.state.waiting, call.state.outcome = "over", "transferred"
    call.ended_at = BEGIN + timedelta(seconds=9)
    await second.save(call)
    assert await second.resume("asterisk-1") is None
    await second.stop()
    async with engine.connect() as connection:
        steps = (await connection.execute(select(call_steps).order_by(call_steps.c.n))).all()
        row = (await connection.execute(select(calls))).one()
    assert [(step.node, step.seconds) for step in steps] == [("main/welcome", 0), ("main/main", 7), ("main/agent", 2)]
    assert (row.outcome, row.state, row.ended_at) == ("transferred", None, call.ended_at)


async def test_a_call_is_resumed_from_memory_while_the_database_is_away(engine: AsyncEngine) -> None:
    records = CallRecords(engine, PRIVACY)
    await records.start()
    call = a_call()
    await records.save(call)
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE calls RENAME TO mislaid"))
    assert await records.resume(call.id) == call.state, "what was written"
    call.state.node = "main/agent"
    await records.save(call)
    assert await records.resume(call.id) == call.state, "what could not be written"
    call.ended_at = BEGIN
    await records.save(call)
    assert await records.resume(call.id) is None
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE mislaid RENAME TO calls"))
    await records.stop()
    async with engine.connect() as connection:
        assert (await connection.execute(select(calls.c.node))).scalar_one() == "main/agent"


async def test_a_call_that_another_node_has_ended_stays_ended(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a node could not write comes late, and is no longer so."""
    late, other = CallRecords(engine, PRIVACY), CallRecords(engine, PRIVACY)
    with monkeypatch.context() as for_now:
        for_now.setattr("ivr.records.PATIENCE_SECONDS", 0.01)
        await late.save(a_call())  # its writer does not run yet
    await other.start()
    ended = a_call(waiting="over", outcome="hung_up")
    ended.ended_at = BEGIN
    await other.save(ended)
    await other.stop()
    await late.stop()
    async with engine.connect() as connection:
        row = (await connection.execute(select(calls))).one()
    assert (row.outcome, row.ended_at, row.state) == ("hung_up", BEGIN, None)
    again = CallRecords(engine, PRIVACY)
    await again.start()
    anew = a_call(started=(BEGIN + timedelta(minutes=1)).isoformat(), node="main/people")
    await again.save(anew)
    await again.stop()
    assert await CallRecords(engine, PRIVACY).resume(anew.id) == anew.state, (
        "it was not over: they are back from people"
    )


async def test_where_nobody_waits_for_the_disk_a_call_is_saved_at_once(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fund.lanes.GLANCE_SECONDS", 10.0)  # however busy the machine is
    quick = open_database(sqlite_url, flush=False)
    await upgrade(quick)
    records = CallRecords(quick, PRIVACY)
    call = a_call()
    async with asyncio.timeout(10):
        assert await records.resume(call.id) is None
        await records.save(call)  # the writer is not even started
        call.state.node = "main/agent"
        records.note(call.id, "identify:phone", "ok", "321100123", BEGIN)
        await records.save(call)
    again = CallRecords(quick, PRIVACY)
    assert await again.resume(call.id) == call.state
    async with quick.connect() as connection:
        assert (await connection.execute(select(audit.c.outcome))).scalar_one() == "ok"
    async with quick.begin() as connection:
        await connection.execute(text("ALTER TABLE calls RENAME TO mislaid"))
    call.state.node = "main/people"
    monkeypatch.setattr("ivr.records.PATIENCE_SECONDS", 0.01)  # nobody writes it: the writer is not even started
    await records.save(call)
    assert await records.resume(call.id) == call.state, "kept, for the writer to try again"
    await quick.dispose()


async def test_nothing_personal_is_readable(engine: AsyncEngine) -> None:
    records = CallRecords(engine, PRIVACY)
    await records.start()
    await records.save(a_call(person={"kind": "employee", "account": "321100123"}))
    records.note("asterisk-1", "report:balance", "ok", "321100123", BEGIN)
    await records.save(a_call())
    await records.stop()
    async with engine.connect() as connection:
        rows = [str(row) for table in (calls, audit) for row in await connection.execute(select(table))]
        look = (await connection.execute(select(audit))).one()
    assert (look.action, look.outcome, look.person_masked) == ("report:balance", "ok", "*****0123")
    assert len(rows) == 2
    assert not any("13900000001" in row or "321100123" in row for row in rows)


async def test_a_database_that_is_away_does_not_hold_a_call(tmp_path: Path) -> None:
    engine = open_database(f"sqlite+aiosqlite:///{tmp_path / 'later.db'}")
    records = CallRecords(engine, PRIVACY)
    await records.start()
    call = a_call()
    await records.save(call)  # there are no tables yet
    assert await records.resume(call.id) == call.state
    await upgrade(engine)
    await records.save(call)
    await records.stop()
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM calls"))).scalar() == 1
    await engine.dispose()


async def test_many_calls_at_once(engine: AsyncEngine) -> None:
    records = CallRecords(engine, PRIVACY)
    await records.start()
    many = [a_call() for _ in range(300)]
    for number, call in enumerate(many):
        call.id = f"asterisk-{number}"
    await asyncio.gather(*(records.save(call) for call in many))
    await records.stop()
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM calls"))).scalar() == len(many)


@pytest.mark.parametrize(("waiting", "outcome"), [("keys", "hung_up"), ("transfer", "transferred")])
async def test_a_call_whose_end_nobody_saw_is_over_a_day_later(engine: AsyncEngine, waiting: str, outcome: str) -> None:
    """Its service was killed, and the caller hung up before there was another."""
    records, day = CallRecords(engine, PRIVACY), timedelta(days=1)
    await records.start()
    lost, bare, lives = a_call(waiting=waiting), a_call(), a_call(started=(BEGIN + day).isoformat())
    lost.id, bare.id, lives.id = "lost", "bare", "lives"
    lost.steps = [("main/welcome", BEGIN), ("main/main", BEGIN + timedelta(seconds=7))]
    for call in (lost, bare, lives):
        await records.save(call)
    await records.stop()
    assert (await end_lost(engine, PRIVACY, BEGIN), await end_lost(engine, PRIVACY, BEGIN + day)) == (0, 2)
    assert await end_lost(engine, PRIVACY, BEGIN + day) == 0
    async with engine.connect() as connection:
        rows = {row.id: row for row in await connection.execute(select(calls))}
    assert (rows["lost"].outcome, rows["lost"].ended_at) == (outcome, BEGIN + timedelta(seconds=7))
    assert (rows["bare"].ended_at, rows["lives"].ended_at) == (BEGIN, None)
    assert rows["lost"].state is None and json.loads(PRIVACY.open(rows["lost"].who)) == {"caller": "13900000001"}


async def test_old_calls_are_removed_with_all_that_belongs_to_them(engine: AsyncEngine) -> None:
    records = CallRecords(engine, PRIVACY)
    await records.start()
    old, new = a_call(), a_call(started=(BEGIN + timedelta(days=10)).isoformat())
    old.id, new.id = "old", "new"
    for call in (old, new):
        call.steps = [("main/welcome", BEGIN)]
        records.note(call.id, "identify", "ok", "321100123", BEGIN)
        await records.save(call)
    await records.stop()
    assert await remove_old(engine, BEGIN + timedelta(days=1)) == 1
    assert await remove_old(engine, BEGIN + timedelta(days=1)) == 0
    async with engine.connect() as connection:
        for table, column in ((calls, calls.c.id), (call_steps, call_steps.c.call_id), (audit, audit.c.call_id)):
            assert (await connection.execute(select(column))).scalars().all() == ["new"], table.name


async def test_silences_and_wrong_keys_are_counted_where_they_happened(engine: AsyncEngine) -> None:
    records = CallRecords(engine, PRIVACY)
    await records.start()
    call = a_call()
    call.steps = [("main/welcome", BEGIN), ("main/main", BEGIN)]
    await records.save(call)
    call.missed = ["silence", "wrong"]
    await records.save(call)
    await records.stop()

    again = CallRecords(engine, PRIVACY)
    await again.start()
    await again.resume(call.id)
    call.missed, call.steps = ["silence"], [("main/agent", BEGIN + timedelta(seconds=9))]
    await again.save(call)
    await again.stop()
    async with engine.connect() as connection:
        rows = (await connection.execute(select(call_steps).order_by(call_steps.c.n))).all()
    assert [(row.node, row.seconds, row.silences, row.wrongs) for row in rows] == [
        ("main/welcome", 0, 0, 0),
        ("main/main", 9, 2, 1),
        ("main/agent", None, 0, 0),
    ]


async def test_who_called_is_kept_sealed_past_the_end(engine: AsyncEngine) -> None:
    records = CallRecords(engine, PRIVACY)
    await records.start()
    call = a_call(person={"kind": "employee", "account": "321100123"})
    call.ended_at = BEGIN
    await records.save(call)
    await records.stop()
    async with engine.connect() as connection:
        row = (await connection.execute(select(calls))).one()
    assert row.state is None
    assert json.loads(PRIVACY.open(row.who)) == {"caller": "13900000001", "kind": "employee", "account": "321100123"}
    await forget_callers(engine, BEGIN)
    await forget_callers(engine, BEGIN + timedelta(seconds=1))
    async with engine.connect() as connection:
        assert (await connection.execute(select(calls))).one().who is None
