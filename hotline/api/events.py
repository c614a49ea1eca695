"""/v1/events: the ledger says what happened, whoever it concerns is told once."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import BaseModel, ConfigDict, Field, RootModel, create_model

from fund.ledger import LedgerAway
from hotline.api.problems import FieldFault, Problem
from hotline.api.routes import Answer, Call, Route
from hotline.text import TextService
from sms.messages import Status
from sms.notice_data import DATA
from sms.notice_facts import Event, MissingData
from sms.notices import NotTold

RETRY_SECONDS = 30


class EventBase(BaseModel):
    """Something that happened to an account."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True, regex_engine="python-re")

    key: str | None = Field(
        None, min_length=1, max_length=120, description="two events with one key are one; send one if you can"
    )
    account: str = Field(
        pattern=r"^[0-9A-Za-z]{1,20}$", description="an employee's account or ID number; an employer's account"
    )


def _event(type: str, data: type[BaseModel]) -> type[EventBase]:
    """The event of one type; its data may be left out unless the ledger cannot know it."""
    needed = any(field.is_required() for field in data.model_fields.values())
    return create_model(
        f"{type.title().replace('_', '')}Event",
        __base__=EventBase,
        __doc__=data.__doc__,
        type=(Literal[type], ...),  # type: ignore[arg-type]
        data=(data, ... if needed else Field(default_factory=data)),
    )


if TYPE_CHECKING:
    AnyEvent = Any
else:
    _EVENTS = tuple(_event(type, data) for type, data in DATA.items())
    AnyEvent = Annotated[Union[_EVENTS], Field(discriminator="type")]  # noqa: UP007 - made of a tuple


class EventRequest(RootModel[AnyEvent]):
    """What the ledger says: one of its seventeen kinds of event. What `data` leaves out is looked up."""


class EventAnswer(BaseModel):
    """What becomes of it. With an `id` there is a message; `duplicate`: there was one already, and no other is sent.

    Where another client asked for that one, the `id` is of a record that says so in its `reason`.
    """

    status: Status | NotTold
    id: str | None = None
    duplicate: bool = False
    ignored: list[str] = Field([], description="fields of `data` that no template of this type reads")


def routes(text: TextService) -> list[Route]:
    """The operations on events."""

    async def tell(call: Call) -> Answer:
        asked = call.body.root
        call.client.check_template(asked.type)  # the template has its name
        event = Event(asked.type, asked.account, asked.data, asked.key)
        try:
            told = await text.notices.tell(call.client.name, event)
        except LedgerAway:
            raise Problem(503, "ledger_away", retry_after=RETRY_SECONDS) from None
        except MissingData as missing:
            fault = FieldFault(field=f"data.{missing.field}", reason="the ledger does not know it either")
            raise Problem(422, "missing_data", errors=[fault]) from None
        ignored = [name[:40] for name in text.notices.ignored(event)[:20]]
        return Answer(202, EventAnswer(status=told.status, id=told.id, duplicate=told.duplicate, ignored=ignored))

    return [Route("POST", "/v1/events", "events", "Tell what happened", tell, {202: EventAnswer}, EventRequest)]
