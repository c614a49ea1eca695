"""Every fault a supervisor can make is told at its line, all at once, in Chinese and in English."""

import json
from pathlib import Path

import pytest

from fund.hours import hours_schema
from ivr.check import Ground
from ivr.flow import FactsFile, QueuesFile, flow_schema
from ivr.loader import Loaded, load, read_folder
from ivr.nodes import AnsweredNode, HoursNode, TransferNode
from tests.ivr.golden import PHRASES

MAIN = """\
title: 热线
start: start
everywhere: {"0": agent, "*": back, "#": repeat}
patience: {wait: 5s, tries: 3, then: agent}
nodes:
  agent: {transfer: general}
"""


HOURS = "timetables: {people: {note: 人工服务, working_days: [9:00-12:00, 13:30-17:00]}}"


def checked(nodes: str, main: str = MAIN, **others: str) -> Loaded:
    others.setdefault("hours", HOURS)
    files = {"main.yaml": (main + nodes).encode(), **{f"{name}.yaml": text.encode() for name, text in others.items()}}
    return load(files, PHRASES, texts={"guide"})


# nodes from line 7 on, the line of the fault, and words of it in both languages
FAULTS = [
    ("  start: {menu: {1: {say: 贷款, go: agnet}}}\n", 7, '菜单 start 的按键 1 指向 "agnet",没有这个节点(是不是 "agent"?)',
     'key 1 of menu start leads to "agnet": no such node (did you mean "agent"?)'),
    ("  start: {say: 您好, next: nowhere}\n", 7, 'start 的 next 指向 "nowhere",没有这个节点', "next of start"),
    ("  start: {say: 您好}\n", 7, "缺少 next", "next is missing"),
    ("  start: {sya: 您好, next: agent}\n", 7, "没有说明这个节点做什么", "the node does nothing"),
    ("  start: {say: 您好, nxt: agent, next: agent}\n", 7, "不认识 nxt(是不是", "unknown: nxt"),
    ("  start: {menu: {a: {say: 贷款, go: agent}}}\n", 7, "按键只能是 0 到 9、* 或 #", "a key is one of"),
    ("  start: {menu: {01: {say: 贷款, go: agent}}}\n", 7, "按键只能是 0 到 9、* 或 #", "a key is one of"),
    ("  start:\n    menu:\n      1: {say: 甲, go: agent}\n      1: {say: 乙, go: agent}\n", 10, "第 9 行", "line 9"),
    ("  start: {say: 您好, next: again}\n  again: {say: 再说一遍, next: start}\n", 7, "死循环", "a loop that never listens"),
    ("  start: {message: message, next: agent, failed: again}\n  again: {message: message, next: agent, failed: start}\n",
     7, "死循环", "a loop that never listens"),
    ("  start: {identify: employee, next: agent, failed: agent, unavailable: sorry}\n  sorry: {say: 抱歉, next: start}\n",
     7, "死循环", "a loop that never listens"),
    ("  start: {set_pin: employee, next: agent, failed: sorry}\n  sorry: {say: 抱歉, next: start}\n",
     7, "死循环", "a loop that never listens"),
    ("  start: {identify: employee, next: told, failed: agent}\n  told: {report: loan, say: 贷款, text_me: 1,"
     " next: agent, nothing: sorry, unavailable: agent}\n  sorry: {say: 没有, next: told}\n",
     8, "死循环", "a loop that never listens"),
    ("  start: {message: letter, next: agent, failed: agent}\n", 7, "应是 'message'", "is none of"),
    ("  start: {survey: 满意吗, next: agent, unhappy: nowhere}\n", 7, 'start 的 unhappy 指向 "nowhere"', "unhappy of start"),
    ("  start: {menu: {1: {say: 甲, go: agent}}}\n  lost: {say: 谁也到不了, next: agent}\n", 8, "走不到节点 lost",
     "nothing leads to main/lost"),
    ("  start: {say: '您有{sum}元', next: agent}\n", 7, "没有 {sum} 这一项", "unknown placeholder {sum}"),
    ("  start: {say: '您有{sum元', next: agent}\n", 7, "{", "braces"),
    ("  start: {identify: employee, next: tell, failed: agent}\n  tell: {report: balanse, say: 余额, next: agent, unavailable: agent}\n",
     8, '没有报表 "balanse"(是不是 "balance"?)', 'no report "balanse"'),
    ("  start: {identify: employee, next: tell, failed: agent}\n  tell: {report: balance, say: '{blance}', next: agent, unavailable: agent}\n",
     8, '没有 {blance} 这一项(是不是 "balance"?)', "unknown placeholder {blance}"),
    ("  start: {identify: employee, next: tell, failed: agent}\n  tell: {report: balance, say: '{balance}', zero: {balence: 没有},"
     " next: agent, unavailable: agent}\n", 8, 'say 和 each 里都没有 {balence}(是不是 "balance"?)', "neither `say` nor `each`"),
    ("  start: {identify: employee, next: tell, failed: agent}\n  tell: {report: balance, say: '{state}', zero: {state: 没有},"
     " next: agent, unavailable: agent}\n", 8, "{state} 不是数", "{state} is no figure"),
    ("  start: {identify: employee, next: tell, failed: agent}\n  tell: {report: balance, say: '{balance}', zero: {balance: '{sum}'},"
     " next: agent, unavailable: agent}\n", 8, "没有 {sum} 这一项", "unknown placeholder {sum}"),
    ("  start: {report: balance, say: 余额, next: agent, unavailable: agent}\n", 7, "没有先核实身份", "reached without"),
    ("  start: {hours: nights, open: agent, closed: agent}\n", 7, '没有时间表 "nights"', 'unknown hours "nights"'),
    ("  start: {text: giude, next: agent, failed: agent}\n", 7, '没有短信模板 "giude"(是不是 "guide"?)', 'unknown text "giude"'),
    ("  start: {menu: {0: {say: 重听, go: start}}}\n", 7, "按键 0 处处都是人工服务", "key 0 means a person everywhere"),
    ("  start: {ask: number, say: 请输入, length: 4-2, save: x, next: agent}\n", 7, "范围要写成", "write ranges as"),
    ("  start: {say: 您好, next: agent, patience: {wait: soon, then: agent}}\n", 7, "时长要写成", "write a duration as"),
    ("  start: {menu: {}}\n", 7, "不能是空的", "must not be empty"),
    ("  start: {say: '', next: agent}\n", 7, "不能是空的", "must not be empty"),
    ("  start: {say: 您好, next: agent}\n  no: {say: 不, next: agent}\n", 8, '"no"', '"no"'),
    ("  start: {set_pin: employer, next: agent, failed: agent}\n", 7, "应是 'employee'", "is none of"),
]  # fmt: skip


@pytest.mark.parametrize(("nodes", "line", "zh", "en"), FAULTS, ids=[fault[2][:20] for fault in FAULTS])
def test_a_fault_is_told_at_its_line(nodes: str, line: int, zh: str, en: str) -> None:
    loaded = checked(nodes)
    assert loaded.flow is None
    told = [fault for fault in loaded.faults if zh in fault.zh]
    assert told, [fault.tell() for fault in loaded.faults]
    assert told[0].line == line
    assert told[0].tell().startswith(f"flows/main.yaml:{line}: ")
    assert en in told[0].en


def test_all_faults_are_told_at_once_in_all_files() -> None:
    loaded = checked(
        "  start: {menu: {1: {say: 甲, go: nowhere}, 2: {say: 乙, go: loan/nowhere}}}\n",
        loan="title: 贷款\nnodes:\n  start: {say: 您好}\n  more: {sya: 您好}\n",
    )
    assert {(fault.file, fault.line) for fault in loaded.faults} >= {("flows/loan.yaml", 3), ("flows/loan.yaml", 4)}
    loaded = checked("  start: {menu: {1: {say: 甲, go: nowhere}, 2: {say: 乙, go: loan/nowhere}}}\n")
    assert len(loaded.faults) == 2


def test_a_target_that_is_not_there_hides_no_other_fault() -> None:
    nodes = [
        "start: {menu: {1: {say: 甲, go: agnet}, 2: {say: '{sum}', go: ask}}}",
        "ask: {identify: employee, next: tell, failed: agent}",
        "tell: {report: balanse, say: 余额, next: send, unavailable: agent}",
        "send: {text: giude, next: agent, failed: agent}",
    ]
    faults = checked("".join(f"  {node}\n" for node in nodes)).faults
    assert [fault.line for fault in faults if not fault.warning] == [7, 7, 9, 10]


def test_no_way_to_a_person() -> None:
    main = MAIN.replace('"0": agent, ', "").replace("then: agent", "then: bye")
    loaded = checked("  start: {menu: {1: {say: 重听, go: start}}}\n  bye: {hang_up: 再见}\n", main)
    assert any("转不到人工" in fault.zh for fault in loaded.faults)


def test_too_deep() -> None:
    nodes = "".join(f"  n{n}: {{menu: {{1: {{say: 下一层, go: n{n + 1}}}}}}}\n" for n in range(1, 4))
    main = MAIN.replace("nodes:", "deepest_menu: 2\nnodes:").replace("start: start", "start: n1")
    loaded = checked(nodes + "  n4: {say: 到了, next: agent}\n", main)
    assert [fault.line for fault in loaded.faults if "菜单太深" in fault.zh] == [10]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "缺少 main.yaml"),
        ({"main.yaml": b""}, "文件是空的"),
        ({"main.yaml": "title: 热线".encode("gbk")}, "UTF-8"),
        ({"main.yaml": b"title: x\nnodes:\n\tstart: {}\n"}, "Tab"),
        ({"main.yaml": b"title: x\neverywhere:\n  *: back\n"}, "引号"),
        ({"main.yaml": b"title: x\neverywhere:\n  #: repeat\n"}, "引号"),
        ({"main.yaml": b"- a\n- b\n"}, "名称: 内容"),
        ({"main.yaml": b"just words\n"}, "名称: 内容"),
        ({"main.yaml": (MAIN + "  start: {say: 您好, next: ag").encode()}, "括号没有成对"),
        ({"main.yaml": b"[" * 5000}, ""),
        ({"main.yaml": b"\x00\x01\x02"}, "控制字符"),
    ],
)
def test_unreadable_folders(files: dict[str, bytes], words: str) -> None:
    loaded = load(files, PHRASES)
    assert loaded.flow is None
    assert any(words in fault.zh for fault in loaded.faults), [fault.tell() for fault in loaded.faults]


def test_a_huge_folder_is_checked() -> None:
    many = 5000
    nodes = "".join(
        f"  n{n}: {{menu: {{1: {{say: 第{n}项, go: n{(n + 1) % many}}}, 2: {{say: 回头, go: n{n // 2}}}}}}}\n"
        for n in range(many)
    )
    main = MAIN.replace("start: start", "start: n0").replace("nodes:", "deepest_menu: 9\nnodes:")
    loaded = checked(nodes, main)
    assert loaded.flow is None  # far too deep: every node past the ninth key is told
    assert all("菜单太深" in fault.zh for fault in loaded.faults)
    assert len(loaded.faults) > 1000


def test_the_centres_own_flows_are_good() -> None:
    loaded = load(read_folder(Path("flows")), PHRASES)
    assert loaded.flow
    assert all(fault.warning for fault in loaded.faults)
    assert all(file.tests for file in loaded.flow.files.values())


@pytest.mark.parametrize(
    ("file", "schema"),
    [
        ("flow", flow_schema()),
        ("facts", FactsFile.model_json_schema()),
        ("hours", hours_schema()),
        ("queues", QueuesFile.model_json_schema()),
    ],
)
def test_published_schemas_are_current(file: str, schema: dict[str, object]) -> None:
    published = json.loads(Path(f"flows/{file}.schema.json").read_text())
    published.pop("$schema")
    schema.pop("$schema", None)
    assert published == schema
    first_lines = {path: path.read_text().splitlines()[0] for path in Path("flows").glob("*.yaml")}
    assert all(line.startswith("# yaml-language-server: $schema=") for line in first_lines.values())


QUEUES = 'queues: {general: {title: 综合}, loan: {title: 贷款}}\nnumbers: {"051112345678": 银行}\n'


def test_a_call_back_by_people_that_there_are_none_of_is_warned_of() -> None:
    loaded = checked("  start: {callback: laon, next: agent, failed: agent}\n", queues=QUEUES)
    told = [(fault.line, fault.zh) for fault in loaded.faults if fault.warning]
    assert loaded.flow and told == [(7, '没有人工队列 "laon"(是不是 "loan"?)，会由 general 的人回电')]


@pytest.mark.parametrize(
    ("to", "zh", "en"),
    [
        ("laon", '没有人工队列 "laon"(是不是 "loan"?)；queues.yaml 里有：general(综合)、loan(贷款)', "there are: general, loan"),
        ('"051199999999"', "不能转接到外线", "051199999999 is not among the numbers"),
        ("Loan!", "转接应是队列名", "a queue's name"),
    ],
)  # fmt: skip
def test_a_transfer_goes_where_there_is_somebody(to: str, zh: str, en: str) -> None:
    loaded = checked(f"  start: {{transfer: {to}, failed: agent}}\n", queues=QUEUES)
    assert loaded.blocked
    assert [(fault.line, zh in fault.tell("zh"), en in fault.tell("en")) for fault in loaded.faults] == [
        (7, True, True)
    ]


@pytest.mark.parametrize("to", ["loan", '"051112345678"'])
def test_a_known_queue_or_number_is_fine(to: str) -> None:
    assert checked(f"  start: {{transfer: {to}, failed: agent}}\n", queues=QUEUES).flow


def test_warnings_do_not_block() -> None:
    loaded = checked(
        "  start: {hours: people, open: agent, closed: agent}\n  hello: {say: {en: Hello}, next: start}\n".replace(
            "hello", "start2"
        ),
        MAIN.replace("start: start", "start: start2"),
    )
    assert loaded.flow
    assert [(fault.line, fault.zh) for fault in loaded.faults] == [
        (7, "下班时也转人工，来电人会一直等"), (8, "这句话没有中文")
    ]  # fmt: skip


START = "  start: {menu: {1: {say: 人工, go: agent}}}\n"


def test_calls_that_we_place_are_reached_and_say_whose_people_are_asked() -> None:
    outbound = (
        "title: 去电\nnodes:\n  code: {read_out: code, next: bye, nothing: bye}\n"
        "  callback: {answered: person, next: people}\n  people: {transfer: asked, closed: bye}\n  bye: {hang_up: 再见}\n"
    )
    loaded = checked(START, outbound=outbound)
    assert loaded.flow
    assert [(fault.line, fault.zh) for fault in loaded.faults] == [(2, "没有节点 reminder:打出这种电话时只会道歉")]
    elsewhere = checked("  start: {menu: {1: {say: 人工, go: asked}}}\n  asked: {transfer: asked}\n")
    assert [fault.zh for fault in elsewhere.faults] == ["transfer: asked 只在 outbound.yaml 里有意义,别处等于 general"]


def test_nobody_we_call_hears_an_account_without_its_pin() -> None:
    outbound = "title: 去电\nnodes:\n  reminder: {report: balance, say: 余额, next: bye, unavailable: bye}\n  bye: {hang_up: 再见}\n"
    loaded = checked(START, outbound=outbound)
    assert loaded.flow is None and "没有先核实身份" in loaded.faults[0].zh


def test_the_centres_own_people_are_never_rung_when_nobody_works() -> None:
    """Every way to a transfer asks the hours first, or comes from another transfer that found nobody, or from a call
    that we placed within them."""
    loaded = load(read_folder(Path("flows")), PHRASES)
    assert loaded.flow
    ground = Ground(loaded.flow, loaded.sources, None)
    for node, body in loaded.flow.nodes.items():
        for goal in ground.leads_to(node):
            if isinstance(loaded.flow.nodes[goal], TransferNode) and not isinstance(body, TransferNode | AnsweredNode):
                assert isinstance(body, HoursNode) and loaded.flow.find(node, body.open) == goal, f"{node} -> {goal}"
                assert loaded.flow.find(node, body.closed) != goal


def test_a_test_names_queues_that_are_there() -> None:
    loaded = checked(
        "  start: {menu: {1: {say: 人工, go: agent}}}\n"
        "tests:\n  - name: 转贷款\n    queues: {laon: busy}\n    steps:\n      - press: 1\n      - transferred: genral\n",
        queues="queues: {general: {title: 综合}, loan: {title: 贷款}}",
    )
    assert [(fault.line, fault.zh) for fault in loaded.faults] == [
        (10, '没有人工队列 "laon"(是不是 "loan"?)'),
        (13, '没有人工队列 "genral"(是不是 "general"?)'),
    ]
