"""`hotline check` and `test` for the words people text: `flows/sms.yaml`, and the templates it answers with."""

from datetime import datetime
from pathlib import Path

from fund.ledger import Ledger
from fund.yaml_source import Fault
from fund.yaml_source import load as load_yaml
from hotline.settings import Settings
from hotline.text_world import TextWorld
from sms import keywords
from sms import templates as template_files
from sms.rehearsal import rehearse
from sms.templates import BadTemplates, Templates


def text_faults(settings: Settings, folder: Path | None) -> list[Fault]:
    """Every fault of the templates and of the keywords of a folder (the configured one by default)."""
    templates, faults = _templates(settings)
    path = _path(settings, folder)
    return [*faults, *(keywords.check(path, templates) if path.exists() else [])]


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
