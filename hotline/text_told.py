"""What the command line says about texts, in words and tables."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fund.clock import CHINA
from hotline.api.problems import DETAILS
from sms.dead_letters import DeadLetter
from sms.errors import Refused
from sms.figures import Figures
from sms.given_up import Untold
from sms.segments import count
from sms.settings import TextSettings
from sms.templates import Template, Templates

_REFUSALS = {
    "no_such_key": ("没有这个密钥，或已经注销。", "no such key, or it has ended"),
    "name_taken": ("这个名称已有密钥，请换一个，或先注销。", "the name has a key: take another, or revoke that"),
    "bad_name": ("名称只能用文字、数字和 . - _，最多 64 个。", "a name is letters, digits and . - _, at most 64"),
    "reserved_name": ("这个名称是系统自用的，请换一个。", "the system itself uses this name: take another"),
    "bad_template": (
        "模板编号只能用字母、数字和下划线，不能是空的。",
        "a template's name is letters, digits and _, and not empty",
    ),
    "bad_address": (
        "回调地址应是 http:// 或 https:// 开头的有效网址。",
        "a callback address is a valid http:// or https:// one",
    ),
    "too_late": (DETAILS["too_late"], "a code is too old to help anybody: ask for a new one"),
    "no_text": (DETAILS["no_text"], "its content is gone, or no key opens it"),
    "not_found": ("没有找到。", "not found"),
}


def refusal(reason: str, language: str) -> str:
    """A refusal in a sentence."""
    word, _, rest = reason.partition(": ")
    zh, en = _REFUSALS.get(word, (str(DETAILS.get(word, word)), word.replace("_", " ")))
    return (zh if language == "zh" else en) + (f" {rest}" if rest else "")


def preview(
    templates: Templates, name: str, given: Mapping[str, str], settings: TextSettings, language: str
) -> Iterator[str]:
    """A template filled in, its size and price, and those of its longest case. Raises `Refused`."""
    if name not in templates:
        raise Refused(f"unknown_template: {name}")
    template = templates[name]
    if given or not template.params:
        text = template.signed(template.render(given).text)
        yield text
        yield _size(text, settings, language)
    if not given and template.params:
        yield _longest(template)
    if template.params:
        yield _size(_longest(template), settings, language, longest=True)
        yield "  ".join(f"{param}={each.kind}" for param, each in template.params.items())


def _longest(template: Template) -> str:
    """The text with every value as long as it gets."""
    text = template.text
    for name, param in template.params.items():
        text = text.replace(f"{{{name}}}", param.longest)
    return template.signed(text)


def _size(text: str, settings: TextSettings, language: str, *, longest: bool = False) -> str:
    size = count(text)
    encoding = {"ucs2": "UCS-2", "gsm7": "GSM-7"}[size.encoding]
    prices = {name: size.parts * each.price for name, (_, each) in settings.provider_settings().items()}
    costs = ", ".join(f"{name} {fen / 100:.2f}" for name, fen in prices.items())
    if language == "zh":
        return f"{'最长时 ' if longest else ''}{size.units} 字 {encoding}，{size.parts} 条，费用（元）{costs}"
    return f"{'longest: ' if longest else ''}{size.units} units {encoding}, {size.parts} parts, cost (yuan) {costs}"


def figures(found: Figures, language: str) -> Iterator[str]:
    """The whole picture as tables."""
    zh = language == "zh"
    since, until = (f"{at.astimezone(CHINA):%Y-%m-%d %H:%M}" for at in (found.since, found.until))
    yield f"{since} – {until}"
    yield from _table(
        ["通道", "服务商", "状态", "条数"] if zh else ["lane", "provider", "status", "texts"],
        [[each.lane, each.provider or "-", each.status, each.texts] for each in found.went],
    )
    rates = [[provider, f"{rate:.1%}"] for provider, rate in found.delivery_rates.items()]
    yield from _table(["服务商", "送达率"] if zh else ["provider", "delivered"], rates)
    yield from _table(
        ["通道", "排队", "到期", "最久（秒）"] if zh else ["lane", "queued", "due", "oldest (s)"],
        [[each.lane, each.queued, each.due, each.oldest_seconds] for each in found.waiting],
    )
    yield from _table(
        ["调用方", "模板", "短信", "计费条数", "费用（元）"]
        if zh
        else ["client", "template", "texts", "parts", "yuan"],
        [[each.client, each.template, each.texts, each.parts, f"{each.cost / 100:.2f}"] for each in found.costs],
    )
    yield ""
    yield f"待人工处理 {found.dead} 条" if zh else f"dead letters: {found.dead}"


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> Iterator[str]:
    """Columns as wide as what stands in them; a hanzi is as wide as two letters."""
    if not rows:
        return
    lines = [list(head), *([str(each) for each in row] for row in rows)]
    widths = [max(_width(line[n]) for line in lines) for n in range(len(head))]
    yield ""
    for line in lines:
        cells = [cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)]
        yield "  ".join(cells).rstrip()


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text)


def key_line(row: Any, language: str) -> str:
    """A key in a line."""
    zh = language == "zh"
    ended = f"{'已注销' if zh else 'revoked'} {row.revoked_at:%Y-%m-%d}" if row.revoked_at else ""
    facts = [
        f"hk_{row.id}_…",
        row.name,
        row.channel,
        row.scopes,
        f"{row.rate}/s",
        row.templates,
        row.callback_url,
        ended,
    ]
    return "  ".join(fact for fact in facts if fact)


def callback_secret(language: str) -> str:
    """What the second secret is for."""
    if language == "zh":
        return "第一行是密钥，第二行用于核对回调签名（Standard Webhooks）；都只显示这一次。"
    return "The first line is the key, the second checks the signatures of callbacks (Standard Webhooks)."


def letter_line(each: DeadLetter) -> str:
    """A dead letter in a line."""
    at = f"{each.dead_at.astimezone(CHINA):%Y-%m-%d %H:%M}"
    facts = (each.id, at, each.status, each.reason or "-", each.lane, each.template or "-", each.client, each.to_masked)
    return "  ".join(facts)


def untold_line(each: Untold, language: str) -> str:
    """A callback that was given up, in a line."""
    at = f"{each.at.astimezone(CHINA):%Y-%m-%d %H:%M}"
    kind = "回调未送达" if language == "zh" else "callback not taken"
    return "  ".join((each.id, at, kind, each.client, each.message, each.status, each.reason or "-"))


def how_many(count: int, untold: int, language: str) -> str:
    """How many dead letters there are, and how many callbacks were given up."""
    if language == "zh":
        return f"共 {count} 条待处理" + (f"，另有 {untold} 条回调没有送达" if untold else "")
    return f"{count} dead letters" + (f", and {untold} callbacks that were not taken" if untold else "")


def resealed(done: int, unreadable: int, language: str) -> str:
    """What a rotation did."""
    if language == "zh":
        return f"{done} 项已用新密钥加密" + (f"；{unreadable} 项没有密钥能打开，请勿删除旧密钥" if unreadable else "")
    return f"{done} sealed anew" + (f"; {unreadable} that no key opens: keep the old keys" if unreadable else "")
