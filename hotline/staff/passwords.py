"""Passwords of the staff: argon2id under a server-side pepper, in threads of their own; and what is too weak."""

import asyncio
import hmac
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from fund.pins import OWASP, Cost
from fund.privacy import Privacy

SHORTEST, LONGEST = 12, 128
FEWEST_DIFFERENT = 6


def weakness(password: str, name: str) -> str | None:
    """Why a password may not be used, as a word of `words.FAULTS`; None when it may."""
    if not SHORTEST <= len(password) <= LONGEST:
        return "password_length"
    if len(set(password)) < FEWEST_DIFFERENT or name.casefold() in password.casefold():
        return "password_weak"
    return None


class Passwords:
    """Hashes and compares. Two at once, so that guessers cannot take all the memory."""

    def __init__(self, privacy: Privacy, cost: Cost = OWASP) -> None:
        self._pepper = privacy.key("staff password")
        self._hasher = PasswordHasher(time_cost=cost.passes, memory_cost=cost.memory_kib, parallelism=cost.lanes)
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="password")
        self._nobodys = self._hasher.hash(privacy.key("nobody's password"))

    async def hash(self, password: str) -> str:
        """What may be kept of it."""
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, self._hasher.hash, self._peppered(password)
        )

    async def matches(self, kept: str | None, password: str) -> bool:
        """Whether this is the password; takes as long when there is none."""
        same = await asyncio.get_running_loop().run_in_executor(
            self._threads, self._same, kept or self._nobodys, self._peppered(password)
        )
        return same and kept is not None

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _same(self, kept: str, peppered: bytes) -> bool:
        try:
            return self._hasher.verify(kept, peppered)
        except (VerifyMismatchError, InvalidHashError):
            return False

    def _peppered(self, password: str) -> bytes:
        return hmac.digest(self._pepper, password.encode(), "sha256")
