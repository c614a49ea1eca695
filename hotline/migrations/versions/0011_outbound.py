"""Calls that we place: reminders beside call-backs, who answered, and a number for each time that was dialled."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
OPEN = "call_backs_one_open"


def upgrade() -> None:
    purpose = sa.Column("purpose", sa.String(10), nullable=False, server_default="callback")
    op.add_column("call_backs", purpose)
    op.add_column("call_backs", sa.Column("message_sealed", sa.LargeBinary))
    op.add_column("call_backs", sa.Column("dialled", sa.Integer, nullable=False, server_default="0"))
    op.execute("UPDATE call_backs SET dialled = tries")
    op.add_column("call_back_tries", sa.Column("answered", sa.String(12), nullable=False, server_default=""))
    _one_open("closed_at IS NULL AND purpose = 'callback'")


def downgrade() -> None:
    op.execute("DELETE FROM call_backs WHERE purpose <> 'callback'")
    _one_open("closed_at IS NULL")
    op.drop_column("call_back_tries", "answered")
    for name in ("dialled", "message_sealed", "purpose"):
        op.drop_column("call_backs", name)


def _one_open(where: str) -> None:
    op.drop_index(OPEN, "call_backs")
    which = sa.text(where)
    op.create_index(OPEN, "call_backs", ["number_digest"], unique=True, sqlite_where=which, postgresql_where=which)
