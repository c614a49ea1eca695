"""A new encryption key reaches everything that is sealed, or the old one could never be taken away."""

import os
from pathlib import Path

from cryptography.fernet import Fernet
from sqlalchemy import LargeBinary, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

import desk.tables
import fund.tables
import hotline.staff.tables
import ivr.tables
import sms.tables
from desk.callbacks import CallBacks
from fund.privacy import Privacy
from hotline.rotation import SEALED, rotate
from hotline.tapes import Tapes
from ivr.tables import calls
from sms.store import Store
from tests.ivr.golden import BEGIN

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
PEPPER = b"p" * 32


def test_no_sealed_column_is_forgotten() -> None:
    """What is bytes and no digest is sealed."""
    sides = (desk.tables, fund.tables, hotline.staff.tables, ivr.tables, sms.tables)
    kept = {
        column
        for side in sides
        for table in side.metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, LargeBinary) and column.type.length is None
    }
    assert kept == set(SEALED)


async def test_columns_of_every_side_and_recordings(engine: AsyncEngine, tmp_path: Path) -> None:
    old, both, new = (Privacy(PEPPER, keys) for keys in ([OLD], [NEW, OLD], [NEW]))
    await CallBacks(engine, old).ask("13900000001")
    begun = {"id": "c1", "line": "asterisk", "flow_version": "v", "language": "zh", "caller_masked": "", "node": "n"}
    sealed = begun | {"caller_digest": "", "outcome": "", "started_at": BEGIN, "state": old.seal("{}")}
    async with engine.begin() as connection:
        await connection.execute(insert(calls).values(**sealed))
    Tapes(tmp_path, old).save("2611254821-1", b"RIFF what was said")
    Tapes(tmp_path, old).seal("2611254821-1")
    (kept,) = (tmp_path / "kept").iterdir()
    os.utime(kept, (1, 1))

    assert await rotate(Store(engine, both), Tapes(tmp_path, both)) == (3, 0)

    requests = CallBacks(engine, new)
    (request,) = await requests.list()
    assert await requests.number(request.id) == "13900000001"
    async with engine.connect() as connection:
        assert new.open((await connection.execute(select(calls.c.state))).scalar_one()) == "{}"
    assert Tapes(tmp_path, new).load("2611254821-1") == b"RIFF what was said"
    assert kept.stat().st_mtime == 1, "what is old stays old, and is removed in time"
    stranger = Privacy(PEPPER, [Fernet.generate_key().decode()])
    assert await rotate(Store(engine, stranger), Tapes(tmp_path, stranger)) == (0, 3)
