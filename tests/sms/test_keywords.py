"""`flows/sms.yaml`: the real one is good, every fault of a bad one is told with its line, and words are found."""

import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opencc import OpenCC

from fund.yaml_source import parse
from sms import templates as template_files
from sms.keyword_faults import ANSWERS
from sms.keyword_file import schema
from sms.keywords import BARE, Table, check, load
from sms.plain import plain

ROOT = Path(__file__).parents[2]
REAL = ROOT / "flows/sms.yaml"
TEMPLATES = template_files.load(ROOT / "prompts/sms.yaml")
TODAY = date(2026, 3, 2)
KINDS = """\
kinds:
  account: {title: 账户, words: [账户]}
  loan: {title: 借款, words: [贷款]}
  employer: {title: 单位, words: [单位]}
  policy: {title: 政策, words: [政策]}
  all: {title: 提醒, words: [全部]}
"""
STOP = "  stop: {title: 退订, words: [TD], do: turn_off}\n"


@pytest.fixture(scope="module")
def table() -> Table:
    return load(parse(REAL.read_bytes(), str(REAL)), TEMPLATES)


def test_the_real_keywords_are_good() -> None:
    assert check(REAL, TEMPLATES) == []


def test_the_schema_that_editors_use_is_up_to_date() -> None:
    assert json.loads((ROOT / "flows/sms.schema.json").read_text(encoding="utf-8")) == schema()
    assert REAL.read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=sms.schema.json\n")


FOUND = [
    ("余额", "balance", ""),
    ("YE", "balance", ""),
    ("余鄂", "balance", ""),
    ("yue", "balance", ""),
    ("YE1", "balance", ""),
    ("12329余额", "balance", ""),
    ("1", "balance", ""),
    ("请问我的公积金余额是多少", "balance", ""),
    ("想知道一下现在公积金里头的余额还剩多少钱", "balance", ""),
    ("明细", "details", ""),
    ("明细202602", "details", "202602"),
    ("2月明细", "details", "2月"),
    ("查一下上个月的明细", "details", "上个月"),
    ("看看今年二月份的明细好不好", "details", "今年二月"),
    ("去年2月明细", "details", "去年2月"),
    ("帮我看看去年二月份的明细好不好", "details", "去年二月"),
    ("公积金贷款", "loan", ""),
    ("贷款余额", "loan", ""),
    ("贷款明细", "repayments", ""),
    ("单位缴存", "employer", ""),
    ("转人工", "person", ""),
    ("我想找人工客服", "person", ""),
    ("请给我回个电话，谢谢", "person", ""),
    ("打电话给我", "person", ""),
    ("工单W20260302-0001", "order", "w202603020001"),
    ("工单", "order", ""),
    ("T", "stop", ""),
    ("r", "stop", ""),
    ("退订", "stop", ""),
    ("退订贷款", "stop", "贷款"),
    ("贷款退订", "stop", "贷款"),
    ("TD全部", "stop", "全部"),
    ("开通政策", "start", "政策"),
    ("退订账户", "stop", "账户"),
    ("TD账户", "stop", "账户"),
    ("我要退订我的账户", "stop", "我的账户"),
    ("KT账户", "start", "账户"),
    ("退订所有", "stop", "所有"),
    ("TD所有", "stop", "所有"),
    ("退订贷款短信", "stop", "贷款短信"),
    ("退订账户变动", "stop", "账户变动"),
    ("取消所有通知", "stop", "所有通知"),
    ("退订公积金", "stop", "公积金"),
    ("不要再给我发短信了", "stop", "短信了"),
    ("TD退订", "stop", "退订"),
    ("STOP ALL", "stop", "all"),
    ("请退订", "stop", ""),
    ("回T退订", "stop", "t"),
    ("拒收请回复R", "stop", "r"),
    ("我的账户", "balance", ""),
    ("公积金有多少", "balance", ""),
    ("回复1", "balance", ""),
    ("你好", "help", ""),
]


@pytest.mark.parametrize("text, name, rest", FOUND)
def test_found(table: Table, text: str, name: str, rest: str) -> None:
    found = table.find(plain(text), TODAY)
    assert found and (found.name, found.rest) == (name, rest)


NOT_FOUND = [
    "", "今天天气不错", "我不想退订", "不要开通任何东西", "余额和贷款和网点", "99", "TD1", "长" * 300 + "余额",
    "不用回电了，谢谢", "不要人工", "别打电话给我", "已经有客服给我回过电话了", "尊敬的客户，如有疑问请联系客服",
    "本机已停用，请勿拨打电话", "电话改成13900000009",
]  # fmt: skip


@pytest.mark.parametrize("text", NOT_FOUND)
def test_not_found(table: Table, text: str) -> None:
    assert table.find(plain(text), TODAY) is None


@pytest.mark.parametrize("text, title", [("网占", "网点"), ("余饿", "余额"), ("yee", "余额"), ("明西", "明细")])
def test_the_nearest_is_suggested(table: Table, text: str, title: str) -> None:
    nearest = table.nearest(plain(text))
    assert nearest and nearest.title == title


def test_every_word_is_found_in_traditional_script(table: Table) -> None:
    """As they write in Hong Kong and on Taiwan."""
    scripts = [OpenCC(to) for to in ("s2t", "s2hk", "s2tw")]
    for name, keyword in table.file.keywords.items():
        for written in (script.convert(word) for word in keyword.words for script in scripts):
            found = table.find(plain(written), TODAY)
            assert found and found.name == name, written


@pytest.mark.parametrize(
    "text, name",
    [("投訴", "person"), ("註冊", "online"), ("繳納", "deposit"), ("匯繳", "pay_in"), ("緩繳", "pay_in"),
     ("進度", "order"), ("恢復", "start"), ("網上業務", "online"), ("貸款條件", "loan_guide"), ("辦事大廳", "branches"),
     ("帳戶", "balance"), ("帐户", "balance"), ("拒絕接收", "stop"), ("退訂所有簡訊", "stop")],
)  # fmt: skip
def test_traditional_script(table: Table, text: str, name: str) -> None:
    found = table.find(plain(text), TODAY)
    assert found and found.name == name


@given(st.text(max_size=80) | st.text("余额明细贷款退订月1234TDRYE上", max_size=12))
def test_no_text_breaks_it(text: str) -> None:
    table = load(parse(REAL.read_bytes(), str(REAL)), None)
    words = plain(text)
    table.find(words, TODAY)
    table.nearest(words)
    table.kind(words)


FAULTS = [
    ("  a: {title: 余额, words: [YE], raport: balance}\n", ['8: 不认识 raport(是不是 "report"?)']),
    ("  a: {title: 余额, words: [YE]}\n", ["8: report、say、do 三项要写一项，且只写一项"]),
    (
        "  a: {title: 余额, words: [YE], report: balance, say: reply_help}\n",
        ["8: report、say、do 三项要写一项，且只写一项"],
    ),
    ("  a: {title: 余额, words: [], report: balance}\n", ["8: 不能是空的"]),
    (
        "  a: {title: 余额, words: [YE, 余额], report: balance}\n  b: {title: 别的, words: [ｙｅ, 餘額], say: reply_help}\n",
        ["9: “ｙｅ”已在第 8 行用过", "9: “餘額”已在第 8 行用过"],
    ),
    ("  a: {title: 余额, words: [？], report: balance}\n", ["8: “？”里没有文字或数字"]),
    ("  a: {title: 网点, words: [WD], say: reply_branch}\n", ['8: 没有模板 reply_branch(是不是 "reply_branches"?)']),
    (
        "  a: {title: 网点, words: [WD], say: deposit}\n",
        ["8: 模板 deposit 的 lane 应是 reply"],
    ),
    (
        "  a: {title: 网点, words: [WD], say: reply_which_month}\n",
        ["8: 模板 reply_which_month 要用的 minutes 这里没有"],
    ),
    ("  a: {title: 余额, words: [YE], report: balance, ask: month}\n", ["8: 只有 report: details 可以追问月份"]),
    (
        "  a: {title: 余额, words: [YE], report: balanse}\n",
        ["8: \"balanse\" 不行，应是 'balance', 'details', 'loan', 'repayments' 或 'employer'(是不是 \"balance\"?)"],
    ),
]


@pytest.mark.parametrize("keywords, told", FAULTS, ids=range(len(FAULTS)))
def test_faults_are_told_with_their_line(tmp_path: Path, keywords: str, told: list[str]) -> None:
    path = tmp_path / "sms.yaml"
    path.write_text(KINDS + "keywords:\n" + keywords + STOP, encoding="utf-8")
    faults = [fault.tell().removeprefix(f"{path}:") for fault in check(path, TEMPLATES)]
    assert faults == told
    assert all(fault.tell("en") for fault in check(path, TEMPLATES))


def test_what_must_be_there(tmp_path: Path) -> None:
    path = tmp_path / "sms.yaml"
    path.write_text("kinds: {loan: {title: 借款, words: [贷款]}}\nkeywords:\n  a: {title: 网点, words: [WD], say: x}\n")
    told = [fault.tell().removeprefix(f"{path}:") for fault in check(path, {})]
    assert [line for line in told if "缺少模板" in line] == [
        f"1: prompts/sms.yaml 里缺少模板 {name}" for name in ANSWERS
    ]
    assert "2: 要有一个 do: turn_off 的关键词：市民必须能够退订" in told
    assert "1: kinds 里缺少 account、employer、policy、all" in told


def test_menu_and_tests_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "sms.yaml"
    tests = (
        "menu: {1: stpo}\ntests:\n  - name: 一\n    from: '13900000001'\n    steps:\n      - {text: TD, expect: 退订}\n"
    )
    path.write_text(KINDS + "keywords:\n" + STOP + tests)
    assert [fault.line for fault in check(path, TEMPLATES)] == [9, 14]
    path.write_text(KINDS + "keywords:\n" + STOP + "menu: {1: stpo}\n")
    assert [fault.zh for fault in check(path, TEMPLATES)] == ['没有关键词 "stpo"(是不是 "stop"?)']


def test_what_is_badly_written_hides_no_other_fault(tmp_path: Path) -> None:
    path = tmp_path / "sms.yaml"
    bad = "  a: {title: 余额, words: [YE], report: balanse}\n  b: {title: 网点, words: [WD], say: reply_branch}\n"
    path.write_text(KINDS + "keywords:\n" + bad + STOP + "menu: {1: a}\n", encoding="utf-8")
    assert [fault.line for fault in check(path, TEMPLATES)] == [8, 9], "nor makes one up: `a` is there for the menu"


def test_opting_out_works_without_a_file() -> None:
    found = BARE.find("td", TODAY)
    assert found and found.keyword.do == "turn_off"
