"""Repeats: who asks for a notice that goes out today anyway gets no second one, but an answer to work with.

The key of a repeat is kept by a row of its own, which is never sent: asked for again, on whatever day, it is still that
repeat. Whoever asked is given the id of the text where that is their own, else the id of this row.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, select

from fund.privacy import mask_number
from sms.messages import Message
from sms.numbers import operator_of
from sms.outbox import DEFAULT_LIFE, Added, key_hash
from sms.store import Store
from sms.tables import message

SAME_AS = "same as "  # and the id of the text there is


async def kept(store: Store, messages: Sequence[Message], added: Sequence[Added], now: datetime) -> list[Added]:
    """`added`, with the keys of repeats kept."""
    repeats = {
        key_hash(each.client, each.key): _row(store, each, there.id, now)
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


def _row(store: Store, each: Message, same_as: str, now: datetime) -> dict[str, Any]:
    return {
        "id": each.id,
        "lane": each.lane,
        "status": "failed",
        "body": b"",
        "to_hash": store.phone(each.to),
        "to_masked": mask_number(each.to),
        "key_hash": key_hash(each.client, each.key),
        "client": each.client,
        "template": each.template,
        "kind": each.kind,
        "quiet": each.quiet,
        "operator": operator_of(each.to),
        "parts": each.parts,
        "cost": 0,
        "created_at": now,
        "expires_at": each.expires_at or now + DEFAULT_LIFE,
        "attempt": 0,
        "tried": "",
        "reason": f"{SAME_AS}{same_as}",
        "done_at": now,
    }
