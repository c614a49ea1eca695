"""/v1/messages: one text, or a few hundred in one request, and what became of them."""

import asyncio
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictInt, ValidationInfo, field_validator
from sqlalchemy import select

from hotline.api.problems import Problem, of
from hotline.api.routes import Answer, Call, Route, When
from hotline.text import TextService
from sms.errors import Refused
from sms.keys import Client
from sms.messages import Lane, Message, Status
from sms.outbox import AT_ONCE, Added, batched
from sms.sender import Wish
from sms.tables import message

MOST_TOGETHER = 200

Value = Annotated[str, Field(max_length=500)] | StrictInt | Decimal | None  # true is no number


class MessageRequest(BaseModel):
    """A text to one number."""

    model_config = ConfigDict(extra="forbid", regex_engine="python-re")

    to: str = Field(max_length=64, description="a mobile number in any usual form", examples=["13900000001"])
    template: str = Field(min_length=1, max_length=64)
    params: dict[Annotated[str, Field(max_length=32)], Value] = Field({}, max_length=32)
    key: str | None = Field(
        None, min_length=1, max_length=128, description="two requests with one key make one message"
    )
    not_before: When | None = None
    expires_at: When | None = None

    @field_validator("expires_at")
    @classmethod
    def _while_it_may_go(cls, expires_at: datetime | None, info: ValidationInfo) -> datetime | None:
        not_before = info.data.get("not_before")
        if expires_at and not_before and expires_at <= not_before:
            raise ValueError("must be after not_before, or the text never goes")
        return expires_at


class MessageAnswer(BaseModel):
    """The message is stored, and will be sent. `duplicate`: it was there already."""

    id: str
    status: Status
    duplicate: bool = False


class MessagesRequest(BaseModel):
    """Several texts in one request; each stands for itself."""

    model_config = ConfigDict(extra="forbid")

    messages: list[MessageRequest] = Field(min_length=1, max_length=MOST_TOGETHER)


class MessageResult(BaseModel):
    """What became of one of them: an id, or a problem's word."""

    id: str | None = None
    status: Status | None = None
    duplicate: bool = False
    problem: str | None = None


class MessagesAnswer(BaseModel):
    """Results in the order of the request."""

    results: list[MessageResult]


class MessageState(BaseModel):
    """What is known about a message. Numbers are masked; `reason` is the provider's or ours."""

    id: str
    status: Status
    lane: Lane
    template: str
    to_masked: str
    parts: int
    provider: str | None
    reason: str
    created_at: datetime
    expires_at: datetime
    sent_at: datetime | None
    done_at: datetime | None


def routes(text: TextService) -> list[Route]:
    """The operations on messages."""

    async def send(call: Call) -> Answer:
        added = await text.sender.send(_wish(call.client, call.body))
        return Answer(202, MessageAnswer(id=added.id, status=added.status, duplicate=added.duplicate))

    async def send_many(call: Call) -> Answer:
        now = text.sender.outbox.clock()
        composed: list[Message | Refused] = []
        for some in batched(call.body.messages, AT_ONCE):
            composed += [_composed(text, call.client, each, now) for each in some]
            await asyncio.sleep(0)  # others get their turn
        added = iter(await text.sender.queue_all([each for each in composed if isinstance(each, Message)]))
        results = [_result(next(added) if isinstance(each, Message) else each) for each in composed]
        return Answer(202, MessagesAnswer.model_validate({"results": results}))

    async def look(call: Call) -> Answer:
        wanted = select(*(message.c[name] for name in MessageState.model_fields))
        mine = wanted.where(message.c.id == call.path["id"], message.c.client == call.client.name)
        async with text.store.read() as connection:
            row = (await connection.execute(mine)).first()
        if row is None:
            raise Problem(404, "not_found")
        return Answer(200, MessageState.model_validate(dict(row._mapping)))

    return [
        Route("POST", "/v1/messages", "messages", "Send a text", send, {202: MessageAnswer}, MessageRequest),
        Route(
            "POST", "/v1/messages/batch", "messages", "Send texts together", send_many, {202: MessagesAnswer},
            MessagesRequest, most_bytes=MOST_TOGETHER * 4096,
        ),
        Route("GET", "/v1/messages/{id}", "messages", "Look a text up", look, {200: MessageState}, problems=[404]),
    ]  # fmt: skip


def _wish(client: Client, body: MessageRequest) -> Wish:
    client.check_template(body.template)
    return Wish(
        body.to,
        body.template,
        body.params,
        client.name,
        body.key,
        not_before=body.not_before,
        expires_at=body.expires_at,
    )


def _composed(text: TextService, client: Client, body: MessageRequest, now: datetime) -> Message | Refused:
    try:
        return text.sender.compose(_wish(client, body), now)
    except Refused as fault:
        return fault


def _result(of_one: Added | Refused) -> dict[str, Any]:
    """A `MessageResult`, before all of an answer are checked at once."""
    if isinstance(of_one, Refused):
        return {"problem": of(of_one).word}
    return {"id": of_one.id, "status": of_one.status, "duplicate": of_one.duplicate}
