"""The `identify` node: who is calling, by a bound phone or a keyed number, and a query PIN.

Phases: `caller` (is this phone bound?), `number`, `pin`. The PIN goes from the keys into the look-up and nowhere else;
whether an account exists is told by nothing but a right PIN.
"""

from typing import TYPE_CHECKING

from ivr.events import Answered
from ivr.nodes import IdentifyNode
from ivr.numbers import is_account, is_employer_account, is_id_card
from ivr.state import State

if TYPE_CHECKING:
    from ivr.engine import Turn

PIN_KEYS = 6
NUMBER_KEYS = {"employee": 18, "employer": 20}


def begin(turn: "Turn", node: IdentifyNode) -> str | None:
    """Go on at once with a caller already known; else find out whether the phone is bound."""
    state = turn.state
    if recall(state, node.identify):
        return node.next
    if state.caller and node.identify == "employee":
        state.phase = "caller"
        turn.look_up("caller", number=state.caller)
    else:
        ask_number(turn)
    return None


def recall(state: State, kind: str) -> bool:
    """Whether the caller was identified as that kind in this call; then that is who the call is about again."""
    if kind in state.others:
        _know(state, kind, state.others[kind])
    return state.person is not None and state.person["kind"] == kind


def _know(state: State, kind: str, account: str) -> None:
    before = {state.person["kind"]: state.person["account"]} if state.person else {}
    state.others = {other: known for other, known in {**state.others, **before}.items() if other != kind}
    state.person = {"kind": kind, "account": account}


def ask_number(turn: "Turn") -> None:
    """Ask for the account or ID number."""
    turn.state.phase, turn.state.pending = "number", {}
    prompt(turn, turn.node)


def prompt(turn: "Turn", node: IdentifyNode) -> None:
    """Ask for what this phase needs. A look-up that was cut short asks for its PIN again."""
    if turn.state.phase == "number":
        turn.phrase(f"ask_number_{node.identify}")
        turn.listen(NUMBER_KEYS[node.identify])
    elif turn.state.phase == "pin":
        turn.phrase("ask_pin" if "number" in turn.state.pending else "ask_pin_bound")
        turn.listen(PIN_KEYS, secret=True)
    else:
        turn.travel(turn.state.node, turn=turn.state.turn)


def switches(turn: "Turn", digits: str) -> bool:
    """Whether `*` means another account than the bound phone's."""
    return digits == "*" and turn.state.phase == "pin" and "number" not in turn.state.pending


def keyed(turn: "Turn", node: IdentifyNode, digits: str) -> None:
    """A number or a PIN came in."""
    if turn.state.phase == "number":
        _numbered(turn, node, digits)
    elif len(digits) != PIN_KEYS or not digits.isdigit():
        turn.wrong("bad_pin")
    else:
        pending = turn.state.pending
        turn.look_up("identify", kind=node.identify, caller=turn.state.caller, pin=digits, **pending)


def _numbered(turn: "Turn", node: IdentifyNode, digits: str) -> None:
    number = digits.replace("*", "X")
    fits = is_employer_account(number) if node.identify == "employer" else is_account(number) or is_id_card(number)
    if not fits:
        turn.wrong("bad_number")
        return
    turn.state.phase, turn.state.pending = "pin", {"number": number}
    turn.state.silences = turn.state.wrongs = 0
    prompt(turn, node)


def answered(turn: "Turn", node: IdentifyNode, answer: Answered) -> None:
    """What the world says of the phone or the PIN."""
    state = turn.state
    match answer.outcome:
        case "bound" | "senior" if state.phase == "caller":
            state.phase, state.pending = "pin", {}
            prompt(turn, node)
        case "unknown":
            ask_number(turn)
        case "ok":
            _know(state, node.identify, str(answer.data["account"]))
            state.pending = {}
            turn.travel(turn.target(node.next))
        case "wrong":
            turn.wrong("wrong_pin", left=("number", int(answer.data["left"])))
        case "locked":
            turn.phrase("pin_locked")
            turn.travel(turn.target(node.failed))
        case "unset":
            turn.phrase("pin_unset")
            turn.travel(turn.target(node.unset or node.failed))
        case _:
            turn.phrase("ledger_away")
            turn.travel(turn.target(node.unavailable or node.failed))
