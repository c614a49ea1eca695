"""The staff's tables. Tokens are kept as hashes, passwords as argon2id; nothing here opens a door by being read."""

from sqlalchemy import Column, Index, Integer, MetaData, String, Table

from fund.columns import Moment

metadata = MetaData()

staff = Table(
    "staff",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", String(40), nullable=False, unique=True, comment="what they sign in with, and are called in trails"),
    Column("role", String(16), nullable=False),
    Column("seat", String(40), nullable=False, comment="their telephone on the board, such as agent1; empty: none"),
    Column("password_hash", String(200), comment="null until the invitation is taken up"),
    Column("created_at", Moment, nullable=False),
    Column("disabled_at", Moment),
)

staff_links = Table(
    "staff_links",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("staff_id", Integer, nullable=False, index=True),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),
)

staff_sessions = Table(
    "staff_sessions",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("staff_id", Integer, nullable=False, index=True),
    Column("language", String(2), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
)

staff_tries = Table(
    "staff_tries",
    metadata,
    Column("subject", String(64), primary_key=True, comment="digest of a name or an address"),
    Column("tries", Integer, nullable=False),
    Column("until", Moment, nullable=False),
)

staff_audit = Table(
    "staff_audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False),
    Column("name", String(40), nullable=False, comment="who; empty when nobody was signed in"),
    Column("action", String(40), nullable=False, comment="sign_in, look, order.move ..."),
    Column("subject", String(80), nullable=False, comment="a call, an order, a member of staff; never a full number"),
    Column("detail", String(200), nullable=False),
    Column("address", String(45), nullable=False),
    Index("staff_audit_at", "at"),
    Index("staff_audit_name", "name", "at"),
)
