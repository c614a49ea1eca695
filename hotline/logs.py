"""Logs: one line an event, with a stable name; JSON or for a person's eyes. Nothing personal is ever passed in.

Tracebacks tell where, never with what: local variables may be a PIN, and so may the parameters of a statement
(`hotline.database` hides those).
"""

import logging
import sys

import structlog
from structlog.tracebacks import ExceptionDictTransformer

from hotline.settings import Settings

_TRACEBACKS = structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))


def configure(settings: Settings, *, at_least: int = 0) -> None:
    """Set structlog up, on standard error; `at_least` keeps commands quiet that print something themselves."""
    level = max(at_least, logging.getLevelNamesMapping()[settings.log_level.upper()])
    json = settings.log_format == "json"
    logging.basicConfig(level=max(level, logging.WARNING), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=False),
            *([_TRACEBACKS] if json else []),
            structlog.processors.JSONRenderer(ensure_ascii=False)
            if json
            else structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
