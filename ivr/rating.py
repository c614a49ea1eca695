"""The `survey` node: one key says how the person was. Who says nothing is asked once more, then left in peace."""

from typing import TYPE_CHECKING

from ivr.actions import Missed
from ivr.events import Answered
from ivr.nodes import SurveyNode

if TYPE_CHECKING:
    from ivr.engine import Turn

RATINGS = {"1": "satisfied", "2": "fair", "3": "unsatisfied"}
OFFERS = {key: f"survey_{rating}" for key, rating in RATINGS.items()}


def begin(turn: "Turn", node: SurveyNode) -> None:
    """Ask."""
    turn.say(node.survey)
    prompt(turn, node)


def prompt(turn: "Turn", node: SurveyNode) -> None:
    """The three answers."""
    turn.state.phase = "asked"
    for key, name in OFFERS.items():
        turn.offer(name, key)
    turn.listen(1)


def keyed(turn: "Turn", node: SurveyNode, digits: str) -> None:
    """An answer, which the world keeps."""
    if digits not in RATINGS:
        turn.wrong("wrong_key")
        return
    state = turn.state
    state.phase, state.pending = "rating", {"rating": RATINGS[digits]}
    who = {"agent": state.agent, "queue": state.queue, "topic": node.topic or turn.topic()}
    turn.look_up("rate", rating=RATINGS[digits], **who)


def silent(turn: "Turn", node: SurveyNode) -> None:
    """Nobody has to answer."""
    turn.state.silences += 1
    turn.actions.append(Missed("silence"))
    if turn.state.silences > 1:
        turn.travel(turn.target(node.next))
    else:
        prompt(turn, node)


def answered(turn: "Turn", node: SurveyNode, answer: Answered) -> None:
    """Kept or not: the caller has done their part."""
    unhappy = node.unhappy if turn.state.pending.get("rating") == "unsatisfied" else None
    turn.phrase("survey_sorry" if unhappy else "survey_thanks")
    turn.travel(turn.target(unhappy or node.next))
