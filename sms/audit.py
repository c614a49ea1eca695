"""Who did what besides sending: what was sent to whom is in the outbox."""

from datetime import datetime

from sqlalchemy import insert

from sms.messages import new_id
from sms.store import Store, utc_now
from sms.tables import audit as table


async def audit(
    store: Store, client: str, action: str, subject: str, detail: str = "", at: datetime | None = None
) -> None:
    """Keep it. `client` is a key's name or a person of ours; `subject` is an id or masked."""
    row = {"id": new_id(), "at": at or utc_now(), "client": client[:64], "action": action}
    async with store.write() as connection:
        await connection.execute(insert(table).values(**row, subject=subject[:80], detail=detail[:200]))
