"""What people turned off: kinds of notices, never codes nor what the law wants told. The rule is pure."""

from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sms.store import Store
from sms.tables import opt_out

KINDS = ("account", "loan", "employer", "policy")
ALL = "*"  # all of them, and those to come


def switched(off: frozenset[str], kind: str, turn_on: bool) -> frozenset[str]:
    """What is off after turning one kind, or `*`, off or on."""
    if kind == ALL:
        return frozenset() if turn_on else frozenset({ALL})
    if not turn_on:
        return off if ALL in off else off | {kind}
    each = frozenset(KINDS) if ALL in off else off
    return each - {kind}


def is_off(off: Iterable[str], kind: str) -> bool:
    """Whether texts of a kind are unwanted; those without a kind cannot be turned off."""
    return bool(kind) and not {kind, ALL}.isdisjoint(off)


async def read(connection: AsyncConnection, to_hash: bytes) -> frozenset[str]:
    """What one number turned off."""
    found = await connection.execute(select(opt_out.c.kind).where(opt_out.c.to_hash == to_hash))
    return frozenset(found.scalars())


async def read_many(connection: AsyncConnection, hashes: Collection[bytes]) -> dict[bytes, frozenset[str]]:
    """What each of these turned off; those who turned off nothing are left out."""
    found = await connection.execute(select(opt_out.c.to_hash, opt_out.c.kind).where(opt_out.c.to_hash.in_(hashes)))
    off: dict[bytes, frozenset[str]] = {}
    for to_hash, kind in found:
        off[to_hash] = off.get(to_hash, frozenset()) | {kind}
    return off


async def write(
    store: Store, connection: AsyncConnection, to_hash: bytes, was: frozenset[str], off: frozenset[str], now: datetime
) -> None:
    """Make it so."""
    if gone := was - off:
        await connection.execute(delete(opt_out).where(opt_out.c.to_hash == to_hash, opt_out.c.kind.in_(gone)))
    if new := off - was:
        rows = [{"to_hash": to_hash, "kind": kind, "at": now} for kind in new]
        await connection.execute(store.insert_new(opt_out), rows)
