"""Reads a `flows/` folder: every fault found at once, each as `file:line: message`; a `Flow` only when none blocks.

Three steps, each in its own module: YAML to data (`fund.yaml_source`), data to types (here), and the meaning of the
whole (`ivr.check`).
"""

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from fund.calendar import Calendar
from fund.hours import read_hours
from fund.yaml_model import typed
from fund.yaml_source import Fault, Source, parse
from ivr.check import check
from ivr.flow import HOME_FILE, Fact, FactsFile, Flow, FlowFile, Queue, QueuesFile
from ivr.nodes import KINDS, LongestCall, Option, Patience
from ivr.phrases import BadPhrases, phrase_faults
from ivr.speech import Unspeakable, speak
from ivr.words import explain

TEXTS = "sms.yaml"  # lies in the same folder, but is the text side's
_FILE_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_BAD_NAME = (
    "文件名只能用小写字母、数字和下划线，以字母开头，最长 40 个字符，如 loan.yaml；备份请放到别的目录",
    "a file name is up to 40 lower-case letters, digits and _, such as loan.yaml; keep copies in another folder",
)
T = TypeVar("T", bound=BaseModel)
Files = Mapping[str, bytes]  # "main.yaml" -> its bytes


@dataclass
class Loaded:
    """What came of reading a folder. `flow` is None when a fault blocks; warnings do not."""

    flow: Flow | None
    faults: list[Fault]
    sources: Mapping[str, Source] = field(default_factory=dict)

    @property
    def blocked(self) -> bool:
        """Whether it must not be taken up."""
        return self.flow is None or any(not fault.warning for fault in self.faults)


def read_folder(folder: Path) -> dict[str, bytes]:
    """The YAML files of a folder, by name. Raises `OSError` with the file it is about."""
    files = {}
    for path in flow_paths(folder):
        try:
            files[path.name] = path.read_bytes()
        except OSError as fault:
            raise OSError(fault.errno, fault.strerror, str(path)) from None
    return files


def unreadable(fault: OSError) -> Loaded:
    """What is told of a folder that cannot be read now."""
    zh, en = (
        f"读不了这个文件，请检查它的权限：{fault.strerror}",
        f"cannot be read, look at its permissions: {fault.strerror}",
    )
    return Loaded(None, [Fault(str(fault.filename), 1, zh, en)])


def flow_paths(folder: Path) -> list[Path]:
    """The files of a folder that the voice side reads; what editors hide there (`.#main.yaml`) is none of them."""
    return sorted(path for path in folder.glob("*.yaml") if path.name != TEXTS and not path.name.startswith("."))


def read_phrases(path: Path) -> dict[str, dict[str, str]]:
    """The system's own phrases, `prompts/voice.yaml`. Raises `BadPhrases` with every fault: nothing runs without."""
    source = parse(path.read_bytes(), str(path))
    if faults := [*source.faults] or [*phrase_faults(source)]:
        raise BadPhrases(faults)
    return {name: dict(words) for name, words in source.data.items()}


def load(
    files: Files,
    phrases: Mapping[str, Mapping[str, str]],
    *,
    folder: str = "flows",
    texts: Collection[str] | None = None,
) -> Loaded:
    """Read, type and check. `texts`: the names of the text templates; None leaves them unchecked."""
    sources = {name: parse(raw, f"{folder}/{name}") for name, raw in files.items() if name != TEXTS}
    faults: list[Fault] = []
    facts = _facts(sources.pop("facts.yaml", None), faults)
    queues = _typed(sources.pop("queues.yaml", None), QueuesFile, faults)
    hours = _hours(sources.pop("hours.yaml", None), faults)
    menus = {Path(name).stem: source for name, source in sources.items()}
    read = {name: _typed(source, FlowFile, faults) for name, source in menus.items()}
    faults += [source.fault((), *_BAD_NAME) for name, source in menus.items() if not _FILE_NAME.fullmatch(name)]
    if HOME_FILE not in menus:
        faults.append(Fault(f"{folder}/{HOME_FILE}.yaml", 1, "缺少 main.yaml:热线从这里开始", "main.yaml is missing"))
    flow_files = {name: file for name, file in read.items() if file}
    if HOME_FILE not in flow_files or len(flow_files) < len(menus) or any(not fault.warning for fault in faults):
        return Loaded(None, _in_order(faults), menus)
    flow = Flow(version_of(files), flow_files, facts, phrases, queues.queues if queues else {}, hours)
    faults += check(flow, menus, texts, queues)
    return Loaded(None if any(not fault.warning for fault in faults) else flow, _in_order(faults), menus)


def _in_order(faults: list[Fault]) -> list[Fault]:
    return sorted(faults, key=lambda fault: (fault.warning, fault.file, fault.line))


def version_of(files: Files) -> str:
    """The name of these very files: 12 hex characters."""
    digest = hashlib.sha256()
    for name, raw in sorted(files.items()):
        digest.update(f"{name}\0{len(raw)}\0".encode() + raw)
    return digest.hexdigest()[:12]


def _facts(source: Source | None, faults: list[Fault]) -> Mapping[str, Fact]:
    file = _typed(source, FactsFile, faults)
    if not file or not source:
        return {}
    faults += _unspeakable(source, file.facts)
    examples = [name for name, fact in file.facts.items() if fact.example]
    if examples:
        zh = f"{len(examples)} 项事实还是示例值，核实后请去掉 example：{'、'.join(examples)}"
        en = f"{len(examples)} facts are still examples: {', '.join(examples)}"
        faults.append(source.fault(("facts", examples[0]), zh, en, warning=True))
    return file.facts


def _unspeakable(source: Source, facts: Mapping[str, Fact]) -> Iterator[Fault]:
    """Values that are not of their kind, and days that are none: a caller would hear of it."""
    for name, fact in facts.items():
        for day, value in fact.values.items():
            place = ("facts", name, "values", day)
            try:
                date.fromisoformat(day)
                for language, words in value.items():
                    speak(fact.kind, words, language)
            except Unspeakable as wrong:
                yield source.fault(place, wrong.told("zh"), wrong.told("en"))
            except ValueError:
                yield source.fault(place, f"没有 {day} 这一天", f"there is no day {day}")


def _hours(source: Source | None, faults: list[Fault]) -> Calendar:
    calendar, found = read_hours(source) if source else (None, [])
    faults += found
    return calendar or Calendar()


def _typed(source: Source | None, model: type[T], faults: list[Fault]) -> T | None:
    if source is None:
        return None
    language = source.data.get("language") if isinstance(source.data, dict) else None
    context = {"language": language if language in ("zh", "en") else "zh"}
    file, found = typed(source, model, _names(), context=context, words=explain)
    faults += found
    return file


@cache
def _names() -> frozenset[str]:
    """Every word that may stand in a flow file, for suggestions."""
    models: list[type[BaseModel]] = [
        FlowFile,
        Option,
        Patience,
        LongestCall,
        Fact,
        QueuesFile,
        Queue,
        *KINDS.values(),
    ]
    return frozenset(name for model in models for name in model.model_fields)
