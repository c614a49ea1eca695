"""/v1/campaigns: a file of recipients in, its preflight and progress out."""

from collections.abc import AsyncIterator
from datetime import datetime

import aiohttp
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from hotline.api.problems import Problem
from hotline.api.routes import Answer, Call, Route
from hotline.text import TextService
from sms.campaigns import State
from sms.messages import Status
from sms.preflight import Kind, Report

KINDS: dict[str, Kind] = {"text/csv": "csv", "application/x-ndjson": "ndjson"}
_PIECE = 64 * 1024


class CampaignQuery(BaseModel):
    """Which template, and a name to find the campaign by. `start`: as soon as it is checked.

    Who did not get an answer asks again with the same `key`.
    """

    model_config = ConfigDict(extra="forbid")

    template: str = Field(min_length=1, max_length=64)
    name: str = Field("", max_length=100)
    start: bool = False
    key: str | None = Field(None, min_length=1, max_length=128, description="two uploads with one key are one campaign")


class CampaignAnswer(BaseModel):
    """The file is checked and kept; GET shows what was found. `duplicate`: it was there already."""

    id: str
    status: State
    duplicate: bool = False


class CampaignState(BaseModel):
    """What the preflight found, and how far it is. `rate` is texts a second since the start."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str
    template: str
    status: State
    report: Report
    statuses: dict[Status, int]
    waiting: int
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    rate: float
    seconds_left: float | None


def routes(text: TextService) -> list[Route]:
    """The operations on campaigns."""

    async def upload(call: Call) -> Answer:
        asked: CampaignQuery = call.query
        call.client.check_template(asked.template)
        kind = KINDS.get(call.request.content_type)
        packed = call.request.headers.get("Content-Encoding", "identity") != "identity"
        if kind is None or packed:  # nobody could tell whether a packed file arrived whole
            raise Problem(415, "not_a_list")
        there = await text.campaigns.find(call.client.name, asked.key) if asked.key else None
        id, status = there or (await take_in(call, kind), "ready")
        if asked.start and status == "ready":
            status = await text.campaigns.move(call.client.name, id, "start")
        answer = CampaignAnswer(id=id, status=status, duplicate=there is not None)
        return Answer(202, answer, {"Location": f"/v1/campaigns/{id}"})

    async def take_in(call: Call, kind: Kind) -> str:
        client, asked = call.client.name, call.query
        pieces = call.request.content.iter_chunked(_PIECE)
        try:
            id = await text.campaigns.upload(client, asked.name, asked.template, kind, pieces, asked.key)
        except (aiohttp.ClientPayloadError, aiohttp.http_exceptions.HttpProcessingError, ConnectionError):
            raise Problem(400, "cut_off") from None
        await text.audit(client, "campaign.upload", id, asked.template)
        return id

    async def look(call: Call) -> Answer:
        progress = await text.campaigns.progress(call.client.name, call.path["id"])
        if progress is None:
            raise Problem(404, "not_found")
        return Answer(200, CampaignState.model_validate(progress))

    async def faults(call: Call) -> web.StreamResponse:
        if await text.campaigns.progress(call.client.name, call.path["id"]) is None:
            raise Problem(404, "not_found")
        response = web.StreamResponse(headers={"Content-Type": "text/csv; charset=utf-8"})
        await response.prepare(call.request)
        await response.write(b"line,reason\r\n")
        async for lines in _lines(text.campaigns.faults(call.client.name, call.path["id"])):
            await response.write(lines)
        return response

    def move(act: str) -> Route:
        async def run(call: Call) -> Answer:
            status = await text.campaigns.move(call.client.name, call.path["id"], act)
            await text.audit(call.client.name, f"campaign.{act}", call.path["id"])
            return Answer(202, CampaignAnswer(id=call.path["id"], status=status))

        path = f"/v1/campaigns/{{id}}/{act}"
        return Route("POST", path, "campaigns", act.title(), run, {202: CampaignAnswer}, problems=[404, 409])

    return [
        Route(
            "POST", "/v1/campaigns", "campaigns", "Upload and check a list of recipients", upload,
            {202: CampaignAnswer}, upload=list(KINDS), query=CampaignQuery, problems=[409, 415],
        ),
        Route("GET", "/v1/campaigns/{id}", "campaigns", "Progress", look, {200: CampaignState}, problems=[404]),
        Route("GET", "/v1/campaigns/{id}/faults", "campaigns", "Bad rows", faults, {200: "text/csv"}, problems=[404]),
        *(move(act) for act in ("start", "pause", "resume", "cancel")),
    ]  # fmt: skip


async def _lines(faults: AsyncIterator[tuple[int, str]]) -> AsyncIterator[bytes]:
    """CSV in pieces of a few hundred lines."""
    kept: list[str] = []
    async for line, reason in faults:
        kept.append(f'{line},"{reason}"\r\n')
        if len(kept) == 500:
            yield "".join(kept).encode()
            kept = []
    yield "".join(kept).encode()
