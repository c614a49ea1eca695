"""Which providers a text may take, in which order: routes, then breakers. Failover is decided by the worker."""

import random
import time
from collections.abc import Mapping, Sequence

from sms import metrics
from sms.breaker import Breaker
from sms.errors import NotSent, OutcomeUnknown, TryLater
from sms.gate import Gate
from sms.messages import Lane
from sms.outbox import Claimed
from sms.providers.base import Provider
from sms.settings import Route

# A breaker of one operator behind a provider hears of receipts, which fail for many reasons: it wants more of them.
_OPERATOR = {"share": 0.6, "window": 50, "in_a_row": 25}


class Router:
    """The providers with their routes, breakers and gates."""

    def __init__(self, providers: Mapping[str, Provider], routes: Sequence[Route], chance: random.Random) -> None:
        self.providers = providers
        self.routes = routes or [Route(providers=list(providers))]
        self.chance = chance
        self.gates = {
            name: Gate(each.settings.rate, each.settings.window, each.settings.code_share)
            for name, each in providers.items()
        }
        self.breakers: dict[tuple[str, str], Breaker] = {(name, ""): Breaker() for name in providers}

    def candidates(self, message: Claimed) -> list[Provider]:
        """The providers `message` may take, best first, without those that may have had it already."""
        names = self._order(message)
        return [self.providers[name] for name in names if name not in message.tried]

    def _order(self, message: Claimed) -> list[str]:
        for route in self.routes:
            if _fits(route, message):
                if isinstance(route.providers, dict):
                    return shuffled(route.providers, self.chance)
                return route.providers
        return []

    def room(self, lane: Lane) -> int:
        """How many texts of `lane` the providers could be given right now, all together."""
        now = time.monotonic()
        awake = (gate for name, gate in self.gates.items() if not self.breakers[name, ""].rest_seconds(now))
        return sum(gate.room(lane) for gate in awake)

    def allows(self, provider: str, operator: str) -> bool:
        """Whether the breakers let one more text through. A yes may be a probe: tell the outcome, or `gave_back`."""
        now = time.monotonic()
        asked: list[Breaker] = []
        for breaker in self._breakers(provider, operator):
            if not breaker.allows(now):
                for earlier in asked:
                    earlier.gave_back()
                return False
            asked.append(breaker)
        return True

    def rest_seconds(self, provider: str, operator: str) -> float:
        """How long the breakers still leave it alone."""
        now = time.monotonic()
        return max(breaker.rest_seconds(now) for breaker in self._breakers(provider, operator))

    def gave_back(self, provider: str, operator: str) -> None:
        """A text that was allowed never went."""
        for breaker in self._breakers(provider, operator):
            breaker.gave_back()

    def answered(self, provider: str, operator: str, fault: Exception | None) -> None:
        """Feed the breakers with the answer to a text; a refusal is an answer like any other."""
        for breaker in self._breakers(provider, operator):
            if isinstance(fault, (NotSent, OutcomeUnknown)):
                breaker.failed(time.monotonic())
            elif isinstance(fault, TryLater):
                breaker.gave_back()
            else:
                breaker.took()

    def receipt(self, provider: str, operator: str, delivered: bool) -> None:
        """Feed the breaker of one operator behind a provider with what became of a text."""
        if operator and provider in self.providers:
            breaker = self._breakers(provider, operator)[1]
            breaker.took() if delivered else breaker.failed(time.monotonic())

    def measure(self) -> None:
        """Whom we leave alone now, for the metrics."""
        for (provider, operator), breaker in self.breakers.items():
            metrics.BREAKER.labels(provider, operator).set(breaker.state == "open")

    def _breakers(self, provider: str, operator: str) -> list[Breaker]:
        """The provider's own, and the one of the operator behind it."""
        whole = self.breakers[provider, ""]
        if not operator:
            return [whole]
        if (provider, operator) not in self.breakers:
            self.breakers[provider, operator] = Breaker(**_OPERATOR)  # type: ignore[arg-type]
        return [whole, self.breakers[provider, operator]]


def _fits(route: Route, message: Claimed) -> bool:
    return (
        (not route.lanes or message.lane in route.lanes)
        and (not route.templates or message.template in route.templates)
        and (not route.operators or message.operator in route.operators)
    )


def shuffled(weights: Mapping[str, int], chance: random.Random) -> list[str]:
    """Every name once, the heavier the sooner on average: `{"a": 3, "b": 1}` begins with a three times out of four."""
    return sorted(weights, key=lambda name: chance.random() ** (1 / weights[name]), reverse=True)
