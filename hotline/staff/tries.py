"""Guesses at passwords, counted before they are compared, for the name tried and for the address they come from."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from ipaddress import ip_network

from sqlalchemy import String, bindparam, text
from sqlalchemy.ext.asyncio import AsyncEngine

from fund.columns import Moment
from fund.networks import address_of
from fund.privacy import Privacy

MOST_BY_NAME = 5
MOST_BY_ADDRESS = 20  # an office may share one
LOCK = timedelta(minutes=15)

# A lock keeps its end: whoever goes on guessing does not lock the owner out for ever.
_COUNT = text(
    """
    INSERT INTO staff_tries (subject, tries, until) VALUES (:subject, 1, :until)
    ON CONFLICT (subject) DO UPDATE SET
        tries = CASE WHEN staff_tries.until > :at THEN staff_tries.tries + 1 ELSE 1 END,
        until = CASE WHEN staff_tries.until > :at AND staff_tries.tries >= :most THEN staff_tries.until
                     ELSE excluded.until END
    RETURNING tries
    """
).bindparams(bindparam("at", type_=Moment), bindparam("until", type_=Moment), bindparam("subject", type_=String))
_FORGIVE = text(
    "UPDATE staff_tries SET tries = CASE WHEN tries > :spent THEN tries - :spent ELSE 0 END WHERE subject = :subject"
)
_FORGET = text("DELETE FROM staff_tries WHERE subject = :subject")
_TIDY = text("DELETE FROM staff_tries WHERE until <= :at").bindparams(bindparam("at", type_=Moment))


class Tries:
    """Counts, forgives and forgets."""

    def __init__(self, engine: AsyncEngine, privacy: Privacy) -> None:
        self._engine, self._privacy = engine, privacy

    async def count(self, name: str, address: str, at: datetime) -> int | None:
        """Count one try; how many this name has now, or None when the name or the address is locked."""
        subjects = self._subjects(name, address)
        counted: dict[str, int] = {}
        async with self._engine.begin() as connection:
            for subject, most in sorted(subjects.items()):  # one order, so that two tries never deadlock
                values = {"subject": subject, "most": most, "at": at, "until": at + LOCK}
                counted[subject] = (await connection.execute(_COUNT, values)).scalar_one()
        if any(counted[subject] > most for subject, most in subjects.items()):
            return None
        return counted[next(iter(subjects))]

    async def forgive(self, name: str, address: str, spent: int) -> None:
        """The password was right: give back what was spent on this name, and not a guess at another."""
        async with self._engine.begin() as connection:
            for subject in sorted(self._subjects(name, address)):
                await connection.execute(_FORGIVE, {"subject": subject, "spent": spent})

    async def forget(self, name: str) -> None:
        """The owner of this name has come in another way: nothing is held against it."""
        async with self._engine.begin() as connection:
            await connection.execute(_FORGET, {"subject": self._privacy.digest("staff name", name)})

    async def tidy(self, at: datetime) -> None:
        """Remove tries whose time is over."""
        async with self._engine.begin() as connection:
            await connection.execute(_TIDY, {"at": at})

    def _subjects(self, name: str, address: str) -> Mapping[str, int]:
        """The digests to count under, and how many tries each may have; the name's first."""
        return {
            self._privacy.digest("staff name", name): MOST_BY_NAME,
            self._privacy.digest("staff address", neighbourhood(address)): MOST_BY_ADDRESS,
        }


def neighbourhood(address: str) -> str:
    """What one guesser may have to choose from: an IPv4 address, or a whole /64 of IPv6."""
    try:
        ip = address_of(address)
    except ValueError:
        return address
    return str(ip if ip.version == 4 else ip_network((ip, 64), strict=False))
