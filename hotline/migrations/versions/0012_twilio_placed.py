"""Calls that we place by Twilio: which of them are up, and how they went, whichever node is told."""

import sqlalchemy as sa
from alembic import op

from fund.columns import Moment

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "twilio_placed",
        sa.Column("call_id", sa.String(80), primary_key=True),
        sa.Column("sid", sa.String(34), nullable=False),
        sa.Column("seen_at", Moment, nullable=False, index=True),
        sa.Column("over", sa.Boolean, nullable=False),
        sa.Column("how", sa.String(12), nullable=False),
        sa.Column("talked", sa.Boolean, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("twilio_placed")
