"""How long a code waits behind 250,000 other texts: from the request to the provider, on the embedded default.

    python -m bench.code_lane [--rows 250000] [--codes 300] [--database URL]

Starts the service as `hotline serve --only sms` does, in a folder of its own; asks for codes alone, then uploads a
campaign over HTTP, starts it, and asks for as many codes while it is being sent. "to the provider" ends when the
sandbox has answered, which is after it was called: the true figure is a little smaller.
"""

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp

from tests.real.asterisk import free_port

EVERY_SECONDS = 0.05  # twenty codes a second
GOAL_SECONDS = 0.05


@contextlib.contextmanager
def service(home: Path, database: str) -> Iterator[tuple[str, str, int]]:
    """A running service: its address, a key, its process."""
    port = free_port()
    settings = {
        "HOTLINE_HOME": str(home),
        "HOTLINE_PORT": str(port),
        "HOTLINE_DATABASE_URL": database,
        "HOTLINE_LOG_LEVEL": "warning",
    }
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "hotline", "serve", "--demo", "--only", "sms"],
            env=os.environ | settings, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        _until_ready(process, f"http://127.0.0.1:{port}/readyz")
        key = (home / "keys" / "demo_api_key").read_text().strip()
        yield f"http://127.0.0.1:{port}", key, process.pid
    finally:
        process.terminate()
        process.wait(20)


def _until_ready(process: subprocess.Popen[bytes], url: str) -> None:
    import urllib.request

    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit("the service did not start")
        time.sleep(0.1)


async def recipients(rows: int) -> AsyncIterator[bytes]:
    """A CSV of `rows` people, as a file would come."""
    yield "手机号,news\n".encode()
    for start in range(0, rows, 1000):
        some = range(start, min(rows, start + 1000))
        yield "".join(f"139{n:08d},住房公积金年度结息已完成，可登录网上服务大厅查询\n" for n in some).encode()


async def upload(session: aiohttp.ClientSession, rows: int) -> tuple[str, float]:
    """A campaign, started; its id, and the seconds until all rows were checked and kept."""
    began = time.perf_counter()
    query = {"template": "policy_notice", "start": "true"}
    async with session.post(
        "/v1/campaigns", params=query, data=recipients(rows), headers={"Content-Type": "text/csv"}
    ) as reply:
        return (await reply.json())["id"], time.perf_counter() - began


async def code(session: aiohttp.ClientSession, to: str) -> tuple[float, float]:
    """Seconds until the answer, and until the provider had it."""
    asked, began = time.time(), time.perf_counter()
    async with session.post("/v1/verifications", json={"to": to, "purpose": "login"}) as reply:
        assert reply.status == 201, await reply.text()
    answered = time.perf_counter() - began
    while True:
        async with session.get("/sandbox/messages", params={"to": to}) as reply:
            for shown in await reply.json():
                if "验证码" in shown["text"]:
                    return answered, datetime.fromisoformat(shown["at"]).timestamp() - asked
        await asyncio.sleep(0.2)


async def codes(session: aiohttp.ClientSession, many: int, first: int) -> Sequence[tuple[float, float]]:
    """Codes to many phones, one every `EVERY_SECONDS`, whether or not the one before has arrived."""
    waiting = []
    for n in range(many):
        waiting.append(asyncio.create_task(code(session, f"1380{first + n:07d}")))
        await asyncio.sleep(EVERY_SECONDS)
    return await asyncio.gather(*waiting)


def row(name: str, found: Sequence[float]) -> str:
    ordered = [1000 * each for each in sorted(found)]
    p50, p99 = (ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.99))
    return f"{name:<44} p50 {p50:7.1f}   p99 {p99:7.1f}   max {ordered[-1]:7.1f} ms"


def peak_megabytes(pid: int) -> float:
    """The most memory the service has had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


async def progress(session: aiohttp.ClientSession, id: str) -> dict[str, Any]:
    async with session.get(f"/v1/campaigns/{id}") as reply:
        found: dict[str, Any] = await reply.json()
        return found


async def measure(url: str, key: str, pid: int, rows: int, many: int) -> bool:
    """Print the table; whether the goal is met."""
    async with aiohttp.ClientSession(
        url, headers={"Authorization": f"Bearer {key}"}, timeout=aiohttp.ClientTimeout(total=None)
    ) as session:
        await codes(session, 20, 9_000_000)  # warm
        alone = await codes(session, many, 0)
        id, seconds = await upload(session, rows)
        print(f"{rows} rows checked and queued over HTTP in {seconds:.1f} s, peak {peak_megabytes(pid):.0f} MB")
        await asyncio.sleep(2)
        before = await progress(session, id)
        busy = await codes(session, many, 1_000_000)
        after = await progress(session, id)
    for name, found in (("alone", alone), ("while the campaign runs", busy)):
        print(row(f"code, {name}: answered", [each[0] for each in found]))
        print(row(f"code, {name}: at the provider", [each[1] for each in found]))
    went = before["waiting"] - after["waiting"]
    print(f"campaign meanwhile: {went} rows, still {after['status']}: {json.dumps(after['statuses'])}")
    return sorted(each[1] for each in busy)[int(many * 0.99)] < GOAL_SECONDS


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--rows", type=int, default=250_000)
    options.add_argument("--codes", type=int, default=300)
    options.add_argument("--database", default="", help="SQLAlchemy URL; the embedded SQLite unless said")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as home, service(Path(home), given.database) as (url, key, pid):
        met = asyncio.run(measure(url, key, pid, given.rows, given.codes))
    print("goal met: p99 under 50 ms" if met else "goal of p99 under 50 ms NOT met on this machine, now")


if __name__ == "__main__":
    main()
