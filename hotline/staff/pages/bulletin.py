"""The spoken bulletin, which every caller hears first: listened to, switched on with an end, and off again."""

from datetime import timedelta

import structlog
from aiohttp import web

from desk.bulletin import LONGEST_CHARACTERS, BulletinRefused, faults_of
from hotline.bulletins import NoSuchTime, ending
from hotline.staff.accounts import NotPossible
from hotline.staff.live import Live
from hotline.staff.page import HEADERS, POLICY, Page, Visit
from hotline.staff.parts import Parts
from ivr.voice import VoiceFault

log = structlog.get_logger()
PLAYS_WHAT_IT_GOT = HEADERS[POLICY].replace("media-src 'self'", "media-src 'self' blob:")


def pages(parts: Parts, live: Live) -> list[Page]:
    async def bulletin(
        visit: Visit, status: int = 200, faults: list[str] | None = None, text: str = "", until: str = "18:00"
    ) -> web.StreamResponse:
        shown = visit.show(
            "bulletin.html", status, here="/bulletin", current=await parts.bulletins.now(), text=text, until=until,
            history=await parts.bulletins.history(), wrong=faults or [], most=LONGEST_CHARACTERS,
        )  # fmt: skip
        shown.headers[POLICY] = PLAYS_WHAT_IT_GOT
        return shown

    async def listen(visit: Visit) -> web.StreamResponse:
        """How it would sound; which is then at hand for the first caller."""
        text = visit.form.get("text", "")[:500]
        if faults := faults_of(text, visit.at + timedelta(hours=1), visit.at):
            return await bulletin(visit, 422, BulletinRefused(faults).told(visit.language), text)
        try:
            sound = await parts.sound(text)
        except VoiceFault as fault:
            log.warning("staff.voice", fault=str(fault))
            raise NotPossible("no_voice") from None
        return web.Response(body=sound, content_type="audio/wav")

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
        Page("POST", "/bulletin/listen", "supervisor", listen),
        Page("POST", "/bulletin/on", "supervisor", on),
        Page("POST", "/bulletin/off", "supervisor", off),
    ]
