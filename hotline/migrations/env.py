"""Alembic's entry: one linear history for both sides' tables, on whichever engine `HOTLINE_DATABASE_URL` names."""

import asyncio

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from hotline.database import open_database
from hotline.settings import Settings


def migrate(connection: Connection) -> None:
    """Bring an open connection's database to the wanted revision."""
    context.configure(connection=connection, render_as_batch=connection.dialect.name == "sqlite")
    with context.begin_transaction():
        context.run_migrations()


async def from_command_line() -> None:
    """`alembic upgrade head` without a connection given: open the configured database."""
    engine = open_database(Settings().own_database_url)
    async with engine.begin() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


given = context.config.attributes.get("connection")
if isinstance(given, AsyncConnection):
    raise TypeError("give Alembic the synchronous side of the connection: connection.run_sync(upgrade)")
if given is not None:
    migrate(given)
else:
    asyncio.run(from_command_line())
