"""Workers: take due texts out of the outbox, put them on the wire, write down what the provider said.

A worker claims no more than the providers have room for, so what is `sending` is on the wire within milliseconds.
Codes have workers of their own, and a share of every provider's rate and window that nobody else touches.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from fund.statements import NO_DATABASE
from sms import metrics
from sms.errors import NotSent, OutcomeUnknown, Refused, TextError, TryLater
from sms.messages import LANES, Lane
from sms.outbox import Claimed, Outbox, Outcome
from sms.providers.base import Accepted, Outgoing, Provider
from sms.routing import Router
from sms.timing import Day, allowed_at, next_try

log = structlog.get_logger(__name__)

POLL_SECONDS = 0.5  # how soon work is found that nobody announced: another process's on SQLite, or what became due
AT_ONCE = 400  # texts of one claim
AT_ONCE_NEAR_CODES = 16  # while codes are about: one that comes now waits until they are on the wire
DOOR_SECONDS = 1.0  # how long texts on the disk wait while many at the door want to get there
PACE_SECONDS = 0.02  # between two claims of other texts, as long as there are as many as were asked for
GATHER_SECONDS = 0.1  # and when there were fewer: a claim of one costs as much as a claim of fifty
RECORD_AGAIN_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)  # well within a lease
ASK_AGAIN_SECONDS = 30.0
LONGEST_PAUSE_SECONDS = 300.0  # after which one text asks whether somebody has paid the bill


@dataclass(frozen=True, slots=True)
class Rules:
    """What workers must know besides the providers."""

    day: Day | None
    second_way_seconds: float
    provider_template: Callable[[str, str], str]  # (our template, provider) -> the provider's id of it, or empty
    lease_seconds: float = 60.0  # longer than any provider's timeout: a row still `sending` then is a dead worker's


class Worker:
    """Serves `lanes`, the first ones first, with at most `hands` texts at once."""

    def __init__(
        self,
        lanes: Sequence[Lane],
        outbox: Outbox,
        router: Router,
        rules: Rules,
        chance: random.Random,
        hands: int = 800,
    ) -> None:
        self.lanes = lanes
        self.outbox = outbox
        self.router = router
        self.rules = rules
        self.chance = chance
        self.hands = hands
        self._busy: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._claimed_at = 0.0
        self._more = False  # the last claim found as many as it asked for

    def start(self) -> None:
        self.outbox.added.append(self.wake)
        self._task = asyncio.create_task(self._run(), name=f"texts {' '.join(self.lanes)}")

    def wake(self, lane: Lane) -> None:
        """There is work in `lane`."""
        if lane in self.lanes:
            self._wake.set()

    async def stop(self) -> None:
        """Claim nothing more; wait for what is on the wire."""
        self.outbox.added.remove(self.wake)
        self._stopping = True
        self._wake.set()
        if self._task:
            await self._task
        await asyncio.gather(*self._busy)

    async def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                found = await self._turn()
            except Exception as fault:  # the database is away: texts wait in it, so do we
                log.error("texts.claim_failed", fault=type(fault).__name__)
                found = 0
            if not found:
                await self._rest()
            elif "code" not in self.lanes:
                await self._pace()

    async def _turn(self) -> int:
        most = min(self.hands - len(self._busy), max(self.router.room(lane) for lane in self.lanes))
        if most < 1 or self._crowded or not await self.outbox.due() & set(self.lanes):
            return 0
        self._claimed_at = time.monotonic()
        most = min(most, AT_ONCE_NEAR_CODES if self._gently else AT_ONCE)
        claimed = await self._claim(most)
        self._more = len(claimed) == most
        tasks = [asyncio.create_task(self._deliver(message)) for message in claimed]
        self._busy.update(tasks)
        for task in tasks:
            task.add_done_callback(self._freed)
        return len(claimed)

    @property
    def _crowded(self) -> bool:
        """Whoever hands texts over in a rush waits for an answer; what is on the disk does not mind a second."""
        waited = time.monotonic() - self._claimed_at
        return "code" not in self.lanes and self.outbox.rush and waited < DOOR_SECONDS

    @property
    def _gently(self) -> bool:
        return self.outbox.store.codes_about and "code" not in self.lanes

    async def _pace(self) -> None:
        """Until more has gathered; near codes, whose turn comes meanwhile, until what was claimed is done if sooner."""
        if self._gently and self._busy:
            await asyncio.wait(self._busy, timeout=PACE_SECONDS)
        else:
            await asyncio.sleep(PACE_SECONDS if self._more else GATHER_SECONDS)

    async def _claim(self, most: int) -> list[Claimed]:
        """Codes make everybody else wait; everybody else waits."""
        store = self.outbox.store
        if "code" in self.lanes:
            with store.first():
                claimed = await self.outbox.claim(self.lanes, most, self.rules.lease_seconds)
            if claimed:
                store.code_came()
            return claimed
        await store.calm()
        return await self.outbox.claim(self.lanes, most, self.rules.lease_seconds)

    def _freed(self, task: asyncio.Task[None]) -> None:
        self._busy.discard(task)
        self._wake.set()

    async def _rest(self) -> None:
        full = max(self.router.room(lane) for lane in self.lanes) < 1
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.01 if full else POLL_SECONDS):
                await self._wake.wait()

    async def _deliver(self, message: Claimed) -> None:
        try:
            outcome = await self._outcome(message)
            await self._record(outcome)
        except Exception as fault:  # the row stays `sending`; when its lease ends it is `unknown`
            log.exception("texts.outcome_lost", message=message.id, fault=type(fault).__name__)
            return
        metrics.of(metrics.OUTCOMES, message.lane, outcome.provider, outcome.status).inc()

    async def _record(self, outcome: Outcome) -> None:
        """What a provider said is known to nobody else: while the lease lasts, the database has time to come back."""
        for pause in RECORD_AGAIN_SECONDS:
            try:
                return await self.outbox.record(outcome)
            except NO_DATABASE as fault:
                log.warning("texts.record_failed", message=outcome.id, fault=type(fault).__name__)
                if self._stopping:
                    break
                await asyncio.sleep(pause)
        await self.outbox.record(outcome)

    async def _outcome(self, message: Claimed) -> Outcome:
        now = self.outbox.clock()
        if message.expires_at <= now:
            return Outcome(message.id, "failed", reason="expired", tried=message.tried, counts=False)
        if message.declined:
            return Outcome(message.id, "failed", reason="opted_out", counts=False)
        opens = allowed_at(now, message.quiet, self.rules.day)
        if opens > now:
            return Outcome(message.id, "queued", reason="quiet_hours", due_at=opens, tried=message.tried, counts=False)
        candidates = self.router.candidates(message)
        if not candidates:
            return self._no_way_left(message)
        return await self._try_each(message, candidates)

    async def _try_each(self, message: Claimed, candidates: Sequence[Provider]) -> Outcome:
        """One provider after the other, as long as it is sure that the one before did not take the text."""
        faults: list[TextError] = []
        for provider in candidates:
            answer = await self._try(provider, message)
            if isinstance(answer, Accepted):
                tried = (*message.tried, provider.name)
                refs = tuple(dict.fromkeys(answer.refs))  # some give all parts one
                return Outcome(message.id, "sent", provider.name, refs, tried=tried)
            if isinstance(answer, Refused):
                tried = (*message.tried, provider.name)
                return Outcome(message.id, "failed", provider.name, reason=answer.reason[:64], tried=tried, dead=True)
            if isinstance(answer, OutcomeUnknown):
                return self._unknown(message, provider, candidates, answer)
            faults.append(answer)
        return self._later(message, faults)

    async def _try(self, provider: Provider, message: Claimed) -> Accepted | TextError:
        name, gate = provider.name, self.router.gates[provider.name]
        if not self.router.allows(name, message.operator):
            return _Blocked("breaker_open", max(1.0, self.router.rest_seconds(name, message.operator)))
        if not gate.enter(message.lane):
            self.router.gave_back(name, message.operator)
            return _Blocked("no_room", gate.wait_seconds(message.lane))
        answer = await self._send(provider, message)
        gate.leave()
        if isinstance(answer, TryLater) and answer.link:
            gate.close(min(answer.after_seconds, LONGEST_PAUSE_SECONDS))
        self.router.answered(name, message.operator, answer if isinstance(answer, TextError) else None)
        return answer

    async def _send(self, provider: Provider, message: Claimed) -> Accepted | TextError:
        started = self.outbox.clock()
        began = time.perf_counter()
        try:
            accepted = await provider.send(self._outgoing(message, provider, started))
        except (Refused, TryLater, NotSent, OutcomeUnknown) as fault:
            return fault
        except Exception as fault:  # a bug in a provider: nobody knows what left
            log.exception("texts.provider_bug", provider=provider.name, fault=type(fault).__name__)
            return OutcomeUnknown(type(fault).__name__)
        finally:
            metrics.of(metrics.ANSWERED, provider.name).observe(time.perf_counter() - began)
        if not message.attempt:
            metrics.of(metrics.WAITED, message.lane).observe((started - message.created_at).total_seconds())
        return accepted

    def _outgoing(self, message: Claimed, provider: Provider, now: datetime) -> Outgoing:
        left = message.expires_at - now
        return Outgoing(
            id=message.id,
            to=message.to,
            text=message.text,
            signature=message.signature,
            template=message.template,
            provider_template=self.rules.provider_template(message.template, provider.name),
            params=message.params,
            lane=message.lane,
            life_seconds=max(1, int(left.total_seconds())),
        )

    def _unknown(
        self, message: Claimed, provider: Provider, candidates: Sequence[Provider], fault: OutcomeUnknown
    ) -> Outcome:
        """A notice waits for its receipt. A code goes another way after a while: an old code helps nobody."""
        tried = (*message.tried, provider.name)
        another = message.lane == "code" and any(each.name not in tried for each in candidates)
        due = self.outbox.clock() + timedelta(seconds=self.rules.second_way_seconds) if another else None
        return Outcome(message.id, "unknown", provider.name, reason=fault.reason[:64], due_at=due, tried=tried)

    def _later(self, message: Claimed, faults: Sequence[TextError]) -> Outcome:
        """Nobody took it and nothing left: back into the queue, or to the dead letters after too many tries.

        To be asked to come later is no try: a carrier that is slow, or an account without money, ends when it ends.
        """
        now, wait = self.outbox.clock(), _wait_seconds(faults)
        if all(isinstance(fault, _Blocked) for fault in faults):
            due = now + timedelta(seconds=wait)
            return Outcome(message.id, "queued", reason=faults[0].reason, due_at=due, tried=message.tried, counts=False)
        reason = faults[-1].reason[:64]
        counts = any(isinstance(fault, NotSent) for fault in faults)
        again = next_try(message.attempt + counts, now, message.expires_at, wait, self.chance.random())
        if again is None:
            return Outcome(message.id, "failed", reason=reason, tried=message.tried, dead=True)
        return Outcome(message.id, "queued", reason=reason, due_at=again, tried=message.tried, counts=counts)

    def _no_way_left(self, message: Claimed) -> Outcome:
        if message.tried:
            return Outcome(message.id, "unknown", message.tried[-1], reason="no_other_way", tried=message.tried)
        return Outcome(message.id, "failed", reason="no_route", dead=True)


class _Blocked(TryLater):
    """Held back by ourselves (breaker, rate, window): not a try."""


def _wait_seconds(faults: Sequence[TextError]) -> float:
    """Until the first may be asked again; but who named a time is not asked at once for another who is away."""
    named = [fault.after_seconds for fault in faults if isinstance(fault, TryLater) and not isinstance(fault, _Blocked)]
    if named:
        return min(named if len(named) == len(faults) else [*named, ASK_AGAIN_SECONDS])
    return min(fault.after_seconds if isinstance(fault, _Blocked) else 0.0 for fault in faults)


CODE_LANES: tuple[Lane, ...] = ("code",)
OTHER_LANES: tuple[Lane, ...] = LANES[1:]
