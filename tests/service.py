"""The whole service, as `make run` starts it, in a folder of its own and on free ports."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hotline.demo import shown
from hotline.server import Hotline, open_hotline
from hotline.settings import Settings
from tests.databases import copied

FLOWS = Path(__file__).parents[1] / "flows"
ALWAYS = (
    "timetables: {people: {note: 人工服务, every_day: 0:00-24:00}, branches: {note: 网点, every_day: 0:00-24:00}}\n"
)


def always_open(home: Path) -> Path:
    """A copy of `flows/` in which people are always there: tests on the real clock run at any hour."""
    folder = shutil.copytree(FLOWS, home / "flows", dirs_exist_ok=True)
    (folder / "hours.yaml").write_text(ALWAYS, "utf-8")
    return folder


@cache
def _made_home() -> TemporaryDirectory[str]:
    """A home as the first start leaves it. To make a thousand demo people takes as long as all the rest of a start."""
    made = TemporaryDirectory(prefix="home")
    settings = Settings(_env_file=None, home=Path(made.name))  # type: ignore[call-arg]
    with ThreadPoolExecutor() as threads:  # whoever asks may have a loop of their own
        threads.submit(asyncio.run, shown(settings)).result()
    return made


def move_into(home: Path) -> None:
    """Make `home` as the first start would, unless somebody lives there."""
    if (home / "ledger.made").exists():
        return
    made = Path(_made_home().name)
    shutil.copytree(made, home, ignore=shutil.ignore_patterns("*.db*"), dirs_exist_ok=True)
    for database in ("hotline.db", "ledger.db"):
        copied(made / database, home / database)


@asynccontextmanager
async def service(home: Path, **changed: Any) -> AsyncIterator[Hotline]:
    """A running demo service; `changed` are settings. People are always there unless `flows` says otherwise."""
    move_into(home)
    ours = {"home": home, "port": 0, "agi_port": 0, "sounds_ahead": False, "ledger_limit_seconds": 20} | (
        {} if "flows" in changed else {"flows": always_open(home)}
    )
    settings = Settings(_env_file=None, **ours | changed)  # type: ignore[call-arg]
    async with open_hotline(settings, with_demo=True) as hotline:
        yield hotline
