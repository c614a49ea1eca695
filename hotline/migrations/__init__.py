"""The database's history. `upgrade(engine)` at every start brings it to today; two processes may start at once."""

from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

_LOCK = 12329  # PostgreSQL advisory lock: whoever comes second waits and finds the work done
_FOLDER = Path(__file__).parent


class TooNew(Exception):
    """A newer version of this program has been at the database: it must not be written to by this one."""

    def __init__(self, revision: str) -> None:
        super().__init__(f"数据库已由更新的版本升级到 {revision}：请运行那个版本，或恢复升级之前的备份")


async def upgrade(engine: AsyncEngine, revision: str = "head") -> None:
    """Bring the database to `revision`. Raises `TooNew`."""
    found = await _revision(engine)
    if found > _newest():
        raise TooNew(found)
    if revision == "head" and found == _newest():
        return
    async with engine.begin() as connection:
        await connection.run_sync(_upgrade, revision)


def _newest() -> str:
    return max(path.stem.partition("_")[0] for path in (_FOLDER / "versions").glob("[0-9]*.py"))


async def _revision(engine: AsyncEngine) -> str:
    """Of what is there; nothing when Alembic has not been here yet."""
    try:
        async with engine.connect() as connection:
            return str(await connection.scalar(text("SELECT version_num FROM alembic_version")))
    except DBAPIError:
        return ""


def _upgrade(connection: Connection, revision: str) -> None:
    from alembic import command  # 7 MB, and most starts find nothing to do
    from alembic.config import Config

    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    elif connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
