"""How personal data is masked, hashed and encrypted, in one place for both sides.

Three answers to three needs: a *mask* where a person reads it (pages, logs), a *digest* where it must be found again,
a *seal* where it must be read again. PINs and codes are none of these: see `fund.pins` and `sms.codes`.
"""

import hashlib
import hmac
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


def mask_number(number: str) -> str:
    """A phone, account or ID number by its last 4 digits: `13900000001` -> `*******0001`; 4 or fewer are all hidden."""
    return "*" * len(number) if len(number) <= 4 else "*" * (len(number) - 4) + number[-4:]


def mask_name(name: str) -> str:
    """A name by its last character: `王小明` -> `**明`, `` -> ``; a single character is hidden."""
    return "*" * len(name) if len(name) <= 1 else "*" * (len(name) - 1) + name[-1]


class Unreadable(Exception):
    """Sealed data cannot be opened: its key is not among HOTLINE_ENCRYPTION_KEYS. Add the old key back at the end."""


class Privacy:
    """Digests and seals under the installation's own keys.

    `pepper` (>= 32 bytes) never changes: look-ups depend on it. `encryption_keys` are Fernet keys, newest first;
    the first seals, all open, so a key is rotated by putting a new one in front.
    """

    def __init__(self, pepper: bytes, encryption_keys: Sequence[str]) -> None:
        self._pepper = pepper
        self._box = MultiFernet([Fernet(key) for key in encryption_keys])
        self._keys: dict[str, bytes] = {}

    def key(self, purpose: str) -> bytes:
        """A 32-byte key of its own for one purpose, derived from the pepper."""
        if purpose not in self._keys:
            self._keys[purpose] = hmac.digest(self._pepper, b"key:" + purpose.encode(), hashlib.sha256)
        return self._keys[purpose]

    def digest(self, purpose: str, value: str) -> str:
        """64 hex characters that stand for `value`; nothing leads back without the pepper."""
        return hmac.digest(self.key(purpose), value.encode(), "sha256").hex()

    def seal(self, text: str) -> bytes:
        """`text`, encrypted for storage."""
        return self._box.encrypt(text.encode())

    def open(self, sealed: bytes) -> str:
        """What `seal` was given. Raises `Unreadable`."""
        try:
            return self._box.decrypt(sealed).decode()
        except InvalidToken:
            raise Unreadable from None

    def seal_bytes(self, data: bytes) -> bytes:
        """`data`, such as a recording, encrypted for storage."""
        return self._box.encrypt(data)

    def open_bytes(self, sealed: bytes) -> bytes:
        """What `seal_bytes` was given. Raises `Unreadable`."""
        try:
            return self._box.decrypt(sealed)
        except InvalidToken:
            raise Unreadable from None

    def reseal(self, sealed: bytes) -> bytes:
        """The same text under the newest key. Raises `Unreadable`."""
        try:
            return self._box.rotate(sealed)
        except InvalidToken:
            raise Unreadable from None
