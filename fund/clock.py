"""The time of the country, which is the hotline's own, whatever the machine thinks."""

from datetime import datetime
from zoneinfo import ZoneInfo

CHINA = ZoneInfo("Asia/Shanghai")
YEARS = range(1970, 2200)  # at the ends of the calendar, arithmetic and databases fail


def china_now() -> datetime:
    """The moment, aware."""
    return datetime.now(CHINA)
