"""A year whose holidays are not known yet is told everywhere that somebody looks, and calls go on."""

from datetime import date
from pathlib import Path

import aiohttp
import pytest
from structlog.typing import EventDict

from fund import calendar
from hotline import health
from hotline.flows import calendar_faults
from tests.service import service


async def test_it_is_told_in_the_log_at_readyz_and_in_the_metrics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logs: list[EventDict]
) -> None:
    monkeypatch.setattr(calendar, "LAST_PUBLISHED", 2025)
    await health.look_at_calendar()
    assert logs[0]["event"] == "holidays_not_published" and logs[0]["year"] >= 2026
    async with service(tmp_path) as hotline, aiohttp.ClientSession(f"http://127.0.0.1:{hotline.port}") as client:
        async with client.get("/readyz") as answer:
            assert answer.status == 200 and (await answer.json())["calendar"].endswith("not published")
        async with client.get("/metrics") as answer:
            line = next(
                line for line in (await answer.text()).splitlines() if line.startswith("hotline_calendar_days ")
            )
            assert float(line.split()[1]) < 0


def test_check_warns_from_december_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calendar, "LAST_PUBLISHED", 2026)
    assert calendar_faults(Path("flows"), date(2026, 11, 30)) == []
    (fault,) = calendar_faults(Path("flows"), date(2026, 12, 1))
    assert fault.warning and fault.tell().startswith("flows/hours.yaml:1: 还没有 2027 年的放假安排")
    assert "chinesecalendar" in fault.zh and "closures" in fault.en
