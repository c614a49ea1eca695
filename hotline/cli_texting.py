"""`hotline sms try`: the terminal as a telephone that texts. `hotline.cli` adds it to its commands."""

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import datetime

import click

from fund.clock import CHINA
from sms.keywords import BadKeywords
from sms.templates import BadTemplates


@click.command("try")
@click.option("--from", "sender", default="13900000001", show_default=True, metavar="NUMBER", help="The demo phone.")
@click.option("--at", default="2026-03-02 10:00", show_default=True, metavar="TIME", help="When it begins.")
def try_(sender: str, at: str) -> None:
    """Text the hotline from this terminal: a line is a text. On the demo's accounts; nothing is sent or kept."""
    from hotline.cli import settings
    from hotline.keywords import converse

    chosen = settings()
    try:
        moment = datetime.strptime(at, "%Y-%m-%d %H:%M").replace(tzinfo=CHINA)
    except ValueError:
        raise click.BadParameter("写成 2026-03-02 10:00", param_hint="--at") from None
    try:
        asyncio.run(converse(chosen, sender, moment, _typed(), click.echo))
    except (BadTemplates, BadKeywords) as faults:
        raise click.ClickException(str(faults)) from None


async def _typed() -> AsyncIterator[str]:
    while line := await asyncio.to_thread(sys.stdin.readline):
        yield line.rstrip("\n")
