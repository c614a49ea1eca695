"""The agent's own page: what I do, who is at my telephone and why, who waits; and the queues, for everybody."""

import structlog
from aiohttp import web

from desk.ami import AmiFault
from hotline.staff.accounts import NotPossible
from hotline.staff.page import Page, Visit
from hotline.staff.pages.calls import WORDS, own_call, seen
from hotline.staff.parts import Parts

log = structlog.get_logger()
STATES = {"away": "未登录", "free": "空闲", "ringing": "振铃", "talking": "通话中", "paused": "暂停"}
REASONS = {"lunch": "午餐", "rest": "休息", "meeting": "会议", "training": "培训", "after_call": "话后处理"}
WHY = {**REASONS, "no_telephone": "话机未连接", "signed_out": "已退出队列"}  # what the board may tell, choices or not
EXCHANGE = {
    "none": "未连接电话交换机：队列和坐席状态不可用，来电记录照常。",
    "away": "与电话交换机的连接中断，正在恢复；画面可能不是最新的。",
}


def pages(parts: Parts) -> list[Page]:
    async def agent(visit: Visit) -> web.StreamResponse:
        seat = visit.session.seat if visit.session else ""
        mine, me = own_call(visit, parts), parts.board.agents.get(seat) if seat else None
        if me and me.state == "talking":  # whoever takes calls is there, without a click
            await visit.door.sessions.find(visit.token, visit.at)
        waiting = {each.call_id: each for each in parts.board.waiting}
        return visit.show(
            "agent.html", here="/agent", seat=seat, me=me,
            context=await seen(visit, parts, mine) if mine else None, board=parts.board, waiting=waiting,
            callers={row.id: row for row in await parts.recent.rows(ids=list(waiting), limit=len(waiting))},
            handed_over=await parts.recent.handed_over(visit.at), states=STATES, reasons=REASONS, why=WHY,
            exchange=EXCHANGE, **WORDS,
        )  # fmt: skip

    async def state(visit: Visit) -> web.StreamResponse:
        seat = visit.session.seat if visit.session else ""
        if not seat:
            raise NotPossible("no_seat")
        if parts.board.exchange != "connected":
            raise NotPossible("exchange")
        try:
            what = await _do(visit, parts, seat)
        except (AmiFault, ValueError) as fault:
            log.warning("staff.exchange", fault=type(fault).__name__, what=visit.form.get("what", ""))
            raise NotPossible("exchange") from None
        await visit.note(f"seat.{what}", seat, visit.form.get("reason", "")[:40])
        return visit.go("/staff/agent")

    async def queues(visit: Visit) -> web.StreamResponse:
        return visit.show(
            "queues.html", here="/queues", board=parts.board, states=STATES, reasons=REASONS, why=WHY, exchange=EXCHANGE
        )

    return [
        Page("GET", "/agent", "agent", agent),
        Page("POST", "/agent/state", "agent", state),
        Page("GET", "/queues", "viewer", queues),
    ]


async def _do(visit: Visit, parts: Parts, seat: str) -> str:
    """What the form asks of the exchange."""
    what, board = visit.form.get("what", ""), parts.board
    match what:
        case "log_in" if queues := [name for name in board.queues if visit.form.get(f"queue-{name}")]:
            await board.log_in(seat, queues)
        case "log_out":
            await board.log_out(seat)
        case "pause" if visit.form.get("reason") in REASONS:
            await board.pause(seat, visit.form["reason"])
        case "unpause":
            await board.unpause(seat)
        case _:
            raise NotPossible("bad_choice")
    return what
