"""`hotline key`, `hotline sms` and `hotline rotate-keys`, for operators. `hotline.cli` adds them to its commands."""

import asyncio
import dataclasses
import getpass
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar

import click

from hotline import text_told
from hotline.settings import Settings
from sms.audit import audit
from sms.callbacks import Listeners
from sms.dead_letters import DeadLetters
from sms.errors import Refused
from sms.figures import figures
from sms.given_up import GivenUp, decide
from sms.keys import CHANNELS, SCOPES, Keys
from sms.store import Store, utc_now

Answer = TypeVar("Answer")


@asynccontextmanager
async def _open(settings: Settings) -> AsyncIterator[Store]:
    from hotline.database import open_database
    from hotline.migrations import upgrade

    engine = open_database(settings.own_database_url)
    try:
        await upgrade(engine)
        yield Store(engine, settings.privacy())
    finally:
        await engine.dispose()


def _with_store(work: Callable[[Store], Awaitable[Answer]]) -> Answer:
    """Do something with the database of the text side; a refusal is told in a sentence, and ends with 1."""
    from hotline.cli import settings

    async def run() -> Answer:
        async with _open(chosen) as store:
            return await work(store)

    chosen = settings()
    try:
        return asyncio.run(run())
    except Refused as fault:
        raise click.ClickException(text_told.refusal(fault.reason, chosen.language)) from None


def _language() -> str:
    from hotline.cli import settings

    return settings().language


def _me() -> str:
    """Who is at the keyboard, for the audit."""
    return f"cli:{getpass.getuser()}"


@click.group()
def key() -> None:
    """Who may call /v1: API keys."""


@key.command("add")
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, required=True, type=click.Choice(SCOPES), help="Repeat for several.")
@click.option(
    "--channel", required=True, type=click.Choice(list(CHANNELS)), help=", ".join(map(" ".join, CHANNELS.items()))
)
@click.option("--rate", default=100, show_default=True, type=click.IntRange(1, 100_000), help="Requests a second.")
@click.option("--template", "templates", multiple=True, help="Only these, codes and events too. Repeat for several.")
@click.option("--callback", default="", metavar="URL", help="Where to tell what became of its texts, signed.")
def key_add(
    name: str, scopes: tuple[str, ...], channel: str, rate: int, templates: tuple[str, ...], callback: str
) -> None:
    """Make a key called NAME. It is shown this once."""

    async def work(store: Store) -> tuple[str, str]:
        keys = Keys(store)
        made = await keys.add(name, scopes, channel, rate, templates, callback)
        await audit(store, _me(), "key.add", name, " ".join(scopes))
        return made, await keys.callback_secret(name)

    made, secret = _with_store(work)
    click.echo(made)
    if secret:
        click.echo(secret)
        click.echo(text_told.callback_secret(_language()), err=True)


@key.command("list")
def key_list() -> None:
    """List all keys, without their secrets."""
    for row in _with_store(lambda store: Keys(store).rows()):
        click.echo(text_told.key_line(row, _language()))


@key.command("revoke")
@click.argument("name")
def key_revoke(name: str) -> None:
    """End a key. It works for a second more."""

    async def work(store: Store) -> None:
        if not await Keys(store).revoke(name):
            raise Refused("no_such_key")
        await audit(store, _me(), "key.revoke", name)

    _with_store(work)


@click.group()
def sms() -> None:
    """Texts: previews, figures, dead letters, keys at rest."""


@sms.command()
@click.argument("template")
@click.option("--set", "given", multiple=True, metavar="NAME=VALUE", help="A value; without any, the longest case.")
def preview(template: str, given: tuple[str, ...]) -> None:
    """Show a template filled in: the text, its parts, what it costs."""
    from hotline.cli import settings
    from sms.templates import BadTemplates, load

    chosen = settings()
    params = dict(_pair(each) for each in given)
    try:
        found = load(chosen.sms.templates)
        for line in text_told.preview(found, template, params, chosen.sms, chosen.language):
            click.echo(line)
    except BadTemplates as bad:
        raise click.ClickException("\n".join(fault.tell(chosen.language) for fault in bad.faults)) from None
    except Refused as fault:
        raise click.ClickException(text_told.refusal(fault.reason, chosen.language)) from None


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter("NAME=VALUE", param_hint="--set")
    return name, value


@sms.command()
@click.option("--hours", default=24.0, show_default=True, type=click.FloatRange(min=0, min_open=True))
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def stats(hours: float, as_json: bool) -> None:
    """Show what went, what arrived, what waits, what it cost."""
    now = utc_now()
    try:
        since = now - timedelta(hours=hours)
    except (ValueError, OverflowError):  # no number, or before the first year
        raise click.BadParameter(str(hours), param_hint="--hours") from None
    found = _with_store(lambda store: figures(store, since, now))
    if as_json:
        whole = dataclasses.asdict(found) | {"delivery_rates": dict(found.delivery_rates)}
        click.echo(json.dumps(whole, ensure_ascii=False, indent=2, default=datetime.isoformat))
        return
    for line in text_told.figures(found, _language()):
        click.echo(line)


@click.command("rotate-keys")
def rotate_keys() -> None:
    """Seal everything again under the newest encryption key, which every service must have been restarted with.

    They may run meanwhile; then the old key may go.
    """
    from hotline.cli import settings
    from hotline.rotation import rotate
    from hotline.tapes import Tapes

    async def work(store: Store) -> tuple[int, int]:
        done, unreadable = await rotate(store, Tapes(settings().recordings_folder, store.privacy))
        await audit(store, _me(), "keys.rotate", "", f"{done} {unreadable}")
        return done, unreadable

    done, unreadable = _with_store(work)
    click.echo(text_told.resealed(done, unreadable, _language()))
    if unreadable:
        raise SystemExit(1)


@sms.group()
def dead() -> None:
    """Dead letters: texts that wait for a person to decide, and callbacks that were given up."""


@dead.command("list")
@click.option("--most", default=100, show_default=True, type=click.IntRange(1, 10_000))
def dead_list(most: int) -> None:
    """List them, the newest first. Numbers are masked."""

    async def work(store: Store) -> tuple[Any, Any, int, int]:
        letters, given_up = DeadLetters(store), GivenUp(Listeners(store))
        return await letters.list(most), await given_up.list(most), await letters.count(), await given_up.count()

    found, untold, count, untold_count = _with_store(work)
    for each in found:
        click.echo(text_told.letter_line(each))
    for news in untold:
        click.echo(text_told.untold_line(news, _language()))
    click.echo(text_told.how_many(count, untold_count, _language()), err=True)


@dead.command("show")
@click.argument("id")
def dead_show(id: str) -> None:
    """Show one with its text. That somebody looked is kept."""

    async def work(store: Store) -> Any:
        found = await DeadLetters(store).show(id)
        await audit(store, _me(), "dead.show", id)
        return found

    letter, text = _with_store(work)
    for name, value in dataclasses.asdict(letter).items():
        click.echo(f"{name:12}{'' if value is None else value}")
    click.echo(f"{'text':12}{text}")


def _decide(act: Literal["release", "drop"], ids: tuple[str, ...]) -> None:
    """Release or drop each; what cannot be is told, the others are done all the same."""

    async def work(store: Store) -> list[str]:
        letters, given_up, faults = DeadLetters(store), GivenUp(Listeners(store)), []
        for id in ids:
            try:
                await decide(act, letters, given_up, id)
                await audit(store, _me(), f"dead.{act}", id)
            except Refused as fault:
                faults.append(f"{id}: {text_told.refusal(fault.reason, _language())}")
        return faults

    if faults := _with_store(work):
        raise click.ClickException("\n".join(faults))


@dead.command("release")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
def dead_release(ids: tuple[str, ...]) -> None:
    """Send them again; tell a callback again. A text whose outcome is unknown may then arrive twice."""
    _decide("release", ids)


@dead.command("drop")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
def dead_drop(ids: tuple[str, ...]) -> None:
    """Give them up: they will not be sent, or told."""
    _decide("drop", ids)
