"""The `callback` node: take down which number is to be called; the caller hears it read back before it counts.

Phases: `number` (the calling number, is it right?), `entering`, `confirming`, `asking`.
"""

from typing import TYPE_CHECKING

from ivr.events import Answered
from ivr.nodes import CallbackNode

if TYPE_CHECKING:
    from ivr.engine import Turn

RIGHT, OTHER = "1", "2"
OFFERS = {RIGHT: "callback_right", OTHER: "callback_other"}
MOST_KEYS = 12
SHORTEST, LONGEST = 7, 12


def begin(turn: "Turn", node: CallbackNode) -> None:
    """Read back the calling number; who has none, or one from abroad, keys one in."""
    turn.say(node.say or {})
    turn.state.pending = {}
    if _can_be_read(turn.state.caller):
        turn.state.phase, turn.state.pending = "number", {"number": turn.state.caller}
    else:
        turn.state.phase = "entering"
    prompt(turn, node)


def prompt(turn: "Turn", node: CallbackNode) -> None:
    """Ask what this phase asks."""
    match turn.state.phase:
        case "number" | "confirming":
            turn.phrase(f"callback_{turn.state.phase}")
            _read_back(turn)
            for key, name in OFFERS.items():
                turn.offer(name, key)
            turn.listen(1)
        case "entering":
            turn.phrase("callback_enter")
            turn.listen(MOST_KEYS)
        case "asking":
            _ask(turn, node)
        case _:
            turn.travel(turn.state.node, turn=turn.state.turn)


def keyed(turn: "Turn", node: CallbackNode, digits: str) -> None:
    """A number, or whether it is right."""
    if turn.state.phase == "entering":
        _entered(turn, node, digits)
    elif digits == RIGHT:
        _ask(turn, node)
    elif digits == OTHER:
        turn.state.phase = "entering"
        turn.state.silences = turn.state.wrongs = 0
        prompt(turn, node)
    else:
        turn.wrong("wrong_key")


def _entered(turn: "Turn", node: CallbackNode, digits: str) -> None:
    if not (_can_be_read(digits) and SHORTEST <= len(digits) <= LONGEST):
        turn.wrong("callback_bad_number")
        return
    turn.state.phase, turn.state.pending = "confirming", {"number": digits}
    turn.state.silences = turn.state.wrongs = 0
    prompt(turn, node)


def answered(turn: "Turn", node: CallbackNode, answer: Answered) -> None:
    """What the world says: it is taken down, one is open already, or that number cannot be called."""
    match answer.outcome:
        case "asked" | "already":
            turn.phrase(f"callback_{answer.outcome}")
            turn.travel(turn.target(node.next))
        case "bad_number":
            turn.state.phase = "entering"
            turn.wrong("callback_bad_number")
        case _:
            turn.phrase("callback_cannot")
            turn.travel(turn.target(node.failed))


def _ask(turn: "Turn", node: CallbackNode) -> None:
    turn.state.phase = "asking"
    about = {"queue": node.callback, "topic": node.topic or turn.topic()}
    turn.look_up("ask_callback", number=turn.state.pending["number"], **about)


def _can_be_read(number: str) -> bool:
    return number.isascii() and number.isdigit() and len(number) >= SHORTEST


def _read_back(turn: "Turn") -> None:
    """The number in groups with a breath between: 139 0000 0001."""
    groups = {f"n{at}": ("digits", group) for at, group in enumerate(groups_of(turn.state.pending["number"]))}
    turn.say({"zh": "，".join(f"{{{name}}}" for name in groups) + "。"}, groups, personal=True)


def groups_of(number: str) -> list[str]:
    """3-4-4 for a mobile number, else fours from the end: 0511 8521 2579."""
    return [number[max(0, end - 4) : end] for end in range(len(number), 0, -4)][::-1]
