"""Opens databases the way each engine wants to be opened: SQLite in WAL mode by default, PostgreSQL by URL."""

from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from hotline import sqlite_driver

# The log is brought into the file by whoever writes most (`sms.writer`, `fund.lanes`), not by whoever passes by.
_LOG = "wal_autocheckpoint=32000"
SQLITE_CONNECTIONS = 12  # kept open; one beyond is opened for a moment, and opening costs more than most statements


def open_database(url: str, *, read_only: bool = False, autocommit: bool = False, flush: bool = True) -> AsyncEngine:
    """An engine for `url`. SQLite: WAL, a busy timeout of 10 s, foreign keys on, the folder made if missing.

    With `autocommit` every statement is its own transaction, which is what `fund.statements` is fastest on;
    a database that is only read is always opened so. Without `flush`, SQLite does not wait for the disk: a killed
    service loses nothing, a machine that loses its power the last moments.
    """
    modes: dict[str, Any] = {"hide_parameters": True}  # they may be personal, and errors are logged
    if autocommit or read_only:
        modes |= {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True}
    if make_url(url).get_backend_name() != "sqlite":
        return create_async_engine(url, pool_pre_ping=not (autocommit or read_only), pool_size=10, **modes)
    path = make_url(url).database
    if path and path != ":memory:":
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        modes["pool_size"] = SQLITE_CONNECTIONS
    engine = create_async_engine(url, connect_args={"async_creator_fn": sqlite_driver.connect}, **modes)
    event.listen(engine.sync_engine, "connect", _query_only if read_only else _durable if flush else _quick)
    return engine


def _durable(connection: Any, _: Any) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000", "foreign_keys=ON", _LOG):
        connection.execute(f"PRAGMA {pragma}")


def _quick(connection: Any, _: Any) -> None:
    _durable(connection, _)
    connection.execute("PRAGMA synchronous=NORMAL")


def _query_only(connection: Any, _: Any) -> None:
    connection.execute("PRAGMA busy_timeout=3000")
    connection.execute("PRAGMA query_only=ON")
