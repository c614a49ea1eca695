"""/v1/calls: which calls there were, their way through the menus, and who looked at what. Every number is masked."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from hotline.api.problems import Problem
from hotline.api.routes import Answer, Call, Route, When
from ivr.tables import audit, call_steps, calls


class CallSummary(BaseModel):
    """One call. `outcome` is empty while it is in progress."""

    id: str
    line: str
    caller: str = Field(description="masked")
    person: str | None = Field(description="masked account of who was identified")
    language: str
    flow_version: str
    node: str = Field(description="the last node")
    outcome: str = Field(description="hung_up, transferred, finished, rescued")
    started_at: datetime
    ended_at: datetime | None


class CallStep(BaseModel):
    """One node of the way, and how long the caller was in it."""

    node: str
    entered_at: datetime
    seconds: float | None


class CallLook(BaseModel):
    """Something personal that was looked at or changed."""

    at: datetime
    action: str
    outcome: str
    person: str


class CallDetail(CallSummary):
    """A call with its way and its looks."""

    steps: list[CallStep]
    looks: list[CallLook]


class CallList(BaseModel):
    """Newest first; `next_before` asks for the page after this one."""

    calls: list[CallSummary]
    next_before: datetime | None


class CallQuery(BaseModel):
    """Which calls."""

    model_config = ConfigDict(extra="forbid")

    before: When | None = None
    outcome: str | None = Field(None, max_length=20)
    limit: int = Field(50, ge=1, le=500)


def routes(engine: AsyncEngine) -> list[Route]:
    """The operations under /v1/calls."""

    async def list_calls(call: Call) -> Answer:
        query: CallQuery = call.query
        wanted = select(calls).order_by(calls.c.started_at.desc()).limit(query.limit)
        if query.before:
            wanted = wanted.where(calls.c.started_at < query.before)
        if query.outcome is not None:
            wanted = wanted.where(calls.c.outcome == query.outcome)
        async with engine.connect() as connection:
            rows = (await connection.execute(wanted)).all()
        more = rows[-1].started_at if len(rows) == query.limit else None
        return Answer(200, CallList(calls=[CallSummary(**_summary(row)) for row in rows], next_before=more))

    async def one_call(call: Call) -> Answer:
        id = call.path["id"]
        async with engine.connect() as connection:
            row = (await connection.execute(select(calls).where(calls.c.id == id))).first()
            if row is None:
                raise Problem(404, "no_such_call")
            steps = select(call_steps).where(call_steps.c.call_id == id).order_by(call_steps.c.n)
            looks = select(audit).where(audit.c.call_id == id).order_by(audit.c.id)
            way = [
                CallStep(node=step.node, entered_at=step.entered_at, seconds=step.seconds)
                for step in await connection.execute(steps)
            ]
            seen = [
                CallLook(at=look.at, action=look.action, outcome=look.outcome, person=look.person_masked)
                for look in await connection.execute(looks)
            ]
        return Answer(200, CallDetail(**_summary(row), steps=way, looks=seen))

    return [
        Route("GET", "/v1/calls", "calls", "The hotline's calls", list_calls, {200: CallList}, query=CallQuery),
        Route("GET", "/v1/calls/{id}", "calls", "One call and its way", one_call, {200: CallDetail}, problems=(404,)),
    ]


def _summary(row: Any) -> dict[str, Any]:
    names = ("id", "line", "language", "flow_version", "node", "outcome", "started_at", "ended_at")
    return {name: getattr(row, name) for name in names} | {
        "caller": row.caller_masked,
        "person": row.person_masked,
    }
