"""Any text in any state gets exactly one answer that can be sent, or a silence that says why."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fund.fields import REPORTS, Audience, ReportData, Value
from fund.ledger import LedgerAway
from fund.yaml_source import parse
from sms import templates as template_files
from sms.answers import Answer, Answers, Held, NoDesk
from sms.deciding import Peer, Session, Silence, Switch, Tell, decide
from sms.keywords import load
from sms.opt_outs import ALL, KINDS, is_off, switched

ROOT = Path(__file__).parents[2]
TEMPLATES = template_files.load(ROOT / "prompts/sms.yaml")
REAL = ROOT / "flows/sms.yaml"
TABLE = load(parse(REAL.read_bytes(), str(REAL)), TEMPLATES)
NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)  # 10:00 at home
PHONE = "13900000001"
VALUES: dict[str, Value] = {
    "money": Decimal("12.00"), "number": 3, "percent": Decimal(5), "month": "2026-02", "date": date(2026, 3, 5),
    "tail": "0001", "text": "正常", "digits": "123",
}  # fmt: skip


class Books:
    """A world of so many accounts, that remembers what it was asked."""

    def __init__(self, accounts: int = 1, away: bool = False, desk: bool = True, rows: int = 3) -> None:
        self.accounts, self.away, self.desk, self.rows = accounts, away, desk, rows
        self.asked: list[tuple[str, str, str | None]] = []

    async def held(self, phone: str, audience: Audience) -> Sequence[Held]:
        if self.away:
            raise LedgerAway("held")
        return [Held(f"32100000{n}", f"单位{n}") for n in range(self.accounts)]

    async def report(self, name: str, account: str, month: str | None) -> ReportData | None:
        self.asked.append((name, account, month))
        report = REPORTS[name]
        row = {name: VALUES[each.kind] for name, each in (report.rows or {}).items()}
        values = {name: VALUES[each.kind] for name, each in report.fields.items()}
        return ReportData(values, (row,) * self.rows if report.rows else ())

    async def call_back(self, phone: str, at: datetime) -> None:
        if not self.desk:
            raise NoDesk

    async def work_order(self, phone: str, number: str) -> tuple[str, str] | None:
        if not self.desk:
            raise NoDesk
        return ("W20260302-0001", "正在办理") if number else None


async def answered(text: str, peer: Peer, world: Books | None = None, now: datetime = NOW) -> Answer:
    return await Answers(TEMPLATES, world or Books()).answer(TABLE, peer, text, now)


def sent(*templates: str, ago: timedelta = timedelta(hours=1)) -> list[tuple[str, datetime]]:
    return [(template, NOW - ago) for template in templates]


async def test_a_bound_phone_gets_its_account_and_the_look_is_noted() -> None:
    answer = await answered("余额", Peer(PHONE))
    assert answer.template == "report_balance" and answer.params["balance"] == Decimal("12.00")
    assert [(look.action, look.outcome, look.account) for look in answer.looks] == [
        ("report:balance", "ok", "321000000")
    ]


async def test_an_unbound_phone_is_told_how_to_bind_and_the_ledger_is_asked_all_the_same() -> None:
    bound, unbound = Books(), Books(accounts=0)
    await answered("余额", Peer(PHONE), bound)
    answer = await answered("余额", Peer(PHONE), unbound)
    assert (answer.template, answer.looks) == ("reply_bind_first", ())
    assert len(bound.asked) == len(unbound.asked)
    assert (await answered("明细", Peer(PHONE), unbound)).template == "reply_bind_first", "before any question"
    assert (await answered("单位", Peer(PHONE), unbound)).template == "reply_not_employer"


async def test_which_month_and_then_it() -> None:
    asked = await answered("明细", Peer(PHONE))
    assert asked.template == "reply_which_month" and asked.session
    world = Books()
    answer = await answered("2月", Peer(PHONE, session=asked.session), world)
    assert answer.template == "report_details" and answer.session is None
    assert world.asked == [("details", "321000000", "2026-02")]


async def test_which_account_and_then_it() -> None:
    asked = await answered("单位", Peer(PHONE), Books(accounts=3))
    assert asked.template == "reply_which_account" and asked.params["choices"] == "1.单位0；2.单位1；3.单位2"
    world = Books(accounts=3)
    peer = Peer(PHONE, session=asked.session)
    wrong = await answered("4", peer, world)
    assert (wrong.template, wrong.params) == ("reply_bad_choice", {"count": 3})
    assert (await answered("2", replace(peer, session=wrong.session), world)).template == "report_employer"
    assert world.asked == [("employer", "321000001", None)]


@pytest.mark.parametrize("text", ["今年2月", "26年2月", "二", "2月吧", "查2月的", "2月份"])
async def test_a_month_is_answered_as_people_say_it(text: str) -> None:
    world = Books()
    await answered(text, Peer(PHONE, session=Session("month", "details", ("321000000",))), world)
    assert world.asked == [("details", "321000000", "2026-02")]


@pytest.mark.parametrize("text", ["00011", "00019", "3", "全部"])
async def test_what_is_no_choice_is_said_so(text: str) -> None:
    session = Session("account", "employer", ("321000000", "321000001"))
    assert (await answered(text, Peer(PHONE, session=session), Books(accounts=2))).template == "reply_bad_choice"


async def test_who_has_many_employers_reaches_all_of_them() -> None:
    first = await answered("单位", Peer(PHONE), Books(accounts=12))
    assert "9.单位8；其他单位请回复“更多”" in str(first.params["choices"])
    world = Books(accounts=12)
    more = await answered("更多", Peer(PHONE, session=first.session), world)
    assert more.params["choices"] == "10.单位9；11.单位10；12.单位11"
    assert (await answered("更多", Peer(PHONE, session=more.session), world)).template == "reply_bad_choice"
    await answered("第12个", Peer(PHONE, session=more.session), world)
    assert world.asked == [("employer", "3210000011", None)]


async def test_an_account_that_is_no_longer_theirs_is_not_shown() -> None:
    session = Session("account", "employer", ("999", "998"))
    world = Books(accounts=1)
    await answered("1", Peer(PHONE, session=session), world)
    assert world.asked == [("employer", "321000000", None)]


async def test_a_question_ends_after_two_wrong_answers_or_another_keyword() -> None:
    session = Session("month", "details", ("321000000",), wrong=2)
    assert (await answered("上半年", Peer(PHONE, session=session))).template == "reply_unknown"
    answer = await answered("网点", Peer(PHONE, session=Session("month", "details", ("321000000",))))
    assert (answer.template, answer.session) == ("reply_branches", None)


async def test_the_ledger_away_and_no_desk() -> None:
    session = Session("month", "details", ("321000000",))
    away = await answered("2月", Peer(PHONE, session=session), Books(away=True))
    assert (away.template, away.session) == ("reply_away", session), "the question stays open"
    assert (await answered("人工", Peer(PHONE), Books(desk=False))).template == "reply_person"
    assert (await answered("工单123", Peer(PHONE), Books(desk=False))).template == "reply_person"
    assert (await answered("工单123", Peer(PHONE))).params == {"number": "W20260302-0001", "state": "正在办理"}
    assert (await answered("工单", Peer(PHONE))).template == "reply_no_records"
    assert (await answered("明细202602", Peer(PHONE), Books(rows=0))).template == "reply_no_records"


async def test_limits_of_a_day() -> None:
    peer = Peer(PHONE, sent=sent(*["report_balance"] * 10))
    assert (await answered("余额", peer)).template == "reply_limit"
    assert (await answered("网点", peer)).template == "reply_branches", "what is no account is not limited"
    told = replace(peer, sent=[*peer.sent, *sent("reply_limit")])
    assert (await answered("余额", told)).why == "limit_told"
    yesterday = Peer(PHONE, sent=sent(*["report_balance"] * 10, ago=timedelta(hours=11)))
    assert (await answered("余额", yesterday)).template == "report_balance"


async def test_two_machines_do_not_talk_for_ever() -> None:
    machine = "【某银行】您好，我是机器人，请勿回复"
    peer, answers = Peer(PHONE), 0
    for n in range(100):
        now = NOW + timedelta(seconds=n)
        answer = await answered(machine, peer, now=now)
        if answer.template:
            answers += 1
            peer = replace(peer, sent=[*peer.sent, (answer.template, now)])
    assert answers == 1


@pytest.mark.parametrize("text, most", [("哈哈", 3), ("余额", 11), ("帮助", 20)])
async def test_the_same_peer_is_answered_so_often(text: str, most: int) -> None:
    peer, answers = Peer(PHONE), 0
    for n in range(100):
        now = NOW + timedelta(seconds=n)
        answer = await answered(text, peer, now=now)
        if answer.template:
            answers += 1
            peer = replace(peer, sent=[*peer.sent, (answer.template, now)])
    assert answers == most


async def test_opting_out_is_confirmed_once_and_always_done() -> None:
    off = await answered("退订贷款", Peer(PHONE))
    assert (off.template, off.off, off.params) == ("opt_out_confirm", {"loan"}, {"what": "借款还款"})
    again = await answered("TD贷款", Peer(PHONE, off=off.off, sent=sent("opt_out_confirm")))
    assert (again.template, again.off) == ("", {"loan"})
    tomorrow = await answered("TD贷款", Peer(PHONE, off=off.off, sent=sent("opt_out_confirm", ago=timedelta(hours=11))))
    assert tomorrow.template == "opt_out_confirm"
    busy = Peer(PHONE, sent=sent(*["reply_help"] * 20, ago=timedelta(minutes=1)))
    assert (await answered("TD", busy)).off == {ALL}, "nobody is kept from opting out"
    assert (await answered("余额", busy)).why == "too_many"


DECLINED = [
    ("【TD】", {"policy"}), ("【R】", {"policy"}), ("我不方便接电话，请退订", {"policy"}), ("TD退订", {"policy"}),
    ("烦死了，不要再发了！", {"policy"}), ("查询余额，退订贷款", {"loan"}), ("退订所有短信", {ALL}), ("退订公积金", {ALL}),
    ("退订贷款提醒", {"loan"}), ("退订政策宣传", {"policy"}), ("STOP ALL", {ALL}),
    ("我不想退订", set()), ("不，不要退订。", set()), ("我的预约，取消", set()), ("短信里说回复TD退订，是真的吗？", set()),
    ("【自动回复】我正在开会，稍后联系您", set()),
]  # fmt: skip


@pytest.mark.parametrize("text, off", DECLINED)
async def test_who_wants_to_be_left_alone_is(text: str, off: set[str]) -> None:
    assert (await answered(text, Peer(PHONE, last_kind="policy"))).off == off


async def test_cancelling_a_question_turns_nothing_off() -> None:
    asked = Peer(PHONE, session=Session("month", "details", ("321000000",)))
    closed = await answered("取消吧", asked)
    assert (closed.template, closed.session, closed.off) == ("reply_closed", None, set())
    busy = replace(asked, sent=sent(*["reply_help"] * 20, ago=timedelta(minutes=1)))
    assert (await answered("取消", busy)).off == set()
    assert (await answered("退订", asked)).off == {ALL}
    assert (await answered("取消", replace(asked, session=None))).off == {ALL}


async def test_a_bare_td_is_about_the_last_notice() -> None:
    assert (await answered("R", Peer(PHONE, last_kind="policy"))).off == {"policy"}
    assert (await answered("T", Peer(PHONE))).off == {ALL}
    assert (await answered("KT", Peer(PHONE, off=frozenset({"policy", "loan"})))).off == frozenset()
    assert (await answered("开通贷款", Peer(PHONE, off=frozenset({ALL})))).off == set(KINDS) - {"loan"}


@given(st.frozensets(st.sampled_from([*KINDS, ALL])), st.sampled_from([*KINDS, ALL]), st.booleans())
def test_turning_off_and_on(off: frozenset[str], kind: str, turn_on: bool) -> None:
    after = switched(off, kind, turn_on)
    kinds = KINDS if kind == ALL else (kind,)
    assert all(is_off(after, each) is not turn_on for each in kinds)
    for other in set(KINDS) - set(kinds):
        assert is_off(after, other) == is_off(off, other), "others stay as they are"
    assert not is_off(after, ""), "what cannot be turned off stays on"


texts = st.text(max_size=60) | st.lists(
    st.sampled_from(
        [
            "余额",
            "明细",
            "退订",
            "贷款",
            "2月",
            "202602",
            "1",
            "9",
            "T",
            "人工",
            "工单",
            "【",
            "自动回复",
            " ",
            "上",
            "的",
        ]
    ),
    max_size=4,
).map("".join)
sessions = st.none() | st.builds(
    Session,
    st.sampled_from(["month", "account"]),
    st.sampled_from([*TABLE.file.keywords, "gone"]),
    st.lists(st.sampled_from(["321000000", "321000001", "999"]), max_size=3).map(tuple),
    st.sampled_from(["", "2026-02"]),
    st.integers(0, 3),
)
peers = st.builds(
    Peer,
    st.just(PHONE),
    sessions,
    st.frozensets(st.sampled_from([*KINDS, ALL])),
    st.sampled_from(["", *KINDS]),
    st.lists(
        st.tuples(st.sampled_from(sorted(TEMPLATES)), st.integers(0, 90_000).map(lambda s: NOW - timedelta(seconds=s))),
        max_size=15,
    ),
)
worlds = st.builds(Books, st.integers(0, 12), st.booleans(), st.booleans(), st.sampled_from([0, 1, 50]))


@given(texts, peers, worlds)
async def test_any_text_in_any_state_has_one_outcome(text: str, peer: Peer, world: Books) -> None:
    answer = await Answers(TEMPLATES, world).answer(TABLE, peer, text, NOW)
    assert bool(answer.template) != bool(answer.why)
    if answer.template:
        template = TEMPLATES[answer.template]
        assert template.lane == "reply"
        assert template.render(answer.params).text
    if not isinstance(decide(TABLE, peer, text, NOW), Switch):
        assert answer.off == peer.off
    assert all(look.account.startswith("32100000") for look in answer.looks), "only what this phone stands for"


def test_nothing_to_read_gets_help_not_silence() -> None:
    assert decide(TABLE, Peer(PHONE), "?", NOW) == Tell("reply_unknown")
    assert decide(TABLE, Peer(PHONE), "【x】", NOW) == Tell("reply_unknown")
    assert isinstance(decide(TABLE, Peer(PHONE, sent=sent("reply_unknown")), "【x】", NOW), Silence)
