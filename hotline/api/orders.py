"""/v1/orders: what became of work orders. Numbers are masked; what callers said and were told stays with the staff."""

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field

from desk.order import Order, State, Wanted
from hotline.api.problems import Problem
from hotline.api.routes import Answer, Call, Route, When
from hotline.desk import Desk


class OrderState(BaseModel):
    """One order."""

    number: str
    kind: str = Field(description="message, complaint, suggestion, consult")
    topic: str
    state: State
    priority: str
    channel: str = Field(description="voice, sms, api, staff")
    call_id: str = Field(description="the call it was left in, if any")
    caller: str = Field(description="masked")
    opened_at: datetime
    forward_by: datetime
    answer_by: datetime
    forwarded_at: datetime | None
    answered_at: datetime | None
    closed_at: datetime | None
    late: bool = Field(description="somebody waits longer than was promised")


class OrderList(BaseModel):
    """Newest first; `next_before` asks for the page after this one."""

    orders: list[OrderState]
    next_before: datetime | None


class OrderQuery(BaseModel):
    """Which orders."""

    model_config = ConfigDict(extra="forbid")

    state: State | None = None
    kind: str = Field("", max_length=12)
    topic: str = Field("", max_length=40)
    before: When | None = None
    limit: int = Field(50, ge=1, le=500)


def routes(desk: Desk) -> list[Route]:
    """The operations under /v1/orders."""

    async def list_(call: Call) -> Answer:
        query: OrderQuery = call.query
        states = (query.state,) if query.state else ()
        wanted = Wanted(states, query.kind, query.topic, before=query.before, limit=query.limit)
        found = await desk.orders.list(wanted)
        more = found[-1].opened_at if len(found) == query.limit else None
        return Answer(200, OrderList(orders=[_shown(each) for each in found], next_before=more))

    async def look(call: Call) -> Answer:
        if order := await desk.orders.find(call.path["number"]):
            return Answer(200, _shown(order))
        raise Problem(404, "not_found")

    return [
        Route("GET", "/v1/orders", "orders", "The work orders", list_, {200: OrderList}, query=OrderQuery),
        Route(
            "GET", "/v1/orders/{number}", "orders", "One work order", look, {200: OrderState}, problems=[404],
        ),
    ]  # fmt: skip


def _shown(order: Order) -> OrderState:
    names = [name for name in OrderState.model_fields if name not in ("caller", "late")]
    values = {name: getattr(order, name) for name in names}
    return OrderState(**values, caller=order.caller_masked, late=order.late(datetime.now(UTC)))
