"""What makes a whole flow right or wrong, beyond each line of it: one function a check, named in `WALKS` or
`BY_ITSELF`.

Faults block publishing; warnings do not. Every check yields faults with the line they are on.
"""

import re
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fund.fields import REPORTS
from fund.yaml_source import Fault, Place, Source, suggestion
from ivr.flow import ASKED, ENTRIES, HOME_FILE, LAST_RESORT_QUEUE, OUTGOING_FILE, Flow, QueuesFile
from ivr.nodes import (
    LISTENING,
    CallbackNode,
    HoursNode,
    IdentifyNode,
    MenuNode,
    MessageNode,
    ReadOutNode,
    ReportNode,
    SayNode,
    SetPinNode,
    TextNode,
    TransferNode,
    exits,
)
from ivr.utterance import TemplateFault, placeholders

RESERVED = {"back", "repeat"}
MOST_KEYS = 9
LONGEST_DEAF_CHARACTERS = 60  # about 15 s of speech that no key can stop


@dataclass(frozen=True)
class Ground:
    """What the checks look at."""

    flow: Flow
    sources: Mapping[str, Source]
    texts: Collection[str] | None
    queues: QueuesFile | None = None

    def fault(self, node: str, inner: Place, zh: str, en: str, *, warning: bool = False) -> Fault:
        """A fault at a place inside a node."""
        file, _, name = node.partition("/")
        return self.sources[file].fault(("nodes", name, *inner), zh, en, warning=warning)

    @cached_property
    def edges(self) -> Mapping[str, list[tuple[Place, str, str | None]]]:
        """For each node: (place inside it, target as written, full name or None), inherited exits included."""
        return {node: list(self._exits(node)) for node in self.flow.nodes}

    def _exits(self, node: str) -> Iterator[tuple[Place, str, str | None]]:
        body = self.flow.nodes[node]
        for place, target in exits(body):
            if not (place[0] == "everywhere" and target in RESERVED):
                yield place, target, self.flow.find(node, target)

    def leads_to(self, node: str) -> Iterator[str]:
        """Every node that can come next, by itself, by a key, or when patience ends."""
        yield from (goal for _, _, goal in self.edges[node] if goal)
        if isinstance(self.flow.nodes[node], LISTENING) or self.listens(node):
            yield from (goal for goal in self.inherited(node) if goal)

    def inherited(self, node: str) -> Iterator[str | None]:
        """Where the `everywhere` keys and the patience of a listening node lead."""
        for target in self.flow.everywhere(node).values():
            if target not in RESERVED:
                yield self.flow.find(node, target)
        patience, source = self.flow.patience(node)
        yield self.flow.find(source, patience.then)

    def listens(self, node: str) -> bool:
        """Whether a node waits for keys."""
        body = self.flow.nodes[node]
        return isinstance(body, LISTENING) or (isinstance(body, ReportNode) and body.text_me is not None)


def check(
    flow: Flow,
    sources: Mapping[str, Source],
    texts: Collection[str] | None,
    queues: QueuesFile | None = None,
) -> list[Fault]:
    """Every fault and warning of a typed flow."""
    ground = Ground(flow, sources, texts, queues)
    astray = [*_home_rules(ground), *_unknown_targets(ground)]
    finds = BY_ITSELF if astray else (*WALKS, *BY_ITSELF)
    return [*astray, *(fault for find in finds for fault in find(ground))]


def _home_rules(ground: Ground) -> Iterator[Fault]:
    source, home = ground.sources[HOME_FILE], ground.flow.home
    if not home.start:
        yield source.fault((), "缺少 start:电话接通后从哪个节点开始", "start is missing: where a call begins")
    elif home.start not in home.nodes:
        zh, en = suggestion(home.start, home.nodes)
        yield source.fault(("start",), f'没有节点 "{home.start}"{zh}', f'there is no node "{home.start}"{en}')
    if not home.patience:
        yield source.fault((), "缺少 patience:没有按键、按错键时怎么办", "patience is missing: what to do on silence")
    for name, file in ground.flow.files.items():
        if name != HOME_FILE and (file.start or file.longest_call or file.deepest_menu):
            zh = "start、longest_call、deepest_menu 只能写在 main.yaml"
            yield ground.sources[name].fault((), zh, "start, longest_call and deepest_menu belong in main.yaml")


def _unknown_targets(ground: Ground) -> Iterator[Fault]:
    for node, edges in ground.edges.items():
        for place, target, goal in edges:
            if goal is None:
                zh, en = _known(ground, node, target)
                where, where_en = _where(node.partition("/")[2], place)
                zh = f'{where} 指向 "{target}",没有这个节点{zh}'
                yield ground.fault(node, place, zh, f'{where_en} leads to "{target}": no such node{en}')
    for name, file in ground.flow.files.items():
        yield from _file_targets(ground, name, file.everywhere or {}, ("everywhere",))
        if file.patience:
            yield from _file_targets(ground, name, {"then": file.patience.then}, ("patience",))
        if file.longest_call:
            yield from _file_targets(ground, name, {"then": file.longest_call.then}, ("longest_call",))


def _where(name: str, place: Place) -> tuple[str, str]:
    if place[0] == "menu":
        return f"菜单 {name} 的按键 {place[1]}", f"key {place[1]} of menu {name}"
    return f"{name} 的 {place[-1]}", f"{place[-1]} of {name}"


def _file_targets(ground: Ground, file: str, targets: Mapping[str, str], place: Place) -> Iterator[Fault]:
    for key, target in targets.items():
        if target not in RESERVED and not ground.flow.find(f"{file}/", target):
            zh, en = _known(ground, f"{file}/", target)
            zh = f'{place[0]} 的 {key} 指向 "{target}",没有这个节点{zh}'
            yield ground.sources[file].fault((*place, key), zh, f'{key} leads to "{target}": no such node{en}')


def _known(ground: Ground, node: str, target: str) -> tuple[str, str]:
    file = node.partition("/")[0]
    own = [full.partition("/")[2] for full in ground.flow.nodes if full.startswith(f"{file}/")]
    return suggestion(target, [*own, *ground.flow.nodes, *ground.flow.home.nodes])


def _unreachable(ground: Ground) -> Iterator[Fault]:
    reached = _reached(ground, ground.flow.start, *_entries(ground.flow))
    reached |= _reached(ground, ground.flow.find(ground.flow.start, ground.flow.longest_call.then) or "")
    for node in ground.flow.nodes:
        if node not in reached:
            yield ground.fault(node, (), f"走不到节点 {node.partition('/')[2]}", f"nothing leads to {node}")


def _entries(flow: Flow) -> list[str]:
    """Where calls that we place begin."""
    return [entry for purpose in ENTRIES if (entry := flow.entry(purpose))]


def _reached(ground: Ground, *starts: str) -> set[str]:
    reached, todo = set(starts), list(starts)
    while todo:
        fresh = set(ground.leads_to(todo.pop())) - reached
        reached |= fresh
        todo += fresh
    return reached


def _deaf_loops(ground: Ground) -> Iterator[Fault]:
    """A loop in which no node listens would talk for ever."""
    onward = {
        node: [goal for target in _without_a_key(body) if target and (goal := ground.flow.find(node, target))]
        if ground.listens(node)
        else [goal for place, _, goal in ground.edges[node] if goal and place[0] not in ("everywhere", "patience")]
        for node, body in ground.flow.nodes.items()
    }
    done: set[str] = set()
    for start in onward:
        if loop := _loop(onward, start, done):
            names = " → ".join(name.partition("/")[2] for name in loop)
            yield ground.fault(loop[0], (), f"死循环，没有一处等待按键：{names}", f"a loop that never listens: {names}")
            return


def _without_a_key(body: object) -> tuple[str | None, ...]:
    """Where a node that listens may lead before it does: whoever is known already, and everybody on a bad day."""
    match body:
        case IdentifyNode():
            return body.next, body.unavailable or body.failed
        case SetPinNode():
            return body.failed, body.unavailable
        case ReportNode():
            return body.nothing or body.next, body.unavailable
        case MessageNode():
            return (body.failed,)
        case ReadOutNode():
            return (body.nothing,)
    return ()


def _loop(onward: Mapping[str, list[str]], start: str, done: set[str]) -> list[str]:
    path: list[str] = []
    todo = [(start, iter(onward.get(start, ())))] if start not in done else []
    path += [start] if todo else []
    while todo:
        node, rest = todo[-1]
        goal = next(rest, None)
        if goal is None:
            done.add(node)
            todo.pop()
            path.pop()
        elif goal in path:
            return [*path[path.index(goal) :], goal]
        elif goal in onward and goal not in done:
            path.append(goal)
            todo.append((goal, iter(onward[goal])))
    return []


def _no_person(ground: Ground) -> Iterator[Fault]:
    """From every node that listens a caller must be able to reach a person."""
    people = {node for node, body in ground.flow.nodes.items() if isinstance(body, TransferNode)}
    backwards: dict[str, set[str]] = {}
    for node in ground.flow.nodes:
        for goal in ground.leads_to(node):
            backwards.setdefault(goal, set()).add(node)
    helped, todo = set(people), list(people)
    while todo:
        fresh = backwards.get(todo.pop(), set()) - helped
        helped |= fresh
        todo += fresh
    for node in ground.flow.nodes:
        if ground.listens(node) and node not in helped:
            name = node.partition("/")[2]
            yield ground.fault(node, (), f"从 {name} 出发转不到人工", f"no way to a person from {name}")


def presses(flow: Flow, ground: Ground) -> dict[str, int]:
    """How many menu keys, at the least, a caller presses to hear each node."""
    costs = {flow.start: 0}
    todo = deque([flow.start])
    while todo:
        node = todo.popleft()
        for place, _, goal in ground.edges[node]:
            if goal is None or place[0] in ("everywhere", "patience"):
                continue
            cost = costs[node] + _is_press(flow, node, place)
            if cost < costs.get(goal, 1_000):
                costs[goal] = cost
                (todo.append if cost > costs[node] else todo.appendleft)(goal)
    return costs


def _is_press(flow: Flow, node: str, place: Place) -> bool:
    """Whether an exit is a key of a menu; choosing a language is not counted as going deeper."""
    return place[0] == "menu" and not flow.nodes[node].menu[place[1]].language


def _too_deep(ground: Ground) -> Iterator[Fault]:
    limit = ground.flow.home.deepest_menu or 3
    costs = presses(ground.flow, ground)
    for node, edges in ground.edges.items():
        for place, _, goal in edges:
            if place[0] == "menu" and goal and costs.get(node, 0) >= limit and costs.get(goal, 0) > limit:
                zh = f"菜单太深：要按 {costs[goal]} 次键才到 {goal}，最多 {limit} 次"
                yield ground.fault(node, place, zh, f"too deep: {costs[goal]} keys to {goal}, at most {limit}")


def _stolen_keys(ground: Ground) -> Iterator[Fault]:
    """A menu must not take the key of a person for something else."""
    for node, body in ground.flow.nodes.items():
        own = body.menu if isinstance(body, MenuNode) else {}
        for key, target in ground.flow.everywhere(node).items():
            if key not in own:
                continue
            person = target not in RESERVED and ground.flow.is_person(ground.flow.find(node, target))
            if person and not ground.flow.is_person(ground.flow.find(node, own[key].go)):
                zh = f"按键 {key} 处处都是人工服务，这里不能另作他用"
                yield ground.fault(node, ("menu", key), zh, f"key {key} means a person everywhere")
            elif target in RESERVED:
                zh = f"按键 {key} 在别处是 {target}，这里另作他用，来电人会糊涂"
                yield ground.fault(node, ("menu", key), zh, f"key {key} means {target} elsewhere", warning=True)


def _reports(ground: Ground) -> Iterator[Fault]:
    for node, body in ground.flow.nodes.items():
        if isinstance(body, ReportNode) and body.report not in REPORTS:
            zh, en = suggestion(body.report, REPORTS)
            yield ground.fault(
                node, ("report",), f'没有报表 "{body.report}"{zh}', f'there is no report "{body.report}"{en}'
            )


def _unidentified(ground: Ground) -> Iterator[Fault]:
    """A report must not be reached by somebody who was not identified."""
    for kind in ("employee", "employer"):
        strangers = _strangers(ground, kind)
        for node, body in ground.flow.nodes.items():
            report = REPORTS.get(body.report) if isinstance(body, ReportNode) else None
            if report and report.audience == kind and node in strangers:
                zh = f"没有先核实身份（identify: {kind}）就能走到报表 {node.partition('/')[2]}"
                yield ground.fault(node, ("report",), zh, f"reached without `identify: {kind}`")


def _strangers(ground: Ground, kind: str) -> set[str]:
    """The nodes a caller can reach without having been identified as `kind`."""
    todo = [ground.flow.start, *_entries(ground.flow)]
    reached = set(todo)
    while todo:
        node = todo.pop()
        body = ground.flow.nodes[node]
        known = ground.flow.find(node, body.next) if isinstance(body, IdentifyNode) and body.identify == kind else None
        fresh = {goal for goal in ground.leads_to(node) if goal != known} - reached
        reached |= fresh
        todo += fresh
    return reached


def _placeholders(ground: Ground) -> Iterator[Fault]:
    for node, body in ground.flow.nodes.items():
        for name, value in body:
            spoken = name in ("say", "each", "hang_up", "survey") and value
            texts: dict[Place, Mapping[Any, str]] = {(name,): value} if spoken else {}
            if name == "zero" and isinstance(body, ReportNode):
                texts = {("zero", figure): words for figure, words in body.zero.items()}
            if name == "menu" and isinstance(body, MenuNode):
                texts = {
                    ("menu", key, field): text
                    for key, option in body.menu.items()
                    for field, text in (("say", option.say), ("short", option.short))
                    if text
                }
            for place, text in texts.items():
                for template in text.values():
                    yield from _template(ground, node, place, template)


def _template(ground: Ground, node: str, place: Place, template: str) -> Iterator[Fault]:
    try:
        names = placeholders(template)
    except TemplateFault as fault:
        yield ground.fault(node, place, str(fault), f"the braces do not match: {fault}")
        return
    if odd := re.search("[｛｝]", template):
        yield ground.fault(node, place, f"{odd[0]} 是中文括号，要用英文的 {{ }}", f"{odd[0]}: use ASCII braces {{ }}")
    known = ground.flow.known_names() | _fields(ground.flow.nodes[node], place)
    for name in names:
        if name not in known:
            zh, en = suggestion(name, sorted(known))
            yield ground.fault(node, place, f"没有 {{{name}}} 这一项{zh}", f"unknown placeholder {{{name}}}{en}")


def _fields(body: object, place: Place) -> set[str]:
    report = REPORTS.get(body.report) if isinstance(body, ReportNode) else None
    if not report or not isinstance(body, ReportNode):
        return set()
    of_a_line = place == ("each",) or (place[0] == "zero" and place[1] not in _told(body.say))
    return set((report.rows or {}) if of_a_line else report.fields)


def _told(words: Mapping[Any, str] | None) -> set[str]:
    """The values that are said; none where the braces do not match, which is told elsewhere."""
    try:
        return {name for template in (words or {}).values() for name in placeholders(template)}
    except TemplateFault:
        return set()


def _noughts(ground: Ground) -> Iterator[Fault]:
    """Other words for a figure that is never said, or that is no figure, would never be heard."""
    for node, body in ground.flow.nodes.items():
        report = REPORTS.get(body.report) if isinstance(body, ReportNode) else None
        if not report:
            continue
        for name in body.zero:
            said, line = _told(body.say), _told(body.each)
            field = report.fields.get(name) if name in said else (report.rows or {}).get(name)
            if name not in said | line:
                zh, en = suggestion(name, sorted(said | line))
                zh, en = f"say 和 each 里都没有 {{{name}}}{zh}", f"neither `say` nor `each` has {{{name}}}{en}"
                yield ground.fault(node, ("zero", name), zh, en)
            elif field and field.kind not in ("money", "number", "percent"):
                zh, en = f"{{{name}}} 不是数，不会为零", f"{{{name}}} is no figure, and never nought"
                yield ground.fault(node, ("zero", name), zh, en)


def _unknown_names(ground: Ground) -> Iterator[Fault]:
    for node, body in ground.flow.nodes.items():
        for kind, word, known, zh_name in (
            (HoursNode, "hours", ground.flow.hours.timetables, "时间表"),
            (TextNode, "text", ground.texts, "短信模板"),
        ):
            if isinstance(body, kind) and known is not None and getattr(body, word) not in known:
                name = getattr(body, word)
                zh, en = suggestion(name, sorted(known))
                yield ground.fault(node, (word,), f'没有{zh_name} "{name}"{zh}', f'unknown {word} "{name}"{en}')


def _unknown_queues(ground: Ground) -> Iterator[Fault]:
    """A queue or a number that `flows/queues.yaml` does not have: callers would be sent nowhere."""
    known: QueuesFile | None = ground.queues
    for node, body in ground.flow.nodes.items():
        if known and isinstance(body, CallbackNode) and body.callback not in known.queues:
            zh, en = suggestion(body.callback, sorted(known.queues))
            zh = f'没有人工队列 "{body.callback}"{zh}，会由 {LAST_RESORT_QUEUE} 的人回电'
            en = f'unknown queue "{body.callback}"{en}: the people of {LAST_RESORT_QUEUE} will call back'
            yield ground.fault(node, ("callback",), zh, en, warning=True)
        if known is None or not isinstance(body, TransferNode):
            continue
        place, name = ("transfer",), body.transfer
        if name == ASKED:
            continue
        if name.isdigit() and name not in known.numbers:
            zh = f"queues.yaml 的 numbers 里没有电话号码 {name}，不能转接到外线"
            yield ground.fault(node, place, zh, f"{name} is not among the numbers of queues.yaml")
        elif not name.isdigit() and name not in known.queues:
            zh, en = suggestion(name, sorted(known.queues))
            all_ = "、".join(f"{queue}({about.title})" for queue, about in known.queues.items())
            zh = f'没有人工队列 "{name}"{zh}；queues.yaml 里有：{all_}'
            yield ground.fault(node, place, zh, f'unknown queue "{name}"{en}; there are: {", ".join(known.queues)}')


def _placed_calls(ground: Ground) -> Iterator[Fault]:
    """A call of ours that nobody wrote words for only apologises; and only such a call knows whose people are asked."""
    if OUTGOING_FILE in ground.sources:
        for purpose in ENTRIES:
            if not ground.flow.entry(purpose):
                zh = f"没有节点 {purpose}:打出这种电话时只会道歉"
                yield ground.sources[OUTGOING_FILE].fault(
                    ("nodes",), zh, f"there is no {purpose}: such a call of ours only apologises", warning=True
                )
    for node, body in ground.flow.nodes.items():
        placed = node.startswith(f"{OUTGOING_FILE}/")
        if isinstance(body, TransferNode) and body.transfer == ASKED and not placed:
            zh = f"transfer: {ASKED} 只在 {OUTGOING_FILE}.yaml 里有意义,别处等于 {LAST_RESORT_QUEUE}"
            en = f"transfer: {ASKED} belongs in {OUTGOING_FILE}.yaml; elsewhere it is {LAST_RESORT_QUEUE}"
            yield ground.fault(node, ("transfer",), zh, en, warning=True)


def _test_queues(ground: Ground) -> Iterator[Fault]:
    """A test that speaks of a queue there is none of would prove nothing."""
    if ground.queues is None:
        return
    known = {*ground.queues.queues, *ground.queues.numbers}
    for file, body in ground.flow.files.items():
        for number, test in enumerate(body.tests):
            named: list[tuple[Place, str]] = [(("queues", queue), queue) for queue in test.queues]
            named += [
                (("steps", at, "transferred"), step.transferred)
                for at, step in enumerate(test.steps)
                if step.transferred
            ]
            for place, queue in named:
                if queue not in known:
                    zh, en = suggestion(queue, sorted(known))
                    source = ground.sources[file]
                    yield source.fault(
                        ("tests", number, *place), f'没有人工队列 "{queue}"{zh}', f'unknown queue "{queue}"{en}'
                    )


def _comfort(ground: Ground) -> Iterator[Fault]:
    """What does not block, but makes a caller's life harder."""
    for node, body in ground.flow.nodes.items():
        keys = [option for option in body.menu.values() if not option.language] if isinstance(body, MenuNode) else []
        if len(keys) > MOST_KEYS:
            zh = f"这个菜单有 {len(keys)} 个按键，来电人记不住，最好不超过 {MOST_KEYS} 个"
            yield ground.fault(node, ("menu",), zh, f"{len(keys)} keys are too many to remember", warning=True)
        deaf = isinstance(body, SayNode) and not body.barge_in
        if deaf and max(len(text) for text in body.say.values()) > LONGEST_DEAF_CHARACTERS:
            zh = "这段话很长，又不能按键打断"
            yield ground.fault(node, ("say",), zh, "a long announcement that no key can stop", warning=True)


def _languages(ground: Ground) -> Iterator[Fault]:
    """Words that a caller of the file's language would hear in another one."""
    for node, body in ground.flow.nodes.items():
        language = ground.flow.files[node.partition("/")[0]].language
        for name, value in body:
            texts: dict[Place, Any] = {(name,): value} if isinstance(value, dict) and set(value) <= {"zh", "en"} else {}
            if name == "zero":
                texts = {("zero", figure): words for figure, words in value.items()}
            if name == "menu" and isinstance(body, MenuNode):
                # A line that changes the language is for those who speak the other one.
                texts = {("menu", key, "say"): option.say for key, option in value.items() if not option.language}
            for place, text in texts.items():
                if text and language not in text:
                    zh, en = {"zh": ("中文", "Chinese"), "en": ("英文", "English")}[language]
                    yield ground.fault(node, place, f"这句话没有{zh}", f"this is not said in {en}", warning=True)


def _closed_doors(ground: Ground) -> Iterator[Fault]:
    """A caller sent to people when nobody is there."""
    for node, body in ground.flow.nodes.items():
        if isinstance(body, HoursNode) and ground.flow.is_person(ground.flow.find(node, body.closed)):
            zh = "下班时也转人工，来电人会一直等"
            yield ground.fault(node, ("closed",), zh, "leads to people when nobody is there", warning=True)


WALKS = (  # along the targets, all of which must be there
    _unreachable,
    _deaf_loops,
    _no_person,
    _too_deep,
    _stolen_keys,
    _unidentified,
    _closed_doors,
)
BY_ITSELF = (  # each node, wherever it leads
    _reports,
    _placeholders,
    _noughts,
    _unknown_names,
    _unknown_queues,
    _placed_calls,
    _test_queues,
    _comfort,
    _languages,
)
