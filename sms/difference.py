"""Two versions of the words of the text side, compared in plain words: what a supervisor changed. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from pydantic import BaseModel

from fund.teller import Teller
from sms.keywords import Table
from sms.templates import Template, Templates

_FIELDS: Mapping[str, tuple[str, str]] = {
    "text": ("文字", "text"), "lane": ("通道", "lane"), "kind": ("类型", "kind"), "params": ("参数", "params"),
    "signature": ("签名", "signature"), "provider_ids": ("备案编号", "filed ids"),
    "may_turn_off": ("能否退订", "whether it may be turned off"), "quiet": ("免打扰", "quiet hours"),
    "life_seconds": ("有效时间（秒）", "life in seconds"), "title": ("名称", "title"), "words": ("写法", "words"),
    "report": ("查账", "report"), "reply": ("回复模板", "reply"), "ask": ("追问", "follow-up"),
    "say": ("回复", "answer"),
    "do": ("办理", "deed"), "wait": ("等候分钟", "minutes to wait"), "limits": ("次数限制", "limits"),
    "courtesy": ("客气话", "courtesies"), "kinds": ("可退订类型", "kinds"), "menu": ("数字菜单", "menu"),
}  # fmt: skip


def template_differences(old: Templates, new: Templates, language: str = "zh") -> Iterator[str]:
    """One line a change: `模板 deposit: 文字改为 …，原来是 …`."""
    tell = Teller(language, _FIELDS)
    for name in [*old, *(name for name in new if name not in old)]:
        where = tell(f"模板 {name}", f"template {name}")
        if name not in new:
            yield tell(f"{where}: 删除", f"{where}: gone")
        elif name not in old:
            yield tell(f"{where}: 新增 {new[name].text}", f"{where}: new: {new[name].text}")
        else:
            yield from _changes(tell, where, _facts(old[name]), _facts(new[name]))


def keyword_differences(old: Table, new: Table, language: str = "zh") -> Iterator[str]:
    """One line a change: `关键词 balance: 写法增加 余鄂`."""
    tell = Teller(language, _FIELDS)
    before, after = old.file.keywords, new.file.keywords
    for name in [*before, *(name for name in after if name not in before)]:
        where = tell(f"关键词 {name}", f"keyword {name}")
        if name not in after:
            yield tell(f"{where}: 删除", f"{where}: gone")
        elif name not in before:
            words = "、".join(after[name].words)
            yield tell(f"{where}: 新增 {words}", f"{where}: new: {words}")
        else:
            yield from _changes(tell, where, dict(before[name]), dict(after[name]))
    left_out = ("keywords", "tests", "title")
    facts = [{name: value for name, value in file if name not in left_out} for file in (old.file, new.file)]
    yield from _changes(tell, tell("短信关键词", "keywords"), *facts)
    if old.file.tests != new.file.tests:
        count = f"{len(old.file.tests)} -> {len(new.file.tests)}"
        yield tell(f"短信关键词: 测试 {count} 个", f"keywords: tests {count}")


def _facts(template: Template) -> dict[str, Any]:
    return {each.name: getattr(template, each.name) for each in fields(template) if not each.name.startswith("_")}


def _changes(tell: Teller, where: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name, after in new.items():
        before = old[name]
        if before == after:
            continue
        if isinstance(before, list) and isinstance(after, list):
            yield from _words(tell, f"{where}: {tell.field(name)}", before, after)
            continue
        shown, was = _plain(tell, after), _plain(tell, before)
        zh = f"{where}: {tell.field(name)}改为 {shown}，原来是 {was}"
        yield tell(zh, f"{where}: {tell.field(name)} is now {shown}, was {was}")


def _words(tell: Teller, where: str, old: list[str], new: list[str]) -> Iterator[str]:
    added, gone = [word for word in new if word not in old], [word for word in old if word not in new]
    if added:
        yield tell(f"{where}增加 {'、'.join(added)}", f"{where}: added {', '.join(added)}")
    if gone:
        yield tell(f"{where}取消 {'、'.join(gone)}", f"{where}: gone {', '.join(gone)}")
    if not added and not gone:
        yield tell(f"{where}的次序变了", f"{where}: in another order")


def _plain(tell: Teller, value: Any) -> str:
    match value:
        case None | "":
            return tell("无", "nothing")
        case bool():
            return tell("是", "yes") if value else tell("否", "no")
        case BaseModel():
            return _plain(tell, dict(value))
        case dict() | Mapping():
            parts = [f"{key} {_plain(tell, each)}" for key, each in value.items()]
            return tell("；", "; ").join(parts) or tell("无", "nothing")
        case list() | tuple():
            return tell("、", ", ").join(_plain(tell, each) for each in value)
    if hasattr(value, "kind") and hasattr(value, "absent"):  # a place in a template
        more = [f"{name} {each}" for name in ("max", "absent", "zero") if (each := getattr(value, name))]
        return " ".join([value.kind, *more])
    return str(value)
