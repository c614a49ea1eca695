"""A report of the ledger as a template says it: its values, and as many of its lines as there is room for. Pure."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from fund.fields import ReportData, Value
from sms.templates import Template


def report_params(template: Template, data: ReportData, month: str = "") -> dict[str, Value]:
    """What a template wants of a report; `lines` are its rows, as many as there is room for."""
    values: dict[str, Value] = {**data.values, "month": month or None}
    if "lines" in template.params:
        values["lines"] = _lines(data, template.params["lines"].room)
    return {name: values[name] for name in template.params}


def _lines(data: ReportData, room: int) -> str:
    lines = [_line(row) for row in data.rows]
    rest = f"等{len(lines)}笔"
    for count in range(len(lines), 0, -1):
        text = "；".join(lines[:count]) + (rest if count < len(lines) else "")
        if len(text) <= room:
            return text
    return rest[1:]


def _line(row: Mapping[str, Value]) -> str:
    day, amount = row["date"], row["amount"]
    when = f"{day.month}月{day.day}日" if isinstance(day, date) else ""
    return f"{when}{row['kind']}" + (f"{amount}元" if isinstance(amount, Decimal) and amount else "")
