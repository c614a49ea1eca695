"""The time of the country, which is the hotline's own, whatever the machine thinks."""

from datetime import datetime
from zoneinfo import ZoneInfo

CHINA = ZoneInfo("Asia/Shanghai")


def china_now() -> datetime:
    """The moment, aware."""
    return datetime.now(CHINA)
