"""The `message` node: speak after the beep, hear it again or say it anew, keep it; it becomes a work order.

Phases: `opening` (the world gives a number to record under), `recording`, `looking` (after a lost service: what was
recorded?), `review`, `keeping`. Hanging up keeps what was said, and so does saying nothing in the review: whoever has
spoken is never asked to begin again because of a key they did not press.
"""

from typing import TYPE_CHECKING

from ivr.actions import Missed, Record, Say
from ivr.events import Answered
from ivr.nodes import MessageNode
from ivr.utterance import Utterance

if TYPE_CHECKING:
    from ivr.engine import Turn

KEEP, HEAR, AGAIN = "1", "2", "3"
OFFERS = {KEEP: "message_keep", HEAR: "message_hear", AGAIN: "message_again"}
SHORTEST_SECONDS = 1.5  # what is shorter is a breath, or a telephone put down
SILENCE_SECONDS = 5.0  # of silence end a message
_DAY_DIGITS = 6  # an order's number is read as its day and the rest


def begin(turn: "Turn", node: MessageNode) -> None:
    """Say what this is, and get a number to record under."""
    turn.say(node.say or turn.flow.phrases["message_say"])
    turn.state.phase, turn.state.pending = "opening", {}
    about = {"kind": node.message, "topic": node.topic or turn.topic(), "caller": turn.state.caller}
    turn.look_up("open_message", account=(turn.state.person or {}).get("account", ""), **about)


def name_of(turn: "Turn") -> str:
    """What the take in hand is called."""
    return f"{turn.state.pending['number']}-{turn.state.pending['take']}"


def prompt(turn: "Turn", node: MessageNode) -> None:
    """Go on with this phase, from its beginning."""
    match turn.state.phase:
        case "recording":
            _record(turn, node)
        case "review":
            _review(turn)
        case "keeping":
            _keep(turn)
        case _:
            turn.travel(turn.state.node, turn=turn.state.turn)


def resumed(turn: "Turn", node: MessageNode) -> None:
    """The service was lost: what had been recorded by then is not."""
    if turn.state.phase in ("recording", "looking"):
        turn.state.phase = "looking"
        turn.look_up("recorded", recording=name_of(turn))
    else:
        prompt(turn, node)


def recorded(turn: "Turn", node: MessageNode, seconds: float | None) -> None:
    """The caller has spoken, or has not."""
    if seconds is None:
        turn.phrase("message_cannot")
        turn.travel(turn.target(node.failed))
    elif seconds >= SHORTEST_SECONDS:
        turn.state.phase, turn.state.pending = "review", {**turn.state.pending, "seconds": f"{seconds:.1f}"}
        turn.state.silences = turn.state.wrongs = 0
        turn.phrase("message_recorded")
        _review(turn)
    else:
        turn.state.silences += 1
        turn.actions.append(Missed("silence"))
        if not turn.out_of_patience(turn.state.silences):
            turn.phrase("message_nothing")
            _record(turn, node)


def takes(turn: "Turn", digits: str) -> bool:
    """Whether a key means something here that it does not mean elsewhere: `#` hears the message again."""
    return turn.state.phase == "review" and digits in (*OFFERS, "#")


def keyed(turn: "Turn", node: MessageNode, digits: str) -> None:
    """A choice in the review."""
    match digits:
        case "1":
            _keep(turn)
        case "2" | "#":
            pending = turn.state.pending
            turn.actions.append(Say(Utterance(), recording=name_of(turn), seconds=float(pending["seconds"])))
            _review(turn)
        case "3":
            turn.state.pending = {**turn.state.pending, "take": str(int(turn.state.pending["take"]) + 1)}
            _record(turn, node)
        case _:
            turn.wrong("wrong_key")


def silent(turn: "Turn") -> None:
    """No key in the review: ask once more, then keep it."""
    turn.state.silences += 1
    turn.actions.append(Missed("silence"))
    if turn.state.silences > 1:
        _keep(turn)
    else:
        turn.phrase("silence")
        _review(turn)


def answered(turn: "Turn", node: MessageNode, answer: Answered) -> None:
    """What the world says: a number to record under, what was recorded, or that it is an order now."""
    match turn.state.phase, answer.outcome:
        case "opening", "ready":
            turn.state.pending = {"number": str(answer.data["number"]), "take": "1"}
            _record(turn, node)
        case "looking", "ok":
            recorded(turn, node, float(answer.data["seconds"]))
        case "looking", _:
            _record(turn, node)
        case "keeping", "opened":
            _tell(turn, answer)
            turn.travel(turn.target(node.next))
        case "keeping", _:  # it is safe under its number, and will be an order soon
            turn.phrase("message_kept")
            turn.travel(turn.target(node.next))
        case _:
            turn.phrase("message_cannot")
            turn.travel(turn.target(node.failed))


def left(turn: "Turn") -> bool:
    """Whether the caller who has hung up has left something: then the world is asked to keep it."""
    if turn.state.phase not in ("recording", "looking", "review", "keeping"):
        return False
    turn.state.phase = "parted"
    turn.look_up("leave_message", number=turn.state.pending["number"], recording=name_of(turn), parted=True)
    return True


def _record(turn: "Turn", node: MessageNode) -> None:
    turn.state.phase = "recording"
    turn.phrase("message_beep")
    turn.actions.append(Record(name_of(turn), node.longest, SILENCE_SECONDS))
    turn.state.waiting = "record"


def _review(turn: "Turn") -> None:
    for key, name in OFFERS.items():
        turn.offer(name, key)
    turn.listen(1)


def _keep(turn: "Turn") -> None:
    turn.state.phase = "keeping"
    turn.look_up("leave_message", number=turn.state.pending["number"], recording=name_of(turn), parted=False)


def _tell(turn: "Turn", answer: Answered) -> None:
    """The order's number, twice, digit by digit."""
    number, days = str(answer.data["number"]), int(answer.data["days"])
    halves = {"day": ("digits", number[:_DAY_DIGITS]), "rest": ("digits", number[_DAY_DIGITS:])}
    turn.phrase("order_number", **halves)
    turn.phrase("order_number_again", **halves)
    turn.phrase("order_days", days=("number", days))
    if answer.data["texted"]:
        turn.phrase("order_texted")
