"""One row a visit, however many nodes watch the exchange."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_index("queue_visits_visit", "queue_visits", ["call_id", "entered_at"], unique=True)


def downgrade() -> None:
    op.drop_index("queue_visits_visit", "queue_visits")
