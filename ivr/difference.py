"""Two versions of the flows, compared in plain words: what a supervisor changed, menu by menu, without coordinates."""

from collections.abc import Iterator, Mapping
from typing import Any

from fund.calendar import WEEKDAYS, WHOLE_DAY, Calendar, Days, Spans, Timetable, Week
from fund.teller import Teller
from ivr.flow import HOME_FILE, Flow, Queue
from ivr.nodes import LongestCall, MenuNode, Option, Patience, kind_of

_FIELDS = {
    "say": ("说的话", "words"), "each": ("每条的话", "words of each line"),
    "zero": ("为零时的话", "words for nought"), "next": ("之后", "what comes next"),
    "failed": ("失败时", "what comes on failure"),
    "unavailable": ("查询系统没有响应时", "what comes when the ledger is away"),
    "nothing": ("没有记录时", "what comes when there is nothing"),
    "unset": ("没有设密码时", "what comes without a PIN"),
    "open": ("上班时", "what comes when open"), "closed": ("下班时", "what comes when closed"),
    "full": ("排满时", "what comes when full"), "senior": ("65岁以上", "what comes for seniors"),
    "bound": ("绑定手机", "what comes for a bound phone"), "unknown": ("未绑定", "what comes for others"),
    "text_me": ("短信接收键", "the key for a text"), "patience": ("等待规则", "patience"),
    "everywhere": ("通用按键", "keys that work everywhere"), "barge_in": ("能否打断", "barge-in"),
    "transfer": ("转接队列", "queue"), "callback": ("回电", "call-back"),
    "message": ("留言", "message"), "after": ("人工通话之后", "what comes after the people"),
    "longest_call": ("最长通话", "longest call"), "title": ("标题", "title"),
    "start": ("起点", "start"), "deepest_menu": ("菜单最深", "deepest menu"), "tests": ("测试", "tests"),
    "bulletin": ("公告", "bulletin"), "menu": ("菜单", "menu"), "hours": ("时间表", "timetable"),
    "ask": ("输入什么", "what is asked for"), "length": ("位数", "length"), "allow": ("允许的值", "what is allowed"),
    "save": ("存为", "saved as"), "identify": ("核实谁", "who is identified"), "report": ("报表", "report"),
    "known_caller": ("认出谁", "who is known"), "text": ("短信", "text"), "set_pin": ("为谁设密码", "whose PIN"),
    "survey": ("评价的问题", "the survey's question"), "unhappy": ("不满意时", "what comes for the unsatisfied"),
    "topic": ("主题", "topic"), "longest": ("最长录音", "longest message"), "order": ("工单", "work order"),
    "read_out": ("读什么", "what is read out"), "answered": ("谁接的电话", "who answered"),
    "kind": ("读法", "kind"), "note": ("说明", "note"),
    "hang_up": ("结束语", "goodbye"), "language": ("语言", "language"), "go": ("去向", "target"),
}  # fmt: skip


def differences(old: Flow, new: Flow, language: str = "zh") -> Iterator[str]:
    """One line a change: `main: 按键 3 改为 贷款业务(loan/start)`."""
    tell = Teller(language, _FIELDS)
    for name in sorted(set(old.files) | set(new.files)):
        if name not in new.files:
            yield tell(f"{name}.yaml: 删除了整个文件", f"{name}.yaml: the file is gone")
        elif name not in old.files:
            count = len(new.files[name].nodes)
            yield tell(f"{name}.yaml: 新文件，{count} 个节点", f"{name}.yaml: a new file with {count} nodes")
        else:
            yield from _file(tell, name, old.files[name], new.files[name])
    yield from _facts(tell, old, new)
    yield from _queues(tell, old, new)
    yield from _hours(tell, old.hours, new.hours)


def _file(tell: Teller, name: str, old: Any, new: Any) -> Iterator[str]:
    for field in type(new).model_fields:
        before, after = getattr(old, field), getattr(new, field)
        if field != "nodes" and before != after:
            if field == "tests":
                zh = f"{name}.yaml: 测试 {len(before)} 个改为 {len(after)} 个"
                yield tell(zh, f"{name}.yaml: tests {len(before)} -> {len(after)}")
            else:
                yield _changed(tell, f"{name}.yaml", field, before, after)
    for node in [*old.nodes, *(node for node in new.nodes if node not in old.nodes)]:
        full = node if name == HOME_FILE else f"{name}/{node}"
        yield from _node(tell, full, old.nodes.get(node), new.nodes.get(node))


def _node(tell: Teller, name: str, old: Any, new: Any) -> Iterator[str]:
    if old == new:
        return
    if new is None:
        yield tell(f"{name}: 删除", f"{name}: gone")
    elif old is None:
        yield tell(
            f"{name}: 新增（{kind_of(new)}）{_words(tell, new)}", f"{name}: new ({kind_of(new)}) {_words(tell, new)}"
        )
    elif type(old) is not type(new):
        yield tell(f"{name}: 从 {kind_of(old)} 改为 {kind_of(new)}", f"{name}: {kind_of(old)} -> {kind_of(new)}")
    else:
        if isinstance(new, MenuNode):
            yield from _menu(tell, name, old.menu, new.menu)
        for field in type(new).model_fields:
            before, after = getattr(old, field), getattr(new, field)
            if field != "menu" and before != after:
                yield _changed(tell, name, field, before, after)


def _menu(tell: Teller, name: str, old: Mapping[str, Option], new: Mapping[str, Option]) -> Iterator[str]:
    for key in sorted(set(old) | set(new)):
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        if after is None:
            yield tell(f"{name}: 取消按键 {key}", f"{name}: key {key} is gone")
        elif before is None:
            yield tell(
                f"{name}: 新增按键 {key} {_option(tell, after)}", f"{name}: new key {key}: {_option(tell, after)}"
            )
        else:
            zh = f"{name}: 按键 {key} 改为 {_option(tell, after)}，原来是 {_option(tell, before)}"
            yield tell(zh, f"{name}: key {key} is now {_option(tell, after)}, was {_option(tell, before)}")
    if list(old) != list(new) and set(old) == set(new):
        yield tell(f"{name}: 按键顺序改为 {' '.join(new)}", f"{name}: keys are now read in the order {' '.join(new)}")


def _changed(tell: Teller, name: str, field: str, before: Any, after: Any) -> str:
    shown = tell.field(field)
    return tell(
        f"{name}: {shown}改为 {_plain(tell, after)}，原来是 {_plain(tell, before)}",
        f"{name}: {shown} is now {_plain(tell, after)}, was {_plain(tell, before)}",
    )


def _facts(tell: Teller, old: Flow, new: Flow) -> Iterator[str]:
    for name in sorted(set(old.facts) | set(new.facts)):
        old_fact, new_fact = old.facts.get(name), new.facts.get(name)
        before, after = _fact(tell, old_fact), _fact(tell, new_fact)
        if before != after:
            yield tell(f"事实 {name}: {before} 改为 {after}", f"fact {name}: {before} -> {after}")
        for field in ("kind", "note") if old_fact and new_fact else ():
            if getattr(old_fact, field) != getattr(new_fact, field):
                fact = tell(f"事实 {name}", f"fact {name}")
                yield _changed(tell, fact, field, getattr(old_fact, field), getattr(new_fact, field))


def _queues(tell: Teller, old: Flow, new: Flow) -> Iterator[str]:
    for name in sorted(set(old.queues) | set(new.queues)):
        before, after = (_queue(tell, flow.queues.get(name)) for flow in (old, new))
        if before != after:
            yield tell(f"队列 {name}: {after}，原来是 {before}", f"queue {name}: {after}, was {before}")


def _queue(tell: Teller, queue: Queue | None) -> str:
    if queue is None:
        return tell("无", "none")
    if queue.overflow is None:
        return queue.title
    seconds = f"{queue.overflow:g}"
    return queue.title + tell(f"（等 {seconds} 秒后由综合队列一起接）", f" (overflows after {seconds} s)")


def _hours(tell: Teller, old: Calendar, new: Calendar) -> Iterator[str]:
    for name in sorted(old.timetables.keys() | new.timetables.keys()):
        before, after = (_timetable(tell, calendar.timetables.get(name)) for calendar in (old, new))
        if before != after:
            yield tell(f"时间表 {name}: {after}，原来是 {before}", f"timetable {name}: {after}, was {before}")
    for zh, en, earlier, later in (
        ("休息", "closure", old.closures, new.closures),
        ("加班", "extra day", old.extra_days, new.extra_days),
    ):
        for days in later:
            if days not in earlier:
                yield tell(f"新增{zh}: {_days(days)}", f"new {en}: {_days(days)}")
        for days in earlier:
            if days not in later:
                yield tell(f"取消{zh}: {_days(days)}", f"{en} is gone: {_days(days)}")


def _timetable(tell: Teller, table: Timetable | None) -> str:
    if table is None:
        return tell("无", "none")
    seasons = [
        f"{first[0]:02}-{first[1]:02}~{last[0]:02}-{last[1]:02} {_open(tell, spans)}"
        for first, last, spans in ((season.first, season.last, season.spans) for season in table.seasons)
    ]
    return "; ".join([_open(tell, table.spans), *seasons])


_KINDS: Mapping[str, tuple[str, str]] = {
    "working_days": ("工作日", "working days"),
    "weekends": ("周末", "weekends"),
    "holidays": ("节假日", "holidays"),
    "monday": ("星期一", "Mondays"),
    "tuesday": ("星期二", "Tuesdays"),
    "wednesday": ("星期三", "Wednesdays"),
    "thursday": ("星期四", "Thursdays"),
    "friday": ("星期五", "Fridays"),
    "saturday": ("星期六", "Saturdays"),
    "sunday": ("星期日", "Sundays"),
}


def _open(tell: Teller, spans: Week) -> str:
    told = [
        f"{tell(*_KINDS[kind])} {_clock(hours) or tell('休息', 'off')}"
        for kind, hours in spans.items()
        if hours or kind in WEEKDAYS
    ]
    return ", ".join(told) or tell("不开", "closed")


def _days(days: Days) -> str:
    span = f"{days.first}" if days.first == days.last else f"{days.first}~{days.last}"
    hours = "" if days.hours == WHOLE_DAY else f" {_clock(days.hours)}"
    return f"{span}{hours} {days.reason}" + (f"({' '.join(sorted(days.only))})" if days.only else "")


def _clock(spans: Spans) -> str:
    return " ".join(f"{begin // 60}:{begin % 60:02}-{end // 60}:{end % 60:02}" for begin, end in spans)


def _fact(tell: Teller, fact: Any) -> str:
    if fact is None:
        return "—"
    example = tell("（示例）", " (an example)") if fact.example else ""
    values = ((since, _plain(tell, value)) for since, value in sorted(fact.values.items()))
    return (
        tell("、", ", ").join(tell(f"{since} 起 {value}", f"{value} from {since}") for since, value in values) + example
    )


def _option(tell: Teller, option: Option) -> str:
    short = tell("，再报时 ", ", again ") + _plain(tell, option.short) if option.short else ""
    language = f", {option.language}" if option.language else ""
    return f"{_plain(tell, option.say)}{short}({option.go}{language})"


def _words(tell: Teller, node: Any) -> str:
    return f" {_plain(tell, node.say)}" if getattr(node, "say", None) else ""


def _plain(tell: Teller, value: Any) -> str:
    match value:
        case None:
            return tell("无", "nothing")
        case True | False:
            return tell("是", "yes") if value else tell("否", "no")
        case dict():
            parts = [text if key in ("zh", "en") else f"{key} {_plain(tell, text)}" for key, text in value.items()]
            return " / ".join(map(str, parts))
        case tuple():
            return ",".join(f"{low}" if low == high else f"{low}-{high}" for low, high in value)
        case float():
            return tell(f"{value:g} 秒", f"{value:g} s")
        case Patience(wait=wait, tries=tries, then=then):
            return tell(
                f"等 {wait:g} 秒，问 {tries} 遍，然后 {then}", f"wait {wait:g} s, ask {tries} times, then {then}"
            )
        case LongestCall(after=after, then=then):
            return tell(f"{after:g} 秒后 {then}", f"{then} after {after:g} s")
    return str(value)
