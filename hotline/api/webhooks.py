"""/providers/{name}/receipts and /inbound: what the providers tell us. The provider's own code knows who it is from."""

from collections.abc import Awaitable, Callable, Sequence

import structlog
from aiohttp import web

from fund.statements import NO_DATABASE, cause_of
from hotline.api.problems import Problem, body_of
from hotline.proxies import caller_address
from hotline.text import TextService
from sms.errors import Forged, Garbled, Refused
from sms.providers.base import Inbound, Posted, Provider, Receipt

log = structlog.get_logger(__name__)


def bind_webhooks(app: web.Application, text: TextService, public_url: str, trusted: Sequence[str]) -> None:
    """Put the webhooks of all providers into an application."""

    async def receipts(request: web.Request) -> web.Response:
        return await _taken(request, lambda provider, posted: _receipts(text, provider, posted))

    async def inbound(request: web.Request) -> web.Response:
        return await _taken(request, lambda provider, posted: _inbound(text, provider, posted))

    async def _taken(request: web.Request, take: Callable[[Provider, Posted], Awaitable[None]]) -> web.Response:
        provider = text.providers.get(request.match_info["name"])
        if provider is None:
            return Problem(404, "not_found").response()
        try:
            body = await body_of(request)
        except Problem as problem:
            return problem.response()
        remote = caller_address(request, trusted)
        posted = Posted(request.method, public_url + request.path_qs, request.headers, body, remote)
        try:
            await take(provider, posted)
        except (Forged, Garbled, Refused) as fault:
            return _declined(provider, fault)
        except NO_DATABASE as fault:  # a refusal makes the provider repeat it later
            log.error("webhook.database", provider=provider.name, cause=cause_of(fault))
            return Problem(503, "unavailable", retry_after=2).response()
        said = provider.acknowledgement
        return web.Response(status=said.status, content_type=said.content_type, body=said.body)

    app.router.add_route("*", "/providers/{name}/receipts", receipts)
    app.router.add_route("*", "/providers/{name}/inbound", inbound)


def _declined(provider: Provider, fault: Forged | Garbled | Refused) -> web.Response:
    log.warning("webhook.declined", provider=provider.name, fault=type(fault).__name__, reason=fault.reason)
    if isinstance(fault, Forged):
        return Problem(403, "forged").response()
    return Problem(400 if isinstance(fault, Garbled) else 404, fault.reason).response()


async def _receipts(text: TextService, provider: Provider, posted: Posted) -> None:
    found: list[Receipt] = list(provider.parse_receipt(posted))
    await text.take(provider.name, found, [])


async def _inbound(text: TextService, provider: Provider, posted: Posted) -> None:
    found: list[Inbound] = list(provider.parse_inbound(posted))
    await text.take(provider.name, [], found)
