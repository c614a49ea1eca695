"""The service as a process of its own, so that it can be killed without warning and started again."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from tests.real.asterisk import REPOSITORY, free_port
from tests.service import always_open, move_into


class Running:
    """`hotline serve --demo` on ports that stay the same over restarts. Its log is kept in `home/log`."""

    entered: ClassVar[list[Self]] = []

    def __init__(self, home: Path, **environment: str) -> None:
        self.home, self.port, self.agi_port = home, free_port(), free_port()
        move_into(home)
        self._environment = {
            "HOTLINE_HOME": str(home),
            "HOTLINE_PORT": str(self.port),
            "HOTLINE_AGI_PORT": str(self.agi_port),
            "HOTLINE_PUBLIC_URL": f"http://127.0.0.1:{self.port}",
            "HOTLINE_LOG_FORMAT": "json",
            "HOTLINE_FLOWS": str(always_open(home)),
            "HOTLINE_SOUNDS_AHEAD": "false",  # most of them nobody hears here
        } | environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def agi_url(self) -> str:
        return f"agi://127.0.0.1:{self.agi_port}/call"

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def start(self, *, wait: bool = True) -> None:
        """Start, and wait until it is ready."""
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "hotline", "serve", "--demo"],
                cwd=REPOSITORY,
                env=os.environ | self._environment,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 60
        while wait and not self._ready():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError(f"the service did not start:\n{self.log()}")
            time.sleep(0.05)

    def _ready(self) -> bool:
        try:
            return bool(self.get("/readyz")["status"] == "ok")
        except OSError:
            return False

    def get(self, path: str, **headers: str) -> Any:
        """The JSON at an address."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers)
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)

    def post(self, path: str, body: Any) -> Any:
        """The JSON answered to JSON, with the demo key. Raises `HTTPError`."""
        key = (self.home / "keys" / "demo_api_key").read_text().strip()
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        url = f"http://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(url, json.dumps(body).encode(), headers, method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def connect_exchange(self, port: int, secret: str) -> None:
        """From the next start on, watch the exchange whose manager interface is there."""
        self._environment |= {
            "HOTLINE_AMI_HOST": "127.0.0.1",
            "HOTLINE_AMI_PORT": str(port),
            "HOTLINE_AMI_SECRET": secret,
        }

    def board(self) -> dict[str, Any]:
        """The live board, as a centre's own software sees it."""
        key = {"Authorization": "Bearer " + (self.home / "keys" / "demo_api_key").read_text().strip()}
        return dict(self.get("/v1/queues", **key))

    def calls(self) -> list[dict[str, Any]]:
        """Every call in the records, newest first, with its way."""
        key = {"Authorization": "Bearer " + (self.home / "keys" / "demo_api_key").read_text().strip()}
        return [self.get(f"/v1/calls/{call['id']}", **key) for call in self.get("/v1/calls", **key)["calls"]]

    async def call_at(
        self, *nodes: str, id: str = "", after: int = 0, ended: bool = False, seconds: float = 60
    ) -> dict[str, Any]:
        """The newest call (or this one), once it has come to one of these nodes, and `ended`.

        `after`: how many calls there were before it.
        """
        deadline = time.monotonic() + seconds
        while True:
            calls = await asyncio.to_thread(self.calls)
            call = next((one for one in calls if id in ("", one["id"])), {}) if len(calls) > after else {}
            if any(step["node"] in nodes for step in call.get("steps", ())) and (call["ended_at"] or not ended):
                return call
            if time.monotonic() > deadline:
                raise AssertionError(f"the call did not come to {nodes}: {call}")
            await asyncio.sleep(0.1)

    def log(self) -> str:
        """Everything it logged."""
        return (self.home / "log").read_text("utf-8", "replace")

    def events(self) -> str:
        """The log itself, without the greeting, which prints the demo people and their PINs as it should."""
        return "\n".join(line for line in self.log().splitlines() if line.startswith("{"))

    @property
    def folder(self) -> Path:
        """Where its things are."""
        return self.home

    def last_words(self) -> str:
        """The end of its log."""
        return "\n".join(self.log().splitlines()[-40:])

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it: politely, or with SIGKILL."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(how)
            self._process.wait(15)

    def freeze(self) -> None:
        """Let it hang: alive, its connections open, and doing nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def __enter__(self) -> Self:
        self.entered.append(self)
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.entered.remove(self)
        self.stop()
