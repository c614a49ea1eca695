"""How personal data is masked, hashed and encrypted, in one place for both sides.

Three answers to three needs: a *mask* where a person reads it (pages, logs), a *digest* where it must be found again,
a *seal* where it must be read again. PINs and codes are none of these: see `fund.pins` and `sms.codes`.
"""

import base64
import hashlib
import hmac
import itertools
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_SEALED = b"\x01"  # the first byte of a seal: AES-256-GCM, then the nonce. Fernet's, which came before, begin with "g".
_NONCE = 12


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
    the first seals, all open, so a key is rotated by putting a new one in front. Sealed is with AES-256-GCM under a
    key derived from it, a tenth of the time of a Fernet token and a third shorter; Fernet tokens are opened as well.
    """

    def __init__(self, pepper: bytes, encryption_keys: Sequence[str]) -> None:
        self._pepper = pepper
        self._tokens = MultiFernet([Fernet(key) for key in encryption_keys])
        self._boxes = [AESGCM(hmac.digest(base64.urlsafe_b64decode(key), b"seal", "sha256")) for key in encryption_keys]
        self._nonces = itertools.count(int.from_bytes(os.urandom(_NONCE)))  # no two runs ever count over the same ones
        self._keys: dict[str, bytes] = {}

    def key(self, purpose: str) -> bytes:
        """A 32-byte key of its own for one purpose, derived from the pepper."""
        if purpose not in self._keys:
            self._keys[purpose] = hmac.digest(self._pepper, b"key:" + purpose.encode(), hashlib.sha256)
        return self._keys[purpose]

    def digest(self, purpose: str, value: str) -> str:
        """64 hex characters that stand for `value`; nothing leads back without the pepper."""
        return self.digest_bytes(purpose, value).hex()

    def digest_bytes(self, purpose: str, value: str) -> bytes:
        """The same as 32 bytes."""
        return hmac.digest(self.key(purpose), value.encode(), "sha256")

    def seal(self, text: str) -> bytes:
        """`text`, encrypted for storage."""
        return self.seal_bytes(text.encode())

    def open(self, sealed: bytes) -> str:
        """What `seal` was given. Raises `Unreadable`."""
        return self.open_bytes(sealed).decode()

    def seal_bytes(self, data: bytes) -> bytes:
        """`data`, such as a recording, encrypted for storage."""
        nonce = (next(self._nonces) % (1 << 8 * _NONCE)).to_bytes(_NONCE)
        return _SEALED + nonce + self._boxes[0].encrypt(nonce, data, None)

    def open_bytes(self, sealed: bytes) -> bytes:
        """What `seal_bytes` was given. Raises `Unreadable`."""
        if not sealed.startswith(_SEALED):
            return self._open_token(sealed)
        nonce, rest = sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
        for box in self._boxes:
            try:
                return box.decrypt(nonce, rest, None)
            except (InvalidTag, ValueError):  # another key's, or cut short
                continue
        raise Unreadable

    def reseal(self, sealed: bytes) -> bytes:
        """The same text under the newest key. Raises `Unreadable`."""
        return self.seal_bytes(self.open_bytes(sealed))

    def _open_token(self, sealed: bytes) -> bytes:
        try:
            return self._tokens.decrypt(sealed)
        except InvalidToken:
            raise Unreadable from None
