"""/v1/dead-letters: a client's texts, and the news it did not take, that wait for a decision: release or drop."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from hotline.api.routes import Answer, Call, Route, When
from hotline.text import TextService
from sms.given_up import decide
from sms.messages import Lane, Status


class DeadLettersQuery(BaseModel):
    """A page of them: `after` and `after_id` are the `dead_at` and the `id` of the last one seen."""

    model_config = ConfigDict(extra="forbid")

    after: When | None = None
    after_id: str = Field("", max_length=26)
    most: int = Field(100, ge=1, le=1000)


class DeadLetterState(BaseModel):
    """One of them: `failed` did not go, `unknown` may have."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    status: Status
    reason: str
    lane: Lane
    template: str
    to_masked: str
    provider: str | None
    created_at: datetime
    dead_at: datetime


class UntoldState(BaseModel):
    """News of a text (`message`) that your system did not take; released, it is told again."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    message: str
    status: Status
    reason: str
    at: datetime


class DeadLetterList(BaseModel):
    """The newest first, and how many there are; on the first page also the callbacks that were given up."""

    letters: list[DeadLetterState]
    count: int
    callbacks: list[UntoldState] = []
    callbacks_count: int


class DecidedAnswer(BaseModel):
    """It is no dead letter any more."""

    id: str


def routes(text: TextService) -> list[Route]:
    """The operations on dead letters."""
    letters, given_up = text.dead_letters, text.given_up

    async def look(call: Call) -> Answer:
        found = await letters.list(call.query.most, call.client.name, call.query.after, call.query.after_id)
        untold = [] if call.query.after else await given_up.list(call.query.most, call.client.name)
        listed = DeadLetterList(
            letters=[DeadLetterState.model_validate(each) for each in found],
            count=await letters.count(call.client.name),
            callbacks=[UntoldState.model_validate(each) for each in untold],
            callbacks_count=await given_up.count(call.client.name),
        )
        return Answer(200, listed)

    async def release(call: Call) -> Answer:
        await decide("release", letters, given_up, call.path["id"], call.client.name)
        await text.audit(call.client.name, "dead.release", call.path["id"])
        return Answer(202, DecidedAnswer(id=call.path["id"]))

    async def drop(call: Call) -> Answer:
        await decide("drop", letters, given_up, call.path["id"], call.client.name)
        await text.audit(call.client.name, "dead.drop", call.path["id"])
        return Answer(202, DecidedAnswer(id=call.path["id"]))

    one = "/v1/dead-letters/{id}"
    return [
        Route(
            "GET", "/v1/dead-letters", "messages", "Texts and callbacks that wait for a decision", look,
            {200: DeadLetterList}, query=DeadLettersQuery,
        ),
        Route(
            "POST", f"{one}/release", "messages", "Send it again", release, {202: DecidedAnswer}, problems=[404],
        ),
        Route("POST", f"{one}/drop", "messages", "Give it up", drop, {202: DecidedAnswer}, problems=[404]),
    ]  # fmt: skip
