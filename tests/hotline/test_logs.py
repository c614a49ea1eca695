"""What a log may say when something goes wrong: where, never with what."""

import json
from collections.abc import Iterator

import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from hotline.logs import configure
from hotline.settings import Settings


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def settings(form: str) -> Settings:
    return Settings(_env_file=None, log_format=form)  # type: ignore[call-arg, arg-type]


def failing(digits: str) -> None:
    pin = digits * 2
    raise RuntimeError(f"a fault of ours after {len(pin)} keys")


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_names_the_place_and_no_local_variable(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure(settings(form))
    try:
        failing("135790")
    except RuntimeError:
        structlog.get_logger().exception("call_failed")
    logged = capsys.readouterr().err
    assert "failing" in logged and "a fault of ours after 12 keys" in logged
    assert "135790135790" not in logged


def test_json_is_one_line_an_event(capsys: pytest.CaptureFixture[str]) -> None:
    configure(settings("json"))
    structlog.get_logger().warning("sound_not_played", sound="a.wav")
    event = json.loads(capsys.readouterr().err)
    assert event["event"] == "sound_not_played" and event["level"] == "warning"


async def test_a_failed_statement_is_told_without_its_values(engine: AsyncEngine) -> None:
    with pytest.raises(Exception, match="no_such_table") as caught:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT :pin FROM no_such_table"), {"pin": "135790"})
    assert "135790" not in str(caught.value)
