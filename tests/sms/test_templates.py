"""The templates: the real file is good, and every fault of a bad one is told with its line."""

import json
from pathlib import Path

import pytest

from sms.errors import Refused
from sms.template_file import schema
from sms.templates import BadTemplates, Template, check, load

ROOT = Path(__file__).parents[2]
REAL = ROOT / "prompts/sms.yaml"


def _file(tmp_path: Path, templates: str, head: str = "signature: 镇江公积金\n") -> Path:
    path = tmp_path / "sms.yaml"
    path.write_text(head + "templates:\n" + templates, encoding="utf-8")
    return path


def _told(path: Path) -> list[str]:
    return [fault.tell().removeprefix(f"{path}:") for fault in check(path)]


def _template(text: str, params: str = "{}", more: str = "") -> str:
    return f"  t:\n    lane: notice\n    kind: account\n    text: {text}\n    params: {params}\n{more}"


FAULTS = [
    (
        _template("您的余额{balanse}。", "{balance: money}"),
        ['6: {balanse} 没有在 params 里说明(是不是 "balance"?)', "7: 参数 balance 没有用到"],
    ),
    (_template("余额{balance}元。", "{balance: money}"), ["6: {balance} 自带“元”，后面的“元”请删去"]),
    (_template("【镇江公积金】您好。"), ["6: 签名【】会自动加上一次，正文里不要再写"]),
    (_template('"第一行\\n第二行"'), ["6: 正文里不能有换行"]),
    (_template("缺一半{balance"), ["6: 花括号不成对，或里面不是小写英文名称：应写成 {balance}"]),
    (_template("您好{news}", "{news: {kind: text, max: 200}}"), ["6: 最长时 209 字，要拆成 4 条，上限是 3 条"]),
    (_template("您好{a}", "{a: {kind: money, max: 9}}"), ["7: money 的长度是固定的，不用写 max"]),
    (_template("您好。", more="    txet: x\n"), ['8: 不认识 txet(是不是 "text"?)']),
    (
        _template("您好{a}。", "{a: mony}"),
        [
            "7: \"mony\" 不行，应是 'code', 'minutes', 'number', 'money', 'percent', 'tail', 'name', 'org', 'month', "
            "'date', 'time', 'reference', 'phone' 或 'text'(是不是 \"money\"?)"
        ],
    ),
    (_template("您好。", more="    life: 5 分钟\n"), ["8: 时长要写成 5m、2h 或 3d"]),
    ("  t: {lane: notice, kind: account}\n", ["3: 缺少 text"]),
    ("  t: {lane: code, kind: account, text: 您好}\n", ["3: 验证码的 lane 和 kind 都应是 code"]),
    (
        "  t:\n    lane: code\n    kind: code\n    text: 您好\n    may_turn_off: true\n",
        ["7: 验证码不能退订，也不受免打扰时段限制"],
    ),
    (
        "  t: {lane: campaign, kind: policy, text: 您好, may_turn_off: true, quiet: advertising}\n",
        ["3: 群发短信必须写明“拒收请回复R”"],
    ),
    (
        "  t: {lane: campaign, kind: policy, text: 拒收请回复R}\n",
        ["3: 群发短信应写 may_turn_off: true 和 quiet: advertising"],
    ),
    ("  t: 您好\n", ["3: 这里应是若干行“名称: 内容”"]),
]


@pytest.mark.parametrize("templates, told", FAULTS, ids=range(len(FAULTS)))
def test_faults_are_told_with_their_line(tmp_path: Path, templates: str, told: list[str]) -> None:
    assert _told(_file(tmp_path, templates)) == told


def test_forbidden_words_are_told_with_what_to_write_instead(tmp_path: Path) -> None:
    path = _file(tmp_path, _template("您的贷款。"), 'signature: 镇江公积金\nforbidden: {贷款: 借款, 中奖: ""}\n')
    assert _told(path) == ["7: 运营商会拦截“贷款”，可改为“借款”"]


def test_all_faults_at_once_in_both_languages(tmp_path: Path) -> None:
    path = _file(tmp_path, _template("【a】{b}"), "signature: 【镇江】\n")
    assert len(_told(path)) == 3
    assert all(fault.tell("en").isascii() or "【】" in fault.en for fault in check(path))


def test_what_is_badly_written_hides_no_other_fault(tmp_path: Path) -> None:
    path = _file(tmp_path, "  a: {lane: notise, kind: account, text: 您好}\n" + _template("您的余额{balanse}。"))
    assert [told.partition(":")[0] for told in _told(path)] == ["3", "7"]


def test_a_missing_and_an_empty_file(tmp_path: Path) -> None:
    assert "无法读取文件" in check(tmp_path / "none.yaml")[0].zh
    (tmp_path / "empty.yaml").touch()
    assert check(tmp_path / "empty.yaml")[0].zh == "文件是空的"
    with pytest.raises(BadTemplates, match="文件是空的"):
        load(tmp_path / "empty.yaml")


def test_the_real_templates_are_good() -> None:
    assert check(REAL) == []
    assert all(template.longest.parts <= 3 for template in load(REAL).values())


def test_the_schema_that_editors_use_is_up_to_date() -> None:
    assert json.loads((ROOT / "prompts/sms.schema.json").read_text(encoding="utf-8")) == schema()


@pytest.fixture(scope="module")
def deposit() -> Template:
    return load(REAL)["deposit"]


GOOD = {"tail": "321100001", "date": "2026-03-02", "amount": "2000", "month": "2026-03", "balance": "12345.67"}


def test_a_template_filled_in(deposit: Template) -> None:
    rendered = deposit.render(GOOD)
    assert rendered.text == (
        "您尾号0001的住房公积金账户于2026年3月2日缴存入账2000.00元，缴至2026年3月，账户余额12345.67元。"
    )
    assert rendered.params == {
        "tail": "0001",
        "date": "2026年3月2日",
        "amount": "2000.00元",
        "month": "2026年3月",
        "balance": "12345.67元",
    }
    assert list(rendered.params) == list(deposit.params), "in the order they stand in the text"


@pytest.mark.parametrize(
    ("news", "text"),
    [
        ("明日停办业务。", "明日停办业务。详情"),
        ("好消息！！", "好消息。详情"),
        ("您办好了吗？ ", "您办好了吗。详情"),
        ("请找 Co. Ltd.", "请找 Co. Ltd.。详情"),
        ("。", "。。详情"),
    ],
)
def test_two_stops_never_stand_together(news: str, text: str) -> None:
    rendered = load(REAL)["policy_notice"].render({"news": news})
    assert text in rendered.text and rendered.params["news"] + "。详情" == text, "a provider joins them so too"


REFUSED = [
    ({"tail": "0001"}, "missing_param: date"),
    (GOOD | {"colour": "red"}, "extra_param: colour"),
    (GOOD | {"bad\nname【】": "x"}, "extra_param: bad?name??"),
    (GOOD | {"amount": "lots"}, "bad_param: amount (not a number of at most two places)"),
    (GOOD | {"tail": "【x】"}, "bad_param: tail (not of its kind)"),
]


@pytest.mark.parametrize("params, reason", REFUSED)
def test_refused(deposit: Template, params: dict[str, str], reason: str) -> None:
    with pytest.raises(Refused) as refused:
        deposit.render(params)
    assert refused.value.reason == reason
