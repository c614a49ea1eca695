"""`make bench-sms`: this gateway beside Kannel, in one run, under one loader, into one message centre.

Texts of 70 Chinese characters from 32 connections (wrk), in alternating rounds. Accepted means that the gateway
answered that it has the text; ours has then committed it to the disk, Kannel has written it to a file that it never
syncs. Kannel takes a hundred texts in one request only where all say the same; that is measured as well. Then each is
killed with SIGKILL under load and started again, and what was accepted is looked for at the message centre.

Kannel, wrk and this machine's Debian come from `bench/install.sh`. Times on a shared machine are noisy: compare the
columns of one run, not of two.
"""

import asyncio
import itertools
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp

CONNECTIONS = 32
SECONDS = int(os.environ.get("BENCH_SECONDS", "6"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "2"))
KILL_AFTER = 1500  # accepted texts
HOME = Path(__file__).parents[1]

_WORDS = "的住房公积金账户已于本月缴存入账,如有疑问请致电中心热线或到服务网点咨询,感谢您对住房公积金工作的支持与理解。"
TEMPLATE = f"""
  bench:
    lane: notice
    kind: account
    text: 您尾号{{tail}}{_WORDS}
    params: {{tail: tail}}
    quiet: none
    life: 3d
"""


def _port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Sink:
    """The message centre, in a process of its own."""

    def __init__(self) -> None:
        self.port = _port()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.sms_sink", str(self.port)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HOME,
        )  # fmt: skip
        assert self._process.stdout
        self._process.stdout.readline()

    def ask(self, command: str) -> dict[str, Any]:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def settled(self, wanted: int, patience: float = 6.0) -> tuple[dict[str, Any], float]:
        """What came, once it is `wanted` texts or nothing more comes for `patience` seconds; and when the last came."""
        known, last = self.ask("count"), time.monotonic()
        while known["texts"] < wanted and time.monotonic() - last < patience:
            time.sleep(0.05)
            now = self.ask("count")
            if now["texts"] != known["texts"]:
                known, last = now, time.monotonic()
        return known, last

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


class Gateway(ABC):
    """A gateway under test: its processes, and how to ask it for a text."""

    name: str
    together = 1  # texts of one request

    def __init__(self, folder: Path, sink: Sink) -> None:
        self.folder, self.sink, self.port = folder, sink, _port()
        self.folder.mkdir(parents=True)
        self.processes: list[subprocess.Popen[str]] = []

    @abstractmethod
    def start(self) -> None:
        """Start its processes and wait until it takes texts."""

    @abstractmethod
    def request(self, numbers: Sequence[str]) -> tuple[str, str, dict[str, str], str]:
        """Method, path, headers and body of a request for `together` texts."""

    @abstractmethod
    def script(self, first: int) -> str:
        """The same for wrk: a Lua script that counts numbers up from `first`."""

    def run(self, *command: str | Path, **environment: str) -> subprocess.Popen[str]:
        with (self.folder / "log").open("a") as log:
            process = subprocess.Popen(
                list(map(str, command)), cwd=HOME, env=os.environ | environment, stderr=log, stdout=log, text=True
            )
        self.processes.append(process)
        return process

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        for process in reversed(self.processes):
            process.send_signal(how)
        for process in self.processes:
            process.wait()
        self.processes.clear()

    def cpu_seconds(self) -> float:
        """Of all its processes, user and system."""
        spent = 0
        for process in self.processes:
            fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            spent += int(fields[11]) + int(fields[12])
        return spent / os.sysconf("SC_CLK_TCK")

    def memory_mb(self) -> float:
        """The most its processes have held, together."""
        status = [Path(f"/proc/{process.pid}/status").read_text() for process in self.processes]
        return sum(int(re.search(r"VmHWM:\s+(\d+)", text)[1]) for text in status) / 1024  # type: ignore[index]

    def wait_for_port(self, port: int) -> None:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.05)
        raise RuntimeError(f"{self.name} did not start:\n{(self.folder / 'log').read_text()[-2000:]}")


class Ours(Gateway):
    """`hotline serve --only sms`, on the embedded database, bound to the message centre by SMPP."""

    name = "this gateway"

    def __init__(self, folder: Path, sink: Sink) -> None:
        super().__init__(folder, sink)
        (folder / "sms.yaml").write_text((HOME / "prompts/sms.yaml").read_text() + TEMPLATE)
        provider = {
            "host": "127.0.0.1", "port": sink.port, "system_id": "bench", "password": "bench", "sender": "12329",
            "rate": 1_000_000, "window": 400, "kind": "smpp",
        }  # fmt: skip
        self.environment = {
            "HOTLINE_HOME": str(folder / "home"),
            "HOTLINE_PORT": str(self.port),
            "HOTLINE_LOG_LEVEL": "warning",
            "HOTLINE_SMS__TEMPLATES": str(folder / "sms.yaml"),
            "HOTLINE_SMS__PROVIDERS": json.dumps({"centre": provider}),
        }
        made = subprocess.run(
            [sys.executable, "-m", "hotline", "key", "add", f"bench-{secrets.token_hex(3)}", "--scope", "messages",
             "--channel", "40", "--rate", "100000"],
            cwd=HOME, env=os.environ | self.environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        self.key = re.search(r"hk_\S+", made.stdout)[0]  # type: ignore[index]

    def start(self) -> None:
        self.run(sys.executable, "-m", "hotline", "serve", "--only", "sms", **self.environment)
        self.wait_for_port(self.port)

    def request(self, numbers: Sequence[str]) -> tuple[str, str, dict[str, str], str]:
        texts = [
            {"to": number, "template": "bench", "params": {"tail": number[-4:]}, "key": f"once-{number}"}
            for number in numbers
        ]
        body = {"messages": texts} if self.together > 1 else texts[0]
        return "POST", self._path, {"Authorization": f"Bearer {self.key}"}, json.dumps(body)

    @property
    def _path(self) -> str:
        return "/v1/messages/batch" if self.together > 1 else "/v1/messages"

    def script(self, first: int) -> str:
        written = '{"to":"139%08d","template":"bench","params":{"tail":"%04d"},"key":"once-%d"}'
        one = f"string.format('{written}', n, n % 10000, n)"
        body = (
            f"""local t = {{}}
              for i = 1, {self.together} do n = n + 1; t[i] = {one} end
              local body = '{{"messages":[' .. table.concat(t, ",") .. ']}}'"""
            if self.together > 1
            else f"n = n + 1; local body = {one}"
        )
        return f"""
            local n = {first}
            local headers = {{["Authorization"] = "Bearer {self.key}", ["Content-Type"] = "application/json"}}
            request = function()
              {body}
              return wrk.format("POST", "{self._path}", headers, body)
            end"""


class Kannel(Gateway):
    """Debian's Kannel: a bearerbox with its file store, a smsbox, one SMPP bind to the same message centre."""

    name = "Kannel"

    def __init__(self, folder: Path, sink: Sink) -> None:
        super().__init__(folder, sink)
        self.admin, self.boxes = _port(), _port()
        self.configuration = folder / "kannel.conf"
        self.configuration.write_text(f"""
group = core
admin-port = {self.admin}
admin-password = bench
status-password = bench
smsbox-port = {self.boxes}
log-file = "{folder}/bearerbox.log"
log-level = 3
store-type = file
store-location = "{folder}/kannel.store"
dlr-storage = internal

group = smsc
smsc = smpp
smsc-id = centre
host = 127.0.0.1
port = {sink.port}
transceiver-mode = 1
smsc-username = bench
smsc-password = bench
system-type = ""
max-pending-submits = 400
source-addr-ton = 0
source-addr-npi = 1
dest-addr-ton = 0
dest-addr-npi = 1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {self.port}
global-sender = 12329
log-file = "{folder}/smsbox.log"
log-level = 3

group = sendsms-user
username = bench
password = bench
max-messages = 10

group = sms-service
keyword = default
text = "ok"
""")

    def start(self) -> None:
        self.run("bearerbox", "-v", "4", self.configuration)
        self.wait_for_port(self.boxes)
        self.run("smsbox", "-v", "4", self.configuration)
        self.wait_for_port(self.port)
        time.sleep(1)  # for the bind

    def path(self, receivers: str, tail: str) -> str:
        text = f"【镇江公积金】您尾号{tail}{_WORDS}"
        fields = {"username": "bench", "password": "bench", "charset": "UTF-8", "coding": "2"}
        return f"/cgi-bin/sendsms?{urlencode(fields)}&to={receivers}&text={quote(text)}"

    def request(self, numbers: Sequence[str]) -> tuple[str, str, dict[str, str], str]:
        return "GET", self.path("+".join(numbers), numbers[0][-4:]), {}, ""

    def script(self, first: int) -> str:
        path = self.path("RECEIVERS", "TAIL").replace("%", "%%").replace("RECEIVERS", "%s").replace("TAIL", "%04d")
        return f"""
            local n = {first}
            request = function()
              local to = {{}}
              for i = 1, {self.together} do n = n + 1; to[i] = string.format("139%08d", n) end
              return wrk.format("GET", string.format("{path}", table.concat(to, "+"), n % 10000))
            end"""


@dataclass
class Round:
    """What one round showed."""

    accepted: float  # a second
    delivered: float  # a second, from the first request to the last text at the centre
    p50_ms: float
    p99_ms: float
    cpu_ms: float  # of the gateway, a text
    lost: int


@dataclass
class Result:
    """A gateway's rounds, and what became of it under SIGKILL."""

    name: str
    rounds: list[Round] = field(default_factory=list)
    memory_mb: float = 0
    killed: str = ""

    def middle(self, what: str) -> float:
        values = sorted(float(getattr(each, what)) for each in self.rounds)
        return values[len(values) // 2]


_numbers: Iterator[int] = iter(range(0, 100_000_000, 1_000_000))


def load(gateway: Gateway) -> Round:
    """One round of wrk."""
    gateway.sink.ask("reset")
    script = gateway.folder / "load.lua"
    script.write_text(gateway.script(next(_numbers)) + _DONE)
    before, began = gateway.cpu_seconds(), time.monotonic()
    done = subprocess.run(
        ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--timeout", "10s", "-s", str(script), f"http://127.0.0.1:{gateway.port}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    told = json.loads(done.stdout.rpartition("BENCH")[2])
    accepted = (told["requests"] - told["refused"]) * gateway.together
    known, last = gateway.sink.settled(accepted)
    return Round(
        accepted=accepted / told["seconds"],
        delivered=known["texts"] / (last - began),
        p50_ms=told["p50"] / 1000,
        p99_ms=told["p99"] / 1000,
        cpu_ms=(gateway.cpu_seconds() - before) * 1000 / max(1, known["texts"]),
        lost=max(0, accepted - int(known["numbers"])),
    )


_DONE = """
            done = function(summary, latency, requests)
              io.write(string.format('BENCH{"requests":%d,"refused":%d,"seconds":%f,"p50":%d,"p99":%d}',
                summary.requests, summary.errors.status + summary.errors.read + summary.errors.timeout,
                summary.duration / 1e6, latency:percentile(50), latency:percentile(99)))
            end
"""


async def killed_under_load(gateway: Gateway) -> str:
    """SIGKILL under load, then a new start: how many accepted texts never came, and how many came twice."""
    gateway.sink.ask("reset")
    accepted: set[str] = set()
    first = next(_numbers)
    numbers = (f"139{n:08d}" for n in range(first, first + 1_000_000))
    enough = asyncio.Event()

    async def send(session: aiohttp.ClientSession) -> None:
        while some := list(itertools.islice(numbers, gateway.together)):
            method, path, headers, body = gateway.request(some)
            try:
                async with session.request(
                    method, f"http://127.0.0.1:{gateway.port}{path}", headers=headers, data=body
                ) as reply:
                    if reply.status == 202:
                        accepted.update(some)
            except (aiohttp.ClientError, OSError):
                return
            if len(accepted) >= KILL_AFTER:
                enough.set()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS)) as session:
        senders = [asyncio.create_task(send(session)) for _ in range(CONNECTIONS)]
        await enough.wait()
        gateway.kill()
        await asyncio.gather(*senders)
    gateway.start()
    gateway.sink.settled(sys.maxsize, patience=10)  # what an earlier round left comes first: wait until nothing does
    known = gateway.sink.ask("who")
    missing = len(accepted - set(known["who"]))
    return f"{len(accepted)} accepted, {missing} not at the centre, {known['doubled']} doubled"


def table(results: Sequence[Result]) -> str:
    rows = [
        ("accepted a second", lambda r: f"{r.middle('accepted'):,.0f}"),
        ("at the message centre, a second", lambda r: f"{r.middle('delivered'):,.0f}"),
        ("answer p50 / p99, ms", lambda r: f"{r.middle('p50_ms'):.1f} / {r.middle('p99_ms'):.1f}"),
        ("CPU a text, ms", lambda r: f"{r.middle('cpu_ms'):.2f}"),
        ("memory, MB", lambda r: f"{r.memory_mb:.0f}"),
        ("lost without a crash", lambda r: str(sum(each.lost for each in r.rounds))),
        ("killed under load", lambda r: r.killed),
    ]
    lines = ["| | " + " | ".join(each.name for each in results) + " |", "| --- |" + " ---: |" * len(results)]
    lines += [f"| {name} | " + " | ".join(cell(each) for each in results) + " |" for name, cell in rows]
    return "\n".join(lines)


def main() -> None:
    missing = [name for name in ("wrk", "bearerbox", "smsbox") if not shutil.which(name)]
    if missing:
        sys.exit(f"bench-sms needs {', '.join(missing)}: run bench/install.sh as root on Debian")
    with tempfile.TemporaryDirectory(prefix="bench-sms-") as name, ExitStack() as stack:
        folder, sink = Path(name), Sink()
        stack.callback(sink.stop)
        gateways: list[Gateway] = [
            Ours(folder / "ours", sink), Ours(folder / "batch", sink),
            Kannel(folder / "kannel", sink), Kannel(folder / "kannel-many", sink),
        ]  # fmt: skip
        gateways[1].together, gateways[1].name = 100, "this gateway, 100 a request"
        gateways[3].together, gateways[3].name = 100, "Kannel, one text to 100"
        results = []
        for gateway in gateways:
            stack.callback(gateway.kill)
            results.append(Result(gateway.name))
        for turn in range(ROUNDS):
            for gateway, result in zip(gateways, results, strict=True):
                gateway.start()
                result.rounds.append(load(gateway))
                result.memory_mb = max(result.memory_mb, gateway.memory_mb())
                print(f"round {turn + 1}  {gateway.name}: {result.rounds[-1]}", file=sys.stderr, flush=True)
                gateway.kill(signal.SIGTERM)
        for gateway, result in zip(gateways, results, strict=True):
            gateway.start()
            result.killed = asyncio.run(killed_under_load(gateway))
            print(f"{gateway.name}: {result.killed}", file=sys.stderr, flush=True)
            gateway.kill()
        print(f"\n{os.cpu_count()} cores, {CONNECTIONS} connections, {ROUNDS} rounds of {SECONDS} s, medians\n")
        print(table(results))


if __name__ == "__main__":
    main()
