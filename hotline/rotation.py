"""`hotline rotate-keys`: what any side of the hotline has sealed, sealed again under the newest encryption key."""

import asyncio
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column

from desk.tables import call_backs, work_order_changes, work_orders
from hotline.tapes import Tapes
from ivr.tables import calls, twilio_turns
from sms import seals
from sms.store import Store

SEALED: Sequence[Column[Any]] = (
    *seals.SEALED,
    calls.c.state,
    calls.c.who,
    twilio_turns.c.answer,
    work_orders.c.caller_sealed,
    work_orders.c.text_sealed,
    work_orders.c.outcome_sealed,
    work_order_changes.c.note_sealed,
    call_backs.c.number_sealed,
    call_backs.c.message_sealed,
)


async def rotate(store: Store, tapes: Tapes) -> tuple[int, int]:
    """How many values and recordings were sealed again, and how many cannot be opened by any key there is."""
    values, unreadable_values = await seals.reseal(store, SEALED)
    recordings, unreadable_recordings = await asyncio.to_thread(tapes.reseal)
    return values + recordings, unreadable_values + unreadable_recordings
