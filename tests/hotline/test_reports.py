"""The figures as other systems and people get them: over real HTTP with a key, as CSV, and in the terminal."""

import csv
import io
import re
from datetime import date
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from click.testing import CliRunner
from cryptography.fernet import Fernet
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from desk.figures import FIGURES, NODE_COLUMNS, BadPeriod, Figures, Period, Report
from fund.privacy import Privacy
from hotline import reports
from hotline.api import reports as reports_api
from hotline.api.routes import Door, bind
from hotline.cli import main
from ivr.tables import calls
from sms.keys import Keys
from sms.store import Store
from tests.desk.test_figures import a_call
from tests.ivr.golden import BEGIN

PRIVACY = Privacy(b"p" * 32, [Fernet.generate_key().decode()])
MARCH = Period(date(2026, 3, 1), date(2026, 3, 31))


@pytest.fixture
def keys(engine: AsyncEngine) -> Keys:
    return Keys(Store(engine, PRIVACY))


async def test_figures_over_http(engine: AsyncEngine, keys: Keys) -> None:
    async with engine.begin() as connection:
        await connection.execute(insert(calls), [a_call("1"), a_call("2", "transferred")])
    app = web.Application()
    bind(app, Door(keys), reports_api.routes(Figures(engine, lambda: BEGIN), lambda: BEGIN))
    right = {"Authorization": f"Bearer {await keys.add('hall', ['reports'], '40')}"}
    wrong = {"Authorization": f"Bearer {await keys.add('app', ['calls'], '10')}"}
    async with TestClient(TestServer(app)) as client:
        assert (await client.get("/v1/reports/summary")).status == 401
        assert (await client.get("/v1/reports/summary", headers=wrong)).status == 403
        found = await (await client.get("/v1/reports/summary", headers=right)).json()
        assert (found["first_day"], found["last_day"]) == ("2026-02-01", "2026-03-02")
        values = {row["figure"]: row["value"] for row in found["rows"]}
        assert values["calls"] == 2 and values["automatic"] == 0.5 and values["answered"] is None
        assert found["meanings"].keys() == FIGURES.keys() == values.keys()
        query = "?from=2026-03-02&to=2026-03-02"
        hours = await (await client.get(f"/v1/reports/hours{query}", headers=right)).json()
        assert hours["rows"][10] == {"hour": 10, "calls": 2, "people": 1}
        reply = await client.get(f"/v1/reports/days{query}&format=csv", headers=right)
        assert reply.content_type == "text/csv" and "days-2026-03-02" in reply.headers["Content-Disposition"]
        assert (await reply.text()).splitlines()[1:] == ["2026-03-02,2,1"]
        for bad in ("?from=2026-03-02&to=2026-03-01", "?from=yesterday", "?from=2020-01-01&to=2026-01-01", "?x=1"):
            assert (await client.get(f"/v1/reports/days{bad}", headers=right)).status == 422, bad
        unknown = await client.get("/v1/reports/salaries", headers=right)
        assert (unknown.status, unknown.content_type) == (404, "application/problem+json")
        problem = await unknown.json()
        assert problem["type"] == "urn:hotline:problem:no_such_report" and "summary、" in problem["detail"]
        for path in ("/v1/reports", "/v1/reports/"):
            there = (await (await client.get(path, headers=right)).json())["reports"]
            assert there["hours"] == "/v1/reports/hours" and {"summary", "days"} <= there.keys()
        assert (await client.get("/v1/reports/")).status == 401


def test_csv_is_for_people() -> None:
    text = reports.as_csv(Report("summary", MARCH, ("figure", "value"), [("satisfied", 0.75), ("kept", None)]))
    assert text.startswith("\ufeff")
    rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))
    assert rows == [
        ["指标", "数值", "说明"],
        ["满意率", "0.75", "（满意 + 基本满意）÷ 参评人数。"],
        ["回电完成率", "", FIGURES["kept"].meaning],
    ]
    topics = Report("topics", MARCH, ("topic", "calls", "people"), [("loan", 1, 0), ("-", 2, 0)])
    for formula in ("=贷款", "-贷款", "+1", "@SUM(1)"):
        told = reports.as_csv(topics, {"topics": {"loan": formula}})
        assert f"'{formula},1,0" in told and "\n未选择业务,2,0" in told, "a name is no formula"


def test_csv_is_in_english_for_who_reads_english() -> None:
    for report in (
        Report("summary", MARCH, ("figure", "value"), [(name, 1) for name in FIGURES]),
        Report("ratings", MARCH, ("rating", "count"), [(word, 1) for word in reports.RATINGS]),
        Report("nodes", MARCH, ("node", *NODE_COLUMNS), []),
        Report("topics", MARCH, ("topic", "calls", "people"), [("-", 1, 0)]),
        Report("queues", MARCH, ("queue", "asked", "answered", "in_time", "lost", "answer_seconds"), []),
    ):
        assert re.findall(r"[\u4e00-\u9fff]+", reports.as_csv(report, language="en")) == [], report.name


@pytest.mark.parametrize(
    ("first", "last", "days"),
    [
        (None, None, ("2026-02-01", "2026-03-02")),
        ("2026-02-20", None, ("2026-02-20", "2026-03-02")),
        (None, "2026-01-31", ("2026-01-02", "2026-01-31")),
        ("2026-05-01", None, ("2026-05-01", "2026-05-01")),
    ],
)
def test_which_days_are_meant(first: str | None, last: str | None, days: tuple[str, str]) -> None:
    found = reports.period(reports.parse_day(first or ""), reports.parse_day(last or ""), BEGIN.date())
    assert (found.first.isoformat(), found.last.isoformat()) == days
    with pytest.raises(BadPeriod):
        reports.parse_day("2026-02-30")


def test_in_the_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOTLINE_HOME", str(tmp_path))
    shown = CliRunner().invoke(main, ["report", "--from", "2026-03-01", "--to", "2026-03-02"])
    assert shown.exit_code == 0, shown.output
    assert shown.output.startswith("总览  2026-03-01 至 2026-03-02\n来电") and "接通率" in shown.output
    hours = CliRunner().invoke(main, ["report", "hours", "--csv"])
    assert len(hours.output.splitlines()) == 25
    wrong = CliRunner().invoke(main, ["report", "--from", "2026-03-02", "--to", "2026-03-01"])
    assert wrong.exit_code == 1 and "日期颠倒" in wrong.output
    assert "基本满意" in CliRunner().invoke(main, ["report", "ratings"]).output
    monkeypatch.setenv("HOTLINE_LANGUAGE", "en")
    for name in reports.TITLES:
        for form in ([], ["--csv"]):
            told = CliRunner().invoke(main, ["report", name, *form]).output
            assert told and re.findall(r"[\u4e00-\u9fff]+", told) == [], name
