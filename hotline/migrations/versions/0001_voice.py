"""The voice side: calls, their steps, who looked at what, the flow versions calls started on; and query PINs."""

import sqlalchemy as sa
from alembic import op

from fund.columns import Moment

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "calls",
        sa.Column("id", sa.String(80), primary_key=True),
        sa.Column("line", sa.String(20), nullable=False),
        sa.Column("flow_version", sa.String(64), nullable=False),
        sa.Column("language", sa.String(2), nullable=False),
        sa.Column("caller_masked", sa.String(32), nullable=False),
        sa.Column("caller_digest", sa.String(64), nullable=False, index=True),
        sa.Column("person_kind", sa.String(10)),
        sa.Column("person_masked", sa.String(32)),
        sa.Column("person_digest", sa.String(64), index=True),
        sa.Column("node", sa.String(130), nullable=False),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("started_at", Moment, nullable=False, index=True),
        sa.Column("ended_at", Moment),
        sa.Column("state", sa.LargeBinary),
    )
    op.create_table(
        "call_steps",
        sa.Column("call_id", sa.String(80), primary_key=True),
        sa.Column("n", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("node", sa.String(130), nullable=False),
        sa.Column("entered_at", Moment, nullable=False),
        sa.Column("seconds", sa.Float),
    )
    op.create_table(
        "call_audit",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", Moment, nullable=False, index=True),
        sa.Column("call_id", sa.String(80), nullable=False, index=True),
        sa.Column("action", sa.String(60), nullable=False),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("person_masked", sa.String(32), nullable=False),
        sa.Column("person_digest", sa.String(64), nullable=False),
    )
    op.create_index("call_audit_person", "call_audit", ["person_digest", "at"])
    op.create_table(
        "flow_versions",
        sa.Column("version", sa.String(64), primary_key=True),
        sa.Column("files", sa.Text, nullable=False),
        sa.Column("taken_up_at", Moment, nullable=False),
    )
    op.create_table(
        "pins",
        sa.Column("account", sa.String(64), primary_key=True),
        sa.Column("hash", sa.String(200), nullable=False),
        sa.Column("set_at", Moment, nullable=False),
    )
    op.create_table(
        "pin_offers",
        sa.Column("account", sa.String(64), primary_key=True),
        sa.Column("hash", sa.String(200), nullable=False),
        sa.Column("expires_at", Moment, nullable=False),
    )
    op.create_table(
        "pin_tries",
        sa.Column("subject", sa.String(64), primary_key=True),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("until", Moment, nullable=False),
    )


def downgrade() -> None:
    for table in ("pin_tries", "pin_offers", "pins", "flow_versions", "call_audit", "call_steps", "calls"):
        op.drop_table(table)
