"""/v1/dead-letters: a client's own texts that wait for a decision; released, they go again, dropped, they do not."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from hotline.api.routes import Answer, Call, Route, When
from hotline.text import TextService
from sms.messages import Lane, Status


class DeadLettersQuery(BaseModel):
    """A page of them: `after` is the `dead_at` of the last one seen."""

    model_config = ConfigDict(extra="forbid")

    after: When | None = None
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


class DeadLetterList(BaseModel):
    """The newest first, and how many there are."""

    letters: list[DeadLetterState]
    count: int


class DecidedAnswer(BaseModel):
    """It is no dead letter any more."""

    id: str


def routes(text: TextService) -> list[Route]:
    """The operations on dead letters."""
    letters = text.dead_letters

    async def look(call: Call) -> Answer:
        found = await letters.list(call.query.most, call.client.name, call.query.after)
        states = [DeadLetterState.model_validate(each) for each in found]
        return Answer(200, DeadLetterList(letters=states, count=await letters.count(call.client.name)))

    async def release(call: Call) -> Answer:
        await letters.release(call.path["id"], call.client.name)
        await text.audit(call.client.name, "dead.release", call.path["id"])
        return Answer(202, DecidedAnswer(id=call.path["id"]))

    async def drop(call: Call) -> Answer:
        await letters.drop(call.path["id"], call.client.name)
        await text.audit(call.client.name, "dead.drop", call.path["id"])
        return Answer(202, DecidedAnswer(id=call.path["id"]))

    one = "/v1/dead-letters/{id}"
    return [
        Route(
            "GET", "/v1/dead-letters", "messages", "Texts that wait for a decision", look, {200: DeadLetterList},
            query=DeadLettersQuery,
        ),
        Route(
            "POST", f"{one}/release", "messages", "Send it again", release, {202: DecidedAnswer}, problems=[404],
        ),
        Route("POST", f"{one}/drop", "messages", "Give it up", drop, {202: DecidedAnswer}, problems=[404]),
    ]  # fmt: skip
