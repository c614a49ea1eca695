"""A call's way through the menus in the menus' own words: `way(flow, ["main/main", "loan/start"])`. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from fund.fields import REPORTS
from ivr.flow import Flow
from ivr.nodes import MenuNode, Option, ReportNode, TransferNode, kind_of


@dataclass(frozen=True, slots=True)
class Stop:
    """One thing the caller did or met. `kind` is `chose` (an option of a menu) or the kind of a node."""

    kind: str
    words: str  # the option's words, the report's title, the queue's name; empty where the kind says all


# Node kinds that are part of a caller's story by themselves; the others are on the way.
_TOLD = {"identify", "set_pin", "report", "transfer", "text", "message", "callback", "survey", "order"}


def way(flow: Flow, nodes: Sequence[str]) -> list[Stop]:
    """The stops of a call that went through these nodes. Nodes this flow has not are left out."""
    stops: list[Stop] = []
    known = [node for node in nodes if node in flow.nodes]
    for before, node in pairwise(["", *known]):
        for stop in (_chosen(flow, before, node), _met(flow, node)):
            if stop and stops[-1:] != [stop]:
                stops.append(stop)
    return stops


def met_at(flow: Flow) -> dict[str, Stop]:
    """What each node is to people: the option that leads to it, or what is met there; `menu` for a menu.

    A node that only leads on, and that no option names, is not in it.
    """
    found: dict[str, Stop] = {}
    for node, body in flow.nodes.items():
        if isinstance(body, MenuNode):
            found[node] = Stop("menu", "")
        elif met := _met(flow, node):
            found[node] = met
    for menu, body in flow.nodes.items():
        for option in body.menu.values() if isinstance(body, MenuNode) else ():
            if target := flow.find(menu, option.go):
                found.setdefault(target, Stop("chose", _words(option)))
    return found


def titles(flow: Flow) -> dict[str, str]:
    """What each part of the menus is called: `loan` -> `贷款业务`."""
    return {name: file.title for name, file in flow.files.items()}


def queue_titles(flow: Flow) -> dict[str, str]:
    """What each queue is called: `loan` -> `贷款`."""
    return {name: queue.title for name, queue in flow.queues.items()}


def _chosen(flow: Flow, before: str, node: str) -> Stop | None:
    """The option of the menu before that leads to this node."""
    menu = flow.nodes.get(before)
    if not isinstance(menu, MenuNode):
        return None
    for option in menu.menu.values():
        if flow.find(before, option.go) == node:
            return Stop("chose", _words(option))
    return None


def _words(option: Option) -> str:
    words = option.short or option.say
    return words.get("zh") or next(iter(words.values()))


def _met(flow: Flow, node: str) -> Stop | None:
    body = flow.nodes[node]
    kind = kind_of(body) or ""
    if kind not in _TOLD:
        return None
    match body:
        case ReportNode():
            return Stop(kind, REPORTS[body.report].title)
        case TransferNode():
            return Stop(kind, body.transfer)
    return Stop(kind, "")
