"""The `read_out` node: tell whoever we called what we call for.

What is read comes with the world's answer and goes straight into words: it is never kept, and asked for again to be
said again. Phases: `asking`, `read`.
"""

from typing import TYPE_CHECKING

from ivr.actions import Missed
from ivr.events import Answered
from ivr.nodes import ReadOutNode

if TYPE_CHECKING:
    from ivr.engine import Turn

AGAIN = "1"
OFFERS = {AGAIN: "read_again"}


def begin(turn: "Turn", node: ReadOutNode) -> None:
    """Say who calls, then ask what there is to read."""
    turn.say(node.say or {}, interruptible=False)
    _ask(turn, node)


def prompt(turn: "Turn", node: ReadOutNode) -> None:
    """Offer to read it again."""
    turn.state.phase = "read"
    turn.offer(OFFERS[AGAIN], AGAIN)
    turn.listen(1)


def keyed(turn: "Turn", node: ReadOutNode, digits: str) -> None:
    """Again, as often as they like: the longest call ends that too."""
    if digits == AGAIN:
        _ask(turn, node)
    else:
        turn.wrong("wrong_key")


def silent(turn: "Turn", node: ReadOutNode) -> None:
    """Heard, or written down."""
    turn.actions.append(Missed("silence"))
    turn.travel(turn.target(node.next))


def answered(turn: "Turn", node: ReadOutNode, answer: Answered) -> None:
    """Read it, or say that it is no longer there."""
    if answer.outcome != "ok":
        turn.travel(turn.target(node.nothing))
        return
    if node.read_out == "code":
        for phrase in ("read_code", "read_code_again"):
            turn.phrase(phrase)
            _spell(turn, answer.data["code"])
    else:
        turn.say({"zh": "{text}", "en": "{text}"}, {"text": ("text", answer.data["text"])}, personal=True)
    prompt(turn, node)


def _ask(turn: "Turn", node: ReadOutNode) -> None:
    turn.look_up("read_out", of=node.read_out)
    turn.state.phase = "asking"


def _spell(turn: "Turn", code: str) -> None:
    """One digit after the other, as sentences of their own: slowly enough to be written down."""
    digits = {f"n{at}": ("digits", digit) for at, digit in enumerate(code)}
    mark = "\u3002" if turn.state.language == "zh" else ". "
    turn.say({turn.state.language: "".join(f"{{{name}}}{mark}" for name in digits)}, digits, personal=True)
