"""Plays a flow: `step(flow, state, event) -> (state, actions)`. Pure: no await, clock, database, network or log.

Rules for whoever edits this:
- The state passed in is never changed; the one returned survives a trip through JSON.
- Every step ends or waits: the last action is `Listen`, `Record`, `LookUp`, `Transfer` or `HangUp`. An event that does
  not fit (keys during a look-up, anything after the end) changes nothing and returns no action.
- Who hangs up may leave one question behind (a message to keep): `HungUp` gives a `LookUp`, its answer the end.
- What needs the world goes out as `LookUp` and comes back as `Answered`; secrets go straight from `Keys` into a
  `LookUp` and are never kept.
- A *turn* is what is said between two key presses. `repeat` says the turn again from its first node.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, assert_never

from fund.fields import REPORTS, Field
from ivr import (
    asking,
    calling_back,
    identifying,
    leaving,
    order_status,
    rating,
    reading_out,
    setting_pin,
    transferring,
)
from ivr.actions import Action, Entered, HangUp, Listen, LookUp, Missed, Say
from ivr.events import (
    Answered,
    Event,
    HungUp,
    Keys,
    LeftQueue,
    Recorded,
    Resumed,
    Served,
    Silence,
    Started,
    TransferFailed,
)
from ivr.flow import HOME_FILE, OUTGOING_FILE, Flow
from ivr.nodes import (
    AnsweredNode,
    AskNode,
    BulletinNode,
    CallbackNode,
    GoNode,
    HangUpNode,
    HoursNode,
    IdentifyNode,
    KnownCallerNode,
    MenuNode,
    MessageNode,
    OrderNode,
    ReadOutNode,
    ReportNode,
    SayNode,
    SetPinNode,
    SurveyNode,
    TextNode,
    TransferNode,
)
from ivr.state import State
from ivr.utterance import Piece, Utterance, fill, placeholders, said
from ivr.zeros import without_zeros

MOST_HOPS = 50  # nodes in one step; checked flows never come near, and no flow can hang a call
MOST_BEHIND = 20
# Kinds of several phases, each with a module of the same functions: begin, prompt, keyed, answered.
PHASED: Mapping[type, Any] = {
    MessageNode: leaving,
    CallbackNode: calling_back,
    SurveyNode: rating,
    OrderNode: order_status,
    ReadOutNode: reading_out,
}
REPORT_PAUSE_SECONDS = 2.5  # after a report, before the call goes on by itself


def step(flow: Flow, state: State, event: Event) -> tuple[State, tuple[Action, ...]]:
    """One event in, the next state and what to do out."""
    turn = Turn(flow, state.copy(), event.at)
    turn.take(event)
    return turn.state, tuple(turn.actions)


class Turn:
    """One step in the making: the copied state and the actions so far. Node kinds with several phases get it handed."""

    def __init__(self, flow: Flow, state: State, at: datetime) -> None:
        self.flow, self.state, self.at = flow, state, at
        self.actions: list[Action] = []

    @property
    def node(self) -> Any:
        """The node the call is in."""
        return self.flow.nodes[self.state.node]

    @property
    def node_or_none(self) -> Any:
        """The node the call is in; None before it starts."""
        return self.flow.nodes.get(self.state.node)

    def topic(self) -> str:
        """What the call is about: the newest turn's file that says so and is not this node's, else the queue."""
        home = (HOME_FILE, OUTGOING_FILE, self.state.node.partition("/")[0])
        files = (turn.partition("/")[0] for turn in (self.state.turn, *reversed(self.state.behind)))
        return next((file for file in files if file not in home), self.state.queue)

    # What happened

    def take(self, event: Event) -> None:
        """Let one event happen."""
        state = self.state
        fits = isinstance(event, HungUp) or (state.waiting == "start") == isinstance(event, Started)
        if state.over or not fits:
            return
        match event:
            case HungUp() if isinstance(self.node_or_none, MessageNode) and leaving.left(self):
                pass
            case Answered() if state.phase == "parted" and state.waiting == "answer":
                state.waiting, state.outcome = "over", self._ending("hung_up")
            case HungUp():
                state.waiting, state.outcome = "over", self._ending("hung_up")
            case Started():
                state.caller, state.started, state.entry = event.caller, event.at.isoformat(), event.entry
                self._begin_call(event.entry)
            case _ if self._overlong():
                state.overlong = True
                self.phrase("too_long")
                self.travel(self.target(self.flow.longest_call.then, self.flow.start))
            case Keys() if state.waiting == "keys":
                self._keyed(event.digits)
            case Silence() if state.waiting == "keys":
                self._silence()
            case Answered() if state.waiting == "answer":
                self._answered(event)
            case Recorded() if state.waiting == "record":
                leaving.recorded(self, self.node, event.seconds)
            case TransferFailed() | LeftQueue() | Served() if state.waiting == "transfer":
                transferring.came_back(self, self.node, event)
            case Resumed():
                self._resumed()
            case Keys() | Silence() | Recorded() | Answered() | TransferFailed() | LeftQueue() | Served():
                pass
            case _:
                assert_never(event)

    def _begin_call(self, purpose: str) -> None:
        """They called us, or we them: whom we call never hears the menu, even when nobody wrote what to say."""
        if start := self.flow.entry(purpose) if purpose else self.flow.start:
            self.travel(start)
        else:
            self.phrase("outgoing_sorry")
            self.end("finished")

    def _overlong(self) -> bool:
        state = self.state
        if state.overlong or state.waiting == "transfer" or isinstance(self.node_or_none, MessageNode):
            return False
        return (self.at - state.began()).total_seconds() > self.flow.longest_call.after

    def _keyed(self, digits: str) -> None:
        node = self.node
        if isinstance(node, MenuNode) and (option := node.menu.get(digits)):
            self.state.language = option.language or self.state.language
            self.move(option.go)
        elif isinstance(node, IdentifyNode) and identifying.switches(self, digits):
            identifying.ask_number(self)
        elif isinstance(node, TransferNode) and (digits in transferring.choices(node) or self.to_people(digits)):
            transferring.keyed(self, node, digits)
        elif isinstance(node, MessageNode) and leaving.takes(self, digits):
            leaving.keyed(self, node, digits)
        elif target := self.flow.everywhere(self.state.node).get(digits):
            self._everywhere(target)
        else:
            self._own_keys(node, digits)

    def _own_keys(self, node: Any, digits: str) -> None:
        match node:
            case AskNode():
                asking.keyed(self, node, digits)
            case IdentifyNode():
                identifying.keyed(self, node, digits)
            case SetPinNode():
                setting_pin.keyed(self, node, digits)
            case TransferNode():
                transferring.keyed(self, node, digits)
            case MessageNode() | CallbackNode() | SurveyNode() | OrderNode() | ReadOutNode():
                PHASED[type(node)].keyed(self, node, digits)
            case ReportNode() if digits == node.text_me:
                self.state.phase = "texting"
                self.look_up("text_report", report=node.report, to=self.state.caller, **(self.state.person or {}))
            case ReportNode() if self._ahead_of(node, digits):
                self._keyed(digits)
            case _:
                self.wrong("wrong_key")

    def _ahead_of(self, node: ReportNode, key: str) -> bool:
        """Whether the menu that follows a report has this key: then the call is there already."""
        goal = self.target(node.next)
        menu = self.flow.nodes[goal]
        if not (isinstance(menu, MenuNode) and key in menu.menu):
            return False
        state = self.state
        state.node = state.turn = goal
        state.phase, state.silences, state.wrongs = "", 0, 0
        self.actions.append(Entered(goal))
        return True

    def to_people(self, key: str) -> bool:
        """Whether this key leads to people from everywhere."""
        target = self.flow.everywhere(self.state.node).get(key, "")
        return self.flow.is_person(self.target(target))

    def _everywhere(self, target: str) -> None:
        if target == "repeat":
            self._say_again()
        elif target == "back" and self.state.behind:
            *behind, previous = self.state.behind
            self.state.behind = tuple(behind)
            self.travel(previous)
        elif target == "back":
            self.travel(self.state.turn)
        else:
            self.move(target)

    def _silence(self) -> None:
        if isinstance(self.node, ReportNode):
            self.travel(self.target(self.node.next))
            return
        if isinstance(self.node, TransferNode):
            transferring.hand_over(self, self.node)
            return
        if isinstance(self.node, MessageNode):
            leaving.silent(self)
            return
        if isinstance(self.node, SurveyNode | ReadOutNode):
            PHASED[type(self.node)].silent(self, self.node)
            return
        self.state.silences += 1
        self.actions.append(Missed("silence"))
        if not self.out_of_patience(self.state.silences):
            self.phrase("silence" if self.state.silences == 1 else "silence_again")
            self.prompt(short=True)

    def _answered(self, answer: Answered) -> None:
        node = self.node
        match node:
            case HoursNode():
                # When nobody can say whether people work, believe they do: the queue knows better than we.
                self.travel(self.target(node.closed if answer.outcome == "closed" else node.open), turn=self.state.turn)
            case BulletinNode():
                if answer.outcome == "on":
                    self.actions.append(Say(said(answer.data["text"]), node.barge_in))
                self.travel(self.target(node.next), turn=self.state.turn)
            case KnownCallerNode():
                word = answer.outcome if answer.outcome in ("senior", "bound") else "unknown"
                self.travel(self.target(getattr(node, word)), turn=self.state.turn)
            case ReportNode() if self.state.phase == "texting":
                self.phrase("text_sent" if answer.outcome == "sent" else "text_failed")
                self.travel(self.target(node.next))
            case ReportNode():
                self._tell(node, answer)
            case TextNode():
                self.travel(self.target(node.next if answer.outcome == "sent" else node.failed))
            case AnsweredNode():
                self.state.queue = answer.data.get("queue", "")
                self.travel(self.target(node.next))
            case IdentifyNode():
                identifying.answered(self, node, answer)
            case SetPinNode():
                setting_pin.answered(self, node, answer)
            case TransferNode():
                transferring.answered(self, node, answer)
            case MessageNode() | CallbackNode() | SurveyNode() | OrderNode() | ReadOutNode():
                PHASED[type(node)].answered(self, node, answer)

    def _resumed(self) -> None:
        if self.state.waiting == "transfer":
            transferring.hand_over(self, self.node)
            return
        self.phrase("resumed")
        if isinstance(self.node, MessageNode) and self.state.phase:
            leaving.resumed(self, self.node)
        else:
            self._say_again()

    def _say_again(self) -> None:
        """This turn; or what is asked now, where beginning anew would undo what was keyed in, or send another code."""
        if isinstance(self.node, IdentifyNode | SetPinNode | CallbackNode) and self.state.phase:
            self.prompt(short=False)
        else:
            self.travel(self.state.turn, fresh=False)

    # Moving

    def move(self, target: str) -> None:
        """Go forward because the caller chose to: `back` will lead here again."""
        state, goal = self.state, self.target(target)
        behind = (*state.behind, state.turn)
        # Coming round to a turn already behind us is going home, not deeper.
        state.behind = behind[: behind.index(goal)] if goal in behind else behind[-MOST_BEHIND:]
        self.travel(goal)

    def travel(self, name: str, *, fresh: bool = True, turn: str = "") -> None:
        """Play nodes from `name` on until one waits or the call ends. `turn`: go on with a turn begun before."""
        state = self.state
        state.turn, state.phase = turn or name, ""
        if fresh:
            state.silences = state.wrongs = 0
        for _ in range(MOST_HOPS):
            state.node = name
            self.actions.append(Entered(name))
            if not (onward := self._begin(self.node)):
                return
            name = self.target(onward)
        self.phrase("transfer_failed")
        self.end("finished")

    def _begin(self, node: Any) -> str | None:
        """Start a node: the target to go on to at once, or None when it waits."""
        match node:
            case SayNode():
                self.say(node.say, interruptible=node.barge_in)
                return node.next
            case GoNode():
                self.state.language = node.language or self.state.language
                return node.go
            case MenuNode() | AskNode():
                self.prompt(short=False)
            case IdentifyNode():
                return identifying.begin(self, node)
            case SetPinNode():
                setting_pin.begin(self, node)
            case ReportNode():
                # `back` may lead here after somebody else was identified: an employer's report is not an employee's.
                person = self.state.person if identifying.recall(self.state, REPORTS[node.report].audience) else None
                args = {"report": node.report, **(person or {})}
                # Once more: an answer that is called `account` must not take its place.
                self.look_up("report", **{**args, **self.state.answers, **args})
            case HoursNode():
                self.look_up("hours", hours=node.hours)
            case BulletinNode():
                self.look_up("bulletin")
            case KnownCallerNode():
                self.look_up("caller", number=self.state.caller)
            case TextNode():
                self.look_up("text", template=node.text, to=self.state.caller)
            case AnsweredNode():
                self.look_up("answered", how=node.answered)
            case TransferNode():
                transferring.begin(self, node)
            case MessageNode() | CallbackNode() | SurveyNode() | OrderNode() | ReadOutNode():
                PHASED[type(node)].begin(self, node)
            case HangUpNode():
                self.say(node.hang_up)
                self.end("finished")
        return None

    def target(self, target: str, source: str = "") -> str:
        """The full name of a target written in this node, or in `source`."""
        found = self.flow.find(source or self.state.node, target)
        return found or self.flow.start  # checked flows always find it

    def end(self, outcome: str) -> None:
        """Hang up."""
        self.actions.append(HangUp())
        self.state.waiting, self.state.outcome = "over", self._ending(outcome)

    def _ending(self, outcome: str) -> str:
        return "transferred" if self.state.served else outcome

    # Speaking and listening

    def say(self, text: Mapping[Any, str], values: Mapping[str, tuple[str, Any]] | None = None, *,
            interruptible: bool = True, personal: bool = False) -> None:  # fmt: skip
        """Say `text` in the caller's language, filled from `values` (`personal` if so) and the facts."""
        if pieces := self._pieces(text, values, personal=personal):
            self.actions.append(Say(Utterance(pieces), interruptible))

    def _pieces(
        self,
        text: Mapping[Any, str],
        values: Mapping[str, tuple[str, Any]] | None = None,
        *,
        personal: bool = False,
    ) -> tuple[Piece, ...]:
        language: Any = self.state.language if self.state.language in text else next(iter(text), "zh")
        template = text.get(language, "")
        known = dict(values or {})
        for name in placeholders(template):
            if value := self.flow.known(name, language, self.at):
                known[name] = value
        return fill(template, known, language, personal=personal)

    def phrase(self, name: str, **values: tuple[str, Any]) -> None:
        """Say one of the system's own phrases of `prompts/voice.yaml`."""
        self.say(self.flow.phrases[name], values)

    def listen(self, most: int, *, secret: bool = False, wait_seconds: float = 0) -> None:
        """Wait for keys, as long as this node's patience allows."""
        patience, _ = self.flow.patience(self.state.node)
        self.actions.append(Listen(most, wait_seconds or patience.wait, secret))
        self.state.waiting = "keys"

    def offer(self, name: str, key: str) -> None:
        """Say one of the system's own phrases and the key for it, as in a menu."""
        phrases = self.flow.phrases
        words = self._pieces(phrases[name]) + self._pieces(phrases["press"], {"key": ("text", self.key_name(key))})
        self.actions.append(Say(Utterance(words)))

    def look_up(self, what: str, /, **args: Any) -> None:
        """Ask the world."""
        self.actions.append(LookUp(what, args))
        self.state.waiting = "answer"

    def prompt(self, *, short: bool) -> None:
        """Ask what this node asks, fully or `short`, and listen."""
        match node := self.node:
            case MenuNode():
                self._say_menu(node, short)
                self.listen(1)
            case AskNode():
                asking.prompt(self, node)
            case IdentifyNode():
                identifying.prompt(self, node)
            case SetPinNode():
                setting_pin.prompt(self, node)
            case ReportNode():
                self._offer_text(node)
            case TransferNode():
                transferring.prompt(self, node)
            case MessageNode() | CallbackNode() | SurveyNode() | OrderNode() | ReadOutNode():
                PHASED[type(node)].prompt(self, node)

    def _say_menu(self, node: MenuNode, short: bool) -> None:
        if node.say and not short:
            self.say(node.say)
        for key, option in node.menu.items():
            words = self._pieces((short and option.short) or option.say)
            words += self._pieces(self.flow.phrases["press"], {"key": ("text", self.key_name(key))})
            self.actions.append(Say(Utterance(words)))

    def key_name(self, key: str) -> str:
        """How a key is called: `1`, 星号键, 井号键."""
        phrases = self.flow.phrases
        name = {"*": phrases["star"], "#": phrases["hash"]}.get(key, {"zh": key})
        return name.get(self.state.language, name["zh"])

    def _tell(self, node: ReportNode, answer: Answered) -> None:
        if answer.outcome != "ok":
            nothing = node.nothing if answer.outcome == "nothing" else None
            if answer.outcome != "nothing":
                self.phrase("ledger_away")
            elif not nothing:
                self.phrase("nothing_to_report")
            self.travel(self.target(nothing or (node.next if answer.outcome == "nothing" else node.unavailable)))
            return
        report = REPORTS[node.report]
        self._tell_of(node, node.say, _spoken_values(report.fields, answer.data["values"]))
        for row in answer.data["rows"] if node.each else ():
            self._tell_of(node, node.each or {}, _spoken_values(report.rows or {}, row))
        if node.text_me:
            self._offer_text(node)
        else:
            self.travel(self.target(node.next), turn=self.state.turn)

    def _tell_of(self, node: ReportNode, words: Mapping[Any, str], values: Mapping[str, tuple[str, Any]]) -> None:
        self.say(without_zeros(words, node.zero, values), values, personal=True)

    def _offer_text(self, node: ReportNode) -> None:
        self.phrase("text_me", key=("text", self.key_name(node.text_me or "")))
        self.state.phase = "told"
        self.listen(1, wait_seconds=REPORT_PAUSE_SECONDS)

    # Patience

    def wrong(self, phrase: str, **values: tuple[str, Any]) -> None:
        """A wrong key or an answer that cannot be: say so and ask again, or let a person help."""
        self.state.wrongs += 1
        self.actions.append(Missed("wrong"))
        if not self.out_of_patience(self.state.wrongs):
            self.phrase(phrase, **values)
            self.prompt(short=True)

    def out_of_patience(self, count: int) -> bool:
        """Whether that was once too often: then the caller is on the way to where patience ends."""
        patience, source = self.flow.patience(self.state.node)
        if count < patience.tries:
            return False
        goal = self.target(patience.then, source)
        if self.flow.is_person(goal):
            self.phrase("patience_over")
        self.travel(goal)
        return True


def _spoken_values(fields: Mapping[str, Field], values: Mapping[str, Any]) -> dict[str, tuple[str, Any]]:
    """(kind, value) of every field, and the field's own word where the ledger has nothing."""
    spoken: dict[str, tuple[str, Any]] = {}
    for name, field in fields.items():
        value = values[name]
        spoken[name] = ("text", field.absent) if value is None else (field.kind, value)
    return spoken
