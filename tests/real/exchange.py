"""One service and one Asterisk, linked by the manager interface as well, for the calls of a module."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.real.asterisk import CONFIG, SECRETS, Asterisk, NoAsterisk
from tests.real.running import Running

Exchange = tuple[Running, Asterisk]


@contextmanager
def linked(
    folder: Path,
    *,
    flows: Callable[[Path], object] = lambda flows: None,
    files: Mapping[str, str] | None = None,
    **environment: str,
) -> Iterator[Exchange]:
    """`flows` may change the folder of menus before they are read; `files` replaces whole .conf files of Asterisk."""
    # Nobody is at the trunk's address between two calls of the tests.
    trunk = (CONFIG / "pjsip.conf").read_text().replace("qualify_frequency = 60", "qualify_frequency = 0")
    with ExitStack() as stack:
        running = Running(folder / "home", **environment)
        flows(running.home / "flows")
        try:
            asterisk = Asterisk(folder / "asterisk", running.agi_url, files={"pjsip.conf": trunk} | dict(files or {}))
        except NoAsterisk as reason:
            pytest.skip(str(reason))
        running.connect_exchange(asterisk.ami_port, SECRETS["AMI_SECRET"])
        stack.enter_context(asterisk)
        stack.enter_context(running)
        yield running, asterisk
