"""Inbound texts: which wait, whose parts were joined; how far the day's reminders are."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    waiting = sa.text("state = 'new'")
    op.create_index("inbound_new", "inbound", ["id"], sqlite_where=waiting, postgresql_where=waiting)
    op.add_column("inbound_part", sa.Column("provider", sa.String(length=32), nullable=False, server_default=""))
    op.add_column("inbound_part", sa.Column("joined_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "reminder_run",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("after", sa.String(length=64), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("kind", "day"),
    )


def downgrade() -> None:
    op.drop_table("reminder_run")
    op.drop_column("inbound_part", "joined_at")
    op.drop_column("inbound_part", "provider")
    op.drop_index("inbound_new", "inbound")
