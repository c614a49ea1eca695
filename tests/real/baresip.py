"""baresip, a softphone without a screen: dials or registers, presses keys by RFC 4733, keeps what it heard as WAV.

Controlled over its own TCP port: netstrings of JSON, commands one way, answers and events the other.
"""

import asyncio
import json
import os
import shutil
import signal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pytest

from ivr import audio
from tests import hearing
from tests.real.asterisk import free_port

LONGEST_SECONDS = 120  # baresip hangs up when it has nothing more to say
_WAV_HEADER_BYTES = 44
_MISSING = "baresip is not installed; run: sh tests/real/install.sh"
_MODULES = "stdio g711 aufile aubridge sndfile account contact menu ctrl_tcp"
_CONFIG = """
poll_method epoll
sip_listen {address}:{sip_port}
sip_verify_server no
call_max_calls 1
audio_player aubridge,nil
audio_source aufile,{mouth}
audio_alert aubridge,nil
snd_path {folder}
ctrl_tcp_listen 127.0.0.1:{control_port}
rtp_timeout 0
module_path {modules}
"""


def _module_folder() -> Path:
    for folder in (Path("/usr/lib/baresip/modules"), *Path("/usr/lib").glob("*/baresip/modules")):
        if (folder / "ctrl_tcp.so").exists():
            return folder
    pytest.skip(_MISSING)


class Baresip:
    """One telephone; without baresip the test is skipped. `account` is a line of baresip's accounts file; `mouth` is what it says (silence by default)."""

    def __init__(
        self,
        folder: Path,
        account: str,
        *,
        address: str = "127.0.0.1",
        sip_port: int = 0,
        mouth: audio.Sound | None = None,
    ) -> None:
        self._sip_port = sip_port
        self.folder, self._account, self._address = folder, account, address
        self._mouth = audio.silence(LONGEST_SECONDS) if mouth is None else mouth
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._process: asyncio.subprocess.Process | None = None
        self._listened: tuple[Path, float] | None = None  # by `hears`: seconds of which call

    async def __aenter__(self) -> Self:
        if shutil.which("baresip") is None:
            pytest.skip(_MISSING)
        port = self._lay_out()
        self._console = (self.folder / "console").open("wb")
        self._process = await asyncio.create_subprocess_exec(
            *("baresip", "-f", str(self.folder)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=self._console,
            stderr=asyncio.subprocess.STDOUT,
            env=os.environ | {"HOME": str(self.folder)},
        )
        self._reader, self._writer = await self._connected(port)
        self._listening = asyncio.create_task(self._listen())
        return self

    def _lay_out(self) -> int:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "mouth.wav").write_bytes(audio.wav(self._mouth))
        port = free_port()
        config = _CONFIG.format(
            address=self._address,
            sip_port=self._sip_port,
            mouth=self.folder / "mouth.wav",
            folder=self.folder,
            control_port=port,
            modules=_module_folder(),
        )
        modules = "".join(f"module {name}.so\n" for name in _MODULES.split())
        (self.folder / "config").write_text(config + modules)
        (self.folder / "accounts").write_text(self._account + "\n")
        (self.folder / "contacts").write_text("")
        return port

    async def _connected(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        for _ in range(100):
            try:
                return await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
        raise RuntimeError("baresip did not start:\n" + (self.folder / "console").read_text("utf-8", "replace"))

    async def _listen(self) -> None:
        while True:
            size = await self._reader.readuntil(b":")
            body = await self._reader.readexactly(int(size[:-1]))
            await self._reader.readexactly(1)
            self._events.put_nowait(json.loads(body))

    async def command(self, name: str, params: str = "") -> None:
        """Send one of baresip's commands."""
        body = json.dumps({"command": name, "params": params}).encode()
        self._writer.write(b"%d:%s," % (len(body), body))
        await self._writer.drain()

    async def until(self, kind: str, seconds: float = 60) -> dict[str, Any]:
        """The next event of this type, such as `CALL_ESTABLISHED`, `CALL_CLOSED`, `REGISTER_OK`."""
        async with asyncio.timeout(seconds):
            while True:
                event = await self._events.get()
                if event.get("type") == kind:
                    return event

    async def dial(self, address: str) -> None:
        """Call, and wait for the answer."""
        await self.command("dial", address)
        await self.until("CALL_ESTABLISHED")

    async def press(self, keys: str, pause_seconds: float = 0.15) -> None:
        """Press keys one after the other."""
        for key in keys:
            await self.command("sndcode", key)
            await asyncio.sleep(pause_seconds)
            await self.command("sndcode", "\x04")
            await asyncio.sleep(pause_seconds)

    def heard(self) -> audio.Sound:
        """What came from the other side so far, of the newest call."""
        dump = self._dump()
        return _samples(dump) if dump else audio.silence(0)

    def _dump(self) -> Path | None:
        dumps = self.folder.glob("dump-*-dec.wav")
        return max(dumps, key=lambda path: path.stat().st_mtime, default=None)

    async def hears(self, *sounds: audio.Sound, seconds: float = 60) -> None:
        """Wait until these were played to their ends, in this order, after what was waited for before in this call."""
        for sound in sounds:
            deadline = asyncio.get_running_loop().time() + seconds
            while not await asyncio.to_thread(self._listen_for, sound):
                if asyncio.get_running_loop().time() > deadline:
                    found = "\n".join(map(str, hearing.listen(self.heard(), {"it": sound}))) or "nothing like it"
                    raise AssertionError(f"{audio.seconds(sound):.1f} s were not heard to their end; heard:\n{found}")
                await asyncio.sleep(0.3)

    def _listen_for(self, sound: audio.Sound) -> bool:
        dump = self._dump()
        if dump is None:
            return False
        before = self._listened[1] if self._listened and self._listened[0] == dump else 0.0
        begin = max(0, round((before - hearing.SLIP_SECONDS) * audio.RATE))
        since = _samples(dump)[begin:]
        if len(since) < 0.9 * len(sound):
            return False  # it cannot be over yet
        for heard in hearing.listen(since, {"it": sound}):
            if heard.whole:
                self._listened = dump, begin / audio.RATE + heard.end_seconds
                return True
        return False

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(5):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        self._listening.cancel()
        self._writer.close()
        self._console.close()


def caller(folder: Path, number: str = "13900000001", **more: Any) -> Baresip:
    """A telephone on the carrier's side that calls as `number`."""
    return Baresip(folder, f"<sip:{number}@127.0.0.1>;regint=0;audio_codecs=PCMU;dtmfmode=rtpevent", **more)


def agent(folder: Path, name: str, secret: str, sip_port: int, *, answers: bool = True, **more: Any) -> Baresip:
    """An agent's telephone, registered at Asterisk; it answers by itself unless told otherwise."""
    account = (
        f"<sip:{name}@127.0.0.1:{sip_port}>;auth_user={name};auth_pass={secret};regint=60;"
        f"audio_codecs=PCMU;answermode={'auto' if answers else 'manual'}"
    )
    return Baresip(folder, account, address="127.0.0.2", **more)


def called(folder: Path, number: str, sip_port: int, *, answers: bool = True, **more: Any) -> Baresip:
    """The telephone of somebody on the carrier's side whom we call."""
    account = f"<sip:{number}@127.0.0.1>;regint=0;audio_codecs=PCMU;dtmfmode=rtpevent;answermode={'auto' if answers else 'manual'}"
    return Baresip(folder, account, sip_port=sip_port, **more)


def _samples(dump: Path) -> audio.Sound:
    """While a call goes on, the header does not tell yet how much there is."""
    data = dump.read_bytes()[_WAV_HEADER_BYTES:]
    return np.frombuffer(data[: len(data) // 2 * 2], np.int16)
