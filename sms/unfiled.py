"""Texts that no provider could ever take: the clouds on their way want them filed, and they are not."""

from collections.abc import Iterator, Mapping, Sequence

from sms.providers import PROVIDERS
from sms.settings import Route, TextSettings
from sms.templates import Template, Templates


def unfiled(settings: TextSettings, templates: Templates) -> Mapping[str, Sequence[str]]:
    """Template -> the providers of a route where none has an id of it."""
    want_ids = {name for name, (kind, _) in settings.provider_settings().items() if PROVIDERS[kind].wants_ids}
    found = {}
    for id, template in templates.items():
        for route in _routes(settings, template):
            if want_ids.issuperset(route.providers) and template.provider_ids.keys().isdisjoint(route.providers):
                found[id] = list(route.providers)
    return found


def _routes(settings: TextSettings, template: Template) -> Iterator[Route]:
    """The routes that texts of this template take, whoever's numbers they go to."""
    for route in settings.routes or [Route(providers=list(settings.providers))]:
        if template.lane in (route.lanes or {template.lane}) and template.id in (route.templates or {template.id}):
            yield route
            if not route.operators:
                return
