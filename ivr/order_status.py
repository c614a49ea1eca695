"""The `order` node: what became of a work order. Its number alone opens nothing: the world looks at who asks."""

from datetime import datetime
from typing import TYPE_CHECKING

from ivr.events import Answered
from ivr.nodes import OrderNode

if TYPE_CHECKING:
    from ivr.engine import Turn

NUMBER_KEYS = 10


def begin(turn: "Turn", node: OrderNode) -> None:
    """Ask for the number."""
    turn.state.phase, turn.state.pending = "number", {}
    prompt(turn, node)


def prompt(turn: "Turn", node: OrderNode) -> None:
    """Ask for it, or ask the world again."""
    turn.state.phase = "number"
    turn.phrase("ask_order")
    turn.listen(NUMBER_KEYS)


def keyed(turn: "Turn", node: OrderNode, digits: str) -> None:
    """A number came in."""
    if len(digits) != NUMBER_KEYS or not digits.isdigit():
        turn.wrong("bad_order")
        return
    account = (turn.state.person or {}).get("account", "")
    turn.look_up("order_state", number=digits, caller=turn.state.caller, account=account)


def answered(turn: "Turn", node: OrderNode, answer: Answered) -> None:
    """Where it stands, and the answer if there is one; a number that is not theirs is like one that is not there."""
    match answer.outcome:
        case "ok":
            by = datetime.fromisoformat(str(answer.data["answer_by"])).date()
            state = answer.data["state"]
            late = state != "answered" and by < turn.at.date()  # a day that is past is no promise
            turn.phrase("order_late" if late else f"order_{state}", by=("date", by))
            if outcome := str(answer.data["outcome"]):
                turn.say(turn.flow.phrases["order_outcome"], {"outcome": ("text", outcome)}, personal=True)
            turn.travel(turn.target(node.next))
        case "nothing":
            turn.wrong("no_such_order")
        case _:
            turn.phrase("ledger_away")
            turn.travel(turn.target(node.unavailable))
