"""A telephone exchange to test against: a small server that speaks AMI over TCP and misbehaves on demand."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from desk.ami import Ami, AmiEvent, Exchange, Happening

Action = dict[str, str]


class FakeExchange:
    """Answers `Login`, `Ping` and whatever `answers` knows; keeps every action it was sent."""

    def __init__(self) -> None:
        self.actions: list[Action] = []
        self.answers: dict[str, Callable[[Action], str]] = {}
        self.silent: set[str] = set()  # actions that get no answer
        self.greeting = "Asterisk Call Manager/11.0.0\r\n"
        self.connections = 0
        self.arrived = asyncio.Condition()
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None
        self.port = 0

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """As when Asterisk stops: nobody listens, every connection ends."""
        assert self._server
        self._server.close()
        self.reset()
        await self._server.wait_closed()

    def reset(self) -> None:
        """Break every connection, without a word."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    def tell(self, name: str, **fields: str) -> None:
        """An event, to everybody."""
        for writer in self._writers:
            writer.write(packet(Event=name, **fields).encode())

    async def until(self, name: str, times: int = 1) -> Action:
        """The action of this name that makes it so many."""
        async with asyncio.timeout(10), self.arrived:
            while len(found := [action for action in self.actions if action["Action"] == name]) < times:
                await self.arrived.wait()
        return found[times - 1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        writer.write(self.greeting.encode())
        try:
            while True:
                lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
                action = dict(line.split(": ", 1) for line in lines)
                self.actions.append(action)
                if action["Action"] not in self.silent:
                    answer = self.answers.get(action["Action"], lambda action: packet(Response="Success"))(action)
                    writer.write(answer.replace("\r\n\r\n", f"\r\nActionID: {action['ActionID']}\r\n\r\n").encode())
                async with self.arrived:
                    self.arrived.notify_all()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def packet(**fields: str) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in fields.items()) + "\r\n"


@asynccontextmanager
async def fake_exchange() -> AsyncIterator[FakeExchange]:
    exchange = FakeExchange()
    await exchange.open()
    yield exchange
    await exchange.close()


@asynccontextmanager
async def link(port: int, *, secret: str = "s3cret", **settings: float | tuple[float, float]) -> AsyncIterator[Ami]:
    """A link in a hurry, started; it waits for an answer as long as a busy machine may need."""
    hurried = {"limit_seconds": 10.0, "ping_seconds": 0.1, "retry_seconds": (0.02, 0.1)} | settings
    ami = Ami(Exchange("127.0.0.1", port, "hotline", secret), **hurried)  # type: ignore[arg-type]
    await ami.start()
    yield ami
    await ami.stop()


class Listener:
    """What a link tells, kept in order."""

    def __init__(self, ami: Ami) -> None:
        self.heard: list[Happening] = []
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._listen(ami))

    async def _listen(self, ami: Ami) -> None:
        async for batch in ami.events():
            self.heard += batch
            self._news.set()

    async def until(self, wanted: Callable[[Happening], bool], times: int = 1, seconds: float = 10) -> Happening:
        """What fits, once it has been heard so many times."""
        async with asyncio.timeout(seconds):
            while len(found := [each for each in self.heard if wanted(each)]) < times:
                self._news.clear()
                await self._news.wait()
        return found[times - 1]

    async def event(self, name: str, seconds: float = 10) -> AmiEvent:
        found = await self.until(lambda each: isinstance(each, AmiEvent) and each.name == name, seconds=seconds)
        assert isinstance(found, AmiEvent)
        return found

    def stop(self) -> None:
        self._task.cancel()
