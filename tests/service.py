"""The whole service, as `make run` starts it, in a folder of its own and on free ports."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hotline.server import Hotline, open_hotline
from hotline.settings import Settings

FLOWS = Path(__file__).parents[1] / "flows"
ALWAYS = (
    "timetables: {people: {note: 人工服务, every_day: 0:00-24:00}, branches: {note: 网点, every_day: 0:00-24:00}}\n"
)


def always_open(home: Path) -> Path:
    """A copy of `flows/` in which people are always there: tests on the real clock run at any hour."""
    folder = shutil.copytree(FLOWS, home / "flows", dirs_exist_ok=True)
    (folder / "hours.yaml").write_text(ALWAYS, "utf-8")
    return folder


@asynccontextmanager
async def service(home: Path, **changed: Any) -> AsyncIterator[Hotline]:
    """A running demo service; `changed` are settings. People are always there unless `flows` says otherwise."""
    ours = {"home": home, "port": 0, "agi_port": 0} | ({} if "flows" in changed else {"flows": always_open(home)})
    settings = Settings(_env_file=None, **ours | changed)  # type: ignore[call-arg]
    async with open_hotline(settings, with_demo=True) as hotline:
        yield hotline
