"""What a menu costs a caller: seconds until the first choice has been said, and keys to every leaf."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ivr.check import Ground, presses
from ivr.flow import Flow
from ivr.nodes import MenuNode, SayNode
from ivr.utterance import Utterance, fill, placeholders

MOST_HOPS = 50  # nodes before the first key


@dataclass(frozen=True)
class MenuCost:
    """One menu, as a caller meets it."""

    node: str
    keys: int  # to get here
    first_seconds: float  # of speech before the first choice has been said
    all_seconds: float  # of the whole menu
    leaves: Mapping[str, int]  # each choice's goal, and the keys to hear it


def menu_costs(flow: Flow, ground: Ground, seconds: Callable[[Utterance], float], at: datetime) -> Iterator[MenuCost]:
    """The cost of every menu. `seconds` tells how long an utterance lasts, `at` which facts and hours hold."""
    costs = presses(flow, ground)
    greetings = _greetings(flow, ground, lambda text: seconds(_said(flow, text, at)))
    for node, body in flow.nodes.items():
        if isinstance(body, MenuNode):
            before = greetings.get(node, 0.0) + (seconds(_said(flow, body.say, at)) if body.say else 0.0)
            each = [
                seconds(_said(flow, option.say, at) + _press(flow, key, _language(option.say)))
                for key, option in body.menu.items()
            ]
            goals = {goal: costs.get(goal, 0) for place, _, goal in ground.edges[node] if place[0] == "menu" and goal}
            yield MenuCost(node, costs.get(node, 0), before + each[0], before + sum(each), goals)


def _greetings(flow: Flow, ground: Ground, seconds: Callable[[Mapping[Any, str]], float]) -> dict[str, float]:
    """What is said before each menu that a call comes to without a key; on the longest way there."""
    longest: dict[str, float] = {}
    todo = [(flow.start, 0.0, 0)]
    while todo:
        node, before, hops = todo.pop()
        if before < longest.get(node, 0.0) or hops > MOST_HOPS:
            continue
        longest[node], body = before, flow.nodes[node]
        if not ground.listens(node):
            spoken = before + (seconds(body.say) if isinstance(body, SayNode) else 0.0)
            own = (goal for place, _, goal in ground.edges[node] if goal and place[0] not in ("everywhere", "patience"))
            todo += [(goal, spoken, hops + 1) for goal in own]
    return longest


def _language(text: Mapping[Any, str]) -> str:
    return "zh" if "zh" in text else next(iter(text))


def _said(flow: Flow, text: Mapping[Any, str], at: datetime) -> Utterance:
    language: Any = _language(text)
    known = {name: value for name in placeholders(text[language]) if (value := flow.known(name, language, at))}
    try:
        return Utterance(fill(text[language], known, language))
    except ValueError:  # a report's own figures: their length is not known here
        return Utterance()


def _press(flow: Flow, key: str, language: str) -> Utterance:
    phrase = flow.phrases["press"]
    return Utterance(fill(phrase[language], {"key": ("text", key)}, language, personal=False))  # type: ignore[arg-type]
