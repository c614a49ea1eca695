"""/sandbox: the demo text phone, while the sandbox provider is on. It needs no key: it shows demo numbers only."""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from sqlalchemy import func, select

from fund.demo import DemoPerson
from fund.privacy import Unreadable
from fund.statements import NO_DATABASE
from hotline.api.problems import Problem, of
from hotline.api.routes import read
from hotline.text import TextService
from sms.errors import Refused
from sms.messages import new_id
from sms.numbers import recipient
from sms.providers.base import Inbound
from sms.providers.sandbox import Sandbox
from sms.tables import message

PAGE = Path(__file__).parent.parent / "pages" / "sandbox.html"
MOST = 100


class Received(BaseModel):
    """A text on the demo phone."""

    to: str
    text: str
    at: datetime
    status: str


class TextedRequest(BaseModel):
    """A text from the demo phone to us."""

    model_config = ConfigDict(populate_by_name=True)

    sender: str = Field(alias="from", max_length=32)
    text: str = Field(max_length=2000)
    id: str = Field("", max_length=64, description="two with one id are one text, as carriers repeat them")


_LIST = TypeAdapter(list[Received])


def bind_sandbox(app: web.Application, text: TextService, people: Sequence[DemoPerson]) -> None:
    """Put the demo phone into an application, if a sandbox provider is on; `people` have one."""
    names = [name for name, provider in text.providers.items() if isinstance(provider, Sandbox)]
    if not names:
        return

    async def page(_: web.Request) -> web.FileResponse:
        return web.FileResponse(PAGE)

    async def who(_: web.Request) -> web.Response:
        known = [{"name": each.name, "phone": each.phone, "bound": each.bound} for each in people]
        return web.json_response({"people": known})

    async def messages(request: web.Request) -> web.Response:
        shown = await _received(text, names, request.query.get("to"))
        return web.Response(body=_LIST.dump_json(shown), content_type="application/json")

    async def inbound(request: web.Request) -> web.Response:
        try:
            texted = await read(request, TextedRequest)
            sender = recipient(texted.sender, text.settings.abroad)
        except Problem as problem:
            return problem.response()
        except Refused as fault:
            return of(fault).response()
        try:
            await text.take(names[0], [], [Inbound(sender, texted.text, id=texted.id or new_id())])
        except NO_DATABASE:
            return Problem(503, "unavailable", retry_after=2).response()
        return web.json_response({"status": "taken"}, status=202)

    app.router.add_get("/sandbox", page)
    app.router.add_get("/sandbox/people", who)
    app.router.add_get("/sandbox/messages", messages)
    app.router.add_post("/sandbox/inbound", inbound)


async def _received(text: TextService, names: list[str], to: str | None) -> list[Received]:
    """The texts that reached the sandbox last, of one number or of all; the newest first, as they arrived."""
    at = func.coalesce(message.c.sent_at, message.c.created_at)
    wanted = select(message.c.body, message.c.sent_at, message.c.created_at, message.c.status).where(
        message.c.provider.in_(names), message.c.status.in_(("sent", "delivered"))
    )
    if to is not None:
        try:
            wanted = wanted.where(message.c.to_hash == text.store.phone(recipient(to, text.settings.abroad)))
        except Refused:
            return []
    async with text.store.read() as connection:
        rows = (await connection.execute(wanted.order_by(at.desc(), message.c.id.desc()).limit(MOST))).all()
    shown = []
    for row in rows:
        try:
            body = json.loads(text.store.privacy.open(row.body))
        except Unreadable:
            continue
        signature = f"【{body['signature']}】" if body["signature"] else ""
        arrived = row.sent_at or row.created_at
        shown.append(Received(to=body["to"], text=signature + body["text"], at=arrived, status=row.status))
    return shown
