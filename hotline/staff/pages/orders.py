"""Work orders: list, take down, assign, note, move, and hear what the caller said."""

from typing import Any

from aiohttp import web

from desk.order import KINDS, MOVES, Order, OrderRefused, Personal, Wanted
from fund.phone import NotAPhone, normalise
from hotline.staff.accounts import Accounts, NotPossible
from hotline.staff.live import Live
from hotline.staff.page import Page, Run, Visit
from hotline.staff.parts import Parts
from hotline.staff.roles import reaches

ORDER_KINDS = {"message": "留言", "complaint": "投诉", "suggestion": "建议", "consult": "咨询"}
ORDER_STATES = {
    "open": "待分派",
    "assigned": "办理中",
    "forwarded": "已转办",
    "answered": "已答复",
    "closed": "已办结",
    "reopened": "重新办理",
}
PRIORITIES = {"normal": "普通", "urgent": "紧急"}
CHANGES = {
    "opened": "登记",
    "state": "状态",
    "assigned": "分派",
    "priority": "优先级",
    "note": "备注",
    "looked": "查看",
    "listened": "收听录音",
}
WORDS: dict[str, Any] = {"kinds": ORDER_KINDS, "states": ORDER_STATES, "priorities": PRIORITIES, "changes": CHANGES}
MOST_TEXT = 2000
ROWS = 50


def pages(parts: Parts, accounts: Accounts, live: Live) -> list[Page]:
    """The list, and one order with whatever may be done about it."""
    these = _OrderPages(parts, accounts, live)
    return [
        Page("GET", "/orders", "agent", these.listed),
        Page("POST", "/orders", "agent", _told(these.take_down)),
        Page("GET", "/orders/{number}", "agent", _told(these.one)),
        Page("POST", "/orders/{number}", "agent", _told(these.change)),
        Page("GET", "/orders/{number}/recording", "agent", _told(these.recording)),
    ]


class _OrderPages:
    def __init__(self, parts: Parts, accounts: Accounts, live: Live) -> None:
        self._parts, self._accounts, self._live, self._orders = parts, accounts, live, parts.desk.orders

    async def listed(self, visit: Visit) -> web.StreamResponse:
        query = visit.request.query
        state, kind, whose = (query.get(name, "") for name in ("state", "kind", "whose"))
        wanted = Wanted(
            states=(state,) if state in ORDER_STATES else (),  # type: ignore[arg-type]
            kind=kind if kind in KINDS else "",
            assigned_to=visit.name if whose == "mine" else "",
            late_at=visit.at if whose == "late" else None,
            before=visit.before,
            limit=ROWS,
        )
        rows, counts = await self._orders.list(wanted), await self._orders.counts()
        more = rows[-1].opened_at if len(rows) == ROWS else None
        return visit.show(
            "orders.html", here="/orders", rows=rows, counts=counts, state=state, kind=kind, whose=whose, more=more,
            **WORDS,
        )  # fmt: skip

    async def take_down(self, visit: Visit) -> web.StreamResponse:
        form, kind = visit.form, visit.form.get("kind", "")
        if kind not in KINDS:
            raise NotPossible("bad_choice")
        order = await self._orders.open(
            kind, topic=form.get("topic", "")[:40], caller=_number(form.get("caller", "")),
            text=form.get("text", "")[:MOST_TEXT], channel="staff", who=visit.name,
        )  # fmt: skip
        return await self._changed(visit, order.number, "open")

    async def one(self, visit: Visit) -> web.StreamResponse:
        order = await self._found(visit)
        personal = await self._look(visit, order)
        people = [row.name for row in await self._accounts.rows() if not row.disabled_at and reaches(row.role, "agent")]
        return visit.show(
            "order.html", here="/orders", order=order, personal=personal, trail=await self._orders.trail(order.number),
            moves=[state for state in ORDER_STATES if state in MOVES[order.state] and state != "assigned"],
            people=people, can_listen=personal is not None and order.recording, **WORDS,
        )  # fmt: skip

    async def _look(self, visit: Visit, order: Order) -> Personal | None:
        """The caller's number and words, for supervisors and whoever works on it."""
        if not theirs(visit, order):
            return None
        await visit.look("look.order", order.number)
        return await self._orders.look(order.number, visit.name)

    async def change(self, visit: Visit) -> web.StreamResponse:
        order, form, what = await self._found(visit), visit.form, visit.form.get("what", "")
        number, who = order.number, visit.name
        match what:
            case "take" if not order.assigned_to or theirs(visit, order):
                await self._orders.assign(number, who, who, if_free=not order.assigned_to)
            case "assign" if visit.may("supervisor"):
                await self._orders.assign(number, await self._member(form.get("to", "")), who)
            case "note" if form.get("text", "").strip():
                await self._orders.note(number, who, form["text"].strip()[:MOST_TEXT])
            case "priority" if form.get("priority") in PRIORITIES:
                await self._orders.prioritise(number, form["priority"], who)  # type: ignore[arg-type]
            case "move" if form.get("to") in ORDER_STATES:
                if not theirs(visit, order):
                    raise NotPossible("not_yours")
                await self._orders.move(number, form["to"], who, outcome=form.get("outcome", "").strip()[:MOST_TEXT])  # type: ignore[arg-type]
            case _:
                raise NotPossible("bad_choice")
        return await self._changed(visit, number, what)

    async def recording(self, visit: Visit) -> web.StreamResponse:
        order = await self._found(visit)
        if not theirs(visit, order):
            raise NotPossible("not_yours")
        if not order.recording:
            raise NotPossible("no_such_recording")
        await visit.look("listen.order", order.number)
        try:
            sound = await self._parts.desk.listen(order.number, visit.name)
        except OSError:
            raise NotPossible("no_such_recording") from None
        return web.Response(body=sound, content_type="audio/wav")

    async def _found(self, visit: Visit) -> Order:
        order = await self._orders.find(visit.request.match_info["number"])
        if order is None:
            raise NotPossible("no_such_order")
        return order

    async def _changed(self, visit: Visit, number: str, what: str) -> web.Response:
        await visit.note(f"order.{what}", number)
        self._live.tell("orders")
        return visit.go(f"/staff/orders/{number}", "saved")

    async def _member(self, name: str) -> str:
        if name not in [row.name for row in await self._accounts.rows() if not row.disabled_at]:
            raise NotPossible("no_such_staff")
        return name


def theirs(visit: Visit, order: Order) -> bool:
    """Whether this visitor works on the order, or answers for whoever does."""
    return visit.may("supervisor") or order.assigned_to == visit.name


def _told(run: Run) -> Run:
    """What the desk refuses is told in words."""

    async def guarded(visit: Visit) -> web.StreamResponse:
        try:
            return await run(visit)
        except OrderRefused as refused:
            raise NotPossible(refused.word) from None

    return guarded


def _number(raw: str) -> str:
    try:
        return normalise(raw) if raw.strip() else ""
    except NotAPhone:
        raise NotPossible("bad_number") from None
