"""Where sounds are fetched by HTTP: at plain addresses, and personal ones at addresses that are signed and expire.

The addresses are longer than 60 characters: Asterisk sizes a buffer by them and fails on shorter ones. Pure.
"""

import hashlib
import hmac
import re
from datetime import datetime

GOOD_SECONDS = 600  # how long a personal address can be fetched
_TICKET = re.compile(r"(\d{1,12})-[0-9a-f]{32}")


class AddressRefused(Exception):
    """The address of a personal prompt is wrong or over: make the call again; an address is good for ten minutes."""


class Addresses:
    """Addresses under `base_url` (such as http://127.0.0.1:12329), signed with `secret`."""

    def __init__(self, base_url: str, secret: bytes) -> None:
        self._base, self._secret = f"{base_url.rstrip('/')}/audio", secret

    def of(self, key: str, *, personal: bool, now: datetime) -> str:
        """`/audio/<key>.wav`, or `/audio/<expires>-<signature>/<key>.wav` for what is personal."""
        if not personal:
            return f"{self._base}/{key}.wav"
        return f"{self._base}/{self._ticket(key, int(now.timestamp()) + GOOD_SECONDS)}/{key}.wav"

    def check(self, key: str, ticket: str, now: datetime) -> None:
        """Raises `AddressRefused` unless `ticket` was made here for `key`, and in time."""
        found = _TICKET.fullmatch(ticket)
        if found is None or int(found[1]) < now.timestamp():
            raise AddressRefused
        if not hmac.compare_digest(self._ticket(key, int(found[1])), ticket):
            raise AddressRefused

    def _ticket(self, key: str, expires: int) -> str:
        return f"{expires}-{hmac.digest(self._secret, f'{expires}/{key}'.encode(), hashlib.sha256).hex()[:32]}"
