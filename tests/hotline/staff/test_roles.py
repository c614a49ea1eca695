"""Each page for each role, each form without its token: what is not allowed is denied, and the trail tells of it."""

import re

import pytest

from hotline.staff.app import all_pages
from hotline.staff.roles import ROLES, reaches
from tests.hotline.staff.desk import PASSWORD, Office

OPEN = {("GET", "/sign-in"), ("POST", "/sign-in"), ("GET", "/first/{token}"), ("POST", "/first/{token}")}
LEAST = {
    ("GET", ""): "viewer",
    ("GET", "/"): "viewer",
    ("GET", "/live"): "viewer",
    ("POST", "/sign-out"): "viewer",
    ("POST", "/language"): "viewer",
    ("GET", "/agent"): "agent",
    ("POST", "/agent/state"): "agent",
    ("GET", "/queues"): "viewer",
    ("GET", "/calls"): "agent",
    ("GET", "/calls/{id}"): "agent",
    ("GET", "/calls/{id}/talks/{name}"): "supervisor",
    ("GET", "/orders"): "agent",
    ("POST", "/orders"): "agent",
    ("GET", "/orders/{number}"): "agent",
    ("POST", "/orders/{number}"): "agent",
    ("GET", "/orders/{number}/recording"): "agent",
    ("GET", "/callbacks"): "agent",
    ("POST", "/callbacks"): "agent",
    ("POST", "/callbacks/{id}/close"): "agent",
    ("POST", "/callbacks/{id}/number"): "supervisor",
    ("GET", "/bulletin"): "supervisor",
    ("POST", "/bulletin/listen"): "supervisor",
    ("POST", "/bulletin/on"): "supervisor",
    ("POST", "/bulletin/off"): "supervisor",
    ("GET", "/figures"): "viewer",
    ("GET", "/figures/{name}.csv"): "viewer",
    ("GET", "/people"): "administrator",
    ("POST", "/people/invite"): "administrator",
    ("POST", "/people/{name}/change"): "administrator",
    ("POST", "/people/{name}/disable"): "administrator",
    ("GET", "/trail"): "administrator",
}


def _any(path: str) -> str:
    """An address of that shape, of nothing that is there."""
    return re.sub(r"\{\w+\}", "0", path)


async def test_every_page_is_in_this_table_with_its_role(desk: Office) -> None:
    declared = {(page.method, page.path): page.role for page in all_pages(desk.staff, desk.parts)}
    assert {page for page, role in declared.items() if role is None} == OPEN
    assert {page: role for page, role in declared.items() if role} == LEAST


async def test_every_page_shuts_out_whom_it_must(desk: Office) -> None:
    """Without a session to the sign-in, with too small a role 403; a form with the role but no token 403 as well."""
    nobody = desk.browser()
    await nobody.get("/sign-in")
    for method, path in LEAST:
        reply = await (nobody.get(_any(path)) if method == "GET" else nobody.post(_any(path)))
        assert reply.status == (303 if method == "GET" else 401), (method, path)
    for role in ROLES:
        browser = await desk.signed_in(role)
        for (method, path), least in LEAST.items():
            if reaches(role, least) and path == "/live":
                continue  # never ends
            reply = await (browser.get(_any(path)) if method == "GET" else browser.post(_any(path), csrf="0" * 64))
            allowed = reaches(role, least)
            assert reply.status in ((200, 404) if allowed and method == "GET" else (403,)), (role, method, path)
            if not allowed:
                assert "您的角色不能使用这个页面" in browser.text
            elif method == "POST":
                assert "页面已过期" in browser.text
    trail = await desk.trail()
    assert ("viewer", "denied", "GET /people") in trail and ("viewer", "forged", "POST /sign-out") in trail


async def test_a_role_taken_away_is_gone_with_the_next_click(desk: Office) -> None:
    await desk.signed_in("administrator")
    await desk.member("li", "administrator")
    browser = desk.browser()
    await browser.sign_in("li")
    assert (await browser.get("/people")).status == 200
    await desk.staff.accounts.change("li", role="viewer")
    assert (await browser.get("/people")).status == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_form_of_another_site_is_refused_even_with_the_token(desk: Office, headers: dict[str, str]) -> None:
    browser = await desk.signed_in("administrator")
    reply = await browser.post("/people/invite", headers, name="mallory", role="administrator")
    assert reply.status == 403
    assert [row.name for row in await desk.staff.accounts.rows()] == ["administrator"]


async def test_the_token_of_another_session_is_refused(desk: Office) -> None:
    mine, theirs = await desk.signed_in("administrator"), await desk.signed_in("supervisor")
    assert (await mine.post("/people/invite", csrf=theirs.csrf, name="x", role="agent")).status == 403
    before = desk.browser()
    await before.get("/sign-in")
    assert (await mine.post("/people/invite", csrf=before.csrf, name="x", role="agent")).status == 403


async def test_signing_in_is_guarded_as_well(desk: Office) -> None:
    """Login CSRF: nobody is signed in under somebody else's name by a foreign form."""
    await desk.member("mallory", "agent")
    browser = desk.browser()
    assert (await browser.post("/sign-in", name="mallory", password=PASSWORD)).status == 403


async def test_an_administrator_invites_changes_and_disables(desk: Office) -> None:
    admin = await desk.signed_in("administrator")
    assert (await admin.post("/people/invite", name="Wang", role="agent", seat="agent1")).status == 200
    link = admin.text.partition('value="http://127.0.0.1:12329/staff')[2].partition('"')[0]
    wang = desk.browser()
    await wang.get(link)
    assert (await wang.post(link, password=PASSWORD, again=PASSWORD)).status == 303
    await admin.post("/people/wang/change", role="supervisor", seat="agent2")
    assert [(row.name, row.role, row.seat) for row in await desk.staff.accounts.rows()] == [
        ("administrator", "administrator", ""),
        ("wang", "supervisor", "agent2"),
    ]
    assert (await admin.post("/people/wang/disable")).status == 303
    assert (await wang.sign_in("wang")).status == 401
    await admin.get("/trail")
    for told in ("邀请", "更改角色或坐席", "停用", "登录失败", "supervisor agent2"):
        assert told in admin.text


async def test_a_new_password_changes_neither_role_nor_seat(desk: Office) -> None:
    admin = await desk.signed_in("administrator")
    await desk.member("wang", "supervisor", "agent2")
    assert (await admin.post("/people/invite", name="Wang", role="", seat="")).status == 200
    await desk.staff.accounts.invite("li", "", desk.now)
    assert [(row.name, row.role, row.seat) for row in await desk.staff.accounts.rows()][1:] == [
        ("li", "agent", ""),
        ("wang", "supervisor", "agent2"),
    ]


async def test_the_last_administrator_stays(desk: Office) -> None:
    admin = await desk.signed_in("administrator")
    assert (await admin.post("/people/administrator/disable")).status == 422
    assert (await admin.post("/people/administrator/change", role="viewer")).status == 422
    assert "最后一位管理员" in admin.text
    assert (await admin.post("/people/invite", name="administrator", role="agent")).status == 422
    assert (await admin.get("/people")).status == 200


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"name": "<script>", "role": "agent"}, "用户名只能用"),
        ({"name": "li", "role": "king"}, "没有这个角色"),
        ({"name": "li", "role": "agent", "seat": "a b"}, "坐席号只能用"),
        ({"name": "", "role": "agent"}, "用户名只能用"),
    ],
)
async def test_what_does_not_fit_is_told(desk: Office, form: dict[str, str], told: str) -> None:
    admin = await desk.signed_in("administrator")
    assert (await admin.post("/people/invite", **form)).status == 422
    assert told in admin.text and "<script>" not in admin.text


async def test_names_typed_at_the_door_are_escaped_and_those_in_the_trail_too(desk: Office) -> None:
    image = "<img src=x onerror=alert(1)>"
    mallory = desk.browser()
    await mallory.sign_in(image)
    assert "&lt;img" in mallory.text and "<img" not in mallory.text
    admin = await desk.signed_in("administrator")
    await admin.get("/trail")
    assert "img src" not in admin.text, "nobody has this name, so it is not kept"
    await desk.staff.door.trail.write(desk.now, "", "sign_in_failed", image)
    await admin.get("/trail")
    assert "&lt;img" in admin.text and "<img" not in admin.text
    await admin.get("/trail?name=%22%3E%3Cscript%3E&before=1'--")
    assert "<script>" not in admin.text


async def test_pages_speak_english_when_asked(desk: Office) -> None:
    browser = await desk.signed_in("administrator")
    await browser.post("/language", language="en", back="/staff/people")
    await browser.get("/people")
    assert '<html lang="en">' in browser.text and "Invite, or reset a password" in browser.text


async def test_behind_a_proxy_the_address_is_the_callers_own(desk: Office) -> None:
    desk.staff.door.trusted_proxies = ["127.0.0.1", "10.0.0.1"]
    browser = desk.browser()
    await browser.get("/sign-in")
    forwarded = {"X-Forwarded-For": "1.1.1.1, 203.0.113.5, 10.0.0.1"}
    await browser.post("/sign-in", forwarded, name="x", password="y")
    desk.staff.door.trusted_proxies = []
    await browser.post("/sign-in", forwarded, name="x", password="y")
    addresses = [row.address for row in await desk.staff.door.trail.rows()]
    assert addresses == ["127.0.0.1", "203.0.113.5"]
