"""The spoken bulletin: what every caller hears first, switched on with an end, and off again."""

from aiohttp import web

from desk.bulletin import LONGEST_CHARACTERS, BulletinRefused
from hotline.bulletins import NoSuchTime, ending
from hotline.staff.live import Live
from hotline.staff.page import Page, Visit
from hotline.staff.parts import Parts


def pages(parts: Parts, live: Live) -> list[Page]:
    async def bulletin(
        visit: Visit, status: int = 200, faults: list[str] | None = None, text: str = "", until: str = "18:00"
    ) -> web.StreamResponse:
        return visit.show(
            "bulletin.html", status, here="/bulletin", current=await parts.bulletins.now(), text=text, until=until,
            history=await parts.bulletins.history(), wrong=faults or [], most=LONGEST_CHARACTERS,
        )  # fmt: skip

    async def on(visit: Visit) -> web.StreamResponse:
        text, until = visit.form.get("text", "")[:500], visit.form.get("until", "")[:20]
        try:
            await parts.bulletins.switch_on(text, ending(until, visit.at), visit.name)
        except NoSuchTime:
            told = {
                "zh": "结束时间要写成 18:00、2026-11-26 18:00、2h 或 30m",
                "en": "write 18:00, 2026-11-26 18:00, 2h or 30m",
            }
            return await bulletin(visit, 422, [told[visit.language]], text, until)
        except BulletinRefused as refused:
            return await bulletin(visit, 422, refused.told(visit.language), text, until)
        await visit.note("bulletin.on", detail=text)
        live.tell("bulletin")
        return visit.go("/staff/bulletin", "bulletin_on")

    async def off(visit: Visit) -> web.StreamResponse:
        await parts.bulletins.switch_off(visit.name)
        await visit.note("bulletin.off")
        live.tell("bulletin")
        return visit.go("/staff/bulletin", "bulletin_off")

    return [
        Page("GET", "/bulletin", "supervisor", bulletin),
        Page("POST", "/bulletin/on", "supervisor", on),
        Page("POST", "/bulletin/off", "supervisor", off),
    ]
