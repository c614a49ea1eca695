"""Logs: one line an event, with a stable name; JSON or for a person's eyes. Nothing personal is ever passed in.

Faults tell where, never with what: local variables may be a PIN, and so may the parameters of a statement
(`hotline.database` hides those) or what a library quotes (a request it cannot read, a number it cannot parse). So what
a fault says is told without what is quoted in it, its long figures and its Chinese.
"""

import logging
import re
import sys
import traceback

import structlog
from structlog.typing import ExcInfo

from hotline.settings import Settings

_QUOTED = re.compile(r"""(['"`]).*|\d{3,}|[^\x00-\x7f]+""")  # a quote that is opened may end anywhere
_FIRST_WORDS = re.compile(r"[^\n(]{0,200}")  # asyncio goes on with the arguments of a callback, or what a task raised


def fault(exc_info: ExcInfo) -> str:
    """Where a fault came from, and those that led to it; the type of each, and what of its words is surely ours."""
    told: list[str] = []
    error: BaseException | None = exc_info[1]
    while error:
        says = _QUOTED.sub("…", str(error).partition("\n")[0])[:200]
        told.append("".join([*traceback.format_tb(error.__traceback__), f"{type(error).__name__}: {says}"]))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(reversed(told))


class _Libraries(logging.Handler):
    """What libraries say, as an event like any other."""

    def emit(self, record: logging.LogRecord) -> None:
        says = _QUOTED.sub("…", _FIRST_WORDS.match(record.getMessage())[0])  # type: ignore[index]
        structlog.get_logger().log(
            record.levelno, "library", of=record.name, says=says, exc_info=record.exc_info or False
        )


def configure(settings: Settings, *, at_least: int = 0) -> None:
    """Set structlog up, on standard error; `at_least` keeps commands quiet that print something themselves."""
    level = max(at_least, logging.getLevelNamesMapping()[settings.log_level.upper()])
    json = settings.log_format == "json"
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[_Libraries()], force=True)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=False),
            structlog.processors.ExceptionRenderer(fault),
            structlog.processors.JSONRenderer(ensure_ascii=False)
            if json
            else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
