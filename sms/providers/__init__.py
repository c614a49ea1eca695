"""The providers there are: one line each."""

from sms.providers.base import Provider

PROVIDERS: dict[str, type[Provider]] = {}
