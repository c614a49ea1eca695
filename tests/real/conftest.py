"""What the tests on real lines share: one service and one Asterisk for the calls of a module."""

import sqlite3
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing

import pytest

from ivr import audio
from ivr.voice import EmbeddedVoice
from tests.real.asterisk import Asterisk, NoAsterisk
from tests.real.exchange import Exchange
from tests.real.messages import SPOKEN, a_taping_service
from tests.real.outbound import an_exchange
from tests.real.queues import a_watched_exchange
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


@pytest.fixture(scope="module")
def queues(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """One service and one Asterisk that it watches, for the calls of this module."""
    with a_watched_exchange(tmp_path_factory.mktemp("queues")) as opened:
        yield opened


@pytest.fixture(scope="module")
def outbound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """One service and one Asterisk by which it calls, for the calls of this module."""
    with an_exchange(tmp_path_factory.mktemp("outbound")) as opened:
        yield opened


@pytest.fixture(scope="module")
def taping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Asterisk]]:
    """One service and one Asterisk that records for it, for the calls of this module."""
    with a_taping_service(tmp_path_factory.mktemp("messages")) as opened:
        yield opened


@pytest.fixture(scope="module")
def question() -> audio.Sound:
    """What a caller says after the beep."""
    return EmbeddedVoice().say(SPOKEN, "zh")


def make_lockable(running: Running) -> None:
    """Give the demo ledger a journal under which one writer can make every reader wait: see `slow_ledger`."""
    running.stop()
    with closing(sqlite3.connect(running.home / "ledger.db")) as ledger:
        assert ledger.execute("PRAGMA journal_mode=DELETE").fetchone() == ("delete",)
    running.start()
