"""FastAGI, the protocol by which Asterisk lets a TCP server lead a call: one connection a call, one line a command.

Asterisk connects and sends `agi_name: value` lines up to an empty one; then it answers each command we send. Strangers
may reach the port too, and a caller may write nonsense into a SIP header, so whatever is not exactly Asterisk's part of
the conversation closes the connection; Asterisk's dialplan then goes on without us. Nothing that passes here is logged:
it may be a PIN.

There is never more than one command under way. Asterisk polls the socket but reads it through a buffer of lines: of two
that arrive together it sees the first, and does not look for the second before a third comes.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal, cast

import structlog

from ivr.line import Gone

log = structlog.get_logger()

ALL_KEYS = "0123456789*#"
_ANY_KEY = {"", *ALL_KEYS, *"ABCD"}  # no telephone has the last four, but a line can carry them
LONGEST_LINE = 2048  # Asterisk's own limit
OVERHEAR_MS = 100  # how long keys are overheard at a time: a command that comes meanwhile waits for so long at most
_MOST_FIELDS = 64
_FIELD = re.compile(r"(agi_[a-z0-9_]{1,40}): ?(.{0,1024})", re.DOTALL)
_RESULT = re.compile(r"200 result=(-?[0-9A-D*#]*)(?: \((.*)\))?(?: endpos=(\d{1,12}))?", re.DOTALL)
_KEY_CODE = re.compile(r"\d{0,3}", re.ASCII)
_UNFIT = re.compile(r"[\x00-\x1f\x7f]")


class ProtocolFault(Gone):
    """The other side does not speak FastAGI; the connection is closed."""


class CommandRefused(Exception):
    """Asterisk does not know the command, or cannot carry it out: correct the command."""


@dataclass(frozen=True, slots=True, repr=False)
class Reply:
    """A `200` answer: `200 result=<result> (<text>) endpos=<played>`. May hold a PIN."""

    result: str
    text: str | None = None
    played: int | None = None  # samples, when the command was STREAM FILE


@dataclass(frozen=True, slots=True, repr=False)
class Digits:
    """What GET DATA heard, and what ended it: the `#` key, time, or the last digit asked for."""

    digits: str
    ended_by: Literal["key", "timeout", "full"]


def take_field(fields: dict[str, str], line: str) -> None:
    """One of the lines that open a connection. Raises `ProtocolFault`, also for a name given twice (smuggled in)."""
    found = _FIELD.fullmatch(line)
    if found is None or found[1] in fields or len(fields) >= _MOST_FIELDS:
        raise ProtocolFault("not an AGI environment")
    fields[found[1]] = found[2]


def parse_reply(line: str) -> Reply:
    """One answer line. Raises `CommandRefused`, `Gone` (511: the channel is dead), `ProtocolFault`."""
    found = _RESULT.fullmatch(line)
    if found:
        return Reply(found[1], found[2], int(found[3]) if found[3] else None)
    match line[:3]:
        case "510" | "520":
            raise CommandRefused(line[:3])
        case "511":
            raise Gone("hung up")
        case _:
            raise ProtocolFault("not an AGI answer")


def command(*words: str) -> bytes:
    """A command line: later words are quoted. Raises `ValueError` for what a line cannot carry."""
    verb, *arguments = words
    quoted = ['"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"' for word in arguments]
    line = " ".join([verb, *quoted])
    encoded = line.encode()
    if _UNFIT.search(line) or len(encoded) >= LONGEST_LINE:
        raise ValueError(f"{verb}: an argument holds a control character, or the line is too long")
    return encoded + b"\n"


class AgiCall:
    """One call, between two of its commands or in the middle of one. Every command raises `Gone` after a hang-up."""

    def __init__(self, fields: Mapping[str, str], transport: asyncio.Transport, *, idle_seconds: float) -> None:
        self.fields = fields
        self._transport, self._idle_seconds = transport, idle_seconds
        self._loop = asyncio.get_running_loop()
        self.task: asyncio.Task[None] | None = None  # whoever leads this call
        self._reply: asyncio.Future[Reply] | None = None
        self._heard: Callable[[str], None] | None = None  # set while keys are overheard between commands
        self._quiet: asyncio.Future[None] | None = None  # a command waits until nothing is overheard any more
        self._idle: asyncio.TimerHandle | None = None
        self._multi_line = False
        self.gone = False
        self._rest()

    # commands

    async def get_data(self, file: str, wait_ms: int, most: int) -> Digits:
        """Play, then collect up to `most` keys with `wait_ms` of silence allowed. A key cuts the file; `""`: none.

        A `wait_ms` of 0 means the channel's own: TIMEOUT(response) for the first key, TIMEOUT(digit) between keys.
        """
        reply = await self.send(command("GET DATA", file, str(wait_ms), str(most)))
        if reply.result == "-1":
            raise await self._failure(file)
        if reply.text == "timeout":
            return Digits(reply.result, "timeout")
        return Digits(reply.result, "full" if len(reply.result) >= most else "key")

    async def stream_file(self, file: str, escape: str = "", offset: int = 0) -> tuple[str, int]:
        """Play up to its end or one of the `escape` keys: the key, or `""`, and the sample reached."""
        reply = await self.send(command("STREAM FILE", file, escape, str(offset)))
        if reply.result == "-1":
            raise await self._failure(file)
        return _key(reply), reply.played or 0

    async def record_file(self, file: str, escape: str, most_ms: int, silence_seconds: int) -> int | None:
        """Beep, then record to `file`.wav until an `escape` key, that much silence, or the time is up.

        The samples recorded, the silence cut off; None when Asterisk cannot write the file.
        """
        line = command("RECORD FILE", file, "wav", escape, str(most_ms), "BEEP", f"s={silence_seconds}")
        reply = await self.send(line)
        if reply.result == "-1" and reply.text != "writefile":
            raise Gone("hung up")
        return None if reply.result == "-1" else reply.played or 0

    async def set_variable(self, name: str, value: str) -> None:
        """Set a channel variable, or a function such as `TIMEOUT(absolute)`."""
        await self.send(command("SET VARIABLE", name, value))

    async def set_variables(self, values: Mapping[str, str]) -> None:
        """Several at once; values without commas and quotes."""
        if len(values) == 1:
            await self.set_variable(*next(iter(values.items())))
        elif values:
            await self.send(command("EXEC MSet", ",".join(f"{name}={value}" for name, value in values.items())))

    async def evaluate(self, expression: str) -> str:
        """What an expression such as `${EPOCH}` is on the channel."""
        return (await self.send(command("GET FULL VARIABLE", expression))).text or ""

    async def send(self, line: bytes) -> Reply:
        """Send a whole command and wait for its answer."""
        if self._heard and not self.gone:
            self._quiet = self._loop.create_future()
            try:
                await self._quiet
            finally:
                self._quiet = None
        return await self._exchange(line)

    def overhear(self, heard: Callable[[str], None]) -> None:
        """Until the next command: report each key, which Asterisk else throws away. The caller hears nothing."""
        if not (self.gone or self._reply or self._heard or self._quiet):
            self._heard = heard
            self._overhear_on()

    def close(self) -> None:
        """Give the call back to the dialplan."""
        self._transport.close()

    # what goes on between

    async def _exchange(self, line: bytes) -> Reply:
        if self.gone:
            raise Gone
        if self._idle:
            self._idle.cancel()
        self._reply = self._loop.create_future()
        self._transport.write(line)
        try:
            return await self._reply
        finally:
            self._reply = None
            self._rest()

    async def _failure(self, file: str) -> Exception:
        """-1 is the answer both to a hang-up, of which we are told at once, and to a file that is not there."""
        for _ in range(20):
            if self.gone:
                return Gone("hung up")
            await asyncio.sleep(0.01)
        return FileNotFoundError(file.rpartition("/")[2])

    def _rest(self) -> None:
        """Between two commands the caller hears nothing: if our own side is stuck, let the dialplan go on."""
        if not self.gone:
            self._idle = self._loop.call_later(self._idle_seconds, self._stuck)

    def _stuck(self) -> None:
        log.error("agi_stuck", seconds=self._idle_seconds)
        self.abandon()

    def abandon(self) -> None:
        """Leave the call to the dialplan as it is; its saved state stays, so that it can go on elsewhere."""
        if self.task:
            self.task.cancel()
        self._transport.abort()

    # what the connection tells us

    def line_received(self, line: str) -> None:
        """One line from Asterisk, without its end."""
        if line == "HANGUP":
            self.lost()
        elif self._multi_line or line.startswith("520-"):
            self._multi_line = not line.startswith("520 ")
            if not self._multi_line:
                self._answer(CommandRefused("520"))
        else:
            self._take(line)

    def _take(self, line: str) -> None:
        try:
            reply = parse_reply(line)
        except (CommandRefused, Gone) as fault:
            self._answer(fault)
            return
        if self._heard:
            self._overheard(self._heard, reply)
        else:
            self._answer(reply)

    def _overhear_on(self) -> None:
        self._transport.write(command("WAIT FOR DIGIT", str(OVERHEAR_MS)))

    def _overheard(self, heard: Callable[[str], None], reply: Reply) -> None:
        hung_up = reply.result == "-1"
        if not hung_up and (key := _key(reply)):
            heard(key)
        if self._quiet is None and not hung_up:
            self._overhear_on()
            return
        self._heard = None
        if self._quiet and not self._quiet.done():
            self._quiet.set_result(None)

    def _answer(self, outcome: Reply | Exception) -> None:
        if isinstance(outcome, ProtocolFault) or self._reply is None or self._reply.done():
            self._transport.abort()
        elif isinstance(outcome, Reply):
            self._reply.set_result(outcome)
        else:
            self._reply.set_exception(outcome)

    def lost(self) -> None:
        """The caller or the connection is gone."""
        self.gone = True
        if self._idle:
            self._idle.cancel()
        for awaited in (self._reply, self._quiet):
            if awaited and not awaited.done():
                awaited.set_exception(Gone("hung up"))


def _key(reply: Reply) -> str:
    """Of STREAM FILE and WAIT FOR DIGIT: the key's character code, or 0. Raises `ProtocolFault` for anything else."""
    if not _KEY_CODE.fullmatch(reply.result):
        raise ProtocolFault("not a key")
    key = chr(int(reply.result or 0)).strip("\0")
    if key not in _ANY_KEY:
        raise ProtocolFault("not a key")
    return key


class _Connection(asyncio.Protocol):
    """One TCP connection: fields first, then a call."""

    def __init__(self, server: "AgiServer") -> None:
        self._server = server
        self._buffer = b""
        self._fields: dict[str, str] = {}
        self.call: AgiCall | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._deadline = asyncio.get_running_loop().call_later(self._server.fields_seconds, self.transport.abort)
        if not self._server.admit(self):
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        try:
            for line in lines:
                self._line(line.decode("utf-8", "replace"))
            if len(self._buffer) > LONGEST_LINE:
                raise ProtocolFault("a line without end")
        except ProtocolFault:
            self._server.refused += 1
            self.transport.abort()

    def _line(self, line: str) -> None:
        if self.call:
            self.call.line_received(line)
        elif line:
            take_field(self._fields, line)
        elif self._fields.get("agi_network") != "yes" or not self._fields.get("agi_uniqueid"):
            raise ProtocolFault("not an AGI environment")
        else:
            self._deadline.cancel()
            self.call = AgiCall(self._fields, self.transport, idle_seconds=self._server.idle_seconds)
            self.call.task = asyncio.get_running_loop().create_task(self._carry(self.call))

    async def _carry(self, call: AgiCall) -> None:
        try:
            await self._server.handle(call)
        except Gone:
            pass
        except Exception:
            log.exception("agi_call_failed")
        finally:
            call.close()

    def connection_lost(self, _: Exception | None) -> None:
        self._deadline.cancel()
        self._server.leave(self)
        if self.call:
            self.call.lost()


class AgiServer:
    """Accepts calls on a port and gives each to `handle`. `stop` leaves the calls in progress to the dialplan."""

    def __init__(
        self,
        handle: Callable[[AgiCall], Awaitable[None]],
        *,
        most_calls: int = 2000,
        fields_seconds: float = 3.0,
        idle_seconds: float = 4.0,
    ) -> None:
        """`idle_seconds`: a call for which we find nothing to do for so long goes back to the dialplan."""
        self.handle, self.most_calls = handle, most_calls
        self.fields_seconds, self.idle_seconds = fields_seconds, idle_seconds
        self.refused = 0  # connections that were too many, or did not speak FastAGI
        self._connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port (useful when 0 was asked for)."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), host, port, backlog=512)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and close every connection: Asterisk asks the next node, or people."""
        if self._server:
            self._server.close()
        calls = [connection.call for connection in self._connections if connection.call]
        for call in calls:
            call.abandon()
        for connection in list(self._connections):
            connection.transport.abort()
        await asyncio.gather(*(call.task for call in calls if call.task), return_exceptions=True)

    def admit(self, connection: _Connection) -> bool:
        """Count a new connection in, if there is room."""
        self._connections.add(connection)
        room = len(self._connections) <= self.most_calls
        self.refused += not room
        return room

    def leave(self, connection: _Connection) -> None:
        """Count a connection out."""
        self._connections.discard(connection)
