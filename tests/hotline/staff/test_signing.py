"""Coming in and going out, over real HTTP on both databases; and everybody who tries to come in otherwise."""

import asyncio

import pytest
from sqlalchemy import text

from hotline.staff.accounts import NotPossible
from hotline.staff.page import HEADERS
from hotline.staff.tries import MOST_BY_ADDRESS, MOST_BY_NAME
from tests.hotline.staff.desk import PASSWORD, Office


async def test_the_first_administrator_comes_in_by_a_link_that_works_once(desk: Office) -> None:
    path = (await desk.staff.first_link()).partition("/staff")[2]
    browser = desk.browser()
    assert (await browser.get(path)).status == 200
    assert (await browser.get(path)).status == 200, "looking does not use a link up"
    assert (await browser.post(path, password=PASSWORD, again=PASSWORD)).status == 303
    assert (await browser.get(path)).status == 404
    assert (await browser.post(path, password="another long one", again="another long one")).status == 404
    assert await desk.staff.first_link() == "", "there is an administrator now"
    assert (await browser.sign_in("admin", "another long one")).status == 401
    assert (await browser.sign_in("ADMIN ")).status == 303
    assert (await browser.get("/people")).status == 200
    assert ("", "password_set", "admin") in await desk.trail()


async def test_two_who_use_a_link_at_once_are_one(desk: Office) -> None:
    token = await desk.staff.accounts.invite("wang", "agent", desk.now)
    passwords = [f"correct horse {n} battery" for n in range(4)]
    done = await asyncio.gather(
        *(desk.staff.accounts.accept(token, each, desk.now) for each in passwords), return_exceptions=True
    )
    assert sorted(str(each) for each in done) == ["link_over"] * 3 + ["wang"]


async def test_a_link_ends(desk: Office) -> None:
    first = await desk.staff.accounts.invite("wang", "agent", desk.now)
    second = await desk.staff.accounts.invite("wang", "agent", desk.now)
    assert await desk.staff.accounts.invited(first, desk.now) is None, "a new link makes the old one void"
    desk.later(hours=25)
    with pytest.raises(NotPossible, match="link_over"):
        await desk.staff.accounts.accept(second, PASSWORD, desk.now)


@pytest.mark.parametrize(
    ("password", "again", "told"),
    [
        ("short", "short", "密码至少 12 个"),
        ("aaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaa", "太容易猜到"),
        ("admin-123456789", "admin-123456789", "太容易猜到"),
        (PASSWORD, PASSWORD + "!", "两次输入的密码不一致"),
    ],
)
async def test_a_bad_password_leaves_the_link_good(desk: Office, password: str, again: str, told: str) -> None:
    path = (await desk.staff.first_link()).partition("/staff")[2]
    browser = desk.browser()
    await browser.get(path)
    assert (await browser.post(path, password=password, again=again)).status == 422
    assert told in browser.text and password not in browser.text
    assert (await browser.post(path, password=PASSWORD, again=PASSWORD)).status == 303


async def test_guessing_at_a_name_locks_it_even_for_the_right_password(desk: Office) -> None:
    await desk.member("wang", "agent")
    browser = desk.browser()
    statuses = [(await browser.sign_in("wang", f"wrong {n}")).status for n in range(MOST_BY_NAME + 1)]
    assert statuses == [401] * MOST_BY_NAME + [403]
    assert (await browser.sign_in("wang")).status == 403
    desk.later(minutes=14)
    assert (await browser.sign_in("wang")).status == 403, "the lock keeps its end"
    desk.later(minutes=2)
    assert (await browser.sign_in("wang")).status == 303, "though it was tried at meanwhile"
    actions = [action for _, action, _ in await desk.trail()]
    assert actions.count("sign_in_failed") == MOST_BY_NAME and actions.count("sign_in_locked") == 1


async def test_a_new_password_may_be_used_at_once_by_whoever_guessed_at_the_old(desk: Office) -> None:
    await desk.member("wang", "agent")
    browser = desk.browser()
    for _ in range(7):
        await browser.sign_in("wang", "what was it")
    assert (await browser.sign_in("wang")).status == 403
    await desk.member("wang", "agent")  # by a new link
    assert (await browser.sign_in("wang")).status == 303


async def test_strangers_neither_fill_the_trail_nor_leave_a_password_in_it(desk: Office) -> None:
    """Who types a password where the name belongs finds it in no trail; a flood of tries is a line, not a full disk."""
    browser = desk.browser()
    for n in range(MOST_BY_ADDRESS + 5):
        await browser.sign_in(f"my-secret-{n}")
        await browser.post("/sign-in", csrf="0", name="x")
    assert await desk.trail() == [
        ("", "sign_in_failed", ""),
        ("", "forged", "POST /sign-in"),
        ("", "sign_in_locked", ""),
    ]


async def test_guesses_in_parallel_get_no_extra_ones(desk: Office) -> None:
    await desk.member("wang", "agent")
    tries = (desk.staff.accounts.sign_in("wang", f"wrong {n}", f"10.0.0.{n}", desk.now) for n in range(20))
    outcomes = [tried.outcome for tried in await asyncio.gather(*tries)]
    assert outcomes.count("wrong") == MOST_BY_NAME and outcomes.count("locked") == 20 - MOST_BY_NAME


async def test_guessing_at_many_names_locks_the_address(desk: Office) -> None:
    await desk.member("wang", "agent")
    sign_in = desk.staff.accounts.sign_in
    for n in range(MOST_BY_ADDRESS):
        assert (await sign_in(f"nobody{n}", PASSWORD, "10.0.0.9", desk.now)).outcome == "wrong"
    assert (await sign_in("wang", PASSWORD, "10.0.0.9", desk.now)).outcome == "locked"
    assert (await sign_in("wang", PASSWORD, "10.0.0.8", desk.now)).outcome == "ok"


async def test_a_guesser_with_a_network_of_addresses_is_one_guesser(desk: Office) -> None:
    await desk.member("wang", "agent")
    sign_in = desk.staff.accounts.sign_in
    for n in range(MOST_BY_ADDRESS):
        await sign_in(f"nobody{n}", PASSWORD, f"2001:db8::{n:x}", desk.now)
    assert (await sign_in("wang", PASSWORD, "2001:db8::ffff:1", desk.now)).outcome == "locked"
    assert (await sign_in("wang", PASSWORD, "2001:db8:0:1::1", desk.now)).outcome == "ok"


async def test_guessers_at_a_socket_that_writes_ipv4_within_ipv6_are_told_apart(desk: Office) -> None:
    await desk.member("wang", "agent")
    sign_in = desk.staff.accounts.sign_in
    for n in range(MOST_BY_ADDRESS):
        await sign_in(f"nobody{n}", PASSWORD, "::ffff:10.0.0.9", desk.now)
    assert (await sign_in("wang", PASSWORD, "10.0.0.9", desk.now)).outcome == "locked"
    assert (await sign_in("wang", PASSWORD, "::ffff:10.0.0.8", desk.now)).outcome == "ok"


async def test_a_right_password_does_not_wash_off_guesses_at_others(desk: Office) -> None:
    await desk.member("wang", "agent")
    sign_in = desk.staff.accounts.sign_in
    for n in range(MOST_BY_ADDRESS):
        await sign_in(f"nobody{n}", PASSWORD, "10.0.0.9", desk.now)
        if n < MOST_BY_ADDRESS - 1:
            assert (await sign_in("wang", PASSWORD, "10.0.0.9", desk.now)).outcome == "ok"
    assert (await sign_in("wang", PASSWORD, "10.0.0.9", desk.now)).outcome == "locked"


async def test_a_session_ends_by_rest_by_age_and_by_an_administrator(desk: Office) -> None:
    browser = await desk.signed_in("agent")
    for _ in range(9):
        desk.later(minutes=55)
        assert (await browser.get("")).status == 200, "each click is a sign of life"
    desk.later(minutes=61)
    reply = await browser.get("")
    assert reply.status == 303 and reply.headers["Location"].startswith("/staff/sign-in?next=%2Fstaff")

    await browser.sign_in("agent")
    for _ in range(12):
        desk.later(minutes=55)
        last = (await browser.get("")).status
    assert last == 303, "nobody stays signed in for ever"

    await browser.sign_in("agent")
    await desk.staff.accounts.disable("agent", desk.now)
    assert (await browser.get("")).status == 303
    assert (await browser.sign_in("agent")).status == 401


async def test_a_page_that_refreshes_itself_is_no_sign_of_life(desk: Office) -> None:
    browser = await desk.signed_in("agent")
    desk.later(minutes=50)
    assert (await browser.get("", **{"X-Live": "1"})).status == 200
    desk.later(minutes=20)
    assert (await browser.get("", **{"X-Live": "1"})).status == 401


async def test_a_cookie_from_before_signing_in_is_worthless_after(desk: Office) -> None:
    """Session fixation: an attacker plants a cookie, and waits for its owner to sign in under it."""
    await desk.member("wang", "supervisor")
    victim, attacker = desk.browser(), desk.browser()
    await attacker.get("/sign-in")
    planted = attacker.cookie
    victim.plant(planted)
    await victim.sign_in("wang")
    assert victim.cookie != planted
    assert (await attacker.get("")).status == 303, "the planted cookie opens nothing"
    mine = victim.cookie
    await victim.post("/sign-in", name="wang", password=PASSWORD)
    assert victim.cookie != mine
    victim.plant(mine)
    assert (await victim.get("")).status == 303, "signing in again ends the session before"


async def test_signing_out_ends_the_session_not_only_the_cookie(desk: Office) -> None:
    browser = await desk.signed_in("agent")
    cookie = browser.cookie
    assert (await browser.post("/sign-out")).status == 303
    browser.plant(cookie)
    assert (await browser.get("")).status == 303


async def test_what_is_over_is_removed(desk: Office) -> None:
    browser = await desk.signed_in("agent")
    await browser.sign_in("nobody", "wrong")
    await desk.staff.accounts.invite("li", "agent", desk.now)
    desk.later(hours=25)
    await desk.staff.tidy()
    assert await desk.trail() != []
    desk.later(days=731)
    await desk.staff.tidy()
    async with desk.staff.door.sessions._engine.connect() as connection:
        for table in ("staff_links", "staff_sessions", "staff_tries", "staff_audit"):
            kept = f"SELECT count(*) FROM {table}"
            assert (await connection.execute(text(kept))).scalar_one() == 0, table


async def test_nothing_kept_opens_a_door(desk: Office) -> None:
    browser = await desk.signed_in("agent")
    link = await desk.staff.accounts.invite("li", "agent", desk.now)
    async with desk.staff.door.sessions._engine.connect() as connection:
        kept = ""
        for table in ("staff", "staff_links", "staff_sessions", "staff_tries", "staff_audit"):
            kept += str((await connection.execute(text(f"SELECT * FROM {table}"))).all())
    for secret in (PASSWORD, browser.cookie, link, browser.csrf):
        assert secret not in kept
    assert "argon2id" in kept


async def test_the_cookie_and_the_headers(desk: Office) -> None:
    browser = desk.browser()
    reply = await browser.get("/sign-in")
    cookie = reply.headers["Set-Cookie"]
    for word in ("HttpOnly", "SameSite=Strict", "Path=/staff"):
        assert word in cookie
    assert "Secure" not in cookie, "the demo has no https"
    desk.staff.door.public_url = "https://hotline.example.org"
    assert "Secure" in (await desk.browser().get("/sign-in")).headers["Set-Cookie"]
    for path in ("/sign-in", "", "/nowhere", "/static/staff.css"):
        headers = (await browser.get(path)).headers
        assert {name: headers[name] for name in HEADERS if name != "Cache-Control"} == {
            name: value for name, value in HEADERS.items() if name != "Cache-Control"
        }
        assert headers["Cache-Control"] in ("no-store", "no-cache")
    assert "unsafe" not in HEADERS["Content-Security-Policy"]


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example", "//evil.example", "/staff/../v1", "/staff\\evil", "javascript:1"]
)
async def test_signing_in_never_leads_elsewhere(desk: Office, elsewhere: str) -> None:
    await desk.member("wang", "agent")
    browser = desk.browser()
    await browser.get("/sign-in")
    reply = await browser.post("/sign-in", name="wang", password=PASSWORD, next=elsewhere)
    assert reply.headers["Location"] == "/staff"
