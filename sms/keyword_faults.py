"""What makes a well-written `flows/sms.yaml` wrong all the same: words that clash, templates that do not fit. Pure."""

from collections.abc import Collection, Iterable, Iterator
from typing import get_args

from fund.fields import REPORTS
from fund.yaml_source import Fault, Place, Source, suggestion
from sms.keyword_file import File, KeywordWritten, Kind
from sms.plain import plain
from sms.templates import Templates

# The answers that need no keyword: what they must be called in `prompts/sms.yaml`.
ANSWERS = (
    "reply_unknown", "reply_did_you_mean", "reply_bind_first", "reply_not_employer", "reply_which_month",
    "reply_which_account", "reply_bad_choice", "reply_bad_month", "reply_closed", "reply_no_records", "reply_away",
    "reply_limit", "reply_person", "reply_work_order", "callback_confirmed", "opt_out_confirm", "opt_in_confirm",
)  # fmt: skip


def keyword_faults(source: Source, file: File, templates: Templates | None) -> Iterator[Fault]:
    """All of them, each with its place. `file` may lack entries of `source` that are not well written."""
    there = source.data["keywords"]
    yield from _doubled(source, (("keywords", name, each.words) for name, each in file.keywords.items()))
    yield from _doubled(source, (("kinds", kind, each.words) for kind, each in file.kinds.items()))
    yield from _menu(source, file, there)
    if missing := [kind for kind in get_args(Kind) if kind not in source.data["kinds"]]:
        zh, en = f"kinds 里缺少 {'、'.join(missing)}", f"kinds lacks {', '.join(missing)}"
        yield source.fault(("kinds",), zh, en)
    if not any(isinstance(each, dict) and each.get("do") == "turn_off" for each in there.values()):
        zh = "要有一个 do: turn_off 的关键词：市民必须能够退订"
        yield source.fault(("keywords",), zh, "a keyword with do: turn_off is needed: people must be able to opt out")
    if templates is not None:
        yield from _answers(source, templates)
        for name, each in file.keywords.items():
            yield from _template(source, name, each, templates)


def _doubled(source: Source, lists: Iterable[tuple[str, str, list[str]]]) -> Iterator[Fault]:
    """Words that are the same to us, however differently they are written."""
    seen: dict[str, Place] = {}
    for section, name, words in lists:
        for n, word in enumerate(words):
            place: Place = (section, name, "words", n)
            if not (same := plain(word)):
                yield source.fault(place, f"“{word}”里没有文字或数字", f"nothing to read in {word!r}")
            elif same in seen and seen[same][1] != name:
                line = source.line(*seen[same])
                yield source.fault(place, f"“{word}”已在第 {line} 行用过", f"{word!r} is used in line {line} already")
            seen.setdefault(same, place)


def _menu(source: Source, file: File, there: Collection[str]) -> Iterator[Fault]:
    for digits, name in file.menu.items():
        if name not in there:
            zh, en = suggestion(name, there)
            yield source.fault(("menu", digits), f'没有关键词 "{name}"{zh}', f"no keyword {name!r}{en}")


def _answers(source: Source, templates: Templates) -> Iterator[Fault]:
    for name in ANSWERS:
        if name not in templates:
            zh = f"prompts/sms.yaml 里缺少模板 {name}"
            yield source.fault((), zh, f"template {name} is missing in prompts/sms.yaml")


def _template(source: Source, name: str, keyword: KeywordWritten, templates: Templates) -> Iterator[Fault]:
    wanted = keyword.template
    if not wanted:
        return
    place: Place = ("keywords", name, "say" if keyword.say else "reply" if keyword.reply else "report")
    if wanted not in templates:
        zh, en = suggestion(wanted, templates)
        yield source.fault(place, f"没有模板 {wanted}{zh}", f"no template {wanted}{en}")
        return
    template = templates[wanted]
    if template.lane != "reply":
        yield source.fault(place, f"模板 {wanted} 的 lane 应是 reply", f"lane of {wanted} should be reply")
        return
    known = {*REPORTS[keyword.report].fields, "lines", "month"} if keyword.report else set()
    for param in template.params:
        if param not in known:
            zh, en = suggestion(param, known)
            yield source.fault(place, f"模板 {wanted} 要用的 {param} 这里没有{zh}", f"{wanted} wants {param}{en}")
