"""The `set_pin` node: an employee chooses a query PIN after a code sent to the bound phone.

Phases: `number` (skipped when the phone is bound: `caller`), `code`, `first`, `second`. Neither code nor PIN is kept
here: the world remembers the first PIN, hashed, until the second one comes.
"""

from typing import TYPE_CHECKING

from ivr.events import Answered
from ivr.nodes import SetPinNode
from ivr.numbers import is_account, is_id_card

if TYPE_CHECKING:
    from ivr.engine import Turn

CODE_KEYS = 6
PHASE_PROMPTS = {"number": "ask_number_employee", "code": "ask_code", "first": "ask_new_pin", "second": "ask_pin_again"}


def begin(turn: "Turn", node: SetPinNode) -> None:
    """Send the code to a bound phone at once; others say first whose PIN it is."""
    turn.state.pending = {}
    if turn.state.caller:
        turn.state.phase = "caller"
        turn.look_up("send_code", caller=turn.state.caller)
    else:
        _ask(turn, "number")


def prompt(turn: "Turn", node: SetPinNode) -> None:
    """Ask for what this phase needs."""
    if turn.state.phase not in PHASE_PROMPTS:
        turn.travel(turn.state.node, turn=turn.state.turn)
        return
    turn.phrase(PHASE_PROMPTS[turn.state.phase])
    turn.listen(18 if turn.state.phase == "number" else CODE_KEYS, secret=turn.state.phase != "number")


def _ask(turn: "Turn", phase: str) -> None:
    turn.state.phase = phase
    turn.state.silences = turn.state.wrongs = 0
    prompt(turn, turn.node)


def keyed(turn: "Turn", node: SetPinNode, digits: str) -> None:
    """A number, a code or a PIN came in."""
    phase, pending = turn.state.phase, turn.state.pending
    if phase == "number":
        number = digits.replace("*", "X")
        if is_account(number) or is_id_card(number):
            turn.look_up("send_code", number=number, caller=turn.state.caller)
        else:
            turn.wrong("bad_number")
    elif len(digits) != CODE_KEYS or not digits.isdigit():
        turn.wrong("bad_pin" if phase != "code" else "bad_code")
    else:
        what, secret = {
            "code": ("check_code", "code"),
            "first": ("offer_pin", "pin"),
            "second": ("confirm_pin", "pin"),
        }[phase]
        turn.look_up(what, **{secret: digits}, **pending)


def answered(turn: "Turn", node: SetPinNode, answer: Answered) -> None:
    """What the world says of the number, the code or the PIN."""
    match answer.outcome:
        case "unbound":
            _ask(turn, "number")
        case "code_sent":
            turn.state.pending = {name: str(answer.data[name]) for name in ("verification", "account")}
            turn.phrase("code_sent")
            _ask(turn, "code")
        case "approved":
            _ask(turn, "first")
        case "wrong":
            turn.wrong("wrong_code")
        case "weak":
            turn.wrong("weak_pin")
        case "offered":
            _ask(turn, "second")
        case "differs":
            turn.state.phase = "first"
            turn.wrong("pins_differ")
        case "set":
            turn.phrase("pin_set")
            turn.travel(turn.target(node.next))
        case "expired" | "too_often":
            turn.phrase(f"code_{answer.outcome}")
            turn.travel(turn.target(node.failed))
        case _:
            turn.phrase("code_away" if turn.state.phase in ("caller", "number") else "ledger_away")
            turn.travel(turn.target(node.unavailable or node.failed))
