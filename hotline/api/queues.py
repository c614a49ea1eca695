"""/v1/queues: how the queues of people are now, who works, who waits and who answered: for a centre's own software.

Callers are named by the id of their call, which `/v1/calls/{id}` tells the rest of.
"""

from datetime import datetime

from pydantic import BaseModel, Field

from desk.board import Board
from hotline.api.routes import Answer, Call, Route


class QueueNow(BaseModel):
    """One queue."""

    name: str
    waiting: int
    agents_logged_in: int
    agents_free: int
    expected_wait_seconds: int | None = Field(description="for whoever came now; null when nobody works")


class AgentNow(BaseModel):
    """One agent."""

    name: str
    state: str = Field(description="away, free, ringing, talking, paused")
    reason: str = Field(description="of a pause; no_telephone when signed in without one")
    since: datetime
    call_id: str = Field(description="of the caller who rings or talks")
    queues: list[str]


class WaitingNow(BaseModel):
    """One caller who waits."""

    call_id: str
    queue: str
    since: datetime
    estimate_seconds: int | None = Field(description="the wait that was expected on entering")


class BoardNow(BaseModel):
    """Everything at this moment; empty unless the exchange is connected."""

    exchange: str = Field(description="none: no telephone exchange is configured; away; connected")
    queues: list[QueueNow]
    agents: list[AgentNow]
    waiting: list[WaitingNow] = Field(description="the longest first")


def routes(board: Board) -> list[Route]:
    """The operation under /v1/queues."""

    async def now(call: Call) -> Answer:
        return Answer(200, _now(board))

    return [Route("GET", "/v1/queues", "calls", "Queues, agents and waiting callers", now, {200: BoardNow})]


def _now(board: Board) -> BoardNow:
    return BoardNow(
        exchange=board.exchange,
        queues=[
            QueueNow(
                name=queue.name,
                waiting=queue.waiting,
                agents_logged_in=queue.agents_logged_in,
                agents_free=queue.agents_free,
                expected_wait_seconds=queue.expected_wait_seconds,
            )
            for queue in board.queues.values()
        ],
        agents=[
            AgentNow(
                name=agent.name,
                state=agent.state,
                reason=agent.reason,
                since=agent.since,
                call_id=agent.call_id,
                queues=sorted(agent.queues),
            )
            for agent in board.agents.values()
        ],
        waiting=[
            WaitingNow(
                call_id=visit.call_id,
                queue=visit.queue,
                since=visit.entered_at,
                estimate_seconds=visit.estimate_seconds,
            )
            for visit in board.waiting
        ],
    )
