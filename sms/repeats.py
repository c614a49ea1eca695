"""Repeats: who asks for a notice that goes out today anyway gets no second one, but an answer to work with.

The key of a repeat is kept by a row of its own, which is never sent: asked for again, on whatever day, it is still that
repeat. Whoever asked is given the id of the text where that is their own, else the id of this row.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, select

from sms.messages import Message
from sms.outbox import Added, Outbox, key_hash
from sms.store import Store
from sms.tables import message

SAME_AS = "same as "  # and the id of the text there is


async def kept(outbox: Outbox, messages: Sequence[Message], added: Sequence[Added]) -> list[Added]:
    """`added`, with the keys of repeats kept."""
    store, now = outbox.store, outbox.clock()
    repeats = {
        key_hash(each.client, each.key): _row(outbox, each, there.id, now)
        for each, there in zip(messages, added, strict=True)
        if each.key and there.duplicate
    }
    known = await _known(store, repeats)
    if fresh := [row for key, row in repeats.items() if key not in known]:
        async with store.write() as connection:
            await connection.execute(store.insert_new(message), fresh)
        known |= await _known(store, (row["key_hash"] for row in fresh))
    return [
        known.get(key_hash(each.client, each.key), there) if there.duplicate else there
        for each, there in zip(messages, added, strict=True)
    ]


async def find(store: Store, client: str, key: str) -> Added | None:
    """What a client asked for under a key."""
    return (await _known(store, [key_hash(client, key)])).get(key_hash(client, key))


async def _known(store: Store, keys: Iterable[bytes | None]) -> dict[bytes | None, Added]:
    own, text = message.alias("own"), message.alias("text")
    theirs = and_(text.c.id == func.substr(own.c.reason, len(SAME_AS) + 1), text.c.client == own.c.client)
    columns = (own.c.key_hash, own.c.id, own.c.status, text.c.id.label("text_id"), text.c.status.label("text_status"))
    wanted = select(*columns).select_from(own.outerjoin(text, theirs)).where(own.c.key_hash.in_(list(keys)))
    async with store.read() as connection:
        rows = (await connection.execute(wanted)).all()
    return {row.key_hash: Added(row.text_id or row.id, row.text_status or row.status, duplicate=True) for row in rows}


def _row(outbox: Outbox, each: Message, same_as: str, now: datetime) -> dict[str, Any]:
    never = {"status": "failed", "due_at": None, "body": b"", "account_hash": None, "once_hash": None, "cost": 0}
    return outbox.row(each, now) | never | {"reason": f"{SAME_AS}{same_as}", "done_at": now}
