"""The tables of the text side. The outbox (`message`) is the only truth about a text: no queue lives anywhere else.

Numbers and texts are sealed (`fund.privacy`); `*_hash` columns are keyed digests to look them up by. All times are UTC.
"""

from sqlalchemy import (
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

from fund.columns import Moment

metadata = MetaData()
REF = 64  # characters of a provider's id of a text; none known to us has more than 36

message = Table(
    "message",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("lane", String(10), nullable=False),
    Column("status", String(10), nullable=False),
    Column("due_at", Moment, comment="when a worker should take it; null: no worker has anything to do with it"),
    Column("body", LargeBinary, nullable=False, comment="sealed JSON: to, text, signature, params; empty once removed"),
    Column("to_hash", LargeBinary(16), nullable=False),
    Column("to_masked", String(20), nullable=False),
    Column("account_hash", LargeBinary(16)),
    Column("key_hash", LargeBinary(16), unique=True, comment="client and idempotency key"),
    Column("once_hash", LargeBinary(8), comment="the same notice to the same number on the same day"),
    Column("client", String(64), nullable=False),
    Column("template", String(64), nullable=False),
    Column("kind", String(16), nullable=False, comment="what people may turn off; empty: they may not"),
    Column("quiet", String(12), nullable=False),
    Column("campaign", String(26)),
    Column("operator", String(10), nullable=False, comment="guessed from the prefix, corrected by receipts"),
    Column("parts", Integer, nullable=False),
    Column("cost", Integer, nullable=False, comment="fen, estimated"),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("attempt", Integer, nullable=False, default=0),
    Column("lease_until", Moment, comment="a row still `sending` after this belongs to a dead worker"),
    Column("tried", String(200), nullable=False, default="", comment="providers that may have had it, with spaces"),
    Column("provider", String(32)),
    Column("provider_ref", String(REF)),
    Column("reason", String(64), nullable=False, default=""),
    Column("sent_at", Moment),
    Column("done_at", Moment),
    Column("dead_at", Moment, comment="in the dead letters since"),
)
Index(
    "message_due",
    message.c.lane,
    message.c.due_at,
    sqlite_where=message.c.due_at.is_not(None),
    postgresql_where=message.c.due_at.is_not(None),
)
Index(
    "message_open",
    message.c.status,
    message.c.lease_until,
    sqlite_where=message.c.status.in_(("sending", "unknown")),
    postgresql_where=message.c.status.in_(("sending", "unknown")),
)
Index(
    "message_ref",
    message.c.provider_ref,
    message.c.provider,
    sqlite_where=message.c.provider_ref.is_not(None),
    postgresql_where=message.c.provider_ref.is_not(None),
)
Index("message_once", message.c.to_hash, message.c.once_hash, unique=True)
Index(
    "message_campaign",
    message.c.campaign,
    message.c.status,
    sqlite_where=message.c.campaign.is_not(None),
    postgresql_where=message.c.campaign.is_not(None),
)
Index(
    "message_dead",
    message.c.dead_at,
    sqlite_where=message.c.dead_at.is_not(None),
    postgresql_where=message.c.dead_at.is_not(None),
)

message_part = Table(
    "message_part",
    metadata,
    Column("provider", String(32), nullable=False),
    Column("ref", String(REF), nullable=False),
    Column("message", ForeignKey("message.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("part", Integer, nullable=False),
    Column("status", String(10), nullable=False),
    PrimaryKeyConstraint("provider", "ref"),
    comment="only for messages whose provider names every part",
)

receipt = Table(
    "receipt",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("provider", String(32), nullable=False),
    Column("ref", String(REF), nullable=False),
    Column("message", String(26), nullable=False, comment="our id, where the provider echoed it"),
    Column("status", String(10), nullable=False),
    Column("reason", String(64), nullable=False),
    Column("operator", String(10), nullable=False),
    Column("at", Moment, nullable=False),
    Column("received_at", Moment, nullable=False, index=True),
    Index("receipt_ref", "ref", "provider"),
    comment="receipts waiting for their message: they may come before the answer to the message itself",
)

number = Table(
    "number",
    metadata,
    Column("to_hash", LargeBinary(16), primary_key=True),
    Column("operator", String(10), nullable=False, comment="as receipts taught it: numbers move between operators"),
    Column("learned_at", Moment, nullable=False),
)

opt_out = Table(
    "opt_out",
    metadata,
    Column("to_hash", LargeBinary(16), nullable=False),
    Column("kind", String(16), nullable=False, comment="account, loan, employer, policy, or * for all of them"),
    Column("at", Moment, nullable=False),
    PrimaryKeyConstraint("to_hash", "kind"),
)

inbound = Table(
    "inbound",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("provider", String(32), nullable=False),
    Column("fingerprint", LargeBinary(16), nullable=False, unique=True, comment="the same text is answered once"),
    Column("from_hash", LargeBinary(16), nullable=False),
    Column("from_masked", String(20), nullable=False),
    Column("body", LargeBinary, nullable=False, comment="sealed JSON: from, to, text"),
    Column("received_at", Moment, nullable=False, index=True),
    Column("answer", String(26), comment="the message that answers it"),
    Column("state", String(10), nullable=False, comment="new, answered, ignored, failed"),
    Index("inbound_from", "from_hash", "received_at"),
)
Index("inbound_new", inbound.c.id, sqlite_where=inbound.c.state == "new", postgresql_where=inbound.c.state == "new")

inbound_part = Table(
    "inbound_part",
    metadata,
    Column("group_hash", LargeBinary(16), nullable=False),
    Column("part", Integer, nullable=False),
    Column("parts", Integer, nullable=False),
    Column("provider", String(32), nullable=False),
    Column("body", LargeBinary, nullable=False, comment="sealed JSON: from, to, text; once joined, a digest of text"),
    Column("received_at", Moment, nullable=False, index=True),
    Column("joined_at", Moment, comment="kept for a while, so that a part that comes late or again is known"),
    PrimaryKeyConstraint("group_hash", "part"),
)

text_session = Table(
    "text_session",
    metadata,
    Column("from_hash", LargeBinary(16), primary_key=True),
    Column("state", LargeBinary, nullable=False, comment="sealed JSON: the question that is open"),
    Column("expires_at", Moment, nullable=False),
)

reminder_run = Table(
    "reminder_run",
    metadata,
    Column("kind", String(16), nullable=False, comment="due, overdue, behind, certificate, interest"),
    Column("day", Date, nullable=False),
    Column("after", String(64), nullable=False, comment="the last key of the ledger that was dealt with"),
    Column("counts", Text, nullable=False, comment="JSON: found, queued, repeated, no_phone, turned_off, refused"),
    Column("lease_until", Moment, comment="null: nobody is at it"),
    Column("done_at", Moment),
    PrimaryKeyConstraint("kind", "day"),
    comment="how far each day's reminders are, so that a restart goes on where it was",
)

verification = Table(
    "verification",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("client", String(64), nullable=False),
    Column("purpose", String(32), nullable=False),
    Column("channel", String(8), nullable=False, comment="sms, voice"),
    Column("to_hash", LargeBinary(16), nullable=False),
    Column("to_masked", String(20), nullable=False),
    Column("nonce", LargeBinary(32), nullable=False, comment="the chance a code is derived from, with the pepper"),
    Column("status", String(10), nullable=False, comment="pending, approved, expired, exhausted"),
    Column("attempts", Integer, nullable=False),
    Column("sends", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("sent_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
    Index("verification_to", "to_hash", "purpose", "client", "created_at"),
    Index("verification_created", "created_at"),
)

code_event = Table(
    "code_event",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("what", String(8), nullable=False, comment="sent (to a phone), address, network, caller, client, wrong"),
    Column("who", LargeBinary(16), nullable=False, comment="digest of the phone, address, network, caller or client"),
    Column("at", Moment, nullable=False, index=True),
    Index("code_event_who", "who", "what", "at"),
    comment="what the rolling limits of codes count",
)

api_key = Table(
    "api_key",
    metadata,
    Column("id", String(16), primary_key=True, comment="the part of the key that may be seen"),
    Column("name", String(64), nullable=False, unique=True),
    Column("secret_hash", LargeBinary(32), nullable=False),
    Column("scopes", Text, nullable=False, comment="with spaces"),
    Column("channel", String(2), nullable=False),
    Column("rate", Integer, nullable=False, comment="requests a second"),
    Column("templates", Text, nullable=False, comment="allowed ones, with spaces; empty: all"),
    Column("callback_url", Text, nullable=False, default=""),
    Column("callback_secret", LargeBinary, comment="sealed"),
    Column("created_at", Moment, nullable=False),
    Column("revoked_at", Moment),
)

audit = Table(
    "audit",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("at", Moment, nullable=False, index=True),
    Column("client", String(64), nullable=False),
    Column("action", String(40), nullable=False),
    Column("subject", String(80), nullable=False, comment="masked number, or the id of what was acted on"),
    Column("detail", String(200), nullable=False),
    comment="who did what besides sending (what was sent to whom is in `message`)",
)

campaign = Table(
    "campaign",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("client", String(64), nullable=False),
    Column("name", String(100), nullable=False),
    Column("template", String(64), nullable=False),
    Column("status", String(10), nullable=False, comment="checking, ready, running, paused, done, cancelled, broken"),
    Column("report", Text, nullable=False, comment="JSON: what the preflight found"),
    Column("created_at", Moment, nullable=False),
    Column("not_before", Moment),
    Column("started_at", Moment),
    Column("ended_at", Moment),
)

campaign_chunk = Table(
    "campaign_chunk",
    metadata,
    Column("campaign", ForeignKey("campaign.id", ondelete="CASCADE"), nullable=False),
    Column("n", Integer, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("body", LargeBinary, comment="sealed JSON: the good rows; null once they are in the outbox"),
    Column("faults", Text, nullable=False, comment="JSON: [line, reason] of the bad ones"),
    PrimaryKeyConstraint("campaign", "n"),
    comment="recipients on their way to the outbox, a few hundred a row: a chunk moves as a whole or not at all",
)

callback = Table(
    "callback",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("client", String(64), nullable=False),
    Column("message", String(26), nullable=False),
    Column("status", String(10), nullable=False),
    Column("reason", String(64), nullable=False),
    Column("at", Moment, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("due_at", Moment, nullable=False, index=True),
    comment="statuses still to be told to the systems that asked to be told",
)
