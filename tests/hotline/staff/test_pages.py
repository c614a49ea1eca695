"""The pages at work: who sees what of whom, and what callers said does no harm."""

import asyncio
import html
import re
from datetime import datetime, timedelta

import pytest
from structlog.typing import EventDict

from desk.order import Order
from ivr import audio
from ivr.call import Call
from ivr.records import CallRecords
from ivr.state import State
from tests.hotline.staff.desk import PRIVACY, Browser, Office
from tests.ivr.golden import BEGIN

CALLER = "13900000001"
EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>"


async def a_call(desk: Office, id: str = "asterisk-1.1", outcome: str = "", began: datetime = BEGIN) -> None:
    records = CallRecords(desk.staff.door.trail._engine, PRIVACY)
    await records.start()
    call = Call(id, "asterisk", State("v1", CALLER, began.isoformat(), node="main/start", outcome=outcome))
    call.steps = [("main/start", began), ("main/agent", began)]
    call.ended_at = began if outcome else None
    await records.save(call)
    await records.stop()


async def an_order(desk: Office, **about: str) -> Order:
    return await desk.parts.desk.orders.open(
        "complaint", **({"caller": CALLER, "text": EVIL, "topic": EVIL[:40]} | about)
    )  # type: ignore[arg-type]


@pytest.mark.parametrize(("role", "seen"), [("agent", False), ("supervisor", True), ("administrator", True)])
async def test_a_call_of_somebody_else_is_masked_below_supervisor(desk: Office, role: str, seen: bool) -> None:
    await a_call(desk)
    browser = await desk.signed_in(role)
    assert (await browser.get("/calls/asterisk-1.1")).status == 200
    assert ((CALLER in browser.text) == seen and "*******0001" in browser.text) or seen
    assert (role, "look.call" if seen else "look.call_masked", "asterisk-1.1") in await desk.trail()
    await browser.get("/calls")
    assert CALLER not in browser.text, "lists are masked for everybody"


async def test_how_the_call_was_rated_is_beside_it(desk: Office) -> None:
    await a_call(desk, outcome="transferred")
    await desk.parts.desk.surveys.rate("asterisk-1.1", "unsatisfied", agent="agent1")
    agent = await desk.signed_in("agent")
    await agent.get("/calls/asterisk-1.1")
    assert "不满意" in agent.text and "agent1" in agent.text


async def test_without_an_exchange_the_pages_say_so(desk: Office) -> None:
    agent = await desk.signed_in("agent", "agent1")
    for path in ("", "/agent", "/queues"):
        await agent.get(path)
        assert "未连接电话交换机" in agent.text
    assert (await agent.post("/agent/state", what="log_in")).status == 422
    await a_call(desk, outcome="transferred")
    desk.now = BEGIN
    await agent.get("/agent")
    assert "*******0001" in agent.text, "who was handed over is shown all the same"


async def test_an_order_from_taking_it_to_its_end(desk: Office) -> None:
    order = await an_order(desk, text="等了两小时")
    agent = await desk.signed_in("agent")
    path = f"/orders/{order.number}"
    await agent.get(path)
    assert "等了两小时" not in agent.text and CALLER not in agent.text and "我来办理" in agent.text
    assert (await agent.post(path, what="move", to="closed", outcome="x")).status == 422, "not theirs yet"
    assert (await agent.post(path, what="take")).status == 303
    await agent.get(path)
    assert "等了两小时" in agent.text and CALLER in agent.text
    assert (await agent.post(path, what="move", to="answered", outcome=" ")).status == 422
    assert "请填写答复来电人的话" in agent.text
    await agent.post(path, what="note", text="已联系承办部门")
    await agent.post(path, what="priority", priority="urgent")
    assert (await agent.post(path, what="move", to="answered", outcome="已为您补办")).status == 303
    await agent.get(path)
    assert "已答复" in agent.text and "已为您补办" in agent.text and "紧急" in agent.text
    trail = await desk.trail()
    for action in ("order.take", "order.note", "order.priority", "order.move", "look.order"):
        assert ("agent", action, order.number) in trail


async def test_what_an_agent_may_not_do_with_orders(desk: Office) -> None:
    order = await an_order(desk)
    agent, supervisor = await desk.signed_in("agent"), await desk.signed_in("supervisor")
    path = f"/orders/{order.number}"
    assert (await agent.post(path, what="assign", to="agent")).status == 422
    await supervisor.post(path, what="assign", to="supervisor")
    assert (await agent.post(path, what="take")).status == 422, "it is somebody's"
    assert (await agent.get(f"{path}/recording")).status == 422
    assert (await supervisor.get(f"{path}/recording")).status == 404, "there is none"
    assert (await supervisor.post(path, what="assign", to="nobody")).status == 404
    assert (await supervisor.post(path, what="explode")).status == 422
    assert (await agent.get("/orders/2603020000")).status == 404


async def test_an_order_that_two_take_at_once_has_one_owner(desk: Office) -> None:
    order = await an_order(desk)
    agent, other = await desk.signed_in("agent"), desk.browser()
    await desk.member("other", "agent")
    await other.sign_in("other")
    replies = await asyncio.gather(*(each.post(f"/orders/{order.number}", what="take") for each in (agent, other)))
    owner = [name for name, reply in zip(("agent", "other"), replies, strict=True) if reply.status == 303]
    assert (found := await desk.parts.desk.orders.find(order.number)) and [found.assigned_to] == owner


async def test_a_recording_is_heard_with_a_line_in_the_trail(desk: Office) -> None:
    orders, tapes = desk.parts.desk.orders, desk.parts.desk.tapes
    number = await orders.draft("message", caller=CALLER)
    tapes.save(f"{number}-1", b"RIFF" + bytes(60))
    await orders.keep(number, f"{number}-1")
    supervisor = await desk.signed_in("supervisor")
    await supervisor.get(f"/orders/{number}")
    assert "<audio" in supervisor.text
    reply = await supervisor.client.get(f"/staff/orders/{number}/recording")
    assert reply.content_type == "audio/wav" and (await reply.read()).startswith(b"RIFF")
    assert ("supervisor", "listen.order", number) in await desk.trail()
    assert "listened" in [change.what for change in await orders.trail(number)]


async def test_what_callers_say_does_no_harm(desk: Office) -> None:
    """Words, topics, reasons and outcomes with markup in them, on every page that shows them."""
    order = await an_order(desk, who=EVIL[:60])
    await desk.parts.desk.call_backs.ask(CALLER, reason=EVIL[:40])
    boss = await desk.signed_in("administrator")
    await boss.post(f"/orders/{order.number}", what="note", text=EVIL)
    await boss.post(f"/orders/{order.number}", what="move", to="closed", outcome=EVIL)
    for path in ("", "/orders", f"/orders/{order.number}", "/callbacks?all=1", "/trail", "/bulletin", "/figures"):
        assert (await boss.get(path)).status == 200
        assert "<script>alert" not in boss.text and "<img src" not in boss.text, path
    await boss.get(f"/orders/{order.number}")
    assert boss.text.count("&lt;script&gt;alert(1)") >= 3


async def test_an_order_is_taken_down(desk: Office) -> None:
    agent = await desk.signed_in("agent")
    await agent.get("/orders")
    reply = await agent.post("/orders", kind="suggestion", topic="网点", caller="139 0000 0001", text="早点开门")
    number = reply.headers["Location"].partition("/orders/")[2].partition("?")[0]
    order = await desk.parts.desk.orders.find(number)
    assert order and (order.kind, order.channel, order.caller_masked) == ("suggestion", "staff", "*******0001")
    assert (await agent.post("/orders", kind="suggestion", caller="abc", text="x")).status == 422
    assert (await agent.post("/orders", kind="revolution", text="x")).status == 422
    for query in ("?state=open", "?kind=suggestion", "?whose=late", "?whose=mine", "?state='--", "?kind=x"):
        assert (await agent.get(f"/orders{query}")).status == 200
        assert (number in agent.text) == (query not in ("?whose=late", "?whose=mine"))


async def test_call_backs_are_asked_for_once_and_closed(desk: Office) -> None:
    agent, boss = await desk.signed_in("agent"), await desk.signed_in("supervisor")
    await agent.get("/callbacks")
    assert (
        "done=saved"
        in (await agent.post("/callbacks", number=CALLER, queue="general", reason="贷款")).headers["Location"]
    )
    again = await agent.post("/callbacks", number=CALLER, queue="general")
    assert "done=asked_already" in again.headers["Location"]
    (request,) = await desk.parts.desk.call_backs.list()
    await agent.get("/callbacks")
    assert CALLER not in agent.text and "*******0001" in agent.text
    assert (await agent.post(f"/callbacks/{request.id}/number")).status == 403
    assert (await boss.post(f"/callbacks/{request.id}/number")).status == 200
    assert CALLER in boss.text and ("supervisor", "look.callback", request.id) in await desk.trail()
    assert (await agent.post(f"/callbacks/{request.id}/close", outcome="magic")).status == 422
    assert (await agent.post(f"/callbacks/{request.id}/close", outcome="reached")).status == 303
    assert (await boss.post(f"/callbacks/{request.id}/close", outcome="refused")).status == 422, "somebody was quicker"
    assert (found := await desk.parts.desk.call_backs.find(request.id)) and found.outcome == "reached"
    assert await desk.parts.desk.call_backs.list() == []
    assert (await agent.post("/callbacks", number="12", queue="general")).status == 422
    assert (await agent.post("/callbacks/nothing/close", outcome="reached")).status == 404


async def test_the_bulletin_goes_on_and_off(desk: Office) -> None:
    boss = await desk.signed_in("supervisor")
    await boss.get("/bulletin")
    assert (await boss.post("/bulletin/on", text="系统升级,请稍后再拨。", until="soon")).status == 422
    assert "结束时间要写成" in boss.text and "系统升级" in boss.text, "what was typed is still there"
    assert (await boss.post("/bulletin/on", text="系统升级,请稍后再拨。", until="2h")).status == 303
    current = await desk.parts.bulletins.now()
    assert current and current.who == "supervisor"
    await boss.get("")
    assert "正在播放公告" in boss.text
    await boss.post("/bulletin/off")
    assert await desk.parts.bulletins.now() is None
    assert ("supervisor", "bulletin.on", "") in await desk.trail()


async def test_a_bulletin_is_heard_before_it_is_on(desk: Office) -> None:
    boss, agent = await desk.signed_in("supervisor"), await desk.signed_in("agent")
    page = await boss.get("/bulletin")
    assert "media-src 'self' blob:" in page.headers["Content-Security-Policy"] and "试听" in boss.text
    reply = await boss.client.post("/staff/bulletin/listen", data={"csrf": boss.csrf, "text": "系统升级,请稍后再拨。"})
    sound = audio.unwav(await reply.read())
    assert (reply.status, reply.content_type, reply.headers["Cache-Control"]) == (200, "audio/wav", "no-store")
    assert 1.5 < audio.seconds(sound) < 6 and abs(sound).max() > 3000
    assert await desk.parts.bulletins.now() is None, "it is not on yet"
    assert (await boss.post("/bulletin/listen", text="★")).status == 422 and "notice bad" in boss.text
    forged = {"csrf": "0" * 64, "text": "系统升级。"}
    assert (await boss.client.post("/staff/bulletin/listen", data=forged)).status == 403
    await agent.get("")
    assert (await agent.post("/bulletin/listen", text="系统升级。")).status == 403, "for supervisors"
    assert "blob:" not in (await boss.get("/orders")).headers["Content-Security-Policy"]


async def test_the_figures_are_drawn_and_downloaded(desk: Office) -> None:
    await a_call(desk, outcome="hung_up")
    viewer = await desk.signed_in("viewer")
    assert (await viewer.get("/figures?from=2026-03-01&to=2026-03-31")).status == 200
    assert "<svg" in viewer.text and "满意率" in viewer.text and "main/start" in viewer.text
    assert "<small>main/start</small>" in viewer.text and "：菜单" in viewer.text, "nodes are called what they are"
    reply = await viewer.get("/figures/nodes.csv?from=2026-03-01&to=2026-03-31")
    assert reply.content_type == "text/csv" and "main/agent" in viewer.text
    assert (await viewer.get("/figures/salaries.csv")).status == 404
    for bad in ("?from=2026-03-31&to=2026-03-01", "?from=x", "?from=2020-01-01&to=2026-01-01"):
        assert (await viewer.get(f"/figures{bad}")).status == 422


async def test_the_definitions_are_in_english_for_who_reads_english(desk: Office) -> None:
    await a_call(desk, outcome="hung_up")
    viewer = await desk.signed_in("viewer")
    await viewer.get("/figures?from=2026-03-01&to=2026-03-31")
    await viewer.post("/language", language="en", back="/staff/figures")
    await viewer.get("/figures?from=2026-03-01&to=2026-03-31")
    assert "Every call that began in these days." in viewer.text and "Median seconds spent there." in viewer.text
    assert "：Menu" in viewer.text and "期间" not in viewer.text
    await viewer.get("/figures/summary.csv?from=2026-03-01&to=2026-03-31")
    assert "Every call that began in these days." in viewer.text and not re.search(r"[\u4e00-\u9fff]", viewer.text)


async def test_a_listener_hears_of_changes_and_is_let_go_with_its_session(desk: Office) -> None:
    agent = await desk.signed_in("agent")
    stream = await agent.client.get("/staff/live?topics=orders,nonsense", headers={"Accept": "text/event-stream"})
    assert await stream.content.readline() == b"data: change\n"
    await stream.content.readline()
    desk.staff.live.tell("board")
    desk.staff.live.tell("orders")
    assert await stream.content.readline() == b"data: change\n"
    await stream.content.readline()
    await desk.staff.accounts.disable("agent", desk.now)
    desk.staff.live.tell("orders")
    assert await stream.content.read() == b""
    assert (
        await desk.browser().client.get("/staff/live", headers={"Accept": "text/event-stream"}, allow_redirects=False)
    ).status == 303


async def test_a_database_that_is_away_is_told(desk: Office, logs: list[EventDict]) -> None:
    browser: Browser = await desk.signed_in("agent")
    async with desk.staff.door.trail._engine.begin() as connection:
        await connection.exec_driver_sql("DROP TABLE work_orders")
    assert (await browser.get("/orders")).status == 503
    assert "系统暂时不可用" in browser.text
    (told,) = [each for each in logs if each["event"] == "staff.database"]
    assert "work_orders" in told["cause"], "whoever reads the log at night knows what to look for"


async def test_a_database_that_nobody_can_connect_to_is_told(desk: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLAlchemy does not put into its own words what the network says."""

    async def refused(*_: object, **__: object) -> None:
        raise ConnectionRefusedError(111, "Connect call failed")

    browser = await desk.signed_in("agent")
    monkeypatch.setattr(desk.staff.door.sessions, "find", refused)
    assert (await browser.get("/orders")).status == 503
    assert "系统暂时不可用" in browser.text


async def test_supervisors_listen_to_a_talk_and_that_is_kept(desk: Office) -> None:
    await a_call(desk, "test-9.1", "transferred")
    desk.parts.desk.tapes.save("talk-test-9.1-1772416800", b"RIFF of a talk")
    desk.parts.desk.tapes.seal("talk-test-9.1-1772416800")
    path = "/calls/test-9.1/talks/talk-test-9.1-1772416800"
    agent = await desk.signed_in("agent", "agent1")
    await agent.get("/calls/test-9.1")
    assert "<audio" not in agent.text and (await agent.get(path)).status == 403
    boss = await desk.signed_in("supervisor", "boss")
    await boss.get("/calls/test-9.1")
    assert f"/staff{path}" in boss.text
    assert (await boss.get(path)).status == 200 and boss.text == "RIFF of a talk"
    assert ("supervisor", "listen.call", "test-9.1") in await desk.trail()
    for other in ("/calls/test-9.1/talks/talk-test-9.2-1772416800", "/calls/test-9/talks/talk-test-9.1-1772416800"):
        assert (await boss.get(other)).status != 200


@pytest.mark.parametrize("query", ["from=9999-12-31&to=9999-12-31", "from=0001-01-01&to=0001-01-01", "to=0001-01-01"])
async def test_days_at_the_ends_of_the_calendar(desk: Office, query: str) -> None:
    browser = await desk.signed_in("viewer")
    assert (await browser.get(f"/figures?{query}")).status == 422


@pytest.mark.parametrize(
    "kind",
    ["application/x-www-form-urlencoded; charset=none", "multipart/form-data", "multipart/form-data; boundary=x"],
)
async def test_what_is_no_form_is_not_ours(desk: Office, kind: str) -> None:
    browser = await desk.signed_in("viewer")
    reply = await browser.client.post("/staff/language", data=b"x", headers={"Content-Type": kind})
    assert reply.status == 403


async def test_halves_of_characters_are_no_form_of_ours(desk: Office) -> None:
    """What no browser sends: a character set in which half a character can be written, which nothing can keep."""
    stranger = desk.browser()
    await stranger.get("/sign-in")
    form = f"csrf={stranger.csrf}&name=admin&password=+2AA-".encode()
    kind = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-7"}
    assert (await stranger.client.post("/staff/sign-in", data=form, headers=kind)).status == 403


async def test_what_is_older_than_a_page_is_found(desk: Office) -> None:
    """The orders that wait longest are the oldest."""
    orders = desk.parts.desk.orders
    numbers = [(await orders.open("consult", text="x")).number for _ in range(53)]
    for n in range(51):
        await a_call(desk, f"asterisk-1.{n}", began=BEGIN + timedelta(minutes=n))
    agent = await desk.signed_in("agent")
    for path, oldest in (("/orders?kind=consult", numbers[0]), ("/calls", "asterisk-1.0"), ("/calls?outcome=", "1.0")):
        await agent.get(path)
        assert f'{oldest}"' not in agent.text
        link = re.search(r'href="(\?[^"]*before=[^"]*)"', agent.text)
        assert link, path
        await agent.get(path.partition("?")[0] + html.unescape(link[1]))
        assert f'{oldest}"' in agent.text and "before=" not in agent.text, path
    for odd in ("x", "2026-03-02", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-08:00"):
        assert (await agent.get(f"/orders?before={odd}")).status == 200
    for path in ("/calls/a%00b", "/orders/%00", "/orders?before=%00"):
        assert (await agent.get(path)).status == 422
