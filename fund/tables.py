"""The fund's tables in our own database: query PINs. The ledger itself is somebody else's, see `fund.views`."""

from sqlalchemy import Column, Integer, MetaData, String, Table

from fund.columns import Moment

metadata = MetaData()

PINS = Table(
    "pins",
    metadata,
    Column("account", String(64), primary_key=True),  # keyed digest of the account number
    Column("hash", String(200), nullable=False),  # argon2id of the peppered PIN, its cost and salt included
    Column("set_at", Moment, nullable=False),
)

# A new PIN between its first and its second entry.
PIN_OFFERS = Table(
    "pin_offers",
    metadata,
    Column("account", String(64), primary_key=True),
    Column("hash", String(200), nullable=False),
    Column("expires_at", Moment, nullable=False),
)

# Tries since the last right one, for an account or for a calling number.
PIN_TRIES = Table(
    "pin_tries",
    metadata,
    Column("subject", String(64), primary_key=True),  # keyed digest of either
    Column("tries", Integer, nullable=False),
    Column("until", Moment, nullable=False),  # then they are forgotten, and a lock ends
)
