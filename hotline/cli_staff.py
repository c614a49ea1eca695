"""`hotline staff`: who may use the staff pages, from the terminal of whoever runs the service."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hotline.staff.accounts import tidy_name
from hotline.staff.roles import ROLES, TITLES
from hotline.staff.words import FAULTS, say

if TYPE_CHECKING:
    from hotline.staff.app import Staff

T = TypeVar("T")


@click.group()
def staff() -> None:
    """The staff of the pages under /staff."""


@staff.command("list")
def list_() -> None:
    """Everybody, with role, seat and state."""
    language, rows = _with_staff(_rows)
    for person in rows:
        state = "已停用" if person.disabled_at else "正常" if person.ready else "待设密码"
        role, state = say(TITLES[person.role], language), say(state, language)
        click.echo(f"{person.name}\t{role}\t{person.seat or '-'}\t{state}")


async def _rows(its: "Staff") -> tuple[str, Sequence[Any]]:
    return its.door.language, await its.accounts.rows()


@staff.command()
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), help="Left out: as it is; agent for somebody new.")
@click.option("--seat", help="Their telephone on the board, such as agent1. Left out: as it is.")
def invite(name: str, role: str | None, seat: str | None) -> None:
    """Print a link by which NAME sets a password, once, within 24 hours; also for a forgotten password."""

    async def run(its: "Staff") -> str:
        at = its.door.clock()
        token = await its.accounts.invite(name, role or "", at, seat)
        await its.door.trail.write(at, "", "staff.invite", tidy_name(name), f"{role or ''} by the command line".strip())
        return its.address(token)

    click.echo(_with_staff(run))


@staff.command()
@click.argument("name")
def disable(name: str) -> None:
    """Shut NAME out, now."""

    async def run(its: "Staff") -> None:
        at = its.door.clock()
        await its.accounts.disable(name, at)
        await its.door.trail.write(at, "", "staff.disable", tidy_name(name), "by the command line")

    _with_staff(run)


def _with_staff(work: Callable[["Staff"], Awaitable[T]]) -> T:
    """Do something on the configured database; what is not possible is told in a sentence."""
    from hotline.cli import settings
    from hotline.database import open_database
    from hotline.migrations import upgrade
    from hotline.staff.accounts import NotPossible
    from hotline.staff.app import open_staff

    chosen = settings()

    async def run() -> T:
        engine = open_database(chosen.own_database_url)
        try:
            await upgrade(engine)
            its = open_staff(chosen, engine, chosen.privacy())
            return await work(its)
        finally:
            await engine.dispose()

    try:
        return asyncio.run(run())
    except NotPossible as fault:
        raise click.ClickException(say(FAULTS[str(fault)], chosen.language)) from None
