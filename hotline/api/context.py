"""/v1/calls/{id}/context: who is calling and why, for the centre's own seat software; each look is in the audit."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from pydantic import BaseModel, Field

from hotline.api.problems import Problem
from hotline.api.routes import Answer, Call, Route
from hotline.context import Contexts

Audit = Callable[[str, str, str], Awaitable[None]]


class StopOnTheWay(BaseModel):
    """One thing the caller chose or met."""

    kind: str = Field(examples=["chose", "identify", "report", "transfer"])
    words: str


class EarlierCall(BaseModel):
    id: str
    started_at: datetime
    outcome: str
    last: str


class UndoneOrder(BaseModel):
    number: str
    kind: str
    state: str
    opened_at: datetime
    late: bool


class CallContext(BaseModel):
    """Not masked. Figures of the ledger are never in it: `heard` names the reports."""

    call: str
    line: str
    language: str
    started_at: datetime
    ended_at: datetime | None
    outcome: str = Field(description="empty while the call lasts")
    caller: str = Field(description="empty when withheld; masked once the time to keep it is over")
    identified: str = Field(description="no, bound (number known, nothing proven), phone, number (proven by PIN)")
    kind: str = Field(description="employee, employer; empty when unknown")
    name: str
    account: str
    senior: bool = Field(description="65 or older")
    sent_around: bool = Field(description="handed to people for the second time within a day")
    queue: str
    way: list[StopOnTheWay]
    heard: list[str]
    orders: list[UndoneOrder]
    earlier: list[EarlierCall]


def routes(contexts: Contexts, audit: Audit) -> list[Route]:
    """The one operation."""

    async def context(call: Call) -> Answer:
        id = call.path["id"]
        found = await contexts.of(id)
        if found is None:
            raise Problem(404, "no_such_call")
        await audit(call.client.name, "look_at_call", id[:80])
        return Answer(200, CallContext.model_validate(found.as_json()))

    return [
        Route(
            "GET", "/v1/calls/{id}/context", "context", "Who is calling and why", context, {200: CallContext},
            problems=(404,),
        )
    ]  # fmt: skip
