"""The voice side's own tables. Nothing personal is readable in them: numbers are masked, digested or sealed."""

from sqlalchemy import Boolean, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table, Text

from fund.columns import Moment

metadata = MetaData()

calls = Table(
    "calls",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("line", String(20), nullable=False),
    Column("flow_version", String(64), nullable=False),
    Column("language", String(2), nullable=False),
    Column("caller_masked", String(32), nullable=False),
    Column("caller_digest", String(64), nullable=False, index=True),
    Column("person_kind", String(10)),
    Column("person_masked", String(32)),
    Column("person_digest", String(64), index=True),
    Column("node", String(130), nullable=False),
    Column("outcome", String(20), nullable=False, comment="hung_up, transferred, finished, rescued; empty in progress"),
    Column("started_at", Moment, nullable=False, index=True),
    Column("ended_at", Moment),
    Column("state", LargeBinary, comment="sealed; gone when the call has ended"),
    Column("who", LargeBinary, comment="sealed JSON: caller, kind, account; from the end of the call, for some days"),
)
Index(
    "calls_who",
    calls.c.ended_at,
    sqlite_where=calls.c.who.is_not(None),
    postgresql_where=calls.c.who.is_not(None),
)

call_steps = Table(
    "call_steps",
    metadata,
    Column("call_id", String(80), primary_key=True),
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("node", String(130), nullable=False),
    Column("entered_at", Moment, nullable=False),
    Column("seconds", Float, comment="until the next node or the end; null while in it"),
    Column("silences", Integer, nullable=False, comment="how often nothing was pressed in time"),
    Column("wrongs", Integer, nullable=False, comment="how often something else than what was asked for came"),
)

audit = Table(
    "call_audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Moment, nullable=False, index=True),
    Column("call_id", String(80), nullable=False, index=True),
    Column("action", String(60), nullable=False, comment="what was done: identify, report:balance, set_pin ..."),
    Column("outcome", String(20), nullable=False),
    Column("person_masked", String(32), nullable=False),
    Column("person_digest", String(64), nullable=False),
)
Index("call_audit_person", audit.c.person_digest, audit.c.at)

flow_versions = Table(
    "flow_versions",
    metadata,
    Column("version", String(64), primary_key=True),
    Column("files", Text, nullable=False, comment="JSON: file name to its text"),
    Column("taken_up_at", Moment, nullable=False),
)

twilio_turns = Table(
    "twilio_turns",
    metadata,
    Column("call_id", String(80), primary_key=True),
    Column("n", Integer, nullable=False, comment="the turn under way, or answered last"),
    Column("claimed_at", Moment, nullable=False, index=True),
    Column("done", Boolean, nullable=False, comment="all of its answer is known"),
    Column("over", Boolean, nullable=False, comment="the call has ended: nothing can happen any more"),
    Column("answer", LargeBinary, comment="sealed; null until there are first words, and when the call has ended"),
)

twilio_placed = Table(
    "twilio_placed",
    metadata,
    Column("call_id", String(80), primary_key=True, comment="our own: it says what the call is for"),
    Column("sid", String(34), nullable=False, comment="Twilio's; empty until we know"),
    Column("seen_at", Moment, nullable=False, index=True, comment="when anything was last heard of it"),
    Column("over", Boolean, nullable=False),
    Column("how", String(12), nullable=False, comment="answered, or why it was missed; empty until we know"),
    Column("talked", Boolean, nullable=False, comment="with one of our people"),
)
