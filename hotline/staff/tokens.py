"""Random tokens: the bearer has the text, we keep a hash. They are 256 bits of chance, so a plain hash will do."""

import hashlib
import secrets


def new_token() -> str:
    """43 characters for an address or a cookie."""
    return secrets.token_urlsafe(32)


def hashed(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()
