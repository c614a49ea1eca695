"""In front of the door: the invitation, signing in and out, and the language."""

from aiohttp import web

from hotline.staff.accounts import Accounts, NotPossible
from hotline.staff.page import SIGN_IN, Page, Visit
from hotline.staff.tokens import new_token


def pages(accounts: Accounts) -> list[Page]:
    """The pages that need no session, and those that end or change one."""

    async def ask(visit: Visit) -> web.StreamResponse:
        if visit.session:
            return visit.go(_inside(visit.request.query.get("next", "")))
        return _form(visit, next=visit.request.query.get("next", ""))

    async def sign_in(visit: Visit) -> web.StreamResponse:
        name, form = visit.form.get("name", "")[:40], visit.form
        tried = await accounts.sign_in(name, form.get("password", "")[:200], visit.address, visit.at)
        if tried.outcome != "ok":
            word = "sign_in_locked" if tried.outcome == "locked" else "sign_in_failed"
            if tried.outcome == "wrong" and tried.staff_id:
                await visit.note(word, name)
            else:  # a name nobody has is not kept: it may be a password; and strangers must not fill the trail
                await visit.look(word, name if tried.staff_id else "")
            return _form(visit, 403 if tried.outcome == "locked" else 401, tried.outcome, name, form.get("next", ""))
        await visit.door.sessions.end(visit.token)
        visit.token = await visit.door.sessions.begin(tried.staff_id, visit.language, visit.at)
        visit.session = await visit.door.sessions.find(visit.token, visit.at)
        await visit.note("sign_in")
        return visit.go(_inside(form.get("next", "")))

    async def sign_out(visit: Visit) -> web.StreamResponse:
        await visit.note("sign_out")
        await visit.door.sessions.end(visit.token)
        visit.token = new_token()
        return visit.go(SIGN_IN, "signed_out")

    async def speak(visit: Visit) -> web.StreamResponse:
        language = "en" if visit.form.get("language") == "en" else "zh"
        await visit.door.sessions.speak(visit.token, language)
        return visit.go(_inside(visit.form.get("back", "")))

    async def first(visit: Visit) -> web.StreamResponse:
        name = await accounts.invited(visit.request.match_info["token"], visit.at)
        if name is None:
            return visit.show("fault.html", 404, word="link_over")
        return visit.show("first.html", name=name, fault="")

    async def accept(visit: Visit) -> web.StreamResponse:
        token, password = visit.request.match_info["token"], visit.form.get("password", "")
        try:
            if password != visit.form.get("again"):
                raise NotPossible("differs")
            name = await accounts.accept(token, password, visit.at)
        except NotPossible as fault:
            owner = await accounts.invited(token, visit.at)
            if owner is None:
                return visit.show("fault.html", 404, word="link_over")
            return visit.show("first.html", 422, name=owner, fault=str(fault))
        await visit.note("password_set", name)
        return visit.go(SIGN_IN, "password_set")

    return [
        Page("GET", "/sign-in", None, ask),
        Page("POST", "/sign-in", None, sign_in),
        Page("POST", "/sign-out", "viewer", sign_out),
        Page("POST", "/language", "viewer", speak),
        Page("GET", "/first/{token}", None, first),
        Page("POST", "/first/{token}", None, accept),
    ]


def _form(visit: Visit, status: int = 200, fault: str = "", name: str = "", next: str = "") -> web.Response:
    return visit.show("sign_in.html", status, fault=fault, name=name, next=next)


def _inside(path: str) -> str:
    """Where to go after signing in: one of our own pages, or the first."""
    plain = ".." not in path and all(letter.isalnum() or letter in "/-_?=&.%" for letter in path)
    return path if plain and (path == "/staff" or path.startswith(("/staff/", "/staff?"))) else "/staff"
