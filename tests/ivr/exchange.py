"""A telephone exchange that speaks FastAGI over real TCP and does what a real one rarely does: see `test_agi.py`."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import ClassVar, Self

FIELDS = {
    "agi_network": "yes",
    "agi_request": "agi://127.0.0.1/call",
    "agi_channel": "PJSIP/trunk-00000001",
    "agi_uniqueid": "1700000000.1",
    "agi_callerid": "13900000001",
}


def opening(fields: dict[str, str]) -> bytes:
    """The lines that open a connection."""
    return "".join(f"{name}: {value}\n" for name, value in fields.items()).encode() + b"\n"


class Exchange:
    """One connection. `keys` are pressed one field after the other as they are asked for; then there is silence."""

    _opened: ClassVar["list[Exchange]"] = []

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, keys: list[str]) -> None:
        self._reader, self._writer, self._keys = reader, writer, keys
        self.commands: list[str] = []
        self.variables: dict[str, str] = {}
        self._opened.append(self)

    @classmethod
    async def connect(cls, port: int, *keys: str) -> Self:
        """Connect, and say nothing yet."""
        return cls(*await asyncio.open_connection("127.0.0.1", port), list(keys))

    @classmethod
    async def call(cls, port: int, *keys: str, **fields: str) -> Self:
        """Bring a call; `fields` replace or add to the usual ones."""
        exchange = await cls.connect(port, *keys)
        await exchange.say(opening(FIELDS | {f"agi_{name}": value for name, value in fields.items()}))
        return exchange

    async def say(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(data)
        with suppress(ConnectionError):
            await self._writer.drain()

    async def command(self) -> str:
        """The next command; `""` when the other side has closed."""
        with suppress(ConnectionError):
            line = (await self._reader.readline()).decode().rstrip("\n")
            self.commands.append(line)
            return line
        return ""

    async def carry(self, stop: Callable[[int, str], bool] = lambda n, line: False) -> None:
        """Answer each command as Asterisk would, until the other side closes or `stop(how many before, command)`."""
        while (line := await self.command()) and not stop(len(self.commands) - 1, line):
            if line.startswith("WAIT FOR DIGIT"):
                await asyncio.sleep(int(line.split('"')[1]) / 1000)
            await self.say(self._answer(line).encode() + b"\n")

    def _answer(self, line: str) -> str:
        words = line.replace('"', "").split()
        match words[:2]:
            case ["STREAM", "FILE"]:
                return "200 result=0 endpos=8000"
            case ["WAIT", "FOR"]:
                return "200 result=0"
            case ["GET", "DATA"]:
                return f"200 result={self._keys.pop(0)}" if self._keys else "200 result= (timeout)"
            case ["GET", "FULL"]:
                return "200 result=1 (1/1/0)"
            case ["SET", "VARIABLE"]:
                self.variables[words[2]] = words[3] if len(words) > 3 else ""
        return "200 result=1"

    async def closed(self) -> bool:
        """Wait until the other side has closed; false when it says something instead."""
        with suppress(ConnectionError):
            return not await self._reader.read(1)
        return True

    def hang_up(self) -> None:
        """Close, in order."""
        self._writer.close()

    def break_off(self) -> None:
        """End without a word, as a machine that lost its power and came back."""
        self._writer.transport.abort()

    @classmethod
    async def end_all(cls) -> None:
        """Close what a test has left open."""
        for exchange in cls._opened:
            exchange._writer.close()
            with suppress(ConnectionError):
                await exchange._writer.wait_closed()
        cls._opened.clear()
