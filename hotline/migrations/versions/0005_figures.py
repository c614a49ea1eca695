"""What figures and agents need of a call: silences and wrong keys of each step, and who called, for some days."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("call_steps", sa.Column("silences", sa.Integer, nullable=False, server_default="0"))
    op.add_column("call_steps", sa.Column("wrongs", sa.Integer, nullable=False, server_default="0"))
    op.add_column("calls", sa.Column("who", sa.LargeBinary))
    kept = sa.text("who IS NOT NULL")
    op.create_index("calls_who", "calls", ["ended_at"], sqlite_where=kept, postgresql_where=kept)


def downgrade() -> None:
    op.drop_index("calls_who", "calls")
    op.drop_column("calls", "who")
    for column in ("wrongs", "silences"):
        op.drop_column("call_steps", column)
