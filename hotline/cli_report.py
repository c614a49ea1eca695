"""`hotline report`: the figures, in the terminal or as CSV."""

import asyncio
import unicodedata
from collections.abc import Sequence
from datetime import datetime

import click

from desk.figures import FIGURES, Report
from hotline import reports
from hotline.staff.words import FAULTS, say


@click.command()
@click.argument("name", default="summary", type=click.Choice(list(reports.TITLES)))
@click.option("--from", "first", type=click.DateTime(["%Y-%m-%d"]), help="First day; 30 days back when left out.")
@click.option("--to", "last", type=click.DateTime(["%Y-%m-%d"]), help="Last day, included; today when left out.")
@click.option("--csv", "as_csv", is_flag=True, help="For a spreadsheet.")
def report(name: str, first: datetime | None, last: datetime | None, as_csv: bool) -> None:
    """Print the figures the centre reports: calls, answers, waits, ratings, orders, call-backs, nodes."""
    from desk.figures import BadPeriod
    from hotline.cli import settings

    chosen = settings()
    try:
        found = asyncio.run(_report(chosen.own_database_url, name, first, last))
    except BadPeriod:
        raise click.ClickException(say(FAULTS["bad_period"], chosen.language)) from None
    click.echo(reports.as_csv(found, language=chosen.language), nl=False) if as_csv else _print(found, chosen.language)


async def _report(url: str, name: str, first: datetime | None, last: datetime | None) -> Report:
    from desk.figures import Figures
    from fund.clock import china_now
    from hotline.database import open_database
    from hotline.migrations import upgrade

    days = reports.period(first and first.date(), last and last.date(), china_now().date())
    engine = open_database(url)
    try:
        await upgrade(engine)
        return await Figures(engine, china_now).report(name, days)
    finally:
        await engine.dispose()


def _print(found: Report, language: str) -> None:
    to = "至" if language == "zh" else "to"
    click.echo(f"{say(reports.TITLES[found.name], language)}  {found.period.first} {to} {found.period.last}")
    lines: list[tuple[str, ...]]
    if found.name == "summary":
        lines = [
            (say(FIGURES[name].label, language), reports.shown(value, FIGURES[name].unit, language))
            for name, value in found.rows
        ]
    else:
        lines = [tuple(reports.label(column, language) for column in found.columns)]
        lines += [
            (str(reports.named(found.name, first, language)), *map(reports.shown, rest)) for first, *rest in found.rows
        ]
    for line in _aligned(lines):
        click.echo(line)


def _aligned(lines: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def _width(text: str) -> int:
    """Columns of a terminal: a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
