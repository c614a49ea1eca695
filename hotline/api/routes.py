"""A route of the HTTP API is declared once: validation, authorisation, limits and the OpenAPI document follow."""

import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, TypeVar

import structlog
from aiohttp import web
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ValidationError
from pydantic_core import from_json

from fund.clock import YEARS
from fund.statements import NO_DATABASE, cause_of
from hotline.api.problems import FieldFault, Problem, body_of, of
from sms.errors import Refused, TryLater
from sms.keys import Client, Keys

log = structlog.get_logger(__name__)

MOST_BYTES = 64 * 1024


def _written(value: object) -> object:
    if not isinstance(value, str | date) or (isinstance(value, str) and not re.match(r"\d{4}-\d\d-\d\d", value)):
        raise ValueError("write a day as 2026-03-02, a time as 2026-03-02T10:00:00+08:00")
    return value


def _near(value: date) -> date:
    if value.year not in YEARS:
        raise ValueError(f"a year from {YEARS.start} to {YEARS.stop - 1}")
    return value


_Near = AfterValidator(_near)
When = Annotated[AwareDatetime, BeforeValidator(_written), _Near]  # a number is no time
Day = Annotated[date, BeforeValidator(_written), _Near]


@dataclass(frozen=True, slots=True)
class Call:
    """A request that has been let in and understood."""

    request: web.Request
    client: Client
    body: Any = None
    query: Any = None

    @property
    def path(self) -> Mapping[str, str]:
        return self.request.match_info


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: a model as JSON, or a ready response (a download)."""

    status: int
    model: BaseModel | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


M = TypeVar("M", bound=BaseModel)
Run = Callable[[Call], Awaitable[Answer | web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation. `problems` are the status codes of problem documents besides the common ones."""

    method: str
    path: str
    scope: str
    summary: str
    run: Run
    answers: Mapping[int, type[BaseModel] | str]  # a model, or the media type of a download
    body: type[BaseModel] | None = None
    upload: Sequence[str] = ()  # media types of a streamed body, which the operation reads by itself
    query: type[BaseModel] | None = None
    problems: Sequence[int] = ()
    also: Sequence[str] = ()  # media types the same answer may have besides JSON
    most_bytes: int = MOST_BYTES  # of a body that is not an upload


class Door:
    """Lets requests in: whose key, which scope, how fast."""

    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        self._buckets: dict[str, tuple[float, float]] = {}

    async def client(self, request: web.Request, scope: str) -> Client:
        """The caller. Raises `Problem` 401, 403 or 429."""
        kind, _, key = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer" or not key:
            raise Problem(401, "no_key")
        client = await self.keys.client(key.strip())
        if client is None:
            raise Problem(401, "wrong_key")
        if scope not in client.scopes:
            raise Problem(403, "wrong_scope")
        self._pace(client)
        return client

    def _pace(self, client: Client) -> None:
        """One request's worth out of the client's bucket, which holds a second's worth."""
        now = time.monotonic()
        tokens, filled = self._buckets.get(client.name, (float(client.rate), now))
        tokens = min(client.rate, tokens + (now - filled) * client.rate)
        if tokens < 1:
            raise Problem(429, "too_fast", retry_after=(1 - tokens) / client.rate)
        self._buckets[client.name] = (tokens - 1, now)


def bind(app: web.Application, door: Door, routes: Sequence[Route]) -> None:
    """Put routes into an application; a slash too many at the end makes no difference."""
    for route in routes:
        for path in (route.path, f"{route.path}/"):
            app.router.add_route(route.method, path, _endpoint(door, route))


def _endpoint(door: Door, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def endpoint(request: web.Request) -> web.StreamResponse:
        try:
            client = await door.client(request, route.scope)
            body = await read(request, route.body, route.most_bytes) if route.body else None
            call = Call(request, client, body, _query(request, route))
            return _response(await route.run(call))
        except Problem as problem:
            return problem.response()
        except (Refused, TryLater) as fault:
            return of(fault).response()
        except NO_DATABASE as fault:
            log.error("api.database", path=route.path, cause=cause_of(fault))
            return Problem(503, "unavailable", retry_after=2).response()
        except web.HTTPException:
            raise
        except Exception:
            log.exception("api.fault", path=route.path)
            return Problem(500, "our_fault").response()

    return endpoint


def _response(answer: Answer | web.StreamResponse) -> web.StreamResponse:
    if isinstance(answer, web.StreamResponse):
        return answer
    body = answer.model.model_dump_json().encode() if answer.model else b""
    return web.Response(status=answer.status, body=body, content_type="application/json", headers=answer.headers)


async def read(request: web.Request, model: type[M], most_bytes: int = MOST_BYTES) -> M:
    """What was posted, as `model`. Raises `Problem`."""
    if (request.content_length or 0) > most_bytes:
        raise Problem(413, "too_large")
    raw = await body_of(request)
    if len(raw) > most_bytes:  # sent in pieces: nobody said how many
        raise Problem(413, "too_large")
    try:
        if rb"\u0000" in raw:
            raise _no_nul()
        return model.model_validate_json(raw)
    except ValidationError as fault:
        raise _invalid(fault, raw) from None


def _query(request: web.Request, route: Route) -> BaseModel | None:
    if any("\0" in value for value in (*request.query.values(), *request.match_info.values())):
        raise _no_nul()
    try:
        return route.query.model_validate(dict(request.query)) if route.query else None
    except ValidationError as fault:
        raise _invalid(fault) from None


def _no_nul() -> Problem:
    """PostgreSQL keeps no NUL character in a text."""
    return Problem(422, "invalid", errors=[FieldFault(field="", reason="a text holds the character U+0000")])


def _invalid(fault: ValidationError, raw: bytes = b"") -> Problem:
    """Every fault at once, by field; never the values, which may be personal."""
    if any(each["type"] == "json_invalid" for each in fault.errors(include_input=False)):
        return Problem(400, "not_json")
    body = from_json(raw) if raw else None
    errors = [_told(each, body) for each in fault.errors(include_input=False, include_url=False)]
    return Problem(422, "invalid", errors=errors[:50])


def _told(error: Any, body: Any) -> FieldFault:
    """One fault. A body that may be one of several kinds is told by the field that says which."""
    place = _written_at(error, body) if body is not None else [str(part) for part in error["loc"]]
    match error["type"]:
        case "union_tag_invalid":
            return FieldFault(field=_named(error), reason=f"Input should be {error['ctx']['expected_tags']}")
        case "union_tag_not_found":
            return FieldFault(field=_named(error), reason="Field required")
    return FieldFault(field=".".join(place)[:200], reason=error["msg"])


def _written_at(error: Any, body: Any) -> list[str]:
    """The way to a fault in what was sent: the validator's own words (which kind it tried) left out."""
    place: list[str] = []
    for part in error["loc"]:
        if (isinstance(body, dict) and part in body) or (isinstance(body, list) and isinstance(part, int)):
            place.append(str(part))
            body = body[part]
    return [*place, str(error["loc"][-1])] if error["type"] == "missing" else place


def _named(error: Any) -> str:
    return str(error["ctx"]["discriminator"]).strip("'")


def dumps(document: Any) -> str:
    """JSON for people as well."""
    return json.dumps(document, ensure_ascii=False, indent=1)
