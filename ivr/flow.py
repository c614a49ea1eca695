"""The flow language as types: what a supervisor may write in `flows/*.yaml`, one class a node kind.

A `Flow` is the whole folder: every node under its full name (`main/welcome`, `loan/start`). A target written without
a file means the same file first, then `main`. Loading and checking live in `ivr.loader` and `ivr.check`; playing in
`ivr.engine`. Adding a node kind: a class here, a name in `KINDS`, a `case` in the engine, a script in `tests/calls/`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from fund.calendar import Calendar
from ivr.speech import Value, When
from ivr.spoken_hours import hours_words

Language = Literal["zh", "en"]
HOME_FILE = "main"
LAST_RESORT_QUEUE = "general"
OUTGOING_FILE = "outbound"
# Where calls that we place begin, in `outbound.yaml`: a voice code, somebody who asked to be called, a reminder.
ENTRIES = ("code", "callback", "reminder")
ASKED = "asked"  # `transfer: asked` goes to the queue of the request for which we call


def _seconds(value: object) -> float:
    """`5s`, `1.5s`, `15m`, `2h` -> seconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h)", str(value))
    if not found:
        raise ValueError("duration")
    seconds = float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]
    if not 0 < seconds <= 24 * 3600:
        raise ValueError("duration")
    return seconds


def _by_language(value: object, info: ValidationInfo) -> object:
    """Plain words are in the file's language, which the loader gives as context."""
    plain = isinstance(value, str | int | float) and not isinstance(value, bool)
    return {(info.context or {}).get("language", "zh"): str(value)} if plain else value


def parse_ranges(value: str) -> tuple[tuple[int, int], ...]:
    """`1,2-4,10-20` -> ((1, 1), (2, 4), (10, 20)). Raises `ValueError`."""
    parts = [re.fullmatch(r"\s*(\d{1,18})(?:\s*-\s*(\d{1,18}))?\s*", part) for part in value.split(",")]
    ranges = tuple((int(part[1]), int(part[2] or part[1])) for part in parts if part)
    if len(ranges) != len(parts) or any(low > high for low, high in ranges):
        raise ValueError("ranges")
    return ranges


def _ranges(value: object) -> tuple[tuple[int, int], ...]:
    try:
        return parse_ranges(str(value))
    except ValueError:
        raise ValueError("ranges") from None


def _moment(value: str) -> str:
    try:
        datetime.strptime(value, "%Y-%m-%d %H:%M")
    except ValueError:
        raise ValueError("moment") from None
    return value


def _list(value: object) -> object:
    """A list whose last line was taken away is empty."""
    return [] if value is None else value


def _few_keys(value: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    if any(not 1 <= low <= high <= 32 for low, high in value):
        raise ValueError("keys")
    return value


Duration = Annotated[
    float, BeforeValidator(_seconds), WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?(s|m|h)$"})
]
Ranges = Annotated[
    tuple[tuple[int, int], ...],
    BeforeValidator(_ranges),
    WithJsonSchema({"type": ["string", "integer"], "pattern": r"^\d+(-\d+)?(,\d+(-\d+)?)*$"}),
]
_WORDS: dict[str, Any] = {"type": "string", "minLength": 1}
Text = Annotated[
    dict[Language, Annotated[str, Field(min_length=1)]],
    BeforeValidator(_by_language),
    Field(min_length=1),
    WithJsonSchema(
        {
            "anyOf": [
                _WORDS,
                {
                    "type": "object",
                    "properties": {"zh": _WORDS, "en": _WORDS},
                    "required": ["zh"],
                    "additionalProperties": False,
                },
            ]
        }
    ),
]
TextOrNothing = Annotated[
    dict[Language, str],
    BeforeValidator(_by_language),
    Field(min_length=1),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {
                    "type": "object",
                    "properties": {"zh": {"type": "string"}, "en": {"type": "string"}},
                    "required": ["zh"],
                    "additionalProperties": False,
                },
            ]
        }
    ),
]
Target = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(/[a-z][a-z0-9_]*)?$", json_schema_extra={"x-target": True})]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Key = Annotated[str, Field(pattern=r"^[0-9*#]$")]


class _Strict(BaseModel):
    # Numbers become text where text is wanted: `press: 1` is the key 1.
    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)


class Patience(_Strict):
    """How long a node waits, how often it asks again, and where the caller goes then; silence and wrong keys apart."""

    wait: Duration = 5.0
    tries: Annotated[int, Field(ge=1, le=9)] = 3
    then: Target


class LongestCall(_Strict):
    """A call longer than `after` goes to `then`."""

    after: Duration
    then: Target


class _Node(_Strict):
    patience: Patience | None = None
    everywhere: dict[Key, Target] | None = None


class SayNode(_Node):
    """Say something and go on. `barge_in: false` is for what everybody must hear."""

    say: Text
    barge_in: bool = True
    next: Target


class Option(_Strict):
    """One line of a menu: what the key is for, and where it leads."""

    say: Text
    short: Text | None = None
    go: Target
    language: Language | None = None


class MenuNode(_Node):
    """A menu, spoken from its own list of keys; `say` comes before it the first time."""

    menu: Annotated[dict[Key, Option], Field(min_length=1)]
    say: Text | None = None


class AskNode(_Node):
    """Collect digits and keep them under `save`; `ask` says what they mean, `length` and `allow` what they may be."""

    ask: Literal["digits", "number", "month", "date", "phone", "account", "id_card"]
    say: Text
    length: Annotated[Ranges, AfterValidator(_few_keys)] | None = None
    allow: Ranges | None = None
    save: Name
    next: Target


class IdentifyNode(_Node):
    """Find out who is calling: a bound phone needs the PIN only, others a number (account or ID card) and the PIN."""

    identify: Literal["employee", "employer"]
    next: Target
    failed: Target
    unset: Target | None = None
    unavailable: Target | None = None


class ReportNode(_Node):
    """Tell the identified caller something from the ledger; the fields are those of `fund.fields.REPORTS`."""

    report: Name
    say: Text
    each: Text | None = None
    zero: dict[Name, TextOrNothing] = {}  # a figure -> what is said, when it is nought, instead of its sentence
    text_me: Key | None = None
    next: Target
    nothing: Target | None = None
    unavailable: Target


class HoursNode(_Node):
    """Whether people work now, by a timetable of `flows/hours.yaml`."""

    hours: Name
    open: Target
    closed: Target


class BulletinNode(_Node):
    """Say the emergency bulletin while a supervisor has one switched on (`hotline bulletin`), then go on."""

    bulletin: Literal["emergency"]
    barge_in: bool = True
    next: Target


class KnownCallerNode(_Node):
    """Who calls from a bound phone: `senior` is 65 or older."""

    known_caller: Literal["employee"]
    senior: Target
    bound: Target
    unknown: Target


class TextNode(_Node):
    """Send the caller a text; `failed` when the number cannot get one."""

    text: Name
    next: Target
    failed: Target


class SetPinNode(_Node):
    """The employee chooses a query PIN, after a code sent to the bound phone."""

    set_pin: Literal["employee"]
    next: Target
    failed: Target
    unavailable: Target | None = None


class GoNode(_Node):
    """Go elsewhere, in another language if wished."""

    go: Target
    language: Language | None = None


class TransferNode(_Node):
    """Hand the caller to the people of a queue, or to a number outside that `flows/queues.yaml` allows.

    `callback`, `message` and `text` are what a caller who would have to wait may choose instead, now or while waiting;
    `after` is where a caller goes when the person has hung up first.
    """

    transfer: Annotated[str, Field(pattern=r"^([a-z][a-z0-9_]*|[0-9]{3,20})$")]
    say: Text | None = None
    callback: Target | None = None
    message: Target | None = None
    text: Target | None = None
    after: Target | None = None
    closed: Target | None = None
    full: Target | None = None
    failed: Target | None = None


class MessageNode(_Node):
    """Let the caller leave a spoken message, which becomes a work order; `say` comes before the beep.

    `failed`: nothing can be recorded now. Who hangs up has left what was said.
    """

    message: Literal["message", "complaint", "suggestion"]
    say: Text | None = None
    topic: Name | None = None
    longest: Duration = 120.0
    next: Target
    failed: Target


class CallbackNode(_Node):
    """Take down that the caller wants to be called, by the people of a queue; the number is read back first."""

    callback: Name
    say: Text | None = None
    topic: Name | None = None
    next: Target
    failed: Target


class SurveyNode(_Node):
    """Ask how the person was: 1 good, 2 fair, 3 bad. `unhappy` is where the third leads, after it is kept."""

    survey: Text
    topic: Name | None = None
    next: Target
    unhappy: Target | None = None


class OrderNode(_Node):
    """Tell what became of a work order, by its number, to the telephone that left it or whoever is identified."""

    order: Literal["status"]
    next: Target
    unavailable: Target


class ReadOutNode(_Node):
    """Read out what we call for, to whoever answered: a code twice and slowly, or a message; 1 reads it again.

    `nothing`: there is nothing to read any more.
    """

    read_out: Literal["code", "message"]
    say: Text | None = None
    next: Target
    nothing: Target


class AnsweredNode(_Node):
    """Keep who answered when we called: a person, one who wants no more calls, or the wrong one."""

    answered: Literal["person", "refused", "wrong_number"]
    next: Target


class HangUpNode(_Node):
    """Say goodbye and end the call."""

    hang_up: Text


# The key that makes a node what it is. `transfer` comes first, for it names exits after other kinds; `say` and `go`
# come last: others may have them too.
KINDS: dict[str, type[_Node]] = {
    "transfer": TransferNode,
    "menu": MenuNode,
    "ask": AskNode,
    "identify": IdentifyNode,
    "report": ReportNode,
    "hours": HoursNode,
    "bulletin": BulletinNode,
    "known_caller": KnownCallerNode,
    "text": TextNode,
    "set_pin": SetPinNode,
    "message": MessageNode,
    "callback": CallbackNode,
    "survey": SurveyNode,
    "order": OrderNode,
    "read_out": ReadOutNode,
    "answered": AnsweredNode,
    "hang_up": HangUpNode,
    "say": SayNode,
    "go": GoNode,
}


def kind_of(node: object) -> str | None:
    """The node kind of raw data or of a node: `{"menu": ...}` -> `menu`; None when no kind is named."""
    keys = node if isinstance(node, Mapping) else type(node).model_fields if isinstance(node, _Node) else ()
    return next((kind for kind in KINDS if kind in keys), None)


def _tag(node: object) -> str | None:
    """What the validator calls a kind in its faults: never the same as a key of the file, so that lines are right."""
    return f"{kind} node" if (kind := kind_of(node)) else None


Node = Annotated[
    Annotated[MenuNode, Tag("menu node")]
    | Annotated[AskNode, Tag("ask node")]
    | Annotated[IdentifyNode, Tag("identify node")]
    | Annotated[ReportNode, Tag("report node")]
    | Annotated[HoursNode, Tag("hours node")]
    | Annotated[BulletinNode, Tag("bulletin node")]
    | Annotated[KnownCallerNode, Tag("known_caller node")]
    | Annotated[TextNode, Tag("text node")]
    | Annotated[SetPinNode, Tag("set_pin node")]
    | Annotated[MessageNode, Tag("message node")]
    | Annotated[CallbackNode, Tag("callback node")]
    | Annotated[SurveyNode, Tag("survey node")]
    | Annotated[OrderNode, Tag("order node")]
    | Annotated[ReadOutNode, Tag("read_out node")]
    | Annotated[AnsweredNode, Tag("answered node")]
    | Annotated[TransferNode, Tag("transfer node")]
    | Annotated[HangUpNode, Tag("hang_up node")]
    | Annotated[SayNode, Tag("say node")]
    | Annotated[GoNode, Tag("go node")],
    Discriminator(_tag),
]
LISTENING = (
    MenuNode,
    AskNode,
    IdentifyNode,
    SetPinNode,
    MessageNode,
    CallbackNode,
    SurveyNode,
    OrderNode,
    ReadOutNode,
)


class Step(_Strict):
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


class FlowTest(_Strict):
    """A supervisor's own test: a call from `caller` at a moment, step by step; `queues`: how they are, else open.

    `outgoing`: we call them, for this reason.
    """

    name: Annotated[str, Field(min_length=1)]
    caller: str = ""
    outgoing: Literal["code", "callback", "reminder"] | None = None
    queues: dict[Name, Literal["open", "busy", "closed", "full"]] = {}
    at: Annotated[str, AfterValidator(_moment)] | None = None
    steps: Annotated[list[Step], Field(min_length=1)]


class FlowFile(_Strict):
    """One file of `flows/`. `start`, `everywhere`, `patience` and `longest_call` belong to `main.yaml`."""

    title: Annotated[str, Field(min_length=1)]
    language: Language = "zh"
    start: Name | None = None
    everywhere: dict[Key, Target] | None = None
    patience: Patience | None = None
    longest_call: LongestCall | None = None
    deepest_menu: Annotated[int, Field(ge=1, le=9)] | None = None
    nodes: Annotated[dict[Name, Node], Field(min_length=1)]
    tests: Annotated[list[FlowTest], BeforeValidator(_list)] = []


class Fact(_Strict):
    """Something the centre must supply (an address, a limit): a value by date, `example` until it is confirmed."""

    note: Annotated[str, Field(min_length=1)]
    kind: Literal["money", "number", "percent", "month", "date", "time", "digits", "text"]
    example: bool = False
    values: Annotated[dict[Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")], Text], Field(min_length=1)]

    def at(self, day: str) -> Mapping[Language, str]:
        """The value in force on an ISO `day`, by language; before its time the first one."""
        dates = sorted(self.values)
        return self.values[max((since for since in dates if since <= day), default=dates[0])]


class Queue(_Strict):
    """A queue of people: what it is called, and after how long its callers may be answered by the general one."""

    title: Annotated[str, Field(min_length=1)]
    overflow: Duration | None = None


class QueuesFile(_Strict):
    """`flows/queues.yaml`: the queues that `deploy/asterisk/queues.conf` has, and the numbers that may be dialled."""

    queues: Annotated[dict[Name, Queue], Field(min_length=1)]
    numbers: dict[Annotated[str, Field(pattern=r"^[0-9]{3,20}$")], Annotated[str, Field(min_length=1)]] = {}


class FactsFile(_Strict):
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

    @property
    def home(self) -> FlowFile:
        """`main.yaml`, whose rules hold everywhere."""
        return self.files[HOME_FILE]

    @property
    def longest_call(self) -> LongestCall:
        """When a call has lasted long enough; half an hour when nobody says."""
        patience, _ = self.patience(self.start)
        return self.home.longest_call or LongestCall.model_construct(after=1800.0, then=patience.then)

    @property
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


def exits(node: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    """Where a node may lead by itself: (path inside the node, target), its `everywhere` and `patience` included."""
    for name, value in node:
        match name, value:
            case ("menu", dict()):
                yield from ((("menu", key, "go"), option.go) for key, option in node.menu.items())
            case ("everywhere", dict()):
                yield from ((("everywhere", key), target) for key, target in value.items())
            case ("callback" | "message" | "text" | "after", str()) if isinstance(node, TransferNode):
                yield (name,), value
            case ("patience", Patience()):
                yield ("patience", "then"), value.then
            case (
                "next" | "failed" | "unset" | "unavailable" | "nothing" | "open" | "closed" | "full" | "senior"
                | "bound" | "unknown" | "unhappy" | "go", str(),
            ):  # fmt: skip
                yield (name,), value


def flow_schema() -> dict[str, Any]:
    """The JSON Schema of one flow file: what `flows/flow.schema.json` holds, for editors to complete and check with."""
    schema = FlowFile.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "12329 flow"}
