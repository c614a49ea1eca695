"""The first page after signing in: how the day goes."""

from datetime import datetime, time

from aiohttp import web

from desk.order import UNDONE, Wanted
from fund.clock import CHINA
from hotline.staff.page import Page, Visit
from hotline.staff.pages.agent import EXCHANGE
from hotline.staff.parts import Parts

TILES = ("今日来电", "正在等待", "未办结工单", "超期工单", "等待回电")


def pages(parts: Parts) -> list[Page]:
    async def home(visit: Visit) -> web.StreamResponse:
        counts = await parts.desk.orders.counts()
        midnight = datetime.combine(visit.at.astimezone(CHINA).date(), time(), CHINA)
        values = [
            (await parts.recent.count(midnight), "/calls" if visit.may("agent") else "/figures"),
            (len(parts.board.waiting), "/queues"),
            (sum(counts.get(state, 0) for state in UNDONE), "/orders"),
            (len(await parts.desk.orders.list(Wanted(late_at=visit.at, limit=500))), "/orders?whose=late"),
            (len(await parts.desk.call_backs.list()), "/callbacks"),
        ]
        tiles = [(label, *value) for label, value in zip(TILES, values, strict=True)]
        current = await parts.bulletins.now()
        return visit.show("home.html", here="", tiles=tiles, board=parts.board, exchange=EXCHANGE, bulletin=current)

    return [Page("GET", "", "viewer", home), Page("GET", "/", "viewer", home)]
