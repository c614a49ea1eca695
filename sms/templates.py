"""The texts there are: `prompts/sms.yaml` as typed templates, with every fault found at once.

A template has its own words, typed places for values, a lane, a kind that people may turn off, and the ids it is filed
under at each provider. The signature is no part of it: it is added once, at the edge, by the provider or by us. The
order of `params` is the order in which they first stand in the text; templates are filed with the providers so.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fund.yaml_model import typed, well_written
from fund.yaml_source import BadFile, Fault, Source
from fund.yaml_source import load as load_yaml
from sms.errors import Refused
from sms.messages import Lane, Quiet
from sms.params import BadParam, Param, Value
from sms.segments import Segments, count
from sms.template_file import NAMES, PLACE, File, Kind, TemplateWritten, findings

STOPS = "。，、；！？"


@dataclass(frozen=True, slots=True)
class Rendered:
    """A template filled in. `text` is without the signature; `params` are as written in it, in the template's order."""

    text: str
    params: Mapping[str, str]


@dataclass(frozen=True)
class Template:
    """One text, ready to be filled in any number of times."""

    id: str
    lane: Lane
    kind: Kind
    text: str
    params: Mapping[str, Param]
    signature: str
    provider_ids: Mapping[str, str]
    may_turn_off: bool
    quiet: Quiet
    life_seconds: int
    _pieces: tuple[str, ...] = field(init=False, repr=False)  # literal, name, literal, name, ..., literal
    _stopped: frozenset[str] = field(init=False, repr=False)  # params with a stop of the template's own after each

    def __post_init__(self) -> None:
        pieces = tuple(PLACE.split(self.text))
        unstopped = {name for name, after in zip(pieces[1::2], pieces[2::2], strict=True) if after[:1] not in {*STOPS}}
        object.__setattr__(self, "_pieces", pieces)
        object.__setattr__(self, "_stopped", frozenset({*pieces[1::2]} - unstopped))

    def render(self, params: Mapping[str, Value]) -> Rendered:
        """Fill it in; a value's last stop gives way to the template's. Raises `Refused`: `missing_param: x`,
        `extra_param: x`, `bad_param: x (why)`.
        """
        if extra := params.keys() - self.params.keys():
            raise Refused(f"extra_param: {_shown(min(extra))}")
        written: dict[str, str] = {}
        for name, param in self.params.items():
            if name not in params:
                raise Refused(f"missing_param: {name}")
            try:
                value = param.write(params[name])
                written[name] = value.rstrip(STOPS) or value if name in self._stopped else value
            except BadParam as bad:
                raise Refused(f"bad_param: {name} ({bad})") from None
        return Rendered(self._join(written), written)

    def signed(self, text: str) -> str:
        """`text` as the telephone shows it: the signature counts."""
        return f"【{self.signature}】{text}" if self.signature else text

    @property
    def longest(self) -> Segments:
        """What it takes with every value as long as it gets, signature included."""
        return count(self.signed(self._join({name: param.longest for name, param in self.params.items()})))

    def _join(self, written: Mapping[str, str]) -> str:
        pieces = list(self._pieces)
        pieces[1::2] = [written[name] for name in pieces[1::2]]
        return "".join(pieces)


Templates = Mapping[str, Template]  # by id


class BadTemplates(BadFile):
    """The templates cannot be used: mend every fault that is told."""


def load(path: Path) -> Templates:
    """The templates of a file. Raises `BadTemplates` with every fault at once."""
    return read(load_yaml(path))


def read(source: Source) -> Templates:
    """The templates of a file that was read. Raises `BadTemplates` with every fault at once."""
    file, faults = typed(source, File, NAMES)
    written = file or well_written(source, File)
    faults += _faults(source, written) if written else ()
    if not file or any(not fault.warning for fault in faults):
        raise BadTemplates(sorted(faults, key=lambda fault: fault.line))
    return {name: _template(name, written, file.signature) for name, written in file.templates.items()}


def check(path: Path) -> list[Fault]:
    """Every fault of a file of templates; empty: it is good."""
    try:
        load(path)
    except BadTemplates as bad:
        return bad.faults
    return []


def _template(name: str, written: TemplateWritten, signature: str) -> Template:
    places = dict.fromkeys(PLACE.findall(written.text))
    params = {
        place: Param(param.kind, param.max or 0, param.absent, param.zero)
        for place in places
        if (param := written.params[place])
    }
    return Template(
        name,
        written.lane,
        written.kind,
        written.text,
        params,
        signature,
        dict(written.providers),
        written.may_turn_off,
        written.quiet,
        written.life,
    )


def _faults(source: Source, file: File) -> Iterator[Fault]:
    if re.search(r"[【】\s]", file.signature):
        yield source.fault(("signature",), "签名只写名称，不带【】和空格", "the name only, without 【】 and spaces")
    for name, written in file.templates.items():
        found = [
            source.fault(("templates", name, *place), zh, en) for place, zh, en in findings(written, file.forbidden)
        ]
        yield from found or _too_long(source, name, _template(name, written, file.signature), file.max_parts)


def _too_long(source: Source, name: str, template: Template, most: int) -> Iterator[Fault]:
    size = template.longest
    if size.parts > most:
        zh = f"最长时 {size.units} 字，要拆成 {size.parts} 条，上限是 {most} 条"
        en = f"{size.units} units at its longest: {size.parts} parts, and the limit is {most}"
        yield source.fault(("templates", name, "text"), zh, en)


def _shown(word: str) -> str:
    return re.sub(r"[^\w.-]", "?", word[:32])
