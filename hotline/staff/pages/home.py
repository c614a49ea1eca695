"""The first page after signing in."""

from aiohttp import web

from hotline.staff.page import Page, Visit


def pages() -> list[Page]:
    async def home(visit: Visit) -> web.StreamResponse:
        return visit.show("home.html", here="")

    return [Page("GET", "", "viewer", home), Page("GET", "/", "viewer", home)]
