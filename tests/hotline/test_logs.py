"""What a log may say when something goes wrong: where, never with what."""

import asyncio
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from aiohttp import web
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from hotline.logs import configure
from hotline.settings import Settings
from tests.leaks import told


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    handlers = logging.getLogger().handlers[:]
    yield
    logging.getLogger().handlers[:] = handlers
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


@pytest.mark.parametrize("form", ["json", "console"])
def test_what_a_fault_quotes_is_left_out(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure(settings(form))
    for digits in ("13590a", "139 0000 0001"):
        try:
            int(digits)
        except ValueError:
            structlog.get_logger().exception("call_failed")
    logged = capsys.readouterr().err
    assert "ValueError: invalid literal for int() with base 10: …" in logged
    assert "13590a" not in logged and not told("0001", logged)


@pytest.mark.parametrize("form", ["json", "console"])
async def test_a_request_nobody_can_read_is_not_quoted(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A body that is not chunked as it says: the library would log it, with the code in it."""
    configure(settings(form))
    runner = web.AppRunner(web.Application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    reader, writer = await asyncio.open_connection(*runner.addresses[0])
    writer.write(
        b'POST /v1/verifications/x/check HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{"code": "987654"}\r\n\r\n'
    )
    assert b"400 Bad Request" in await reader.read()
    writer.close()
    await runner.cleanup()
    logged = capsys.readouterr().err
    assert "Error handling request" in logged and not told("987654", logged)


@pytest.mark.parametrize("form", ["json", "console"])
async def test_what_asyncio_says_of_a_callback_is_told_without_its_arguments(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(settings(form))
    asyncio.get_running_loop().call_soon(int, "135 790")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    logged = capsys.readouterr().err
    assert "Exception in callback int" in logged and "ValueError" in logged and not told("790", logged)
