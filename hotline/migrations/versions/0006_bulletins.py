"""The spoken bulletin and who switched it."""

import sqlalchemy as sa
from alembic import op

from fund.columns import Moment

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "bulletins",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", Moment, nullable=False),
        sa.Column("who", sa.String(64), nullable=False),
        sa.Column("text", sa.String(200), nullable=False),
        sa.Column("until", Moment, nullable=False),
    )
