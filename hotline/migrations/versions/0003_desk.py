"""The desk: work orders and their trail, call-backs and their tries, surveys."""

import sqlalchemy as sa
from alembic import op

from fund.columns import Moment

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "work_orders",
        sa.Column("number", sa.String(16), primary_key=True),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("topic", sa.String(40), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("priority", sa.String(8), nullable=False),
        sa.Column("channel", sa.String(10), nullable=False),
        sa.Column("call_id", sa.String(80), nullable=False, index=True),
        sa.Column("caller_masked", sa.String(32), nullable=False),
        sa.Column("caller_digest", sa.String(64), nullable=False, index=True),
        sa.Column("caller_sealed", sa.LargeBinary),
        sa.Column("account_masked", sa.String(32), nullable=False),
        sa.Column("account_digest", sa.String(64), nullable=False, index=True),
        sa.Column("recording", sa.String(40), nullable=False),
        sa.Column("text_sealed", sa.LargeBinary),
        sa.Column("outcome_sealed", sa.LargeBinary),
        sa.Column("assigned_to", sa.String(64), nullable=False),
        sa.Column("opened_at", Moment, nullable=False),
        sa.Column("changed_at", Moment, nullable=False),
        sa.Column("forward_by", Moment, nullable=False),
        sa.Column("answer_by", Moment, nullable=False),
        sa.Column("forwarded_at", Moment),
        sa.Column("answered_at", Moment),
        sa.Column("closed_at", Moment),
        sa.Column("forward_reminded_at", Moment),
        sa.Column("answer_reminded_at", Moment),
        sa.Column("opened_told_at", Moment),
        sa.Column("answered_told_at", Moment),
    )
    op.create_index("work_orders_opened", "work_orders", ["opened_at"])
    op.create_index("work_orders_state", "work_orders", ["state", "answer_by"])
    op.create_table(
        "work_order_changes",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("number", sa.String(16), nullable=False, index=True),
        sa.Column("at", Moment, nullable=False),
        sa.Column("who", sa.String(64), nullable=False),
        sa.Column("what", sa.String(20), nullable=False),
        sa.Column("before", sa.String(64), nullable=False),
        sa.Column("after", sa.String(64), nullable=False),
        sa.Column("note_sealed", sa.LargeBinary),
    )
    op.create_table(
        "call_backs",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("number_masked", sa.String(32), nullable=False),
        sa.Column("number_digest", sa.String(64), nullable=False),
        sa.Column("number_sealed", sa.LargeBinary, nullable=False),
        sa.Column("queue", sa.String(31), nullable=False),
        sa.Column("reason", sa.String(40), nullable=False),
        sa.Column("channel", sa.String(10), nullable=False),
        sa.Column("call_id", sa.String(80), nullable=False),
        sa.Column("asked_at", Moment, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("next_try_at", Moment, nullable=False),
        sa.Column("lease_by", sa.String(64), nullable=False),
        sa.Column("lease_until", Moment),
        sa.Column("closed_at", Moment),
        sa.Column("outcome", sa.String(12), nullable=False),
    )
    still_open = sa.text("closed_at IS NULL")
    op.create_index(
        "call_backs_one_open",
        "call_backs",
        ["number_digest"],
        unique=True,
        sqlite_where=still_open,
        postgresql_where=still_open,
    )
    op.create_index("call_backs_due", "call_backs", ["closed_at", "next_try_at"])
    op.create_table(
        "call_back_tries",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("call_back", sa.String(32), nullable=False, index=True),
        sa.Column("n", sa.Integer, nullable=False),
        sa.Column("began_at", Moment, nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
        sa.Column("ended_at", Moment),
        sa.Column("outcome", sa.String(12), nullable=False),
    )
    op.create_table(
        "surveys",
        sa.Column("call_id", sa.String(80), primary_key=True),
        sa.Column("at", Moment, nullable=False, index=True),
        sa.Column("rating", sa.String(12), nullable=False),
        sa.Column("agent", sa.String(64), nullable=False),
        sa.Column("queue", sa.String(31), nullable=False),
        sa.Column("topic", sa.String(40), nullable=False),
    )


def downgrade() -> None:
    for table in ("surveys", "call_back_tries", "call_backs", "work_order_changes", "work_orders"):
        op.drop_table(table)
