"""`make bench-voice`: the same call through this service and through a hand-written dialplan, on one Asterisk.

A call: welcome, 1, wrong PIN, right PIN, balance, hang up; a prompt is listened to for half a second before the next
keys. The dialplan plays the same sounds from its own disk, and compares PINs with a constant; a bare FastAGI script
(`bench.bare_agi`) tells what it takes to be asked by Asterisk and to do nothing. Callers, Asterisk, the service and its
database share the machine, so read the ratios. Ends by itself in under four minutes.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import cast

import numpy as np
import uvloop

from bench.caller import Script, Sign, Tally, Telephones, sign
from bench.full_load import Load, full_load
from fund.clock import china_now
from fund.demo.people import Who
from hotline.settings import Settings
from hotline.sounds import open_prompts
from ivr.actions import Action, LookUp, Say
from ivr.engine import step
from ivr.events import Answered, Event, Keys, Started
from ivr.flow import Flow
from ivr.loader import load, read_folder, read_phrases
from ivr.state import State
from ivr.utterance import Utterance
from tests.real.asterisk import CONFIG, REPOSITORY, Asterisk, free_port
from tests.real.running import Running
from tests.real.telephone import pin_only

WRONG_PIN = "864209"
SOUNDS = "/var/lib/asterisk/bench"  # as Asterisk sees them
STEADY_LINES, STEADY_SECONDS = 30, 14.0
LINES, LINES_SECONDS = (60, 140, 220), 9.0
TOGETHER, TOGETHER_SECONDS = 300, 12.0
ENGINE_SECONDS = 2.0
PEER, BARE, OURS = "22329", "32329", "12329"
_PEER = """
[from-trunk](+)
exten => 22329,1,Goto(peer,s,1)
exten => 32329,1,Answer()
 same => n,AGI(agi://127.0.0.1:{bare_port}/bare)

[peer]
exten => s,1,Answer()
 same => n,Read(KEY,{sounds}/welcome,1,,1,5)
 same => n,GotoIf($["${{KEY}}" = "1"]?:people,general,1)
 same => n,Set(TRIES=0)
 same => n,Read(PIN,{sounds}/pin,6,,1,5)
 same => n(check),GotoIf($["${{PIN}}" = "135790"]?balance)
 same => n,Set(TRIES=$[${{TRIES}} + 1])
 same => n,GotoIf($[${{TRIES}} > 2]?people,general,1)
 same => n,Read(PIN,{sounds}/wrong,6,,1,5)
 same => n,Goto(check)
 same => n(balance),Read(KEY,{sounds}/balance,1,,1,5)
 same => n,Goto(people,general,1)
"""
_VALUES = {
    "balance": Decimal("12345.67"), "carried": Decimal("9876.54"), "added": Decimal("2469.13"), "mine": Decimal("600"),
    "employers": Decimal("600"), "base": Decimal("5000"), "tail": "0001", "employer": "示例单位",
    "as_of": date(2026, 3, 1),
    "monthly": Decimal("1200"), "paid_to": "2026-02", "state": "正常",
}  # fmt: skip
_SAID = ("welcome", "pin", "wrong", "balance")


@dataclass
class Side:
    """One of the two, and what was measured of it."""

    name: str
    number: str
    script: Callable[[Who], Script]
    steady: Tally = field(default_factory=Tally)
    asterisk_ms: float = 0.0
    service_ms: float = 0.0
    calls_a_second: float = 0.0
    lines: int = 0
    together: int = 0
    memory_mb: float = 0.0


def main() -> None:
    """Measure, and print the table."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-voice-")))
        running = Running(folder / "home")
        bare_port = free_port()
        asterisk = Asterisk(folder / "asterisk", running.agi_url, files=_files(bare_port))
        stack.enter_context(running)
        running.stop()  # the first start made the demo ledger, and what that took is not a call's
        _build_prompts(running)
        running.start()
        stack.enter_context(asterisk)
        signs = _lay_out_sounds(running, folder / "asterisk" / "lib" / "bench")
        bare = subprocess.Popen([sys.executable, "-m", "bench.bare_agi", str(bare_port), SOUNDS], cwd=REPOSITORY)
        stack.callback(bare.kill)
        try:
            sides = uvloop.run(_measure(running, asterisk, bare.pid, signs))
            load = uvloop.run(full_load(running.agi_port, pin_only(), WRONG_PIN, lambda: _cpu_seconds(running.pid)))
        finally:
            print(_complaints(running.events()), flush=True)
    print(_table(*sides, load, _engine_steps_a_second()))


def _build_prompts(running: Running) -> None:
    """As an operator does before the lines open: the peer's sounds are there beforehand as well."""
    command = [sys.executable, "-m", "hotline", "prompts", "build"]
    subprocess.run(command, env=os.environ | {"HOTLINE_HOME": str(running.home)}, check=True, capture_output=True)


def _complaints(log: str) -> str:
    """What the service warned of, and how often."""
    lines = [json.loads(line) for line in log.splitlines()]
    counted = Counter(line["event"] for line in lines if line["level"] in ("warning", "error"))
    return "the service warned of: " + (", ".join(f"{event} ({n})" for event, n in counted.items()) or "nothing")


def _files(bare_port: int) -> dict[str, str]:
    """Asterisk's configuration with the peer's dialplan, and the one application that only the peer uses."""
    peer = _PEER.format(sounds=SOUNDS, bare_port=bare_port)
    dialplan, modules = ((CONFIG / name).read_text() for name in ("extensions.conf", "modules.conf"))
    return {"extensions.conf": dialplan + peer, "modules.conf": modules + "load = app_read.so\n"}


# what is said


def _flow() -> Flow:
    flow = load(read_folder(REPOSITORY / "flows"), read_phrases(REPOSITORY / "prompts" / "voice.yaml")).flow
    assert flow
    return flow


def _played(flow: Flow) -> Iterator[tuple[Event, Sequence[Action]]]:
    """The call, as the engine sees it: each event with what it leads to."""
    at, keys = china_now(), iter(["1", WRONG_PIN, "135790"])
    state, event = State(flow.version), cast(Event, Started("13900000001", at))
    while True:
        state, actions = step(flow, state, event)
        yield event, actions
        if isinstance(actions[-1], LookUp):
            event = _answer(actions[-1], at)
        elif key := next(keys, None):
            event = Keys(key, at)
        else:
            return


def _answer(question: LookUp, at: datetime) -> Answered:
    match question.what:
        case "caller":
            return Answered("bound", at)
        case "bulletin":
            return Answered("off", at)
        case "identify" if question.args["pin"] == WRONG_PIN:
            return Answered("wrong", at, {"left": 2})
        case "identify":
            return Answered("ok", at, {"account": "321000001"})
    return Answered("ok", at, {"values": _VALUES, "rows": ()})


def _utterances() -> list[Utterance]:
    """What a caller hears between the keys."""
    said = [Utterance()]
    for event, actions in _played(_flow()):
        if isinstance(event, Keys):
            said.append(Utterance())
        for action in actions:
            if isinstance(action, Say):
                said[-1] += action.utterance
    return said


def _lay_out_sounds(running: Running, folder: Path) -> dict[str, Sign]:
    """The peer's files: the very sounds of the service, so both sides play the same."""
    settings = Settings(_env_file=None, home=running.home)
    prompts = open_prompts(settings, settings.privacy())
    folder.mkdir(parents=True)
    try:
        wavs = [prompts.make(utterance).wav for utterance in _utterances()]
    finally:
        prompts.close()
    for name, wav in zip(_SAID, wavs, strict=True):
        (folder / f"{name}.wav").write_bytes(wav)
    return {name: sign(name, np.frombuffer(wav[44:], "<i2")) for name, wav in zip(_SAID, wavs, strict=True)}


# the runs


async def _measure(
    running: Running, asterisk: Asterisk, bare_pid: int, signs: dict[str, Sign]
) -> tuple[Side, Side, Side]:
    people = pin_only()

    def script(pin_of: Callable[[Who], str]) -> Callable[[Who], Script]:
        return lambda who: Script(
            signs["welcome"],
            [("1", signs["pin"]), (WRONG_PIN, signs["wrong"]), (pin_of(who), signs["balance"])],
        )

    ours = Side("service", OURS, script(lambda who: who.pin or ""))
    peer = Side("dialplan", PEER, script(lambda who: "135790"))
    bare = Side("bare script", BARE, script(lambda who: "135790"))
    phones = Telephones(asterisk.sip_port)
    await phones.open()
    bench = _Bench(phones, people, running, asterisk, bare_pid)
    for run in (bench.warm, bench.steady, bench.ramp, bench.together):
        for side in (peer, bare, ours) if run in (bench.warm, bench.steady) else (peer, ours):
            await run(side)
    phones.close()
    return peer, bare, ours


class _Bench:
    """The runs, each on one side."""

    def __init__(
        self, phones: Telephones, people: list[Who], running: Running, asterisk: Asterisk, bare_pid: int
    ) -> None:
        self._phones, self._people, self._running, self._asterisk = phones, people, running, asterisk
        self._bare_pid = bare_pid
        self._idle = 0.0  # CPU seconds a second of a service without calls

    async def warm(self, side: Side) -> None:
        """The first call of each makes sounds and fills caches."""
        tally = Tally()
        for who in self._people[:2]:
            await self._call(side, who, tally)
        if tally.failed:
            told = self._running.log()[-2000:] + self._asterisk.console()[-2000:]
            raise SystemExit(f"{side.name}: {tally.failed}\n{told}")

    async def steady(self, side: Side) -> None:
        """Few enough lines to leave the machine room: how long an answer takes, and what a call costs."""
        before, began = self._cpu(), time.monotonic()
        await self._lines(side, STEADY_LINES, STEADY_SECONDS, side.steady)
        asterisk, service, bare = (now - then for now, then in zip(self._cpu(), before, strict=True))
        seconds, calls = time.monotonic() - began, max(side.steady.done, 1)
        side.asterisk_ms = asterisk / calls * 1000
        if side.number == PEER:  # meanwhile the service does nothing but wait
            self._idle = service / seconds
        ours = service - self._idle * seconds
        side.service_ms = (bare if side.number == BARE else ours) / calls * 1000
        self._tell(side, f"{STEADY_LINES} lines", side.steady)

    async def ramp(self, side: Side) -> None:
        """More and more lines, each calling again and again, until a call fails."""
        for lines in LINES:
            tally, began = Tally(), time.monotonic()
            await self._lines(side, lines, LINES_SECONDS, tally)
            rate = tally.done / (time.monotonic() - began)
            self._tell(side, f"{lines} lines, {rate:.1f} calls/s", tally)
            if tally.failed:
                return
            if rate > side.calls_a_second:
                side.calls_a_second, side.lines = rate, lines

    async def together(self, side: Side) -> None:
        """Many calls in progress at the same moment."""
        tally = Tally()
        calls = []
        for who in self._people[:TOGETHER]:
            calls.append(asyncio.create_task(self._call(side, who, tally, stay_seconds=TOGETHER_SECONDS)))
            await asyncio.sleep(0.05)
        while any(not call.done() for call in calls):
            side.memory_mb = max(side.memory_mb, _memory_mb(self._running.pid))
            await asyncio.sleep(0.2)
        side.together = tally.done
        self._tell(side, f"{TOGETHER} calls together", tally)

    async def _lines(self, side: Side, lines: int, seconds: float, tally: Tally) -> None:
        """Each line calls again as long as there is time."""
        end = time.monotonic() + seconds

        async def line(n: int) -> None:
            await asyncio.sleep(n / lines * 4)
            while time.monotonic() < end:
                await self._call(side, self._people[n], tally)

        await asyncio.gather(*(line(n) for n in range(lines)))

    async def _call(self, side: Side, who: Who, tally: Tally, **changed: float) -> None:
        script = side.script(who)
        script.stay_seconds = changed.get("stay_seconds", script.stay_seconds)
        await self._phones.call(side.number, who.phone, script, tally)

    def _cpu(self) -> tuple[float, ...]:
        return tuple(map(_cpu_seconds, (self._asterisk.pid, self._running.pid, self._bare_pid)))

    def _tell(self, side: Side, what: str, tally: Tally) -> None:
        why = ", ".join(sorted(set(tally.failed)))
        print(f"{side.name}: {what}: {tally.done} done, {len(tally.failed)} failed {why}", flush=True)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_mb(pid: int) -> float:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def _engine_steps_a_second() -> float:
    """The engine alone, over the same call."""
    flow = _flow()
    steps, began = 0, time.perf_counter()
    while time.perf_counter() - began < ENGINE_SECONDS:
        steps += sum(1 for _ in _played(flow))
    return steps / (time.perf_counter() - began)


# what is told


def _table(peer: Side, bare: Side, ours: Side, load: Load, steps_a_second: float) -> str:
    def quantile(side: Side, q: float) -> float:
        return float(np.quantile(side.steady.reaction_seconds, q)) * 1000

    rows: list[tuple[str, str, str, str]] = [
        ("calls/s without failure", f"{ours.calls_a_second:.1f}", f"{peer.calls_a_second:.1f}",
         f"{ours.calls_a_second / max(peer.calls_a_second, 0.01):.2f}"),
        ("lines at that rate", f"{ours.lines}", f"{peer.lines}", ""),
        (f"of {TOGETHER} calls together, carried to their balance", f"{ours.together}", f"{peer.together}", ""),
        *((f"key to first audio, {name}", f"{quantile(ours, q):.1f} ms", f"{quantile(peer, q):.1f} ms",
           f"{quantile(ours, q) - quantile(peer, q):+.1f} ms") for name, q in (("p50", 0.5), ("p99", 0.99))),
        ("CPU of Asterisk per call", f"{ours.asterisk_ms:.1f} ms", f"{peer.asterisk_ms:.1f} ms",
         f"{ours.asterisk_ms / max(peer.asterisk_ms, 0.01):.2f}"),
        ("CPU of the service per call, beyond its idling", f"{ours.service_ms:.2f} ms", "-",
         f"a bare script: {bare.service_ms:.2f} ms"),
        (f"the same when it is never idle, at {load.calls_a_second:.0f} calls/s without sound", f"{load.cpu_ms:.2f} ms",
         "-", ""),
        (f"memory of the service with {TOGETHER} calls", f"{ours.memory_mb:.0f} MB", "-", ""),
        ("engine alone", f"{steps_a_second:,.0f} steps/s", "-", ""),
    ]  # fmt: skip
    lines = ["| | service | dialplan | |", "| --- | ---: | ---: | ---: |"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


if __name__ == "__main__":
    main()
