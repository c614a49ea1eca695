"""The `ask` node: digits are collected, understood by their kind, checked against what is allowed, and kept."""

from datetime import date
from typing import TYPE_CHECKING

from ivr.nodes import AskNode
from ivr.numbers import is_account, is_id_card

if TYPE_CHECKING:
    from ivr.engine import Turn

# How many keys each kind takes when the flow does not say.
MOST_KEYS = {"digits": 20, "number": 10, "month": 6, "date": 8, "phone": 12, "account": 9, "id_card": 18}


def prompt(turn: "Turn", node: AskNode) -> None:
    """Ask the question and listen."""
    turn.say(node.say)
    longest = max(high for _, high in node.length) if node.length else MOST_KEYS[node.ask]
    turn.listen(longest)


def keyed(turn: "Turn", node: AskNode, digits: str) -> None:
    """Keep a good answer and go on; say what is wrong with a bad one."""
    value = understand(node, digits)
    if value is None:
        turn.wrong("bad_answer")
        return
    turn.state.answers = {**turn.state.answers, node.save: value}
    turn.move(node.next)


def understand(node: AskNode, digits: str) -> str | None:
    """What the keys mean for this node (`202603` -> `2026-03`), or None when they cannot be an answer."""
    if node.length and not any(low <= len(digits) <= high for low, high in node.length):
        return None
    value = _by_kind(node.ask, digits)
    if value is None or not node.allow:
        return value
    return value if digits.isdigit() and any(low <= int(digits) <= high for low, high in node.allow) else None


def _by_kind(kind: str, digits: str) -> str | None:
    match kind:
        case "id_card":
            card = digits.replace("*", "X")
            return card if is_id_card(card) else None
        case _ if not digits.isdigit():
            return None
        case "month":
            return _iso_date(digits + "01")[:7] or None
        case "date":
            return _iso_date(digits) or None
        case "account":
            return digits if is_account(digits) else None
        case "phone":
            return digits if 7 <= len(digits) <= 12 else None
        case _:
            return digits


def _iso_date(digits: str) -> str:
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:])).isoformat() if len(digits) == 8 else ""
    except ValueError:
        return ""
