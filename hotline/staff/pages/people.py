"""Who the staff are, and the trail of what they did: for administrators."""

import re

from aiohttp import web

from hotline.staff import words
from hotline.staff.accounts import Accounts, NotPossible, tidy_name
from hotline.staff.page import Page, Visit

ROWS = 100


def pages(accounts: Accounts) -> list[Page]:
    """Invite, change, disable; and read the trail."""

    async def people(visit: Visit, link: str = "", link_name: str = "") -> web.StreamResponse:
        rows = await accounts.rows()
        return visit.show("people.html", here="/people", people=rows, link=link, link_name=link_name)

    async def invite(visit: Visit) -> web.StreamResponse:
        name, role = tidy_name(visit.form.get("name", "")), visit.form.get("role", "")
        token = await accounts.invite(name, role, visit.at, _seat(visit) or None)
        await visit.note("staff.invite", name, role)
        return await people(visit, f"{visit.door.public_url.rstrip('/')}/staff/first/{token}", name)

    async def change(visit: Visit) -> web.StreamResponse:
        name, role, seat = visit.request.match_info["name"], visit.form.get("role", ""), _seat(visit)
        await accounts.change(name, role=role, seat=seat)
        await visit.note("staff.change", name, f"{role} {seat}".strip())
        return visit.go("/staff/people", "saved")

    async def disable(visit: Visit) -> web.StreamResponse:
        name = visit.request.match_info["name"]
        await accounts.disable(name, visit.at)
        await visit.note("staff.disable", name)
        return visit.go("/staff/people", "disabled")

    async def trail(visit: Visit) -> web.StreamResponse:
        query = visit.request.query
        before, name, subject = query.get("before", ""), query.get("name", "")[:40], query.get("subject", "")[:80]
        last = int(before) if re.fullmatch(r"\d{1,9}", before) else None
        rows = await visit.door.trail.rows(before=last, name=name, subject=subject, limit=ROWS)
        more = rows[-1].id if len(rows) == ROWS else None
        return visit.show(
            "trail.html", here="/trail", rows=rows, more=more, name=name, subject=subject, actions=words.ACTIONS
        )

    return [
        Page("GET", "/people", "administrator", people),
        Page("POST", "/people/invite", "administrator", invite),
        Page("POST", "/people/{name}/change", "administrator", change),
        Page("POST", "/people/{name}/disable", "administrator", disable),
        Page("GET", "/trail", "administrator", trail),
    ]


def _seat(visit: Visit) -> str:
    seat = visit.form.get("seat", "").strip()
    if not re.fullmatch(r"[A-Za-z0-9_-]{0,40}", seat):
        raise NotPossible("bad_seat")
    return seat
