"""The figures, drawn and as files."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from desk.figures import FIGURES, NO_TOPIC, NODE_COLUMNS, BadPeriod, Period
from hotline import reports
from hotline.staff.accounts import NotPossible
from hotline.staff.charts import bars
from hotline.staff.page import Page, Visit
from hotline.staff.parts import Parts


def pages(parts: Parts) -> list[Page]:
    async def figures(visit: Visit) -> web.StreamResponse:
        period = _period(visit)
        found = {name: await parts.figures.report(name, period) for name in parts.figures.names}
        titles = _titles(parts)
        return visit.show(
            "figures.html", here="/figures", period=period, found=found, titles=titles, figures=FIGURES,
            shown=reports.shown, label=reports.label, ratings=reports.RATINGS, reports=reports.TITLES,
            node_columns=NODE_COLUMNS,
            days=bars([(day[5:], calls, people) for day, calls, people in found["days"].rows]),
            hours=bars([(str(hour), calls, people) for hour, calls, people in found["hours"].rows]),
        )  # fmt: skip

    async def file(visit: Visit) -> web.StreamResponse:
        name, period = visit.request.match_info["name"], _period(visit)
        if name not in parts.figures.names:
            raise NotPossible("no_such_report")
        report = await parts.figures.report(name, period)
        headers = {"Content-Disposition": f'attachment; filename="{name}-{period.first}-{period.last}.csv"'}
        text = reports.as_csv(report, _titles(parts))
        return web.Response(text=text, content_type="text/csv", charset="utf-8", headers=headers)

    return [Page("GET", "/figures", "viewer", figures), Page("GET", "/figures/{name}.csv", "viewer", file)]


def _titles(parts: Parts) -> Mapping[str, Any]:
    return {NO_TOPIC: "未选择业务", **parts.titles()}


def _period(visit: Visit) -> Period:
    query = visit.request.query
    try:
        first, last = (reports.parse_day(query.get(name, "")) for name in ("from", "to"))
        return reports.period(first, last, visit.at.date())
    except BadPeriod:
        raise NotPossible("bad_period") from None
