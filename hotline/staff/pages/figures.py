"""The figures, drawn and as files."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from desk.figures import FIGURES, NO_TOPIC, NODE_COLUMNS, BadPeriod, Period
from hotline import reports
from hotline.staff import words
from hotline.staff.accounts import NotPossible
from hotline.staff.charts import bars
from hotline.staff.page import Page, Visit
from hotline.staff.pages.calls import STOPS
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
            node=_Nodes(parts, visit),
            days=bars([(day[5:], calls, people) for day, calls, people in found["days"].rows]),
            hours=bars([(str(hour), calls, people) for hour, calls, people in found["hours"].rows]),
        )  # fmt: skip

    async def file(visit: Visit) -> web.StreamResponse:
        name, period = visit.request.match_info["name"], _period(visit)
        if name not in parts.figures.names:
            raise NotPossible("no_such_report")
        report = await parts.figures.report(name, period)
        headers = {"Content-Disposition": f'attachment; filename="{name}-{period.first}-{period.last}.csv"'}
        names = {"topics": parts.titles(), "queues": parts.queue_titles()}
        text = reports.as_csv(report, names, visit.language)
        return web.Response(text=text, content_type="text/csv", charset="utf-8", headers=headers)

    return [Page("GET", "/figures", "viewer", figures), Page("GET", "/figures/{name}.csv", "viewer", file)]


class _Nodes:
    """Nodes by what they are to people, in the visitor's language: `贷款业务：申请材料`; else by their own name."""

    def __init__(self, parts: Parts, visit: Visit) -> None:
        self._files, self._queues, self._stops = parts.titles(), parts.queue_titles(), parts.stops()
        self._visit = visit

    def title(self, node: str) -> str:
        """Empty when the menus have no word for it."""
        stop, file = self._stops.get(node), self._files.get(node.partition("/")[0])
        if stop is None or file is None:
            return ""
        if stop.kind == "chose":
            return f"{file}：{stop.words}"
        kind = words.say(STOPS[stop.kind], self._visit.language)
        of = self._queues.get(stop.words, stop.words) if stop.kind == "transfer" else stop.words
        return f"{file}：{kind} {of}".rstrip()

    def ways(self, told: str) -> str:
        """`loan/start 12, main/agent 3` -> `贷款业务：菜单 12，...`."""
        ways = (way.rpartition(" ") for way in told.split(", ") if way)
        return "，".join(f"{self.title(node) or node} {number}" for node, _, number in ways)


def _titles(parts: Parts) -> Mapping[str, Any]:
    return {NO_TOPIC: "未选择业务", **parts.titles()}


def _period(visit: Visit) -> Period:
    query = visit.request.query
    try:
        first, last = (reports.parse_day(query.get(name, "")) for name in ("from", "to"))
        return reports.period(first, last, visit.at.date())
    except BadPeriod:
        raise NotPossible("bad_period") from None
