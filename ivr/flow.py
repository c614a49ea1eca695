"""A file of `flows/`, and the whole folder as a `Flow`: every node under its full name (`main/welcome`, `loan/start`).

What a node may be is in `ivr.nodes`. Loading and checking live in `ivr.loader` and `ivr.check`; playing in
`ivr.engine`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from fund.calendar import Calendar
from ivr.nodes import HoursNode, LongestCall, Node, Patience, TransferNode
from ivr.speech import Value, When
from ivr.spoken_hours import hours_words
from ivr.values import Duration, Key, Language, Name, QueueName, Strict, Target, Text

HOME_FILE = "main"
LAST_RESORT_QUEUE = "general"
OUTGOING_FILE = "outbound"
# Where calls that we place begin, in `outbound.yaml`: a voice code, somebody who asked to be called, a reminder.
ENTRIES = ("code", "callback", "reminder")
ASKED = "asked"  # `transfer: asked` goes to the queue of the request for which we call


def _moment(value: str) -> str:
    try:
        datetime.strptime(value, "%Y-%m-%d %H:%M")
    except ValueError:
        raise ValueError("moment") from None
    return value


def _list(value: object) -> object:
    """A list whose last line was taken away is empty."""
    return [] if value is None else value


class Step(Strict):
    """One line of a supervisor's test: what is pressed or spoken, or what must be heard, or must not be."""

    press: Annotated[str, Field(pattern=r"^[0-9*#]+$")] | None = None
    speak: str | None = None
    hear: str | None = None
    not_hear: str | None = None
    silence: Literal[True] | None = None
    hang_up: Literal[True] | None = None
    transferred: Annotated[str, Field(pattern=r"^([a-z][a-z0-9_]*|[0-9]{3,20})$")] | None = None
    served: Literal[True] | None = None
    ended: Literal[True] | None = None

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if len([name for name, value in self if value is not None]) != 1:
            raise ValueError("one step")
        return self


class FlowTest(Strict):
    """A supervisor's own test: a call from `caller` at a moment, step by step; `queues`: how they are, else open.

    `outgoing`: we call them, for this reason.
    """

    name: Annotated[str, Field(min_length=1)]
    caller: str = ""
    outgoing: Literal["code", "callback", "reminder"] | None = None
    queues: dict[Name, Literal["open", "busy", "closed", "full"]] = Field(default_factory=dict)
    at: Annotated[str, AfterValidator(_moment)] | None = None
    steps: Annotated[list[Step], Field(min_length=1)]


class FlowFile(Strict):
    """One file of `flows/`. `start`, `everywhere`, `patience` and `longest_call` belong to `main.yaml`."""

    title: Annotated[str, Field(min_length=1)]
    language: Language = "zh"
    start: Name | None = None
    everywhere: dict[Key, Target] | None = None
    patience: Patience | None = None
    longest_call: LongestCall | None = None
    deepest_menu: Annotated[int, Field(ge=1, le=9)] | None = None
    nodes: Annotated[dict[Name, Node], Field(min_length=1)]
    tests: Annotated[list[FlowTest], BeforeValidator(_list)] = Field(default_factory=list)


class Fact(Strict):
    """Something the centre must supply (an address, a limit): a value by date, `example` until it is confirmed."""

    note: Annotated[str, Field(min_length=1)]
    kind: Literal["money", "number", "percent", "month", "date", "time", "digits", "text"]
    example: bool = False
    values: Annotated[dict[Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")], Text], Field(min_length=1)]

    def at(self, day: str) -> Mapping[Language, str]:
        """The value in force on an ISO `day`, by language; before its time the first one."""
        dates = sorted(self.values)
        return self.values[max((since for since in dates if since <= day), default=dates[0])]


class Queue(Strict):
    """A queue of people: what it is called, and after how long its callers may be answered by the general one."""

    title: Annotated[str, Field(min_length=1)]
    overflow: Duration | None = None


class QueuesFile(Strict):
    """`flows/queues.yaml`: the queues that `deploy/asterisk/queues.conf` has, and the numbers that may be dialled."""

    queues: Annotated[dict[QueueName, Queue], Field(min_length=1)]
    numbers: dict[Annotated[str, Field(pattern=r"^[0-9]{3,20}$")], Annotated[str, Field(min_length=1)]] = Field(
        default_factory=dict
    )


class FactsFile(Strict):
    """`flows/facts.yaml`."""

    facts: dict[Name, Fact]


_OPENS: Mapping[Language, tuple[str, str]] = {"zh": ("现在", "恢复服务之后"), "en": ("now", "later")}


@dataclass(frozen=True)
class Flow:
    """A checked `flows/` folder, ready to play. `version` is a hash of its sources."""

    version: str
    files: Mapping[str, FlowFile]
    facts: Mapping[str, Fact]
    phrases: Mapping[str, Mapping[str, str]]
    queues: Mapping[str, Queue] = field(default_factory=dict)
    hours: Calendar = field(default_factory=Calendar)
    nodes: Mapping[str, Any] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        nodes = {f"{name}/{node}": body for name, file in self.files.items() for node, body in file.nodes.items()}
        object.__setattr__(self, "nodes", nodes)

    @cached_property
    def home(self) -> FlowFile:
        """`main.yaml`, whose rules hold everywhere."""
        return self.files[HOME_FILE]

    @cached_property
    def longest_call(self) -> LongestCall:
        """When a call has lasted long enough; half an hour when nobody says."""
        patience, _ = self.patience(self.start)
        return self.home.longest_call or LongestCall.model_construct(after=1800.0, then=patience.then)

    @cached_property
    def start(self) -> str:
        """The full name of the first node."""
        return f"{HOME_FILE}/{self.home.start}"

    def entry(self, purpose: str) -> str | None:
        """The full name of the node where a call that we place begins; None when this flow has none."""
        node = f"{OUTGOING_FILE}/{purpose}"
        return node if purpose in ENTRIES and node in self.nodes else None

    def find(self, source: str, target: str) -> str | None:
        """The full name of the node that `target`, written in node `source`, means; None if there is none."""
        if "/" in target:
            return target if target in self.nodes else None
        for file in (source.partition("/")[0], HOME_FILE):
            if f"{file}/{target}" in self.nodes:
                return f"{file}/{target}"
        return None

    def is_person(self, node: str | None) -> bool:
        """Whether a node is a person: a transfer, or a question of hours that leads to one."""
        body = self.nodes.get(node or "")
        if isinstance(body, HoursNode):
            body = self.nodes.get(self.find(node or "", body.open) or "")
        return isinstance(body, TransferNode)

    def known(self, name: str, language: Language, at: datetime) -> tuple[str, Value] | None:
        """(kind, value) of a placeholder that any sentence may use, as it holds `at` a moment; None for others.

        `fact.NAME` is a fact, `hours.NAME` when a timetable is open, `opens.NAME` when it opens next.
        """
        match name.partition("."):
            case "fact", _, fact if fact in self.facts:
                value = self.facts[fact].at(at.date().isoformat())
                return self.facts[fact].kind, value.get(language) or next(iter(value.values()))
            case "hours", _, table if table in self.hours.timetables:
                return "text", hours_words(self.hours, table, at.date(), language)
            case "opens", _, table if table in self.hours.timetables:
                opening = self.hours.next_opening(table, at)
                if opening is None or opening <= at:
                    return "text", _OPENS[language][opening is None]
                return "when", When(at.date(), opening)
        return None

    def known_names(self) -> set[str]:
        """Every name `known` knows."""
        return {f"fact.{name}" for name in self.facts} | {
            f"{word}.{name}" for word in ("hours", "opens") for name in self.hours.timetables
        }

    def patience(self, node: str) -> tuple[Patience, str]:
        """The patience of a node and the node it is written for (its `then` is read from there)."""
        file = node.partition("/")[0]
        for patience, source in (
            (self.nodes[node].patience, node),
            (self.files[file].patience, node),
            (self.home.patience, self.start),
        ):
            if patience:
                return patience, source
        raise KeyError(node)

    def everywhere(self, node: str) -> Mapping[str, str]:
        """The keys that work in a node besides its own."""
        file = self.files[node.partition("/")[0]]
        layers = (self.home.everywhere, file.everywhere, self.nodes[node].everywhere)
        return {key: target for layer in layers if layer for key, target in layer.items()}


def flow_schema() -> dict[str, Any]:
    """The JSON Schema of one flow file: what `flows/flow.schema.json` holds, for editors to complete and check with."""
    schema = FlowFile.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "12329 flow"}
