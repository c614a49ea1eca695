"""Calls: who called lately, and all that is known of one; each look is in the trail."""

import asyncio
from typing import Any

from aiohttp import web

from hotline.context import Context
from hotline.reports import RATINGS
from hotline.staff.accounts import NotPossible
from hotline.staff.calls import OUTCOMES
from hotline.staff.page import Page, Visit
from hotline.staff.pages.orders import ORDER_KINDS, ORDER_STATES
from hotline.staff.parts import Parts

IDENTIFIED = {
    "no": "未识别",
    "bound": "来电号码已绑定账户，未验证密码",
    "phone": "已验证：绑定手机和查询密码",
    "number": "已验证：账号或身份证号和查询密码",
}
STOPS = {
    "chose": "选择",
    "menu": "菜单",
    "identify": "身份验证",
    "set_pin": "设置查询密码",
    "report": "听取",
    "transfer": "转人工",
    "text": "发短信",
    "message": "留言",
    "callback": "预约回电",
    "survey": "评价",
    "order": "查询工单",
}
ROWS = 50


def pages(parts: Parts) -> list[Page]:
    async def calls(visit: Visit) -> web.StreamResponse:
        outcome = visit.request.query.get("outcome")
        wanted = outcome if outcome in OUTCOMES else None
        rows = await parts.recent.rows(outcome=wanted, before=visit.before, limit=ROWS)
        more = rows[-1].started_at if len(rows) == ROWS else None
        return visit.show("calls.html", here="/calls", rows=rows, outcomes=OUTCOMES, chosen=outcome, more=more)

    async def call(visit: Visit) -> web.StreamResponse:
        id = visit.request.match_info["id"]
        context = await seen(visit, parts, id)
        if context is None:
            raise NotPossible("no_such_call")
        talks = await asyncio.to_thread(parts.desk.tapes.talks, id) if visit.may("supervisor") else []
        rated = await parts.desk.surveys.of_call(id)
        return visit.show(
            "call.html", here="/calls", context=context, talks=talks, rated=rated, ratings=RATINGS, **WORDS
        )

    async def talk(visit: Visit) -> web.StreamResponse:
        id, name = visit.request.match_info["id"], visit.request.match_info["name"]
        if name not in await asyncio.to_thread(parts.desk.tapes.talks, id):
            raise NotPossible("no_such_recording")
        await visit.look("listen.call", id)
        try:
            sound = await parts.desk.listen_to_talk(name)
        except OSError:
            raise NotPossible("no_such_recording") from None
        return web.Response(body=sound, content_type="audio/wav", headers={"Cache-Control": "no-store"})

    return [
        Page("GET", "/calls", "agent", calls),
        Page("GET", "/calls/{id}", "agent", call),
        Page("GET", "/calls/{id}/talks/{name}", "supervisor", talk),
    ]


WORDS: dict[str, Any] = {
    "order_kinds": ORDER_KINDS,
    "order_states": ORDER_STATES,
    "identified": IDENTIFIED,
    "stops": STOPS,
    "outcomes": OUTCOMES,
}


async def seen(visit: Visit, parts: Parts, call_id: str) -> Context | None:
    """A call as this visitor may see it: whole for supervisors and for whoever is on it, masked for others."""
    context = await parts.contexts.of(call_id)
    if context is None:
        return None
    full = visit.may("supervisor") or own_call(visit, parts) == call_id
    await visit.look("look.call" if full else "look.call_masked", call_id)
    return context.shown(full=full)


def own_call(visit: Visit, parts: Parts) -> str:
    """The call that rings at this visitor's telephone, or that they talk to; empty when there is none."""
    seat = visit.session.seat if visit.session else ""
    agent = parts.board.agents.get(seat) if seat else None
    return agent.call_id if agent and agent.state in ("ringing", "talking") else ""
