"""Each time a caller waited in a queue: what the centre's figures of answering are counted from."""

import sqlalchemy as sa
from alembic import op

from fund.columns import Moment

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "queue_visits",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("call_id", sa.String(80), nullable=False, index=True),
        sa.Column("queue", sa.String(31), nullable=False),
        sa.Column("entered_at", Moment, nullable=False, index=True),
        sa.Column("estimate_seconds", sa.Integer),
        sa.Column("answered_at", Moment),
        sa.Column("agent", sa.String(64), nullable=False),
        sa.Column("left_at", Moment),
        sa.Column("how", sa.String(12), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("queue_visits")
