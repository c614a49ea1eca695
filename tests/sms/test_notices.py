"""All seventeen kinds of event, from a real demo ledger, over real HTTP, on both engines."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from fund import demo
from fund.demo.tables import LOAN
from fund.ledger import Ledger
from fund.privacy import Privacy
from hotline.api.app import add_text_routes
from hotline.database import open_database
from hotline.text import TextService, open_text
from sms.figures import figures
from sms.keys import SCOPES
from sms.notice_data import TYPES
from sms.params import Param
from sms.sender import Wish
from sms.settings import TextSettings
from sms.tables import audit, message, opt_out

BOUND, UNBOUND, HANDLER = "13900000001", "13900000002", "13900002002"
EMPLOYEE, DEBTOR, UNBOUND_EMPLOYEE, EMPLOYER = "321000001", "321000004", "321000002", "20000002"
TWO_LOANS = "321000029"  # ...0029, of which a payment is due on the 4th, and the newer ...5555


@pytest.fixture(scope="module")
def ledger_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('ledger') / 'ledger.db'}"

    async def make() -> None:
        engine = open_database(url)
        await demo.create(engine, date(2026, 3, 2))
        async with engine.begin() as connection:
            loan = (await connection.execute(select(LOAN).where(LOAN.c.account == TWO_LOANS))).mappings().one()
            newer = {"loan": "999999999999", "contract": "ZJ20265555555555", "next_day": date(2026, 3, 20)}
            await connection.execute(insert(LOAN), [{**loan, **newer, "next_amount": 88800, "amount": 30000000}])
        await engine.dispose()

    asyncio.run(make())
    return url


class House:
    """The API with a ledger behind it."""

    def __init__(self, http: TestClient[Any, Any], text: TextService, key: str) -> None:
        self.http, self.text = http, text
        self.headers = {"Authorization": f"Bearer {key}"}

    async def post(self, **event: Any) -> tuple[int, Any]:
        async with self.http.post("/v1/events", json=event, headers=self.headers) as reply:
            return reply.status, await reply.json()

    async def count(self, table: Any) -> int:
        async with self.text.store.read() as connection:
            return (await connection.execute(select(func.count()).select_from(table))).scalar_one()

    async def shown(self, to: str) -> list[str]:
        """What the demo phone shows, once it shows something."""
        while True:
            async with self.http.get(f"/sandbox/messages?to={to}") as reply:
                if texts := [each["text"] for each in await reply.json()]:
                    return texts
            await asyncio.sleep(0.02)


@pytest.fixture
async def house(engine: AsyncEngine, privacy: Privacy, ledger_url: str) -> AsyncIterator[House]:
    ledger_engine = open_database(ledger_url, read_only=True)
    text = open_text(TextSettings(day_starts="00:00", day_ends="23:59:59"), engine, privacy, Ledger(ledger_engine))
    text.outbox.clock = lambda: datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
    app = web.Application()
    add_text_routes(app, text)
    async with TestClient(TestServer(app)) as client:
        yield House(client, text, await text.keys.add("core", SCOPES, "40", rate=10_000))
    await text.session.close()
    await ledger_engine.dispose()


EVENTS: list[tuple[str, str, dict[str, Any], str]] = [
    ("interest", EMPLOYEE, {"date": "2025-06-30", "amount": "88.88", "balance": "12345.67"},
     "您尾号0001的住房公积金账户已于2025年6月30日完成年度结息，利息88.88元，结息后余额12345.67元。"),
    ("info_changed", EMPLOYEE, {"what": "手机号码"},
     "您尾号0001的住房公积金账户信息已于2026年3月2日变更，变更内容：手机号码。如非本人办理，请致电0511-12329。"),
    ("info_changed", EMPLOYEE, {},
     "您尾号0001的住房公积金账户信息已于2026年3月2日变更，变更内容：账户资料。如非本人办理，请致电0511-12329。"),
    ("transfer_in", EMPLOYEE, {"date": "20260301", "amount": 500},
     "您的住房公积金500.00元已于2026年3月1日转入尾号0001的账户，账户余额12345.67元。"),
    ("transfer_out", EMPLOYEE, {"date": "2026-03-01T08:00:00+08:00", "amount": "500.00"},
     "您尾号0001的住房公积金账户已于2026年3月1日转出500.00元，账户余额12345.67元。如非本人办理，请致电0511-12329。"),
    ("deposit", EMPLOYEE, {},
     "您尾号0001的住房公积金账户于2026年2月12日缴存入账720.00元，缴至2026年2月，账户余额12345.67元。"),
    ("deposit", EMPLOYEE, {"amount": "720.00", "month": "202602"}, "账户于2026年2月12日缴存入账720.00元，缴至2026年2月"),
    ("deposit", EMPLOYEE, {"amount": "99.00", "month": "202603"},
     "您尾号0001的住房公积金账户于2026年3月2日缴存入账99.00元，缴至2026年3月，账户余额12345.67元。"),
    ("withdrawal", EMPLOYEE, {"amount": "1000", "date": 20260302, "balance": "11345.67"},
     "您尾号0001的住房公积金账户已于2026年3月2日提取1000.00元，账户余额11345.67元。如非本人办理，请致电0511-12329。"),
    ("employer_behind", EMPLOYER, {}, "贵单位（账号尾号0002）住房公积金缴至2025年12月，尚有2个月共"),
    ("loan_paid_out", EMPLOYEE, {"date": "2026-03-01"}, "首次还款日为2026年3月5日"),
    ("due_fund_enough", EMPLOYEE, {}, "将于2026年3月5日还款"),
    ("due_fund_short", EMPLOYEE, {"amount": "20000.00"}, "尚差7654.33元"),
    ("due_bank_debit", EMPLOYEE, {"date": "2026-03-05", "amount": "3210.00", "contract": "ZJ-2020-7788"},
     "您的住房公积金借款（合同尾号7788）将于2026年3月5日还款3210.00元，届时从您的还款银行卡扣款，请提前存足。"),
    ("repaid", EMPLOYEE, {}, "借款余额"),
    ("overdue", DEBTOR, {}, "未按期归还"),
    ("prepayment_accepted", EMPLOYEE, {"date": "2026-03-09", "amount": "50000"}, "50000.00元的申请已受理，将于2026年3月9日扣款"),
    ("prepaid", EMPLOYEE, {"date": "2026-03-01", "amount": "50000"}, "已于2026年3月1日提前归还50000.00元"),
    ("settled", EMPLOYEE, {}, "已于2026年3月2日全部结清"),
    ("loan_info_changed", EMPLOYEE, {"what": "还款日"}, "变更内容：还款日"),
]  # fmt: skip


def test_every_type_is_tried() -> None:
    assert {each[0] for each in EVENTS} == set(TYPES) and len(TYPES) == 17


@pytest.mark.parametrize("type, account, data, said", EVENTS)
async def test_each_kind(house: House, type: str, account: str, data: dict[str, Any], said: str) -> None:
    status, told = await house.post(type=type, key="k1", account=account, data=data)
    assert (status, told["status"], told["duplicate"], told["ignored"]) == (202, "queued", False, [])
    (claimed,) = await house.text.outbox.claim(["notice"], 9, 30)
    assert said in claimed.text and claimed.template == type
    assert claimed.to == {EMPLOYEE: BOUND, DEBTOR: "13900000004", EMPLOYER: HANDLER}[account]


@pytest.mark.parametrize(
    "type, data, said",
    [
        ("due_bank_debit", {}, "（合同尾号0029）将于2026年3月4日还款3265.12元"),
        ("repaid", {}, "（合同尾号0029）已于2026年2月4日还款"),
        ("due_bank_debit", {"date": "2026-03-20", "amount": "888", "contract": "ZJ20265555555555"}, "（合同尾号5555）"),
        (
            "loan_paid_out",
            {"date": "2026-03-02", "amount": "300000.00"},
            "（合同尾号5555）已于2026年3月2日发放300000.00元",
        ),
    ],
)
async def test_one_loan_never_has_the_money_of_another(
    house: House, type: str, data: dict[str, Any], said: str
) -> None:
    assert (await house.post(type=type, account=TWO_LOANS, data=data))[0] == 202
    (claimed,) = await house.text.outbox.claim(["notice"], 9, 30)
    assert said in claimed.text


async def test_it_arrives_on_the_demo_phone(house: House) -> None:
    house.text.outbox.clock = lambda: datetime.now(UTC)
    await house.text.start()
    try:
        status, told = await house.post(type="deposit", key="k1", account=EMPLOYEE, data={"amount": "720.00"})
        assert status == 202
        (shown,) = await house.shown(BOUND)
        assert shown.startswith("【镇江公积金】您尾号0001") and "720.00元" in shown
        async with house.http.get(f"/v1/messages/{told['id']}", headers=house.headers) as reply:
            assert (await reply.json())["template"] == "deposit"
    finally:
        await house.text.stop()


async def test_by_id_card_as_well(house: House) -> None:
    card = next(person.id_card for person in demo.people(date(2026, 3, 2)) if person.account == EMPLOYEE)
    assert (await house.post(type="deposit", account=card))[1]["status"] == "queued"


async def test_one_key_is_one_event(house: House) -> None:
    first = (await house.post(type="deposit", key="k", account=EMPLOYEE))[1]
    again = await house.post(type="deposit", key="k", account=EMPLOYEE, data={"amount": "1.00"})
    assert again == (202, {"status": "queued", "id": first["id"], "duplicate": True, "ignored": []})
    assert (await house.count(message), await house.count(audit)) == (1, 1)


@pytest.mark.parametrize("keys", [["a", "b"], [None, None], ["a", None]])
async def test_the_same_notice_under_another_key_is_caught(house: House, keys: list[str | None]) -> None:
    told = [(await house.post(type="deposit", key=key, account=EMPLOYEE))[1] for key in keys]
    assert [each["duplicate"] for each in told] == [False, True]
    assert len(await house.text.outbox.claim(["notice"], 9, 30)) == 1


async def test_a_storm_is_one_text_and_one_line_of_the_audit(house: House) -> None:
    events = [house.post(type="deposit", key=f"{n % 7}" if n % 2 else None, account=EMPLOYEE) for n in range(50)]
    told = await asyncio.gather(*events)
    assert {status for status, _ in told} == {202}
    assert sum(not each["duplicate"] for _, each in told) == 1 and len({each["id"] for _, each in told}) == 1
    assert (len(await house.text.outbox.claim(["notice"], 99, 30)), await house.count(audit)) == (1, 1)


async def test_a_repeat_has_an_answer_its_client_can_work_with(house: House) -> None:
    first = (await house.post(type="deposit", key="a", account=EMPLOYEE))[1]
    mine = (await house.post(type="deposit", key="b", account=EMPLOYEE))[1]
    assert (mine["id"], mine["duplicate"]) == (first["id"], True), "their own text is the one"
    hall = await house.text.keys.add("hall", SCOPES, "40", rate=10_000)
    house.headers = {"Authorization": f"Bearer {hall}"}
    theirs = (await house.post(type="deposit", key="c", account=EMPLOYEE))[1]
    assert theirs["duplicate"] and theirs["id"] != first["id"]
    async with house.http.get(f"/v1/messages/{theirs['id']}", headers=house.headers) as reply:
        assert (reply.status, (await reply.json())["reason"]) == (200, f"same as {first['id']}")
    assert len(await house.text.outbox.claim(["notice"], 9, 30)) == 1
    counted = await figures(house.text.store, datetime(2026, 1, 1, tzinfo=UTC), datetime.now(UTC))
    assert [(each.status, each.texts) for each in counted.went] == [("sending", 1)], "nor does it count as a text"


@pytest.mark.parametrize("client", ["core", "hall"])
async def test_a_repeats_key_is_remembered_the_next_day(house: House, client: str) -> None:
    params = {"tail": "0001", "count": 1, "amount": "5"}
    send, wish = house.text.sender.send, Wish(BOUND, "overdue", params, client, "b")
    await send(Wish(BOUND, "overdue", params, "core", "a"))
    repeat = await send(wish)
    house.text.outbox.clock = lambda: datetime(2026, 3, 3, 2, 0, tzinfo=UTC)
    again = await send(wish)
    assert repeat.duplicate and again == repeat
    assert len(await house.text.outbox.claim(["notice"], 9, 30)) == 1


async def test_the_same_words_for_another_day_are_no_repeat(house: House) -> None:
    params = {"tail": "0001", "count": 1, "amount": "5"}

    def on(day: int) -> Wish:
        return Wish(BOUND, "overdue", params, "hall", not_before=datetime(2026, 3, day, 2, 0, tzinfo=UTC))

    added = [await house.text.sender.send(on(day)) for day in (5, 12, 12, 1)]
    added.append(await house.text.sender.send(Wish(BOUND, "overdue", params, "hall")))
    assert [each.duplicate for each in added] == [False, False, True, False, True], "what is late goes today"


async def test_nobody_to_tell(house: House) -> None:
    async def status(**event: Any) -> tuple[int, str]:
        code, told = await house.post(**event)
        return code, told["status"]

    assert await status(type="deposit", account="999999999") == (202, "no_account")
    assert await status(type="employer_behind", account="99999999") == (202, "no_account")
    assert await status(type="deposit", account=UNBOUND_EMPLOYEE) == (202, "no_phone")
    async with house.text.store.write() as connection:
        row = {"to_hash": house.text.store.phone(BOUND), "kind": "account", "at": datetime.now(UTC)}
        await connection.execute(insert(opt_out).values(**row))
    assert await status(type="deposit", account=EMPLOYEE) == (202, "turned_off")
    assert await status(type="info_changed", account=EMPLOYEE) == (202, "queued"), "what people must be told"
    assert await status(type="repaid", account=EMPLOYEE) == (202, "queued"), "another kind"
    assert await house.count(message) == 2


async def test_the_ledger_away(house: House) -> None:
    (told,) = [(await house.post(type="deposit", key="before", account=EMPLOYEE))[1]]
    house.text.notices._ledger = None
    async with house.http.post(
        "/v1/events", json={"type": "deposit", "account": EMPLOYEE}, headers=house.headers
    ) as it:
        assert (it.status, (await it.json())["type"]) == (503, "urn:hotline:problem:ledger_away")
        assert int(it.headers["Retry-After"]) >= 30
    again = await house.post(type="deposit", key="before", account=EMPLOYEE)
    assert again[1]["id"] == told["id"], "what was told before needs no ledger"


BAD: list[tuple[dict[str, Any], str]] = [
    ({"type": "deposit"}, "account"),
    ({"account": EMPLOYEE}, "type"),
    ({"type": "depozit", "account": EMPLOYEE}, "type"),
    ({"type": "deposit", "account": EMPLOYEE, "data": {"amount": "lots"}}, "data.amount"),
    ({"type": "deposit", "account": EMPLOYEE, "data": {"amount": -1}}, "data.amount"),
    ({"type": "deposit", "account": EMPLOYEE, "data": {"amount": "1.001"}}, "data.amount"),
    ({"type": "deposit", "account": EMPLOYEE, "data": {"month": "2026-13"}}, "data.month"),
    ({"type": "deposit", "account": EMPLOYEE, "data": {"date": "20260230"}}, "data.date"),
    ({"type": "deposit", "account": EMPLOYEE, "data": {"date": 0}}, "data.date"),
    ({"type": "deposit", "account": EMPLOYEE, "data": {"date": True}}, "data.date"),
    ({"type": "deposit", "account": EMPLOYEE, "data": {"date": "1772409600"}}, "data.date"),
    ({"type": "deposit", "account": EMPLOYEE, "data": {"date": "0001-01-01"}}, "data.date"),
    ({"type": "deposit", "account": EMPLOYEE, "data": {"month": "000001"}}, "data.month"),
    ({"type": "deposit", "account": EMPLOYEE, "data": {"amount": True}}, "data.amount"),
    ({"type": "overdue", "account": EMPLOYEE, "data": {"count": True}}, "data.count"),
    ({"type": "deposit", "account": EMPLOYEE, "data": []}, "data"),
    ({"type": "deposit", "account": "';--", "data": {}}, "account"),
    ({"type": "deposit", "account": EMPLOYEE, "key": "k" * 121}, "key"),
    ({"type": "deposit", "account": EMPLOYEE, "acount": "x"}, "acount"),
    ({"type": "prepayment_accepted", "account": EMPLOYEE}, "data"),
    ({"type": "prepayment_accepted", "account": EMPLOYEE, "data": {"amount": 1}}, "data.date"),
    ({"type": "overdue", "account": EMPLOYEE, "data": {"count": "两"}}, "data.count"),
    ({"type": "overdue", "account": EMPLOYEE}, "data.count"),
    ({"type": "overdue", "account": EMPLOYEE, "data": {"count": 0}}, "data.count"),
    ({"type": "overdue", "account": EMPLOYEE, "data": {"count": 1, "amount": "0.00"}}, "data.amount"),
    ({"type": "employer_behind", "account": "10000001"}, "data.months"),
    ({"type": "loan_paid_out", "account": "321000003", "data": {}}, "data.tail"),
    ({"type": "transfer_in", "account": EMPLOYEE, "data": {"date": "2026-03-01"}}, "data.amount"),
]


@pytest.mark.parametrize("event, field", BAD)
async def test_bad_events_name_the_field(house: House, event: dict[str, Any], field: str) -> None:
    status, problem = await house.post(**event)
    assert status == 422
    assert field in [each["field"] for each in problem["errors"]]
    assert await house.count(message) == 0


@pytest.mark.parametrize("what", ["【某银行】点击", "第一行\n第二行", "请登录 http://x.cn"])
async def test_hostile_words_are_refused(house: House, what: str) -> None:
    status, problem = await house.post(type="info_changed", account=EMPLOYEE, data={"what": what})
    assert (status, problem["type"]) == (422, "urn:hotline:problem:bad_param")


async def test_what_nobody_reads_is_named(house: House) -> None:
    _, told = await house.post(type="deposit", account=EMPLOYEE, data={"ammount": "1.00", "operator": "x"})
    assert told["ignored"] == ["ammount", "operator"]


async def test_the_account_is_the_ledgers_to_name(house: House) -> None:
    _, told = await house.post(type="deposit", account=EMPLOYEE, data={"tail": "9999"})
    (claimed,) = await house.text.outbox.claim(["notice"], 9, 30)
    assert told["ignored"] == ["tail"] and "尾号0001" in claimed.text


async def test_what_the_centre_added_to_its_template_is_read(house: House) -> None:
    template = house.text.templates["settled"]
    asked = {**template.params, "branch": Param("org")}
    longer = replace(template, text=f"{template.text}网点：{{branch}}。", params=asked)
    house.text.sender.templates = {"settled": longer}
    _, told = await house.post(type="settled", account=EMPLOYEE, data={"branch": "京口管理部", "operator": "x"})
    (claimed,) = await house.text.outbox.claim(["notice"], 9, 30)
    assert told["ignored"] == ["operator"] and claimed.text.endswith("网点：京口管理部。")


async def test_a_key_without_the_scope_stays_out(house: House) -> None:
    key = await house.text.keys.add("hall", ["messages"], "40")
    house.headers = {"Authorization": f"Bearer {key}"}
    assert (await house.post(type="deposit", account=EMPLOYEE))[0] == 403


async def test_the_document_describes_all_kinds(house: House) -> None:
    async with house.http.get("/v1/openapi.json") as reply:
        document = await reply.json()
    assert document["paths"]["/v1/events"]["post"]["responses"]["503"]
    assert set(document["components"]["schemas"]["EventRequest"]["discriminator"]["mapping"]) == set(TYPES)


def test_the_templates_of_all_kinds_are_there() -> None:
    from sms import templates

    loaded = templates.load(Path("prompts/sms.yaml"))
    assert {loaded[type].lane for type in TYPES} == {"notice"}
