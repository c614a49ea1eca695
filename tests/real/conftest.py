"""What the tests on real lines share: one service and one Asterisk for the calls of a module."""

import sqlite3
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing

import pytest

from tests.real.asterisk import Asterisk, NoAsterisk
from tests.real.running import Running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Beside what failed, what the service and the exchange had to say."""
    report = yield
    if report.failed:
        for peer in (*Running.entered, *Asterisk.entered):
            report.sections.append((f"last words of {peer.folder}", peer.last_words()))
    return report


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Asterisk]]:
    """One service and one Asterisk for the calls of this module."""
    folder = tmp_path_factory.mktemp("telephone")
    with ExitStack() as stack:
        running = Running(folder / "home")
        try:
            asterisk = Asterisk(folder / "asterisk", running.agi_url)
        except NoAsterisk as reason:
            pytest.skip(str(reason))
        stack.enter_context(running)
        make_lockable(running)
        stack.enter_context(asterisk)
        yield running, asterisk


def make_lockable(running: Running) -> None:
    """Give the demo ledger a journal under which one writer can make every reader wait: see `slow_ledger`."""
    running.stop()
    with closing(sqlite3.connect(running.home / "ledger.db")) as ledger:
        assert ledger.execute("PRAGMA journal_mode=DELETE").fetchone() == ("delete",)
    running.start()
