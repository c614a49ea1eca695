"""Repeats are found among the texts to the same number: one index less of digests that fall all over it, as each is
dear to keep; and next to the number's digest eight bytes are enough.
"""

from alembic import op

revision = "0014"
down_revision = "0013"

_SQLITE_NAME = "uq_message_once_hash"  # SQLite's constraints have none
_POSTGRESQL_NAME = "message_once_hash_key"


def upgrade() -> None:
    op.execute("UPDATE message SET once_hash = substr(once_hash, 1, 8) WHERE once_hash IS NOT NULL")
    if op.get_bind().dialect.name == "sqlite":
        # The table is made anew, and the old one takes its parts with it when it goes.
        op.execute("CREATE TEMPORARY TABLE kept_part AS SELECT * FROM message_part")
        with op.batch_alter_table("message", naming_convention={"uq": "uq_%(table_name)s_%(column_0_name)s"}) as table:
            table.drop_constraint(_SQLITE_NAME, type_="unique")
        op.execute("INSERT INTO message_part SELECT * FROM kept_part")
        op.execute("DROP TABLE kept_part")
    else:
        op.drop_constraint(_POSTGRESQL_NAME, "message", type_="unique")
    op.drop_index("message_to", "message")
    op.create_index("message_once", "message", ["to_hash", "once_hash"], unique=True)


def downgrade() -> None:
    op.drop_index("message_once", "message")
    op.create_index("message_to", "message", ["to_hash"])
    op.create_index(_SQLITE_NAME, "message", ["once_hash"], unique=True)
