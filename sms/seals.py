"""After a new key was put in front of the old ones: everything sealed is sealed again under it, while all else runs.

When this has come to its end, the old key can be taken out of the settings.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Table, and_, select, tuple_, update

from fund.privacy import Unreadable
from sms.store import Store
from sms.tables import api_key, campaign_chunk, inbound, inbound_part, message, text_session

SEALED: Sequence[Column[Any]] = (
    message.c.body,
    campaign_chunk.c.body,
    inbound.c.body,
    inbound_part.c.body,
    text_session.c.state,
    api_key.c.callback_secret,
)
_AT_ONCE = 500  # rows of one transaction, so that a code never waits long behind it


async def reseal(store: Store, sealed: Sequence[Column[Any]] = SEALED) -> tuple[int, int]:
    """Seal columns under the newest key. How many values were, and how many cannot be opened by any key there is."""
    done = unreadable = 0
    for column in sealed:
        last: tuple[Any, ...] | None = None
        while rows := await _some(store, column, last):
            changed, lost = await _reseal(store, column, rows)
            done, unreadable, last = done + changed, unreadable + lost, tuple(rows[-1][:-1])
    return done, unreadable


async def _some(store: Store, column: Column[Any], last: tuple[Any, ...] | None) -> Sequence[Any]:
    """The next rows of a sealed column: their primary key, and what is sealed."""
    key = list(_table(column).primary_key.columns)
    some = select(*key, column).where(column.is_not(None), column != b"").order_by(*key).limit(_AT_ONCE)
    if last is not None:
        some = some.where(tuple_(*key) > last)
    async with store.read() as connection:
        return (await connection.execute(some)).all()


async def _reseal(store: Store, column: Column[Any], rows: Sequence[Any]) -> tuple[int, int]:
    """Only what still stands as it was read: meanwhile it may have been emptied, or moved on."""
    changed = lost = 0
    async with store.write() as connection:
        for row in rows:
            *key, sealed = row
            try:
                fresh = store.privacy.reseal(sealed)
            except Unreadable:
                lost += 1
                continue
            same = and_(*(each == value for each, value in zip(_table(column).primary_key, key, strict=True)))
            done = update(_table(column)).where(same, column == sealed).values({column: fresh})
            changed += (await connection.execute(done)).rowcount
    return changed, lost


def _table(column: Column[Any]) -> Table:
    table = column.table
    assert isinstance(table, Table)
    return table
