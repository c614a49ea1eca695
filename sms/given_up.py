"""News that a client's system never took: given up after all tries, until a person has it told again or drops it.

They stand among the dead letters and have ids of the same kind; without a decision they go with `keep_text_days`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import delete, func, select, update

from sms.callbacks import TRIES, Listeners
from sms.dead_letters import DeadLetters
from sms.errors import Refused
from sms.messages import Status
from sms.store import Store
from sms.tables import callback


@dataclass(frozen=True, slots=True)
class Untold:
    """A status that its client was not told."""

    id: str
    client: str
    message: str
    status: Status
    reason: str
    at: datetime


class GivenUp:
    """Lists them, has one told again, drops one. `client`: only that client's; empty: all."""

    def __init__(self, listeners: Listeners) -> None:
        self.store: Store = listeners.store
        self._listeners = listeners

    async def list(self, most: int = 100, client: str = "") -> Sequence[Untold]:
        """The newest first."""
        wanted = select(*(callback.c[name] for name in Untold.__slots__)).where(*_of(client))
        async with self.store.read() as connection:
            rows = (await connection.execute(wanted.order_by(callback.c.at.desc(), callback.c.id).limit(most))).all()
        return [Untold(**row._mapping) for row in rows]

    async def count(self, client: str = "") -> int:
        """How many there are."""
        async with self.store.read() as connection:
            return (await connection.execute(select(func.count()).where(*_of(client)))).scalar_one()

    async def release(self, id: str, client: str = "") -> None:
        """Tell it again, with all its tries. Raises `Refused`: `not_found`."""
        await self._change(update(callback).values(attempt=0, due_at=self._listeners.clock()), id, client)
        self._listeners.wake.set()

    async def drop(self, id: str, client: str = "") -> None:
        """Forget it: nobody will be told. Raises `Refused`: `not_found`."""
        await self._change(delete(callback), id, client)

    async def _change(self, change: Any, id: str, client: str) -> None:
        mine = change.where(callback.c.id == id, *_of(client)).returning(callback.c.id)
        async with self.store.write() as connection:
            if (await connection.execute(mine)).first() is None:
                raise Refused("not_found")


async def decide(
    act: Literal["release", "drop"], letters: DeadLetters, given_up: GivenUp, id: str, client: str = ""
) -> None:
    """Release or drop a dead letter or given-up news, whichever has this id. Raises `Refused`."""
    try:
        await getattr(letters, act)(id, client)
    except Refused as fault:
        if fault.reason != "not_found":
            raise
        await getattr(given_up, act)(id, client)


def _of(client: str) -> list[Any]:
    return [callback.c.attempt >= TRIES, *([callback.c.client == client] if client else [])]
