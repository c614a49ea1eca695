"""The `transfer` node: ask how long the queue is, tell the caller, let them choose, and hand them over.

Doing nothing means waiting: nobody loses a person by silence or by wrong keys. The keys are the same everywhere, before
the wait and during it, so that a caller learns them once: 1 wait, 2 call-back, 3 message, 4 text.
"""

from typing import TYPE_CHECKING

from ivr.actions import Missed, Transfer
from ivr.events import Answered, LeftQueue, Served, TransferFailed
from ivr.flow import ASKED, LAST_RESORT_QUEUE
from ivr.nodes import TransferNode

if TYPE_CHECKING:
    from ivr.engine import Turn

WAIT = "1"
CHOICES = {"2": "callback", "3": "message", "4": "text"}


def begin(turn: "Turn", node: TransferNode) -> None:
    """Say what there is to say; a number outside is dialled at once, a queue is asked about first.

    Whom we called does not wait behind others, so there is nothing to tell of the wait.
    """
    turn.say(node.say or {})
    if node.transfer.isdigit() or node.transfer == ASKED:
        hand_over(turn, node)
    else:
        turn.look_up("queue", queue=node.transfer)


def queue_of(turn: "Turn", node: TransferNode) -> str:
    """The queue or number a node means: `asked` is that of the request for which we call."""
    return (turn.state.queue or LAST_RESORT_QUEUE) if node.transfer == ASKED else node.transfer


def choices(node: TransferNode) -> dict[str, str]:
    """Key -> target of what this node offers instead of waiting."""
    return {key: target for key, name in CHOICES.items() if (target := getattr(node, name))}


def answered(turn: "Turn", node: TransferNode, answer: Answered) -> None:
    """How the queue is. Whoever cannot tell (`failed`, `unavailable`) does not stop us: the line looks for itself."""
    match answer.outcome:
        case "closed" | "full":
            failed(turn, node, answer.outcome)
        case "busy":
            turn.state.phase = "offer"
            turn.state.pending = {"ahead": str(answer.data["ahead"]), "minutes": str(answer.data["minutes"])}
            prompt(turn, node)
        case _:
            hand_over(turn, node)


def prompt(turn: "Turn", node: TransferNode) -> None:
    """Tell how many are ahead and how long it may take; offer the choices, or wait at once when there are none."""
    ahead, minutes = turn.state.pending["ahead"], turn.state.pending["minutes"]
    if ahead == "0":
        turn.phrase("queue_next", minutes=("number", minutes))
    else:
        turn.phrase("queue_ahead", ahead=("number", ahead), minutes=("number", minutes))
    if not choices(node):
        hand_over(turn, node)
        return
    for key, name in {WAIT: "wait", **{key: CHOICES[key] for key in choices(node)}}.items():
        turn.offer(f"queue_{name}", key)
    turn.phrase("queue_keys")
    turn.listen(1)


def keyed(turn: "Turn", node: TransferNode, digits: str) -> None:
    """A choice, before the wait."""
    if target := choices(node).get(digits):
        turn.move(target)
    elif digits == WAIT or turn.to_people(digits):
        hand_over(turn, node)
    else:
        turn.state.wrongs += 1
        turn.actions.append(Missed("wrong"))
        if turn.state.wrongs >= turn.flow.patience(turn.state.node)[0].tries:
            hand_over(turn, node)
        else:
            turn.phrase("wrong_key")
            prompt(turn, node)


def hand_over(turn: "Turn", node: TransferNode) -> None:
    """To the people, with the keys that lead out of the wait again."""
    name = queue_of(turn, node)
    queue = turn.flow.queues.get(name)
    overflow = queue.overflow if queue else None
    turn.actions.append(Transfer(name, "".join(choices(node)), overflow or 0))
    turn.state.waiting, turn.state.phase, turn.state.pending = "transfer", "", {}


def came_back(turn: "Turn", node: TransferNode, event: TransferFailed | LeftQueue | Served) -> None:
    """The caller is with us again."""
    match event:
        case TransferFailed():
            failed(turn, node, event.why)
        case LeftQueue():
            if target := choices(node).get(event.key):
                turn.move(target)
            else:
                hand_over(turn, node)
        case Served():
            # The longest call is there to free a machine that somebody plays with, not to hurry people.
            turn.state.served = turn.state.overlong = True
            turn.state.agent, turn.state.queue = event.agent, queue_of(turn, node)
            if node.after:
                turn.travel(turn.target(node.after))
            else:
                turn.end("transferred")


def failed(turn: "Turn", node: TransferNode, why: str) -> None:
    """Nobody there, or too many: the exit the node names for it."""
    exit_ = getattr(node, why, None) if why in ("closed", "full") else None
    if target := exit_ or node.failed:
        turn.travel(turn.target(target))
    else:
        turn.phrase("transfer_failed")
        turn.end("finished")
