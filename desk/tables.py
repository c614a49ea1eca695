"""The desk's own tables. Nothing personal is readable in them: numbers are masked, digested or sealed."""

from sqlalchemy import Column, Index, Integer, LargeBinary, MetaData, String, Table, text

from fund.columns import Moment

metadata = MetaData()

# Work orders (desk.orders)

work_orders = Table(
    "work_orders",
    metadata,
    Column("number", String(16), primary_key=True, comment="what the caller is told: 2611254821"),
    Column("kind", String(12), nullable=False),
    Column("topic", String(40), nullable=False),
    Column("state", String(10), nullable=False),
    Column("priority", String(8), nullable=False),
    Column("channel", String(10), nullable=False, comment="voice, sms, api, staff"),
    Column("call_id", String(80), nullable=False, index=True, comment="empty when it did not come from a call"),
    Column("caller_masked", String(32), nullable=False),
    Column("caller_digest", String(64), nullable=False, index=True),
    Column("caller_sealed", LargeBinary),
    Column("account_masked", String(32), nullable=False),
    Column("account_digest", String(64), nullable=False, index=True),
    Column("recording", String(40), nullable=False, comment="its name; empty when there is none"),
    Column("text_sealed", LargeBinary, comment="what the caller wrote, or staff wrote down"),
    Column("outcome_sealed", LargeBinary, comment="what the caller is told in the end"),
    Column("assigned_to", String(64), nullable=False),
    Column("opened_at", Moment, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Column("forward_by", Moment, nullable=False),
    Column("answer_by", Moment, nullable=False),
    Column("forwarded_at", Moment),
    Column("answered_at", Moment),
    Column("closed_at", Moment),
    Column("forward_reminded_at", Moment),
    Column("answer_reminded_at", Moment),
    Column("opened_told_at", Moment, comment="when the caller was texted the number"),
    Column("answered_told_at", Moment, comment="when the caller was texted the outcome"),
)
Index("work_orders_opened", work_orders.c.opened_at)
Index("work_orders_state", work_orders.c.state, work_orders.c.answer_by)

work_order_changes = Table(
    "work_order_changes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("number", String(16), nullable=False, index=True),
    Column("at", Moment, nullable=False),
    Column("who", String(64), nullable=False, comment="a staff name, or the part of the system that did it"),
    Column("what", String(20), nullable=False, comment="opened, state, assigned, priority, note, looked, listened ..."),
    Column("before", String(64), nullable=False),
    Column("after", String(64), nullable=False),
    Column("note_sealed", LargeBinary),
)

# Whom we call: call-back requests and spoken reminders (desk.callbacks)

call_backs = Table(
    "call_backs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("purpose", String(10), nullable=False, server_default="callback", comment="callback, reminder"),
    Column("message_sealed", LargeBinary, comment="what a reminder says"),
    Column("number_masked", String(32), nullable=False),
    Column("number_digest", String(64), nullable=False),
    Column("number_sealed", LargeBinary, nullable=False),
    Column("queue", String(31), nullable=False),
    Column("reason", String(40), nullable=False),
    Column("channel", String(10), nullable=False, comment="voice, sms, api, staff"),
    Column("call_id", String(80), nullable=False),
    Column("asked_at", Moment, nullable=False, comment="the place in the queue"),
    Column("tries", Integer, nullable=False, comment="those that count"),
    Column("dialled", Integer, nullable=False, server_default="0", comment="how often a call was begun"),
    Column("next_try_at", Moment, nullable=False),
    Column("lease_by", String(64), nullable=False, comment="who is dialling it; empty when nobody is"),
    Column("lease_until", Moment),
    Column("closed_at", Moment),
    Column("outcome", String(12), nullable=False, comment="empty while it is open"),
)
Index(
    "call_backs_one_open",
    call_backs.c.number_digest,
    unique=True,
    sqlite_where=text("closed_at IS NULL AND purpose = 'callback'"),
    postgresql_where=text("closed_at IS NULL AND purpose = 'callback'"),
)
Index("call_backs_due", call_backs.c.closed_at, call_backs.c.next_try_at)

call_back_tries = Table(
    "call_back_tries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("call_back", String(32), nullable=False, index=True),
    Column("n", Integer, nullable=False),
    Column("began_at", Moment, nullable=False),
    Column("by", String(64), nullable=False),
    Column("ended_at", Moment),
    Column("answered", String(12), nullable=False, server_default="", comment="what they pressed: person, refused ..."),
    Column("outcome", String(12), nullable=False, comment="empty while it lasts"),
)

# Surveys (desk.surveys)

surveys = Table(
    "surveys",
    metadata,
    Column("call_id", String(80), primary_key=True),
    Column("at", Moment, nullable=False, index=True),
    Column("rating", String(12), nullable=False),
    Column("agent", String(64), nullable=False),
    Column("queue", String(31), nullable=False),
    Column("topic", String(40), nullable=False),
)

# Bulletin (desk.bulletin): every switch is a row, the newest counts

bulletins = Table(
    "bulletins",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("who", String(64), nullable=False, comment="a staff name, or cli: and the name of the machine's user"),
    Column("text", String(200), nullable=False, comment="what everybody hears, so it is readable; empty: switched off"),
    Column("until", Moment, nullable=False),
)

# Queue visits (written by the link to the telephone exchange, read by desk.figures)

queue_visits = Table(
    "queue_visits",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("call_id", String(80), nullable=False, index=True),
    Column("queue", String(31), nullable=False),
    Column("entered_at", Moment, nullable=False, index=True),
    Column("estimate_seconds", Integer, comment="what was expected on entering; null when nobody worked"),
    Column("answered_at", Moment),
    Column("agent", String(64), nullable=False, default="", comment="who answered"),
    Column("left_at", Moment, comment="when the visit ended, answered or not; null while waiting or talking"),
    Column(
        "how", String(12), nullable=False, default="", comment="hung_up, chose (another way), moved, served, unknown"
    ),
)
Index("queue_visits_visit", queue_visits.c.call_id, queue_visits.c.entered_at, unique=True)
