"""SIPp, the load tool of SIP telephony, as many callers at once: each dials, waits, presses keys, waits, hangs up.

SIPp cannot record, but it lets the SDP name any port: each call has one of ours, and its keys are sent from there.
"""

import asyncio
import csv
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from ivr import audio
from tests.real.asterisk import free_port
from tests.real.rtp import EVENT_TYPE, Ear, Fingers, listen

_EAR_OFFSET = 20  # our ports begin so far above those that SIPp opens for itself
_PORTS_A_CALL = 4  # SIPp's own step
_INVITE = """<?xml version="1.0" encoding="UTF-8"?>
<scenario name="caller">
<send retrans="500"><![CDATA[
INVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:[field0]@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:[field0]@[local_ip]:[local_port]>
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

v=0
o=- 1 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [auto_media_port+EAR_OFFSET] RTP/AVP 0 EVENT_TYPE
a=rtpmap:0 PCMU/8000
a=rtpmap:EVENT_TYPE telephone-event/8000
a=fmtp:EVENT_TYPE 0-15
]]></send>
<recv response="100" optional="true"/>
<recv response="180" optional="true"/>
<recv response="183" optional="true"/>
<recv response="200" rrs="true"/>
<send><![CDATA[
ACK sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
[last_From:]
[last_To:]
[last_Call-ID:]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
"""
_REQUEST = """<send retrans="500"><![CDATA[
{method} [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
[last_From:]
[last_To:]
[routes]
[last_Call-ID:]
CSeq: {sequence} {method}
Max-Forwards: 70
{body}
]]></send>
<recv response="200"/>
"""
_RELAY = "Content-Type: application/dtmf-relay\nContent-Length: [len]\n\nSignal={key}\nDuration=160"


class NoSipp(Exception):
    """SIPp cannot run here; the message says why."""


@dataclass
class Calls:
    """How the calls of one run went. `ears` in the order in which the calls began."""

    ears: list[Ear]
    done: int = 0
    failed: int = 0
    told: str = field(default="", repr=False)  # what SIPp printed

    def heard(self, call: int = 0) -> audio.Sound:
        """What this caller heard."""
        return self.ears[call].heard()


@dataclass(frozen=True)
class Wait:
    """Let seconds pass."""

    seconds: float


@dataclass(frozen=True)
class Press:
    """Press keys by RFC 4733, the same for all callers."""

    keys: str


@dataclass(frozen=True)
class Relay:
    """Press keys of the caller's own, by SIP INFO: `count` of those that follow the number, from the `first` (1)."""

    first: int
    count: int


Act = Wait | Press | Relay


async def run(
    folder: Path, sip_port: int, callers: Sequence[Sequence[str]], acts: Sequence[Act], *, rate: float = 1.0
) -> Calls:
    """Make one call for each caller (number, then keys for `Relay`), `rate` a second begun."""
    if shutil.which("sipp") is None:
        raise NoSipp("SIPp is not installed; run: sh tests/real/install.sh")
    _lay_out(folder, callers, acts)
    async with _ears(len(callers)) as (first_port, ears):
        return await _played(folder, sip_port, first_port, Calls(ears), rate)


def _lay_out(folder: Path, callers: Sequence[Sequence[str]], acts: Sequence[Act]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scenario.xml").write_text(_scenario(folder, acts), "utf-8")
    rows = [[row[0], *(key for column in row[1:] for key in column)] for row in callers]
    with (folder / "callers.csv").open("w", newline="") as file:
        file.write("SEQUENTIAL\n")
        csv.writer(file, delimiter=";", lineterminator="\n").writerows(rows)


@asynccontextmanager
async def _ears(count: int) -> AsyncIterator[tuple[int, list[Ear]]]:
    """Ears at the ports that SIPp will name for its calls, and the port it is to count from."""
    opened: list[tuple[Ear, asyncio.DatagramTransport]] = []
    try:
        while len(opened) < count:  # others take ports as well: then somewhere else
            _close(opened)
            first = 40_000 + free_port() % 10_000
            with suppress(OSError):
                for n in range(count):
                    opened.append(await listen(first + _EAR_OFFSET + _PORTS_A_CALL * n))
        yield first, [ear for ear, _ in opened]
    finally:
        _close(opened)


def _close(opened: list[tuple[Ear, asyncio.DatagramTransport]]) -> None:
    while opened:
        opened.pop()[1].close()


async def _played(folder: Path, sip_port: int, media_port: int, calls: Calls, rate: float) -> Calls:
    count = str(len(calls.ears))
    process = await asyncio.create_subprocess_exec(
        *("sipp", f"127.0.0.1:{sip_port}", "-sf", "scenario.xml", "-inf", "callers.csv", "-s", "12329"),
        *("-i", "127.0.0.1", "-mi", "127.0.0.1", "-mp", str(media_port), "-m", count, "-l", count, "-r", str(rate)),
        *("-nostdin", "-trace_err", "-error_file", "errors", "-timeout", "150", "-timeout_error"),
        *("-trace_stat", "-stf", "stat.csv", "-fd", "1"),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await process.communicate()
    errors = folder / "errors"
    calls.told = told.decode("utf-8", "replace")[-2000:] + (
        errors.read_text("utf-8", "replace") if errors.exists() else ""
    )
    with (folder / "stat.csv").open(newline="") as file:
        last = list(csv.DictReader(file, delimiter=";"))[-1]
    calls.done, calls.failed = int(last["SuccessfulCall(C)"]), int(last["FailedCall(C)"])
    return calls


def _scenario(folder: Path, acts: Sequence[Act]) -> str:
    fingers, sequence = Fingers(), 1
    parts = [_INVITE.replace("EAR_OFFSET", str(_EAR_OFFSET)).replace("EVENT_TYPE", str(EVENT_TYPE))]
    for n, act in enumerate(acts):
        match act:
            case Wait(seconds):
                parts.append(_pause(seconds))
            case Press(keys):
                seconds = fingers.write(keys, folder / f"keys{n}.pcap")
                parts.append(f'<nop><action><exec play_pcap_audio="keys{n}.pcap"/></action></nop>\n{_pause(seconds)}')
            case Relay(first, count):
                for key in range(count):
                    sequence += 1
                    body = _RELAY.format(key=f"[field{first + key}]")
                    parts += [_REQUEST.format(method="INFO", sequence=sequence, body=body), _pause(0.15)]
    parts.append(_REQUEST.format(method="BYE", sequence=sequence + 1, body="Content-Length: 0\n"))
    return "".join(parts) + "</scenario>\n"


def _pause(seconds: float) -> str:
    return f'<pause milliseconds="{round(seconds * 1000)}"/>\n'
