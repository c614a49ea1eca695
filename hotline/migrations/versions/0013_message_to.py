"""Texts are found by whom they went to: with their time as well, the index was twice as large, and dear to keep."""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.drop_index("message_to", "message")
    op.create_index("message_to", "message", ["to_hash"])


def downgrade() -> None:
    op.drop_index("message_to", "message")
    op.create_index("message_to", "message", ["to_hash", "created_at"])
