"""For vendors whose webhooks carry no signature: a secret in their address, and the networks they come from.

Their webhook address is `https://…/providers/NAME/receipts?secret=…`; both are checked before a byte is believed.
"""

import hmac
from ipaddress import ip_network
from urllib.parse import parse_qs, urlsplit

from pydantic import Field, SecretStr, field_validator

from fund.networks import within
from sms.errors import Forged
from sms.providers.base import Posted, ProviderSettings


class UnsignedSettings(ProviderSettings):
    """What stands in for a signature."""

    webhook_secret: SecretStr = Field(min_length=16, description="the `secret` in the webhook address, 16+ characters")
    allowed: list[str] = Field([], description="networks the vendor calls from (CIDR); empty: any")

    @field_validator("allowed")
    @classmethod
    def _networks(cls, value: list[str]) -> list[str]:
        for network in value:
            ip_network(network)
        return value


def authenticate(settings: UnsignedSettings, posted: Posted) -> None:
    """Returns when the webhook is from the vendor. Raises `Forged`."""
    given = parse_qs(urlsplit(posted.url).query).get("secret", [""])[0]
    if not hmac.compare_digest(given.encode(), settings.webhook_secret.get_secret_value().encode()):
        raise Forged("secret")
    if settings.allowed and not within(posted.remote, settings.allowed):
        raise Forged("address")
