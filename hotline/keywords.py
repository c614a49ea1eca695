"""`hotline check` and `test` for the words people text: `flows/sms.yaml`, and the templates it answers with."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path

from fund.ledger import Ledger
from fund.yaml_source import Fault
from fund.yaml_source import load as load_yaml
from hotline.rehearsal import demo_ledger
from hotline.settings import Settings
from hotline.text_versions import ours
from hotline.text_world import TextWorld
from sms import keywords
from sms import templates as template_files
from sms.rehearsal import Phone, rehearse
from sms.settings import TextSettings
from sms.templates import BadTemplates, Templates
from sms.unfiled import unfiled


def text_faults(settings: Settings, folder: Path | None) -> list[Fault]:
    """Every fault of the templates and of the keywords of a folder (the configured one by default)."""
    templates, faults = _templates(settings)
    path = _path(settings, folder)
    if templates is not None:
        faults += [*_lacking(settings.sms.templates, templates), *_unfiled(settings.sms, templates)]
    return [*faults, *(keywords.check(path, templates) if path.exists() else [])]


def _lacking(path: Path, templates: Templates) -> list[Fault]:
    """A warning for every text that this program sends and nobody wrote: it would not go out."""
    missing = [(name, user) for name, user in ours().items() if name not in templates]
    return [
        Fault(str(path), 1, f"没有模板 {name}，{user}的短信发不出", f"no template {name}: {user}", warning=True)
        for name, user in missing
    ]


def _unfiled(settings: TextSettings, templates: Templates) -> list[Fault]:
    """A warning for every text that would wait for a provider in vain."""
    source = load_yaml(settings.templates)
    return [
        source.fault(
            ("templates", name),
            f"{name} 没有服务商能发：在 {'、'.join(providers)} 还没有备案编号，备案后填在 providers 里",
            f"{name} has no id at {', '.join(providers)}: this text cannot go; file it, then write it into providers",
            warning=True,
        )
        for name, providers in unfiled(settings, templates).items()
    ]


async def play_keywords(settings: Settings, folder: Path | None, ledger: Ledger) -> tuple[int, list[Fault]]:
    """Play the tests of the keywords on the demo ledger: (how many there are, what did not go as written)."""
    path = _path(settings, folder)
    templates, faults = _templates(settings)
    if faults or not path.exists():
        return 0, faults
    source = load_yaml(path)
    try:
        table = keywords.load(source, templates)
    except keywords.BadKeywords as bad:
        return 0, bad.faults

    async def new_world() -> TextWorld:
        return _Rehearsed(ledger)

    assert templates is not None
    return await rehearse(table, source, templates, new_world)


async def converse(
    settings: Settings, number: str, at: datetime, lines: AsyncIterator[str], say: Callable[[str], object]
) -> None:
    """Each line is a text from a demo phone, each reply is said; nothing is sent or kept. Raises `BadTemplates` and
    `BadKeywords`."""
    templates = template_files.load(settings.sms.templates)
    table = keywords.load(load_yaml(settings.keywords), templates)
    async with demo_ledger() as ledger:
        phone = Phone(table, templates, _Rehearsed(ledger), number, at)
        async for line in lines:
            say(await phone.text(line) or "（不回复）")


class _Rehearsed(TextWorld):
    """In tests, somebody will always call back, and nobody has left a work order."""

    async def call_back(self, phone: str, at: datetime) -> None:
        return None

    async def work_order(self, phone: str, number: str) -> None:
        return None


def _path(settings: Settings, folder: Path | None) -> Path:
    return folder / "sms.yaml" if folder else settings.keywords


def _templates(settings: Settings) -> tuple[Templates | None, list[Fault]]:
    try:
        return template_files.load(settings.sms.templates), []
    except BadTemplates as bad:
        return None, bad.faults
