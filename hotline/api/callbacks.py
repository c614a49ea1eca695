"""/v1/callbacks: who asked to be called back. Numbers are masked; a number has one open request."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from desk.callbacks import CallBack
from fund.phone import NotAPhone
from hotline.api.problems import Problem
from hotline.api.routes import Answer, Call, Route
from hotline.desk import Desk, callable_number


class CallBackRequest(BaseModel):
    """Somebody wants to be called."""

    model_config = ConfigDict(extra="forbid")

    number: str = Field(max_length=32, description="mobile, or with its area code", examples=["13900000001"])
    queue: str = Field("general", pattern=r"^[a-z][a-z0-9_]{0,30}$", description="whose people call")
    reason: str = Field("", max_length=40, description="a word or two for whoever calls")


class CallBackState(BaseModel):
    """One request. `outcome` is empty while it is open."""

    id: str
    number: str = Field(description="masked")
    queue: str
    reason: str
    channel: str = Field(description="voice, sms, api, staff")
    asked_at: datetime
    tries: int
    next_try_at: datetime
    closed_at: datetime | None
    outcome: str = Field(description="reached, no_answer, wrong_number, refused, given_up, cancelled")


class CallBackAnswer(CallBackState):
    """The request as it stands; `ahead`: how many come before it."""

    ahead: int


class CallBackList(BaseModel):
    """Open ones in their turn, or all of them, newest first."""

    callbacks: list[CallBackState]


class CallBackQuery(BaseModel):
    """Which requests."""

    model_config = ConfigDict(extra="forbid")

    open: bool = True
    queue: str = Field("", max_length=31)
    limit: int = Field(50, ge=1, le=500)


def routes(desk: Desk) -> list[Route]:
    """The operations under /v1/callbacks."""

    async def ask(call: Call) -> Answer:
        try:
            number = callable_number(call.body.number)
        except NotAPhone:
            raise Problem(422, "bad_number") from None
        asked = await desk.ask_back(number, call.body.queue, reason=call.body.reason, channel="api")
        answer = CallBackAnswer(**_shown(asked.request), ahead=asked.ahead)
        return Answer(201 if asked.fresh else 200, answer)

    async def list_(call: Call) -> Answer:
        query: CallBackQuery = call.query
        found = await desk.call_backs.list(open_only=query.open, queue=query.queue, limit=query.limit)
        return Answer(200, CallBackList(callbacks=[CallBackState(**_shown(each)) for each in found]))

    async def look(call: Call) -> Answer:
        return Answer(200, CallBackState(**_shown(await _found(call.path["id"]))))

    async def cancel(call: Call) -> Answer:
        await _found(call.path["id"])
        if not await desk.call_backs.close(call.path["id"], "cancelled"):
            raise Problem(409, "wrong_state")
        return Answer(200, CallBackState(**_shown(await _found(call.path["id"]))))

    async def _found(id: str) -> CallBack:
        if found := await desk.call_backs.find(id):
            return found
        raise Problem(404, "not_found")

    path, one, scope = "/v1/callbacks", "/v1/callbacks/{id}", "callbacks"
    asked: dict[int, type[BaseModel] | str] = {201: CallBackAnswer, 200: CallBackAnswer}
    return [
        Route("POST", path, scope, "Ask to be called back", ask, asked, CallBackRequest),
        Route("GET", path, scope, "The call-back requests", list_, {200: CallBackList}, query=CallBackQuery),
        Route("GET", one, scope, "One request", look, {200: CallBackState}, problems=[404]),
        Route("DELETE", one, scope, "Take a request back", cancel, {200: CallBackState}, problems=[404, 409]),
    ]


def _shown(request: CallBack) -> dict[str, object]:
    names = [name for name in CallBackState.model_fields if name != "number"]
    return {"number": request.number_masked} | {name: getattr(request, name) for name in names}
