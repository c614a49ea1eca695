"""What a menu costs a caller: seconds until the first choice has been said, and keys to every leaf."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ivr.check import Ground, presses
from ivr.flow import Flow, MenuNode, SayNode
from ivr.utterance import Utterance, fill


@dataclass(frozen=True)
class MenuCost:
    """One menu, as a caller meets it."""

    node: str
    keys: int  # to get here
    first_seconds: float  # of speech before the first choice has been said
    all_seconds: float  # of the whole menu
    leaves: Mapping[str, int]  # each choice's goal, and the keys to hear it


def menu_costs(flow: Flow, ground: Ground, seconds: Callable[[Utterance], float]) -> Iterator[MenuCost]:
    """The cost of every menu. `seconds` tells how long an utterance lasts."""
    costs = presses(flow, ground)
    for node, body in flow.nodes.items():
        if isinstance(body, MenuNode):
            intro = seconds(_said(body.say)) if body.say else 0.0
            each = [
                seconds(_said(option.say) + _press(flow, key, _language(option.say)))
                for key, option in body.menu.items()
            ]
            before = _greeting(flow, node, seconds) if node == _first_menu(flow) else 0.0
            goals = {goal: costs.get(goal, 0) for place, _, goal in ground.edges[node] if place[0] == "menu" and goal}
            yield MenuCost(node, costs.get(node, 0), before + intro + each[0], before + intro + sum(each), goals)


def _first_menu(flow: Flow) -> str:
    return next((node for node, body in flow.nodes.items() if isinstance(body, MenuNode)), "")


def _greeting(flow: Flow, node: str, seconds: Callable[[Utterance], float]) -> float:
    start = flow.nodes[flow.start]
    return seconds(_said(start.say)) if isinstance(start, SayNode) else 0.0


def _language(text: Mapping[Any, str]) -> str:
    return "zh" if "zh" in text else next(iter(text))


def _said(text: Mapping[Any, str]) -> Utterance:
    language = _language(text)
    try:
        return Utterance(fill(text[language], {}, language))  # type: ignore[arg-type]
    except ValueError:  # it has placeholders: their length is not known here
        return Utterance()


def _press(flow: Flow, key: str, language: str) -> Utterance:
    phrase = flow.phrases["press"]
    return Utterance(fill(phrase[language], {"key": ("text", key)}, language, personal=False))  # type: ignore[arg-type]
