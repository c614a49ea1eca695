"""A private, real Asterisk on free loopback ports, with the configuration of `deploy/asterisk`.

It runs from the root that `install.sh` made, or from this machine's own files, in a mount namespace of its own: its
`/etc/asterisk`, `/var/lib/asterisk` and so on are folders of the test, and every mount ends with it.
"""

import itertools
import os
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

REPOSITORY = Path(__file__).parents[2]
CONFIG = REPOSITORY / "deploy" / "asterisk"
ROOT = Path(os.environ.get("HOTLINE_TEST_HOME", "/var/lib/hotline-test")) / "asterisk"
TRUNK, AGENTS = "127.0.0.1", "127.0.0.2"  # whoever calls from the first is the carrier; the telephones use the second
SECRETS = {"AMI_SECRET": "ami-test", "AGENT1_SECRET": "one-test", "AGENT2_SECRET": "two-test"}
# name of a folder of the test -> where Asterisk has it
_FOLDERS = {
    "etc": "/etc/asterisk",
    "lib": "/var/lib/asterisk",
    "log": "/var/log/asterisk",
    "cache": "/var/cache/asterisk",
    "spool": "/var/spool/asterisk",
    "run": "/run/asterisk",
}
_START = """
mount --rbind /dev {root}/dev; mount -t proc proc {root}/proc
for name in {names}; do eval "place=\\$$name"; mkdir -p {root}$place; mount --bind {folder}/$name {root}$place; done
mkdir -p {root}/usr/share/asterisk/sounds/hotline {root}/usr/local/share/hotline/asterisk
mount --bind {sounds} {root}/usr/share/asterisk/sounds/hotline
mkdir -p {root}/usr/share/asterisk/sounds/zh
mount --bind {sounds}/zh {root}/usr/share/asterisk/sounds/zh
mount --bind {config} {root}/usr/local/share/hotline/asterisk
[ -e {root}/etc/hosts ] || touch {root}/etc/hosts
mount --bind {folder}/hosts {root}/etc/hosts
exec chroot {root} sh /usr/local/share/hotline/asterisk/entrypoint.sh
"""


_ports = itertools.count(random.randrange(400))


class NoAsterisk(Exception):
    """No real Asterisk can run here; the message says why."""


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of the loopback interface that nobody uses now, and that nobody gets by chance: no other worker, no
    outgoing connection (from 32768), no sound (from 10000).

    Always an even one: a telephone takes the next one too, for SIP over TLS.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 10
    while True:
        port = 2000 + 800 * worker + 2 * (next(_ports) % 400)
        with socket.socket(socket.AF_INET, kind) as probe, suppress(OSError):
            probe.bind((TRUNK, port))
            return port


def find_root() -> Path:
    """Where Asterisk's files are. Raises `NoAsterisk`."""
    if os.geteuid() != 0:
        raise NoAsterisk("a private Asterisk needs root (mount, chroot)")
    if shutil.which("asterisk"):
        return Path("/")
    if not (ROOT / ".ready-1").exists():
        raise NoAsterisk(f"there is no Asterisk in {ROOT}; run: sh tests/real/install.sh")
    return ROOT


class Asterisk:
    """Runs while it is entered. `folder` keeps its log, cache and configuration; `files` replaces whole .conf files."""

    entered: ClassVar[list[Self]] = []

    def __init__(self, folder: Path, agi_url: str, *, files: Mapping[str, str] | None = None) -> None:
        self.folder, self._agi_url, self._files = folder, agi_url, dict(files or {})
        self.sip_port, self.ami_port = free_port(socket.SOCK_DGRAM), free_port()
        self.trunk_port = free_port(socket.SOCK_DGRAM)  # of whoever we call
        self._root = find_root()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the Asterisk process itself."""
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Self:
        self.entered.append(self)
        self._lay_out()
        script = _START.format(
            root="" if self._root == Path("/") else self._root,
            names=" ".join(_FOLDERS),
            folder=self.folder,
            sounds=CONFIG / "sounds",
            config=self.folder / "config",
        )
        places = "; ".join(f"{name}={place}" for name, place in _FOLDERS.items())
        if self._root == Path("/"):
            script = script.replace("exec chroot ", "exec")
        with (self.folder / "console").open("wb") as console:
            self._process = subprocess.Popen(
                ["unshare", "--mount", "--propagation", "private", "sh", "-c", f"{places}; {script}"],
                env={"PATH": os.environ["PATH"]} | self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
            )
        self._wait_until_ready()
        return self

    def _lay_out(self) -> None:
        for name in _FOLDERS:
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        # Without a name server, Asterisk would look these two up at every call and wait.
        (self.folder / "hosts").write_text(f"127.0.0.1 localhost {socket.gethostname()} A.ROOT-SERVERS.NET\n")
        config = self.folder / "config"
        shutil.copytree(CONFIG, config, ignore=shutil.ignore_patterns("sounds"), dirs_exist_ok=True)
        for name, text in self._files.items():
            (config / name).write_text(text)

    def _environment(self) -> dict[str, str]:
        rtp = 20000 + (self.sip_port % 190) * 200
        return SECRETS | {
            "NODE_NAME": "test",
            "AGI_URL": self._agi_url,
            "SIP_ADDRESS": TRUNK,
            "SIP_PORT": str(self.sip_port),
            "AMI_PORT": str(self.ami_port),
            "TRUNK_HOST": TRUNK,
            "TRUNK_PORT": str(self.trunk_port),
            "RTP_START": str(rtp),
            "RTP_END": str(rtp + 1999),
        }

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self._process is not None
            if self._process.poll() is not None:
                break
            if "fully booted" in self.run("core waitfullybooted"):
                return
            time.sleep(0.1)
        raise RuntimeError(f"Asterisk did not start:\n{self.console()}")

    def run(self, command: str) -> str:
        """What Asterisk's command line answers."""
        inside = ["nsenter", f"--mount=/proc/{self.pid}/ns/mnt"]
        chroot = [] if self._root == Path("/") else ["chroot", str(self._root)]
        done = subprocess.run(
            [*inside, *chroot, "asterisk", "-rx", command], capture_output=True, text=True, timeout=20
        )
        return done.stdout

    def console(self) -> str:
        """Everything it wrote to its console."""
        return (self.folder / "console").read_text("utf-8", "replace")

    def last_words(self) -> str:
        """The end of its console."""
        return "\n".join(self.console().splitlines()[-40:])

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.entered.remove(self)
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
