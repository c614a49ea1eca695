"""The providers there are: one line each."""

from sms.providers.base import Provider
from sms.providers.sandbox import Sandbox

PROVIDERS: dict[str, type[Provider]] = {
    "sandbox": Sandbox,
}
