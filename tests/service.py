"""The whole service, as `make run` starts it, in a folder of its own and on free ports."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hotline.server import Hotline, open_hotline
from hotline.settings import Settings


@asynccontextmanager
async def service(home: Path, **changed: Any) -> AsyncIterator[Hotline]:
    """A running demo service; `changed` are settings."""
    settings = Settings(_env_file=None, **{"home": home, "port": 0, "agi_port": 0} | changed)  # type: ignore[call-arg]
    async with open_hotline(settings, with_demo=True) as hotline:
        yield hotline
