"""What every test may ask for. `database_url` runs a test twice: on a fresh SQLite file and in a fresh PostgreSQL."""

import itertools
import os
import signal
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs
from structlog.typing import EventDict

import desk.bulletin
import hotline.health
import ivr.call
import ivr.lines.twilio_turns
import ivr.records
import ivr.versions
from hotline.database import open_database
from tests.databases import NoPostgres, Postgres, copied, migrate, postgres

REAL = Path(__file__).parent / "real"
# Of tests/real, from two and a half minutes down to one.
LONGEST = [
    "messages_lost",
    "queues",
    "outbound_lost",
    "telephone_lost",
    "messages",
    "outbound",
    "queues_lost",
    "outbound_spoken",
]
TEARDOWN_SECONDS = 60
_numbers = itertools.count(1)

# A machine that is busy is slow, and that is no fault of what is tested.
settings.register_profile("hunt", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=2000)
# The same examples every time, so that a test that fails tells of the change; `--hypothesis-profile=hunt` tries others.
settings.register_profile("same", settings.get_profile("hunt"), derandomize=True, max_examples=100)
settings.load_profile("same")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="rewrite the golden calls of tests/calls/")


# Beside a fault structlog draws every local variable: seconds for each, and minutes on a busy machine.
structlog.dev.ConsoleRenderer.get_active().exception_formatter = structlog.dev.plain_traceback

# A module's logger would keep to what the first test that used it had configured, and no later test could listen to it.
_configure = structlog.configure
structlog.configure = lambda **chosen: _configure(**chosen | {"cache_logger_on_first_use": False})

# A busy machine is not to look like a database that is away: what happens then has tests of its own, with limits of theirs.
desk.bulletin.LIMIT_SECONDS = hotline.health.LIMIT_SECONDS = ivr.call.LIMIT_SECONDS = 20.0
ivr.call.PATIENT_SECONDS = ivr.lines.twilio_turns.LIMIT_SECONDS = ivr.records.PATIENCE_SECONDS = 20.0
ivr.versions.LIMIT_SECONDS = 20.0


@pytest.fixture
def logs() -> Iterator[list[EventDict]]:
    """What is told to the log while the test runs, of every level, whatever tests before it have chosen."""
    structlog.reset_defaults()
    with capture_logs() as told:
        yield told


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """One PostgreSQL for all tests, started by the first that needs it."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(postgres())
        except NoPostgres as reason:
            pytest.skip(str(reason))
        yield server


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file as the migrations leave it: to be copied, which is ten times as fast as to migrate."""
    path = tmp_path_factory.mktemp("migrated") / "migrated.db"
    migrate(f"sqlite+aiosqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_postgres(postgres_server: Postgres) -> str:
    """The name of a PostgreSQL database as the migrations leave it, to be copied."""
    postgres_server.run("CREATE DATABASE migrated")
    migrate(postgres_server.url("migrated"))
    return "migrated"


@pytest.fixture
def sqlite_url(tmp_path: Path, migrated_file: Path) -> str:
    """A SQLite file with our tables and nothing in them."""
    return f"sqlite+aiosqlite:///{copied(migrated_file, tmp_path / 'test.db')}"


@pytest.fixture
def postgres_url(postgres_server: Postgres, migrated_postgres: str) -> Iterator[str]:
    """A PostgreSQL database with our tables and nothing in them. A test that leaves a connection to it open fails."""
    name = f"test_{next(_numbers)}"
    postgres_server.run(f"CREATE DATABASE {name} TEMPLATE {migrated_postgres} STRATEGY FILE_COPY")
    yield postgres_server.url(name)
    postgres_server.run(f"DROP DATABASE {name}")


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh database of each engine in turn."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """The same database, opened as the service opens it."""
    engine = open_database(database_url)
    yield engine
    await engine.dispose()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Real calls take longest, so they begin first, and of these the longest: workers are handed whole modules."""

    def turn(item: pytest.Item) -> tuple[bool, int]:
        name = item.path.stem.removeprefix("test_")
        return item.path.parent != REAL, LONGEST.index(name) if name in LONGEST else len(LONGEST)

    items.sort(key=turn)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> None:
    """Who is on the telephone goes first: what a real call needs of the machine it gets, whatever else is being tested."""
    if os.geteuid() == 0:
        os.setpriority(os.PRIO_PROCESS, 0, -5 if item.path.parent == REAL else 5)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown() -> Generator[None, None, None]:
    """pytest-timeout strikes once a test: what hangs again while it is cleared away would hang for ever."""

    def hangs(*_: object) -> None:
        pytest.fail(f"hung for {TEARDOWN_SECONDS} s while it was cleared away")

    signal.signal(signal.SIGALRM, hangs)
    signal.setitimer(signal.ITIMER_REAL, TEARDOWN_SECONDS, 10)  # each of its fixtures may hang
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
