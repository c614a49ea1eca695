"""Twilio Voice: the turn each call is in, so that any node answers it, and answers a repeated request the same."""

import sqlalchemy as sa
from alembic import op

from fund.columns import Moment

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "twilio_turns",
        sa.Column("call_id", sa.String(80), primary_key=True),
        sa.Column("n", sa.Integer, nullable=False),
        sa.Column("claimed_at", Moment, nullable=False, index=True),
        sa.Column("done", sa.Boolean, nullable=False),
        sa.Column("over", sa.Boolean, nullable=False),
        sa.Column("answer", sa.LargeBinary),
    )
