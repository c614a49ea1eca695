"""The HTTP side of the texts, put together: `add_text_routes(app, text)`."""

from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from fund.demo import DemoPerson
from hotline.api import campaigns, dead_letters, events, messages, openapi, verifications
from hotline.api.problems import Problem
from hotline.api.routes import Door, Route, bind, dumps
from hotline.api.sandbox import bind_sandbox
from hotline.api.webhooks import bind_webhooks
from hotline.text import TextService

_WORDS = {404: "no_such_path", 405: "wrong_method"}


@web.middleware
async def _told_as_problems(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """What no route under /v1 takes is answered as its routes answer."""
    try:
        return await handler(request)
    except (web.HTTPNotFound, web.HTTPMethodNotAllowed) as fault:
        if not request.path.startswith("/v1/"):
            raise
        response = Problem(fault.status, _WORDS[fault.status]).response()
        if "Allow" in fault.headers:
            response.headers["Allow"] = fault.headers["Allow"]
        return response


def text_routes(text: TextService) -> list[Route]:
    """Every operation of the text side under /v1."""
    return [
        *messages.routes(text),
        *verifications.routes(text),
        *campaigns.routes(text),
        *events.routes(text),
        *dead_letters.routes(text),
    ]


def add_text_routes(
    app: web.Application,
    text: TextService,
    more: Sequence[Route] = (),
    public_url: str = "",
    trusted_proxies: Sequence[str] = (),
    people: Sequence[DemoPerson] = (),
) -> None:
    """Put /v1, the providers' webhooks and the sandbox with its `people` into `app`.

    `more`: other sides' operations under /v1.
    """
    routes = [*text_routes(text), *more]
    app.middlewares.append(_told_as_problems)
    bind(app, Door(text.keys), routes)
    bind_webhooks(app, text, public_url, trusted_proxies)
    bind_sandbox(app, text, people)
    described = dumps(openapi.document(routes, "1")).encode()

    async def describe(_: web.Request) -> web.Response:
        return web.Response(body=described, content_type="application/json")

    app.router.add_get("/v1/openapi.json", describe)
