"""A staff page is declared once, with the role it takes; who is asking, where from and with what form is checked here.

Order of the checks: a session, then the role, then (for a form) the site it comes from and its token. What fails shows
nothing of the page. Every answer, an error or a file as well, carries `HEADERS`.
"""

import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

import structlog
from aiohttp import web

from fund.clock import YEARS
from fund.privacy import Privacy
from fund.statements import NO_DATABASE, cause_of
from hotline.proxies import caller_address
from hotline.staff.accounts import NotPossible
from hotline.staff.render import Renderer
from hotline.staff.roles import Role, reaches
from hotline.staff.sessions import Session, Sessions
from hotline.staff.tokens import new_token
from hotline.staff.trail import Trail

log = structlog.get_logger()

COOKIE = "hotline_staff"
MOST_BYTES = 64 * 1024
SIGN_IN = "/staff/sign-in"
LIVE = "X-Live"  # a page refreshing itself: no sign of life from a person
POLICY = "Content-Security-Policy"
HEADERS = {
    POLICY: (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers send `Origin: null` with our own forms
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(slots=True)
class Door:
    """What every visit needs: who may come in, how pages are written, and what time it is."""

    sessions: Sessions
    trail: Trail
    renderer: Renderer
    privacy: Privacy
    public_url: str
    language: str
    trusted_proxies: Sequence[str]
    clock: Callable[[], datetime]

    @property
    def secure(self) -> bool:
        """Whether browsers reach us by https, so that the cookie may insist on it."""
        return self.public_url.startswith("https:")

    def csrf(self, token: str) -> str:
        """The form token that belongs to a cookie: it changes with it, so one from before signing in is worthless."""
        return self.privacy.digest("staff form", token)


@dataclass(slots=True)
class Visit:
    """One request that was let in. `session` is None only on pages without a role."""

    door: Door
    request: web.Request
    token: str
    at: datetime
    session: Session | None = None
    form: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Who is asking, for the trail."""
        return self.session.name if self.session else ""

    @property
    def role(self) -> str:
        return self.session.role if self.session else ""

    @property
    def language(self) -> str:
        return self.session.language if self.session else self.door.language

    @property
    def address(self) -> str:
        """Where the request comes from: the nearest address that is not one of our own proxies."""
        return caller_address(self.request, self.door.trusted_proxies)

    @property
    def before(self) -> datetime | None:
        """Where a list goes on from, if it does: `?before=` and a moment."""
        try:
            moment = datetime.fromisoformat(self.request.query.get("before", ""))
        except ValueError:
            return None
        return moment if moment.tzinfo and moment.year in YEARS else None

    def may(self, role: Role) -> bool:
        return reaches(self.role, role)

    def show(self, template: str, status: int = 200, **values: Any) -> web.Response:
        """A page."""
        html = self.door.renderer.page(template, self, csrf=self.door.csrf(self.token), **values)
        answer = web.Response(text=html, status=status, content_type="text/html")
        self.keep_cookie(answer)
        return answer

    def go(self, path: str, done: str = "") -> web.Response:
        """On to another page after a form; `done` is a word of `words.DONE`, shown there."""
        answer = web.Response(status=303, headers={"Location": f"{path}?done={done}" if done else path})
        self.keep_cookie(answer)
        return answer

    def keep_cookie(self, answer: web.StreamResponse) -> None:
        if self.request.cookies.get(COOKIE) != self.token:
            secure = self.door.secure
            answer.set_cookie(COOKIE, self.token, path="/staff", httponly=True, samesite="Strict", secure=secure)

    async def note(self, action: str, subject: str = "", detail: str = "") -> None:
        """A change, in the trail."""
        await self.door.trail.write(self.at, self.name, action, subject, detail, self.address)

    async def look(self, action: str, subject: str) -> None:
        """A look at personal data, in the trail before it is shown; or a refusal, however often it is asked for."""
        await self.door.trail.look(self.at, self.name, action, subject, self.address)


Run = Callable[[Visit], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Page:
    """One address. `role` is None for the few pages in front of the door."""

    method: str
    path: str  # below /staff
    role: Role | None
    run: Run


def bind(app: web.Application, door: Door, pages: Sequence[Page]) -> None:
    """Put pages into the application that is mounted at /staff."""
    for page in pages:
        app.router.add_route(page.method, page.path, _endpoint(door, page))
    app.on_response_prepare.append(_harden)


async def _harden(request: web.Request, answer: web.StreamResponse) -> None:
    if request.path.startswith("/staff/static/"):
        answer.headers["Cache-Control"] = "no-cache"
    for name, value in HEADERS.items():
        answer.headers.setdefault(name, value)


def _endpoint(door: Door, page: Page) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def endpoint(request: web.Request) -> web.StreamResponse:
        at = door.clock()
        token = request.cookies.get(COOKIE, "")
        try:
            live = LIVE in request.headers or request.headers.get("Accept") == "text/event-stream"
            session = await door.sessions.find(token, at, touch=not live) if token else None
            visit = Visit(door, request, token or new_token(), at, session)
            return await _guarded(visit, page)
        except NO_DATABASE as fault:
            log.error("staff.database", path=page.path, cause=cause_of(fault))
            return Visit(door, request, token or new_token(), at).show("fault.html", 503, word="unavailable")

    return endpoint


async def _guarded(visit: Visit, page: Page) -> web.StreamResponse:
    if page.role and visit.session is None:
        return _sign_in(visit, page)
    if page.role and not visit.may(page.role):
        await visit.look("denied", f"{page.method} {page.path}")
        return visit.show("fault.html", 403, word="denied")
    request = visit.request
    if any("\0" in value for value in (*request.query.values(), *request.match_info.values())):
        return visit.show("fault.html", 422, word="bad_choice")  # PostgreSQL cannot even compare with it
    if page.method == "POST" and not await _form_is_ours(visit):
        await visit.look("forged", f"{page.method} {page.path}")
        return visit.show("fault.html", 403, word="forged")
    try:
        return await page.run(visit)
    except NotPossible as fault:
        status = 404 if str(fault).startswith("no_such") else 422
        return visit.show("fault.html", status, word=str(fault))


def _sign_in(visit: Visit, page: Page) -> web.Response:
    if page.method != "GET" or LIVE in visit.request.headers:
        return visit.show("fault.html", 401, word="signed_out")
    return visit.go(f"{SIGN_IN}?next={quote(visit.request.path_qs, safe='')}")


async def _form_is_ours(visit: Visit) -> bool:
    """From a page of ours, by what the browser says of it, and with the token that page was given."""
    request = visit.request
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc not in (request.host, urlsplit(visit.door.public_url).netloc):
        return False
    if (request.content_length or 0) > MOST_BYTES:
        return False
    try:
        fields = await request.post()
        visit.form = {name: value.replace("\0", "") for name, value in fields.items() if isinstance(value, str)}
        "".join(visit.form.values()).encode()
    except (ValueError, LookupError, web.HTTPException):  # no form, not in characters we know, or without end
        return False
    if COOKIE not in request.cookies:
        return False
    return hmac.compare_digest(visit.form.get("csrf", "").encode(), visit.door.csrf(visit.token).encode())
