"""/v1/reports: the figures the centre reports, as JSON or CSV. What each means is in `desk.figures`."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from desk.figures import FIGURES, BadPeriod, Figures, Report
from hotline import reports
from hotline.api.problems import Problem
from hotline.api.routes import Answer, Call, Day, Route


class ReportQuery(BaseModel):
    """Which days, both included, in China; without any, the last thirty."""

    model_config = ConfigDict(extra="forbid")

    first: Day | None = Field(None, alias="from")
    last: Day | None = Field(None, alias="to")
    format: Literal["json", "csv"] = "json"


class ReportAnswer(BaseModel):
    """A table of figures: a row is an object with these columns. Shares are 0 to 1, and null of nothing."""

    report: str
    first_day: date
    last_day: date = Field(description="included")
    columns: list[str]
    rows: list[dict[str, Any]]
    meanings: dict[str, str] = Field(default={}, description="what each figure is, in words")


class ReportList(BaseModel):
    """The reports there are: the name of each, and where to ask for it."""

    reports: dict[str, str]


def routes(figures: Figures, clock: Callable[[], datetime], language: str = "zh") -> list[Route]:
    """The operations under /v1/reports; `language`: of the headings of CSV."""
    listed = ReportList(reports={name: f"/v1/reports/{name}" for name in figures.names})

    async def look(call: Call) -> Answer:
        return Answer(200, listed)

    async def nothing(call: Call) -> Answer:
        raise Problem(404, "no_such_report", f"没有这张报表；有 {'、'.join(figures.names)}。")

    return [
        Route("GET", "/v1/reports", "reports", "The reports there are", look, {200: ReportList}),
        *(_route(figures, name, clock, language) for name in figures.names),
        Route("GET", "/v1/reports/{name}", "reports", "Any other report", nothing, {200: ReportList}, problems=[404]),
    ]


def _route(figures: Figures, name: str, clock: Callable[[], datetime], language: str) -> Route:
    async def run(call: Call) -> Answer | web.StreamResponse:
        query: ReportQuery = call.query
        try:
            period = reports.period(query.first, query.last, clock().date())
        except BadPeriod:
            raise Problem(422, "bad_period") from None
        report = await figures.report(name, period)
        return _csv(report, language) if query.format == "csv" else Answer(200, _answer(report))

    return Route(
        "GET", f"/v1/reports/{name}", "reports", f"Figures: {name}", run, {200: ReportAnswer},
        query=ReportQuery, also=["text/csv"],
    )  # fmt: skip


def _answer(report: Report) -> ReportAnswer:
    return ReportAnswer(
        report=report.name,
        first_day=report.period.first,
        last_day=report.period.last,
        columns=list(report.columns),
        rows=report.records(),
        meanings={key: figure.meaning for key, figure in FIGURES.items()} if report.name == "summary" else {},
    )


def _csv(report: Report, language: str) -> web.Response:
    name = f"{report.name}-{report.period.first}-{report.period.last}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    text = reports.as_csv(report, language=language)
    return web.Response(text=text, content_type="text/csv", charset="utf-8", headers=headers)
