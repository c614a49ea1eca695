"""The bench's call at full load: a stand-in for Asterisk asks for one call after the other, and plays nothing.

Between two keys of a real call the processor sleeps or serves others, and what follows runs several times slower than
it could: this tells what a call takes when the service is never idle. Each call fetches its balance's sound, whole.
"""

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import aiohttp

from fund.demo.people import Who

CALLS_AT_ONCE, SECONDS = 16, 5.0
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Load:
    """What one processor carries."""

    calls_a_second: float
    cpu_ms: float  # a call


async def full_load(agi_port: int, people: Sequence[Who], wrong_pin: str, cpu: Callable[[], float]) -> Load:
    """`cpu`: the seconds of CPU that the service has taken until now."""
    done, began, before = 0, time.monotonic(), cpu()

    async def line(n: int, fetch: aiohttp.ClientSession) -> None:
        nonlocal done
        for who in itertools.cycle(people[n::CALLS_AT_ONCE]):
            if time.monotonic() - began > SECONDS:
                return
            await _call(agi_port, fetch, who, ["1", wrong_pin, who.pin or ""])
            done += 1

    async with aiohttp.ClientSession() as fetch:
        await asyncio.gather(*(line(n, fetch) for n in range(CALLS_AT_ONCE)))
    return Load(done / (time.monotonic() - began), (cpu() - before) / done * 1000)


async def _call(agi_port: int, fetch: aiohttp.ClientSession, who: Who, keys: list[str]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", agi_port)
    fields = {"network": "yes", "uniqueid": f"full-load-{next(_numbers)}", "callerid": who.phone, "extension": "12329"}
    writer.write("".join(f"agi_{name}: {value}\n" for name, value in fields.items()).encode() + b"\n")
    while line := (await reader.readline()).decode():
        if line.startswith("WAIT FOR DIGIT"):
            writer.write(b"200 result=0\n")
        elif not line.startswith("GET DATA"):
            writer.write(b"200 result=1\n")
        elif keys:
            writer.write(f"200 result={keys.pop(0)}\n".encode())
        else:
            async with fetch.get(line.split('"')[1]) as answer:
                answer.raise_for_status()
                await answer.read()
            break
    else:
        raise RuntimeError("the service ended a call before its balance")
    writer.write(b"HANGUP\n")
    writer.close()
