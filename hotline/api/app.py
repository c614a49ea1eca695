"""The HTTP side of the texts, put together: `add_text_routes(app, text)`."""

from collections.abc import Sequence

from aiohttp import web

from hotline.api import campaigns, dead_letters, events, messages, openapi, verifications
from hotline.api.routes import Door, Route, bind, dumps
from hotline.api.sandbox import bind_sandbox
from hotline.api.webhooks import bind_webhooks
from hotline.text import TextService


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
) -> None:
    """Put /v1, the providers' webhooks and the sandbox into `app`. `more`: other sides' operations under /v1."""
    routes = [*text_routes(text), *more]
    bind(app, Door(text.keys), routes)
    bind_webhooks(app, text, public_url, trusted_proxies)
    bind_sandbox(app, text)
    described = dumps(openapi.document(routes, "1")).encode()

    async def describe(_: web.Request) -> web.Response:
        return web.Response(body=described, content_type="application/json")

    app.router.add_get("/v1/openapi.json", describe)
