"""The figures as files and lines: which days are meant, and CSV that opens in a spreadsheet."""

import csv
import io
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from desk.figures import EARLIEST, FIGURES, NO_TOPIC, NODE_COLUMNS, BadPeriod, Period, Report
from hotline.staff.words import say

USUAL_DAYS = 30
BOM = "\ufeff"  # spreadsheets take a file without it for something older than UTF-8
LABELS = {
    "figure": "指标",
    "value": "数值",
    "day": "日期",
    "hour": "时段",
    "topic": "主题",
    "calls": "来电",
    "people": "进入人工",
    "queue": "队列",
    "asked": "请求人工",
    "answered": "接听",
    "in_time": "15 秒内接听",
    "lost": "流失",
    "answer_seconds": "接听等待（中位数，秒）",
    "rating": "评价",
    "count": "人数",
    "node": "节点",
    "entered": "进入",
    "median_seconds": "停留（中位数，秒）",
    "hung_up": "挂机",
    "silences": "未按键",
    "wrongs": "按错键",
    "left_for": "之后去向",
}
RATINGS = {"satisfied": "满意", "fair": "基本满意", "unsatisfied": "不满意"}
TITLES = {
    "summary": "总览",
    "days": "按日期",
    "hours": "按时段",
    "topics": "按主题",
    "nodes": "按菜单节点",
    "queues": "按队列",
    "ratings": "按评价",
}
CALLED: Mapping[str, Mapping[str, str]] = {"topics": {NO_TOPIC: "未选择业务"}, "ratings": RATINGS}
assert set(NODE_COLUMNS) <= set(LABELS)

Names = Mapping[str, Mapping[str, str]]  # of a report: what the menus call the things it is about


def label(column: str, language: str = "zh") -> str:
    """What a column is called."""
    return say(LABELS[column], language)


def period(first: date | None, last: date | None, today: date) -> Period:
    """The days meant; none named, the last thirty. Raises `BadPeriod`."""
    last = last or (today if first is None or first <= today else first)
    return Period(first or max(last, EARLIEST) - timedelta(days=USUAL_DAYS - 1), last)


def parse_day(text: str) -> date | None:
    """`2026-03-02`, or nothing. Raises `BadPeriod`."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise BadPeriod from None


def shown(value: Any, unit: str = "", language: str = "zh") -> str:
    """`95.1 %`, `12.5 秒`, `17`; nothing is a dash."""
    if value is None:
        return "—"
    if unit == "share":
        return f"{value * 100:.1f} %"
    if unit == "seconds":
        return f"{value:.1f} 秒" if language == "zh" else f"{value:.1f} s"
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def named(report: str, thing: Any, language: str, names: Names | None = None) -> Any:
    """What the first cell of a row is called; what has no name stays as it is."""
    called = {**CALLED.get(report, {}), **(names or {}).get(report, {})}
    return say(called.get(thing, thing), language)


def as_csv(report: Report, names: Names | None = None, language: str = "zh") -> str:
    """A report as a file for people: headings in their language, names for words, figures as numbers."""
    out = io.StringIO()
    writer = csv.writer(out)
    headings = [label(column, language) for column in report.columns]
    writer.writerow([*headings, say("说明", language)] if report.name == "summary" else headings)
    for row in report.rows:
        writer.writerow([_safe(cell) for cell in _cells(report.name, row, language, names)])
    return BOM + out.getvalue()


def _cells(name: str, row: Any, language: str, names: Names | None) -> list[Any]:
    first, *rest = row
    if name == "summary":
        figure = FIGURES[first]
        return [say(figure.label, language), _rounded(rest[0]), say(figure.meaning, language)]
    return [named(name, first, language, names), *(_rounded(cell) for cell in rest)]


def _rounded(cell: Any) -> Any:
    return "" if cell is None else round(cell, 4) if isinstance(cell, float) else cell


def _safe(cell: Any) -> Any:
    """A text that a spreadsheet would take for a formula gets an apostrophe."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
