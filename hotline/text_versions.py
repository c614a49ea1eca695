"""The versions of the text side's words, kept where those of the flows are: told apart by their name."""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from fund.yaml_source import Fault, load
from ivr.loader import version_of
from ivr.versions import keep_version
from sms import keywords, templates
from sms.difference import keyword_differences, template_differences
from sms.keywords import BadKeywords
from sms.notice_data import TYPES
from sms.reminder_kinds import REMINDERS
from sms.templates import BadTemplates
from sms.wording import Files, Words

PREFIX = "texts-"
ORDERS = ("order_opened", "order_answered", "order_due_forward", "order_due_answer")  # sent by `hotline.desk`


def name_of(files: Files) -> str:
    """What this version is called."""
    return PREFIX + version_of(dict(files))


async def keep(engine: AsyncEngine, files: Files) -> None:
    """Keep what came into force."""
    await keep_version(engine, name_of(files), dict(files))


def ours() -> dict[str, str]:
    """The templates that no file names but this program sends: their name, and what sends them."""
    used = {"code": "验证码", **dict.fromkeys(ORDERS, "工单")}
    return used | dict.fromkeys(TYPES, "账户通知") | {each.template: "每日提醒" for each in REMINDERS.values()}


def changes(old: Words, new: Words, language: str) -> Iterator[str]:
    """What changed between two versions, in words."""
    yield from template_differences(old.templates, new.templates, language)
    yield from keyword_differences(old.table, new.table, language)


def compare(old: Path, new: Path, language: str) -> tuple[list[str], list[Fault]]:
    """What changed between the `sms.yaml` of two folders, be it keywords or templates; or what is wrong with them.

    Nothing when neither has one, or only one has.
    """
    files = [folder / "sms.yaml" for folder in (old, new)]
    if not all(file.exists() for file in files):
        return [], []
    before, after = map(load, files)
    try:
        if all("templates" in (source.data or {}) for source in (before, after)):
            return list(template_differences(templates.read(before), templates.read(after), language)), []
        return list(keyword_differences(keywords.load(before, None), keywords.load(after, None), language)), []
    except (BadTemplates, BadKeywords) as bad:
        return [], bad.faults
