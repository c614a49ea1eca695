"""`hotline`: the command line. Each command is a few lines; the work is done by the packages."""

import asyncio
import errno
import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from datetime import datetime
from functools import partial
from pathlib import Path

import click

from hotline import cli_prompts, cli_remind, cli_report, cli_staff, cli_text, cli_texting
from hotline.settings import Settings, faults_of


def settings() -> Settings:
    """The settings, or every fault of them at once."""
    try:
        return Settings()
    except ValueError as wrong:
        raise click.ClickException("\n".join(faults_of(wrong))) from None


class Commands(click.Group):
    """Says in a line, without the driver's twenty, that a database does not answer, or a file cannot be used."""

    def invoke(self, ctx: click.Context) -> object:
        from sqlalchemy.exc import DBAPIError

        from hotline.demo import NoDemo
        from hotline.migrations import TooNew
        from ivr.phrases import BadPhrases

        try:
            return super().invoke(ctx)
        except (TooNew, NoDemo, BadPhrases) as fault:
            raise click.ClickException(str(fault)) from None
        except BrokenPipeError:  # nobody reads any more, as after `| head`: click ends without a word
            raise
        except DBAPIError as fault:
            raise click.ClickException(f"数据库出错，请检查 HOTLINE_DATABASE_URL 和磁盘空间：{fault.orig}") from None
        except OSError as fault:
            raise click.ClickException(_missing(fault)) from None


def _missing(fault: OSError) -> str:
    """What to look at: a file or the disk; else a database that does not answer, or is not found."""
    if fault.filename is not None or fault.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
        return f"读写不成，请检查路径、权限和磁盘空间：{fault}"
    return f"连不上，请检查 HOTLINE_DATABASE_URL 和 HOTLINE_FUND_URL：{fault}"


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """The machine behind 0511-12329 and 12329."""


main.add_command(cli_prompts.say)
main.add_command(cli_prompts.prompts)
main.add_command(cli_report.report)
main.add_command(cli_staff.staff)
main.add_command(cli_text.key)
cli_text.sms.add_command(cli_remind.remind)
cli_text.sms.add_command(cli_texting.try_)
main.add_command(cli_text.sms)
main.add_command(cli_text.rotate_keys)


@main.command()
@click.option("--demo", is_flag=True, help="Make a demo ledger of made-up people on first use.")
@click.option("--only", type=click.Choice(["sms"]), help="Run only the text side.")
def serve(demo: bool, only: str | None) -> None:
    """Run the service."""
    import uvloop

    from hotline.demo import line
    from hotline.ground import NoDatabase
    from hotline.logs import configure
    from hotline.server import Hotline, serve_until_told
    from ivr.phrases import BadPhrases
    from ivr.versions import NoFlow
    from sms.wording import BadWording

    chosen = settings()
    configure(chosen)

    def ready(hotline: Hotline, first_link: str) -> None:
        fastagi = "" if only == "sms" else f"  FastAGI {chosen.agi_host}:{hotline.agi_port}"
        click.echo(f"12329 公积金热线  {chosen.public_url}{fastagi}", err=True)
        for person in hotline.people[:2]:
            click.echo(f"  {line(person)}", err=True)
        if hotline.people:
            way = "/sandbox 收发短信" if only == "sms" else "/phone 拨打电话"
            click.echo(f"  打开 {chosen.public_url}{way};Ctrl-C 停止", err=True)
        if first_link:
            click.echo(f"  首位管理员由此进入（24 小时内，只能用一次）：{first_link}", err=True)

    # The threads of the databases answer within microseconds; 5 ms until they get a word in would be most of a wait.
    sys.setswitchinterval(0.0005)
    try:
        uvloop.run(serve_until_told(chosen, with_demo=demo, only=only or "", ready=ready))
    except NoFlow as faults:
        raise click.ClickException(f"flows/ 有错误，无法启动：\n{faults}") from None
    except BadPhrases as faults:
        raise click.ClickException(f"prompts/ 有错误，无法启动：\n{faults}") from None
    except BadWording as faults:
        raise click.ClickException(f"短信模板或关键词有错误，无法启动：\n{faults}") from None
    except NoDatabase as fault:
        raise click.ClickException(f"数据库打不开，请检查 HOTLINE_DATABASE_URL 和磁盘空间：{fault}") from None
    except OSError as fault:
        taken = f"（端口 {chosen.port} 或 {chosen.agi_port} 被占用？）" if fault.errno == errno.EADDRINUSE else ""
        unknown = "（请检查 HOTLINE_HOST 和 HOTLINE_AGI_HOST）" if isinstance(fault, socket.gaierror) else ""
        raise click.ClickException(f"{fault}{taken}{unknown}") from None


@main.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def demo(as_json: bool) -> None:
    """Show the demo people and a demo API key."""
    from hotline.demo import shown

    data = asyncio.run(shown(settings()))
    if as_json:
        click.echo(json.dumps(data, ensure_ascii=False, indent=2))
        return
    for person in data["people"]:
        click.echo("  ".join(f"{name}={value}" for name, value in person.items()))
    click.echo(f"api_key={data['api_key']}")


@main.command("try")
@click.option("--caller", default="", metavar="NUMBER", help="The calling number; none by default.")
@click.option("--at", metavar="TIME", help="The moment of the call: '2026-03-02 10:00'.")
def try_(caller: str, at: str | None) -> None:
    """Call the hotline from this terminal: a line is keys, an empty line is silence. No text is sent, only shown."""
    from hotline.trial import call
    from ivr.versions import NoFlow

    try:
        asyncio.run(call(settings(), caller, _moment(at), _typed(), _heard, partial(click.echo, err=True)))
    except NoFlow as faults:
        raise click.ClickException(str(faults)) from None


def _heard(text: str) -> None:
    from ivr.line import Gone

    try:
        click.echo(text)
    except BrokenPipeError:  # nobody reads any more, as after `| head`: the caller has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise Gone from None


async def _typed() -> AsyncIterator[str]:
    while line := await asyncio.to_thread(sys.stdin.readline):
        yield line.rstrip("\n")


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M")
    except ValueError:
        raise click.BadParameter("写成 2026-03-02 10:00", param_hint="--at") from None


@main.command()
@click.argument("folder", type=click.Path(path_type=Path), required=False)
def check(folder: Path | None) -> None:
    """Check the flows: every fault as file:line, then what each menu costs a caller."""
    from hotline.flows import check_folder

    sys.exit(check_folder(settings(), folder, click.echo))


@main.command()
@click.argument("folder", type=click.Path(path_type=Path), required=False)
def test(folder: Path | None) -> None:
    """Play the tests written in the flows."""
    from hotline.flows import test_folder

    sys.exit(asyncio.run(test_folder(settings(), folder, click.echo)))


@main.command()
@click.argument("old", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("new", type=click.Path(path_type=Path, exists=True, file_okay=False))
def diff(old: Path, new: Path) -> None:
    """Say in plain words what changed between two folders of flows."""
    from hotline.flows import diff_folders

    sys.exit(diff_folders(settings(), old, new, click.echo))


@main.command()
def versions() -> None:
    """List the flows that were in force, newest first, and what each changed."""
    from hotline import history

    sys.exit(history.show(settings(), click.echo))


@main.command()
@click.argument("version")
def rollback(version: str) -> None:
    """Go back to a version: its number in `hotline versions`, or its name."""
    from hotline import history

    sys.exit(history.rollback(settings(), version, click.echo))


@main.command()
@click.argument("text", required=False)
@click.option("--until", metavar="TIME", help="When it ends by itself: 18:00, '2026-11-26 18:00', 2h or 30m.")
@click.option(
    "--preview", type=click.Path(path_type=Path, dir_okay=False), help="Only write how it sounds to this WAV file."
)
def bulletin(text: str | None, until: str | None, preview: Path | None) -> None:
    """Say TEXT to every caller first, until a time; `off` ends it; nothing shows it."""
    from hotline import bulletins

    if text is None:
        sys.exit(asyncio.run(bulletins.show(settings(), click.echo)))
    if text == "off":
        sys.exit(asyncio.run(bulletins.switch_off(settings(), click.echo)))
    if preview:
        sys.exit(bulletins.try_out(settings(), text, preview, click.echo))
    if until is None:
        raise click.UsageError("公告要有结束时间：加上 --until 18:00")
    sys.exit(asyncio.run(bulletins.switch_on(settings(), text, until, click.echo)))


@main.command()
def schema() -> None:
    """Print the JSON Schema of a flow file, for editors."""
    from ivr.flow import flow_schema

    click.echo(json.dumps(flow_schema(), ensure_ascii=False, indent=2))


@main.command("settings")
def settings_() -> None:
    """Print every setting with its default and what it is for, as an .env file."""
    from hotline.env_example import env_example

    click.echo(env_example(), nl=False)


@main.group()
def twilio() -> None:
    """The third line: what is set up at Twilio."""


@twilio.command()
def fallback() -> None:
    """Print the document that dials a person, for any web server: Twilio asks there when we do not answer."""
    from ivr.lines import twiml

    chosen = settings().twilio_voice
    if not chosen.on:
        raise click.ClickException("尚未启用：请设置 HOTLINE_TWILIO_VOICE__ACCOUNT_SID、__AUTH_TOKEN、__PEOPLE")
    click.echo(twiml.fallback(chosen))


@main.command()
def migrate() -> None:
    """Bring the database up to date (the service does so at each start as well)."""
    from hotline.database import open_database
    from hotline.migrations import upgrade

    async def run() -> None:
        engine = open_database(settings().own_database_url)
        await upgrade(engine)
        await engine.dispose()

    asyncio.run(run())
