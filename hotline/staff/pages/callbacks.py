"""Call-back requests: who waits to be called, in their turn; ask for one, close one."""

from aiohttp import web

from desk.callbacks import OUTCOMES, CallBack
from fund.phone import NotAPhone
from hotline.desk import callable_number
from hotline.staff.accounts import NotPossible
from hotline.staff.live import Live
from hotline.staff.page import Page, Visit
from hotline.staff.parts import Parts

CHANNELS = {"voice": "电话", "sms": "短信", "api": "接口", "staff": "工作台"}
CALL_BACK_OUTCOMES = {
    "reached": "已联系上",
    "no_answer": "无人接听",
    "wrong_number": "号码有误",
    "refused": "对方不需要",
    "given_up": "不再联系",
    "cancelled": "来电人取消",
}
assert set(CALL_BACK_OUTCOMES) == set(OUTCOMES)


def pages(parts: Parts, live: Live) -> list[Page]:
    def queues() -> list[str]:
        return list(parts.desk.queues()) or ["general"]

    async def listed(visit: Visit, number: str = "", of: str = "") -> web.StreamResponse:
        everything = visit.request.query.get("all") == "1"
        rows = await parts.desk.call_backs.list(open_only=not everything)
        return visit.show(
            "callbacks.html", here="/callbacks", rows=rows, everything=everything, channels=CHANNELS,
            results=CALL_BACK_OUTCOMES, number=number, of=of, queues=queues(),
        )  # fmt: skip

    async def ask(visit: Visit) -> web.StreamResponse:
        try:
            number = callable_number(visit.form.get("number", ""))
        except NotAPhone:
            raise NotPossible("bad_number") from None
        queue = visit.form.get("queue", "")
        if queue not in queues():
            raise NotPossible("bad_choice")
        asked = await parts.desk.ask_back(number, queue, reason=visit.form.get("reason", "").strip(), channel="staff")
        await visit.note("callback.ask", asked.request.id)
        live.tell("callbacks")
        return visit.go("/staff/callbacks", "saved" if asked.fresh else "asked_already")

    async def close(visit: Visit) -> web.StreamResponse:
        request, outcome = await found(visit), visit.form.get("outcome", "")
        if outcome not in OUTCOMES:
            raise NotPossible("bad_choice")
        if not await parts.desk.call_backs.close(request.id, outcome):
            raise NotPossible("closed_already")
        await visit.note("callback.close", request.id, outcome)
        live.tell("callbacks")
        return visit.go("/staff/callbacks", "saved")

    async def number(visit: Visit) -> web.StreamResponse:
        request = await found(visit)
        await visit.look("look.callback", request.id)
        return await listed(visit, await parts.desk.call_backs.number(request.id), request.id)

    async def found(visit: Visit) -> CallBack:
        request = await parts.desk.call_backs.find(visit.request.match_info["id"])
        if request is None:
            raise NotPossible("no_such_callback")
        return request

    return [
        Page("GET", "/callbacks", "agent", listed),
        Page("POST", "/callbacks", "agent", ask),
        Page("POST", "/callbacks/{id}/close", "agent", close),
        Page("POST", "/callbacks/{id}/number", "supervisor", number),
    ]
