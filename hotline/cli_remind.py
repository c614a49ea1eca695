"""`hotline sms remind`: what the daily reminders did, would do, or do now. `hotline.cli` adds it to its commands."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict

import click

from fund.clock import CHINA
from fund.ledger import Ledger, LedgerAway
from hotline.settings import Settings
from sms.errors import Refused
from sms.outbox import Outbox
from sms.reminder_kinds import KINDS
from sms.reminders import Counts, Reminders
from sms.sender import Sender
from sms.settings import ReminderKind
from sms.store import Store
from sms.templates import BadTemplates, load

_TITLES = {
    "due": ("三天内还款", "payment due"),
    "overdue": ("未按期还款", "payments missed"),
    "behind": ("单位未缴存", "employers behind"),
    "certificate": ("证书将到期", "certificates ending"),
    "interest": ("年度结息", "yearly interest"),
}
_COUNTS = {
    "found": ("查到", "found"),
    "queued": ("已排队", "queued"),
    "repeated": ("已提醒过", "reminded before"),
    "no_phone": ("没有手机", "no phone"),
    "spoken": ("改打电话", "called instead"),
    "turned_off": ("已退订", "turned off"),
    "refused": ("数据不符", "refused"),
}


@asynccontextmanager
async def _open(settings: Settings) -> AsyncIterator[Reminders]:
    from hotline.database import open_database
    from hotline.migrations import upgrade

    engine = open_database(settings.own_database_url)
    ledger_engine = open_database(settings.ledger_url, read_only=True)
    try:
        await upgrade(engine)
        store, texts = Store(engine, settings.privacy()), settings.sms
        sender = Sender(Outbox(store), load(texts.templates), texts)
        ledger = Ledger(ledger_engine, settings.ledger_limit_seconds)
        yield Reminders(store, sender, ledger, texts.remind_at, texts.reminders)
        await ledger.close()
    finally:
        await ledger_engine.dispose()
        await engine.dispose()


@click.command()
@click.argument("kind", required=False, type=click.Choice(KINDS))
@click.option("--dry-run", is_flag=True, help="Count whom the ledger names now; nobody is texted.")
@click.option("--now", "at_once", is_flag=True, help="Do it now. Nobody is reminded of one thing twice.")
def remind(kind: ReminderKind | None, dry_run: bool, at_once: bool) -> None:
    """Show the latest runs of the reminders; or count, or send, those of KIND (without one: those in season)."""
    from hotline.cli import settings

    if dry_run and at_once:
        raise click.UsageError("--dry-run 和 --now 只用一个")
    chosen = settings()
    try:
        for line in asyncio.run(_lines(chosen, kind, dry_run, at_once)):
            click.echo(line)
    except LedgerAway:
        raise click.ClickException("账务系统没有响应，请稍后再试；已排队的不会重复") from None
    except BadTemplates as bad:
        raise click.ClickException(str(bad)) from None
    except Refused:
        raise click.ClickException("正在提醒中，两分钟后再试") from None


async def _lines(settings: Settings, kind: ReminderKind | None, dry_run: bool, at_once: bool) -> list[str]:
    en = settings.language == "en"
    async with _open(settings) as reminders:
        if not (dry_run or at_once):
            return [*_hour(settings, en), *(await _latest(reminders, kind, en))]
        work = reminders.dry if dry_run else reminders.now
        kinds = [kind] if kind else reminders.in_season()
        return [f"{_TITLES[each][en]:10}  {_told(await work(each), en, dry=dry_run)}" for each in kinds]


def _hour(settings: Settings, en: bool) -> list[str]:
    at = settings.sms.remind_at
    if at is None:
        return ["nobody is reminded daily: HOTLINE_SMS__REMIND_AT is not set" if en else
                "没有设置每日提醒时间（HOTLINE_SMS__REMIND_AT），不会自动提醒"]  # fmt: skip
    return [f"daily at {at:%H:%M}" if en else f"每天 {at:%H:%M} 提醒"]


async def _latest(reminders: Reminders, kind: ReminderKind | None, en: bool) -> list[str]:
    lines = []
    for run in await reminders.runs():
        if kind in (None, run.kind):
            when = f"{run.done_at.astimezone(CHINA):%H:%M}" if run.done_at else ("under way" if en else "未完成")
            lines.append(f"{run.day}  {_TITLES[run.kind][en]:10}  {when}  {_told(run.counts, en)}")
    return lines


def _told(counts: Counts, en: bool, *, dry: bool = False) -> str:
    words = _COUNTS | ({"queued": ("会提醒", "to be queued")} if dry else {})
    return "  ".join(f"{words[name][en]} {count}" for name, count in asdict(counts).items())
