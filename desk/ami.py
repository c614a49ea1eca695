"""The link to the telephone exchange: Asterisk's manager interface (AMI), by `asterisk-ami`, made dependable.

The library reads in a thread, dies when the link idles, and heals nothing. So it gets a fresh client for each
connection, under a supervisor of our own: a greeting, a sign-in and every answer must come in time; `Ping` finds a link
that is dead without knowing it; whatever breaks, the client is thrown away and the next one tries a little later.
Whoever listens learns of it: `Connected` means "ask for everything anew", and so does `Missed`, when events came faster
than they were taken. Nothing here blocks the loop, and nothing with a line end ever reaches the wire.
"""

import asyncio
import contextlib
import itertools
import random
import re
import socket
import threading
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog
from asterisk.ami import Action, AMIClient
from prometheus_client import Counter, Gauge

log = structlog.get_logger()

CONNECTED = Gauge("hotline_exchange_connected", "1 while the telephone exchange's manager interface is ours")
CONNECTIONS = Counter("hotline_exchange_connections", "Connections to the exchange, by how they ended", ["how"])
MISSED = Counter("hotline_exchange_missed", "Times that events came faster than they were taken")
_UNFIT = re.compile(r"[\x00-\x1f\x7f]")
_NO_LINE_ENDS = str.maketrans(dict.fromkeys("\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029", " "))  # but `splitlines` ends lines
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,40}")
_CHANNEL = re.compile(r"[A-Za-z0-9]+/[A-Za-z0-9+._@:/-]{1,80}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,60}")


class AmiFault(Exception):
    """The exchange did not do what was asked."""


class NotConnected(AmiFault):
    """There is no link to the exchange now: nothing was sent; try later."""


class NoAnswer(AmiFault):
    """No answer came in time: whether it was done is not known."""


class ActionRefused(AmiFault):
    """The exchange said no, for the reason given."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """Where the manager interface is, and who we are there. An empty `host`: there is no exchange."""

    host: str
    port: int = 5038
    user: str = "hotline"
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class AmiEvent:
    """One thing that happened in the exchange, as Asterisk names it and its fields."""

    name: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Connected:
    """The link stands: what was known before may be old."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The link is gone: what is known grows old."""


@dataclass(frozen=True, slots=True)
class Missed:
    """Events were lost here: ask for everything anew."""


Happening = AmiEvent | Connected | Disconnected | Missed


@dataclass(frozen=True, slots=True)
class Answer:
    """What an action brought: its fields, and the list of events when it was asked as a list."""

    fields: Mapping[str, str]
    rows: tuple[AmiEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class Originated:
    """How a call that we placed began: `call_id` when the other side answered, else why not."""

    reached: bool
    call_id: str
    reason: str  # answered, no_answer, busy, congested, failed; refused: it was not dialled


_REASONS = {"1": "no_answer", "3": "no_answer", "4": "answered", "5": "busy", "8": "congested"}


class _Client(AMIClient):  # type: ignore[misc]
    """The library's client without four habits: it sends all, no listener kills its reader, its end is told, and a name
    that a stranger gave himself brings no field of its own.
    """

    def send(self, pack: Action) -> None:
        self._socket.sendall((str(pack) + "\r\n").encode(self.encoding))

    def listen(self) -> None:
        try:
            super().listen()
        except Exception as fault:  # the library tells nobody when the greeting is wrong or missing
            self._fire_on_disconnect(error=fault)

    def fire_recv_pack(self, pack: str) -> None:
        try:
            super().fire_recv_pack(pack.translate(_NO_LINE_ENDS))
        except Exception as fault:
            log.error("exchange_listener_failed", fault=type(fault).__name__)

    def close(self) -> None:
        """Wake the reader, which else sits in `recv` for ever, and let it end."""
        if self._socket is None:
            return
        if self.finished:
            self.finished.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class _Inbox:
    """A bounded queue from the reader's thread to one listener: it wakes the loop once for however many."""

    def __init__(self, most: int) -> None:
        self._most, self._loop = most, asyncio.get_running_loop()
        self._items: deque[Happening] = deque()
        self._lock, self._ready = threading.Lock(), asyncio.Event()
        self._woken = False

    def put(self, item: Happening) -> None:
        with self._lock:
            if len(self._items) >= self._most:
                self._items.clear()
                self._items.append(Missed())
                MISSED.inc()
            else:
                self._items.append(item)
            wake, self._woken = not self._woken, True
        if wake:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
                self._loop.call_soon_threadsafe(self._ready.set)

    async def take(self) -> list[Happening]:
        """Everything that has come, at least one."""
        await self._ready.wait()
        with self._lock:
            items, self._woken = list(self._items), False
            self._items.clear()
            self._ready.clear()
        return items


class Ami:
    """The link. `start` it, listen to `events()`, ask by `action` and `rows`, `stop` it."""

    def __init__(
        self,
        exchange: Exchange,
        *,
        limit_seconds: float = 5.0,
        ping_seconds: float = 10.0,
        most_events: int = 20_000,
        retry_seconds: tuple[float, float] = (0.5, 15.0),
    ) -> None:
        """`limit_seconds`: a slower answer counts as none; `retry_seconds`: the first pause and the longest."""
        self._exchange, self._limit_seconds, self._ping_seconds = exchange, limit_seconds, ping_seconds
        self._most_events, self._retry_seconds = most_events, retry_seconds
        self._inboxes: tuple[_Inbox, ...] = ()
        self._numbers = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[Answer]] = {}
        self._rows: dict[str, list[AmiEvent]] = {}
        self._sending = asyncio.Lock()
        self._client: _Client | None = None
        self._lost: asyncio.Future[None] | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self.connected = False

    @property
    def configured(self) -> bool:
        """Whether there is an exchange at all."""
        return bool(self._exchange.host)

    async def start(self) -> None:
        """Begin to connect; without an exchange there is nothing to do."""
        if self.configured:
            self._loop = asyncio.get_running_loop()
            self._supervisor = asyncio.create_task(self._supervise())

    async def stop(self) -> None:
        """Hang the link up."""
        if self._supervisor:
            self._supervisor.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._supervisor

    async def events(self) -> AsyncIterator[list[Happening]]:
        """What happens from now on, in batches; the first is `Connected` when the link stands already."""
        inbox = _Inbox(self._most_events)
        self._inboxes += (inbox,)
        if self.connected:
            inbox.put(Connected())
        try:
            while True:
                yield await inbox.take()
        finally:
            self._inboxes = tuple(each for each in self._inboxes if each is not inbox)

    # asking

    async def action(self, name: str, **fields: str) -> Answer:
        """Ask, and wait for the answer. Raises `NotConnected`, `NoAnswer`, `ActionRefused`; `ValueError` for unfit."""
        return await self._ask(self._standing(), name, fields)

    async def rows(self, name: str, **fields: str) -> tuple[AmiEvent, ...]:
        """Ask something whose answer is a list of events, such as `QueueStatus`."""
        return (await self._ask(self._standing(), name, fields, rows=True)).rows

    async def originate(
        self, channel: str, *, context: str, extension: str, caller_id: str = "", ring_seconds: int = 30,
        variables: Mapping[str, str] | None = None, call_id: str = "",
    ) -> Originated:  # fmt: skip
        """Call `channel` (`PJSIP/agent1`, `PJSIP/139...@trunk`) and put who answers into the dialplan.

        `call_id` is what the exchange calls the channel from its first moment on; one that is there already is refused.
        The other end of a `Local/` channel gets the same with `-far` behind it.
        """
        if not _CHANNEL.fullmatch(channel):
            raise ValueError("not a channel that can be called")
        fields = {"Channel": channel, "Context": context, "Exten": extension, "Priority": "1", "Async": "true"}
        fields |= {"Timeout": str(ring_seconds * 1000)} | ({"CallerID": caller_id} if caller_id else {})
        fields |= {"ChannelId": call_id} if call_id else {}
        fields |= {"OtherChannelId": f"{call_id}-far"} if call_id and channel.startswith("Local/") else {}
        limit = self._limit_seconds + ring_seconds
        rows = await self._ask(self._standing(), "Originate", fields, variables or {}, rows=True, limit_seconds=limit)
        outcome = rows.rows[-1].fields
        reason = _REASONS.get(outcome.get("Reason", ""), "failed")
        return Originated(outcome.get("Response") == "Success", outcome.get("Uniqueid", ""), reason)

    async def hangup(self, channel: str, cause: int = 16) -> None:
        """End a channel, as events name it."""
        await self.action("Hangup", Channel=channel, Cause=str(cause))

    def _standing(self) -> _Client:
        if self._client is None or not self.connected:
            raise NotConnected("no telephone exchange connected")
        return self._client

    async def _ask(
        self, client: _Client, name: str, fields: Mapping[str, str], variables: Mapping[str, str] | None = None,
        *, rows: bool = False, limit_seconds: float = 0,
    ) -> Answer:  # fmt: skip
        _refuse_unfit(name, fields, variables or {})
        number = f"hotline-{next(self._numbers)}"
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        if rows:
            self._rows[number] = []
        try:
            async with asyncio.timeout(limit_seconds or self._limit_seconds):
                async with self._sending:
                    await asyncio.to_thread(client.send, Action(name, dict(fields) | {"ActionID": number}, variables))
                return await future
        except TimeoutError:
            raise NoAnswer(name) from None
        except OSError:
            raise NoAnswer("the link broke") from None
        finally:
            self._waiting.pop(number, None)
            self._rows.pop(number, None)

    # one connection after the other

    async def _supervise(self) -> None:
        first, longest = self._retry_seconds
        pause = first
        while True:
            how = "refused"
            try:
                await self._sign_in()
                pause, how = first, "lost"
                await self._hold()
            except Exception as fault:  # whatever it was: without a next try there is no link any more
                log.warning("exchange_away", fault=type(fault).__name__, why=str(fault), again_seconds=round(pause, 1))
            finally:
                self._let_go()
            CONNECTIONS.labels(how).inc()
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))
            pause = min(pause * 2, longest)

    async def _sign_in(self) -> None:
        loop = asyncio.get_running_loop()
        greeted: asyncio.Future[None] = loop.create_future()
        lost: asyncio.Future[None] = loop.create_future()
        client = self._client = self._new_client(greeted, lost)
        self._lost = lost
        async with asyncio.timeout(self._limit_seconds):
            await asyncio.to_thread(client.connect)
            await asyncio.wait({greeted, lost}, return_when=asyncio.FIRST_COMPLETED)
        if not greeted.done():
            raise NotConnected("no greeting")
        await self._ask(client, "Login", {"Username": self._exchange.user, "Secret": self._exchange.secret})
        self.connected = True
        CONNECTED.set(1)
        log.info("exchange_connected", host=self._exchange.host, port=self._exchange.port)
        self._tell(Connected())

    async def _hold(self) -> None:
        """Keep the link until it is lost. Raises what says so."""
        assert self._client and self._lost
        while not self._lost.done():
            await asyncio.wait({self._lost}, timeout=self._ping_seconds)
            if not self._lost.done():
                await self._ask(self._client, "Ping", {})
        raise NotConnected("the exchange closed the link")

    def _let_go(self) -> None:
        was, self.connected = self.connected, False
        CONNECTED.set(0)
        if self._client:
            self._client.close()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(NoAnswer("the link broke"))
        if was:
            self._tell(Disconnected())

    # what the reader's thread tells; each of these is called in it, and must neither wait nor raise

    def _new_client(self, greeted: "asyncio.Future[None]", lost: "asyncio.Future[None]") -> _Client:
        client = _Client(self._exchange.host, self._exchange.port, timeout=self._limit_seconds, buffer_size=65536)

        def on_connect(source: _Client, **_: Any) -> None:
            source._socket.settimeout(None)  # else the reader dies after some quiet seconds
            self._in_loop(_done, greeted)

        client.add_listener(
            on_connect=on_connect,
            on_disconnect=lambda **_: self._in_loop(_done, lost),
            on_response=lambda response, **_: self._answered(response),
            on_event=lambda event, **_: self._happened(event),
        )
        return client

    def _in_loop(self, call: Any, *args: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(partial(call, *args))

    def _answered(self, response: Any) -> None:
        number, fields = response.keys.get("ActionID", ""), dict(response.keys)
        if response.is_error():
            self._in_loop(self._refuse, number, fields.get("Message", "refused"))
        elif number not in self._rows:
            self._in_loop(self._resolve, number, Answer(fields))

    def _happened(self, event: Any) -> None:
        fields = {key: value for key, value in event.keys.items() if isinstance(value, str)}
        told, number = AmiEvent(event.name, fields), fields.get("ActionID", "")
        rows = self._rows.get(number)
        if rows is None:
            self._tell(told)
            return
        rows.append(told)
        if fields.get("EventList") == "Complete" or told.name == "OriginateResponse":
            self._in_loop(self._resolve, number, Answer({}, tuple(rows)))

    def _tell(self, what: Happening) -> None:
        for inbox in self._inboxes:
            inbox.put(what)

    def _resolve(self, number: str, answer: Answer) -> None:
        if (future := self._waiting.get(number)) and not future.done():
            future.set_result(answer)

    def _refuse(self, number: str, why: str) -> None:
        if (future := self._waiting.get(number)) and not future.done():
            future.set_exception(ActionRefused(why))


def _done(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _refuse_unfit(name: str, fields: Mapping[str, str], variables: Mapping[str, str]) -> None:
    """Refuse what would become another header, another variable or another action on the wire."""
    if not all(_NAME.fullmatch(word) for word in (name, *fields)):
        raise ValueError("not the name of an action or a field")
    if any(_UNFIT.search(value) for value in (*fields.values(), *variables.values())):
        raise ValueError(f"{name}: a value holds a line end or another control character")
    if not all(_VARIABLE.fullmatch(key) for key in variables) or any("," in value for value in variables.values()):
        raise ValueError(f"{name}: not a variable that can be set")
