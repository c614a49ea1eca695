"""The node kinds of the flow language, one class each: what a supervisor may write under `nodes:`.

A target written without a file means the same file first, then `main`. Adding a kind: a class here, a name in `KINDS`,
a `case` in the engine, a script in `tests/calls/`.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from ivr.values import Duration, Key, Language, Name, Ranges, Strict, Target, Text, TextOrNothing, Topic


def _few_keys(value: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    if any(not 1 <= low <= high <= 32 for low, high in value):
        raise ValueError("keys")
    return value


class Patience(Strict):
    """How long a node waits, how often it asks again, and where the caller goes then; silence and wrong keys apart."""

    wait: Duration = 5.0
    tries: Annotated[int, Field(ge=1, le=9)] = 3
    then: Target


class LongestCall(Strict):
    """A call longer than `after` goes to `then`."""

    after: Duration
    then: Target


class _Node(Strict):
    patience: Patience | None = None
    everywhere: dict[Key, Target] | None = None


class SayNode(_Node):
    """Say something and go on. `barge_in: false` is for what everybody must hear."""

    say: Text
    barge_in: bool = True
    next: Target


class Option(Strict):
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
    # a figure -> what is said, when it is nought, instead of its sentence
    zero: dict[Name, TextOrNothing] = Field(default_factory=dict)
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
    topic: Topic | None = None
    longest: Duration = 120.0
    next: Target
    failed: Target


class CallbackNode(_Node):
    """Take down that the caller wants to be called, by the people of a queue; the number is read back first."""

    callback: Name
    say: Text | None = None
    topic: Topic | None = None
    next: Target
    failed: Target


class SurveyNode(_Node):
    """Ask how the person was: 1 good, 2 fair, 3 bad. `unhappy` is where the third leads, after it is kept."""

    survey: Text
    topic: Topic | None = None
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
