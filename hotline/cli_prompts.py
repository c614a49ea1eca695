"""`hotline say` and `hotline prompts`, which `hotline.cli` adds to its commands."""

import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import click

from ivr.speech import Language, Unspeakable, joined, speak
from ivr.utterance import Utterance


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("kind")
@click.argument("value")
@click.option("--language", type=click.Choice(["zh", "en"]), default="zh", help="Mandarin unless said.")
def say(kind: str, value: str, language: Language) -> None:
    """Show how a value is spoken: money, number, count, percent, month, date, time, digits, tail."""
    try:
        click.echo(joined(speak(kind, value, language), language))
    except Unspeakable as wrong:
        raise click.UsageError(wrong.told(language)) from None


@click.group()
def prompts() -> None:
    """What callers hear: the script to record, the recordings, the sounds."""


@prompts.command("list")
@click.option("--missing", is_flag=True, help="Only what is not recorded yet.")
@click.option("--output", type=click.Path(path_type=Path), help="A file that Excel opens, instead of the terminal.")
def list_(missing: bool, output: Path | None) -> None:
    """Print the script for a voice actor, as CSV."""
    from hotline import studio
    from hotline.cli import settings

    text = studio.script_csv(settings(), missing=missing)
    if output:
        output.write_text(text, "utf-8-sig")
    else:
        click.echo(text, nl=False)


@prompts.command()
def build() -> None:
    """Make every sound beforehand, so that the first caller waits as little as the second."""
    from hotline import studio
    from hotline.cli import settings

    def progress(utterances: Sequence[Utterance]) -> AbstractContextManager[Iterable[Utterance]]:
        return click.progressbar(utterances, file=sys.stderr, show_pos=True)

    sys.exit(studio.build(settings(), progress, click.echo))


@prompts.command("import")
@click.argument("source", type=click.Path(path_type=Path, exists=True))
@click.option("--partial", "some", is_flag=True, help="Take in the good files even if others are at fault.")
def import_(source: Path, some: bool) -> None:
    """Take in recordings from a folder or a ZIP file, named as in the script: WAV, any rate, mono or stereo."""
    from hotline import studio
    from hotline.cli import settings

    sys.exit(studio.take_in(settings(), source, click.echo, partial=some))


@prompts.command()
@click.argument("names", nargs=-1, required=True)
def restore(names: tuple[str, ...]) -> None:
    """Go back to the recordings that the last import replaced."""
    from hotline import studio
    from hotline.cli import settings

    sys.exit(studio.restore(settings(), names, click.echo))
