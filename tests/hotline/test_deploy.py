"""What a container engine would be given is sound: no engine runs here, so the recipes are read, and run without one."""

import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from hotline.env_example import env_example
from ivr import audio
from ivr.lines.asterisk import _CALL_ID

HERE = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((HERE / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
EXAMPLE = (HERE / ".env.example").read_text()


def test_the_example_of_settings_is_what_the_settings_are() -> None:
    assert env_example() == EXAMPLE, "run: hotline settings > .env.example"


def test_every_setting_of_the_service_and_of_asterisk_exists() -> None:
    known = set(re.findall(r"^#? ?([A-Z][A-Z0-9_]*)=", EXAMPLE, re.M))
    assert set(SERVICES["hotline"]["environment"]) <= known
    asked = set(re.findall(r"\$\{([A-Z0-9_]+)", (HERE / "docker-compose.yml").read_text()))
    assert asked <= known, "what .env must hold is in .env.example"
    entrypoint = (HERE / "deploy/asterisk/entrypoint.sh").read_text()
    assert set(SERVICES["asterisk"]["environment"]) <= set(re.findall(r"[A-Z][A-Z0-9_]+", entrypoint))


def filled(tmp_path: Path, **environment: str) -> tuple[str, str]:
    """asterisk.conf as the entrypoint fills it on a machine of some name, and what it complains of."""
    (programs := tmp_path / "programs").mkdir(exist_ok=True)
    long = "hotline-asterisk-7d9c5b8f4-x2x9q.hotline-production.svc.cluster.local"
    for name, body in (("hostname", f"echo {long}"), ("asterisk", "true"), ("install", "true"), ("chown", "true")):
        (programs / name).write_text(f"#!/bin/sh\n{body}\n")
        (programs / name).chmod(0o755)
    secrets = dict.fromkeys(("TRUNK_HOST", "AMI_SECRET", "AGENT1_SECRET", "AGENT2_SECRET"), "example")
    folders = {"HOTLINE_CONFIG_FROM": str(HERE / "deploy/asterisk"), "HOTLINE_CONFIG_TO": str(tmp_path / "etc")}
    path = {"PATH": f"{programs}:{os.environ['PATH']}"}
    ran = subprocess.run(
        ["sh", HERE / "deploy/asterisk/entrypoint.sh"], env=secrets | folders | path | environment,
        capture_output=True, text=True,
    )  # fmt: skip
    conf = tmp_path / "etc/asterisk.conf"
    return conf.read_text() if ran.returncode == 0 else "", ran.stderr


def test_the_exchange_names_calls_as_the_service_takes_them(tmp_path: Path) -> None:
    """A call's id begins with the name of its machine, which may be long; one chosen by hand is told of."""
    for environment in ({}, {"NODE_NAME": "exchange-2"}):
        conf, complaint = filled(tmp_path, **environment)
        (name,) = re.findall(r"^systemname = (\S+)", conf, re.MULTILINE)
        call = f"{name}-1772416800.1234567"
        assert not complaint and _CALL_ID.fullmatch(call), call
    for bad in ("a+b", "x" * 41):
        assert "NODE_NAME" in filled(tmp_path, NODE_NAME=bad)[1]


def test_what_must_be_set_has_no_default() -> None:
    text = (HERE / "docker-compose.yml").read_text()
    for secret in re.findall(r"^ +\w*(?:SECRET|PASSWORD|PEPPER|KEYS): *(.*)$", text, re.M):
        assert re.fullmatch(r"\$\{[A-Z0-9_]+(:\?[^}]+|-)\}", secret), secret


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned_and_watched(name: str) -> None:
    service = SERVICES[name]
    tag = service["image"].partition(":")[2]
    assert tag and tag != "latest"
    recipe = (HERE / service["build"]["dockerfile"]).read_text() if "build" in service else ""
    assert "healthcheck" in service or "HEALTHCHECK" in recipe
    for base in re.findall(r"^FROM (\S+)", recipe, re.M):
        assert ":" in base and not base.endswith(":latest")


def test_no_log_grows_until_the_disk_is_full() -> None:
    assert {service["logging"]["driver"] for service in SERVICES.values()} == {"local"}
    logs = (HERE / "deploy/asterisk/logger.conf").read_text().partition("[logfiles]")[2]
    assert re.findall(r"^(\w+) *=>", logs, re.M) == ["console"], "the container's log, which is cut"


@pytest.mark.parametrize("name", ["hotline", "asterisk"])
def test_everything_copied_is_there_and_let_through(name: str) -> None:
    recipe = (HERE / "deploy" / f"{name}.Dockerfile").read_text()
    let_through = {line[1:] for line in (HERE / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for line in re.findall(r"^COPY (.*)$", recipe, re.M):
        for source in line.split()[:-1]:
            assert (HERE / source).exists(), source
            assert source.split("/")[0] in let_through, source


def test_mounted_folders_are_there() -> None:
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", []) if mount.startswith("./")]
    assert mounts
    for mount in mounts:
        assert (HERE / mount.split(":")[0]).exists(), mount


@pytest.mark.real
def test_the_service_runs_as_its_image_installs_it(tmp_path: Path) -> None:
    """Installed for real from what the image is given, not linked to the repository, beside `flows/` and `prompts/`."""
    site, work, given = tmp_path / "site", tmp_path / "work", tmp_path / "given"
    given.mkdir()
    recipe, _, _ = (HERE / "deploy/hotline.Dockerfile").read_text().partition("RUN pip")
    for line in re.findall(r"^COPY (.*)$", recipe, re.M):
        *sources, target = line.split()
        for source in sources:
            if (HERE / source).is_dir():
                shutil.copytree(HERE / source, given / target)
            else:
                shutil.copy(HERE / source, given / target)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    done = subprocess.run([*pip, "--target", str(site), "."], cwd=given, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"pip could not build the package (no network?): {done.stderr[-300:]}")
    work.mkdir()
    for folder in ("flows", "prompts"):
        (work / folder).symlink_to(HERE / folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {"PYTHONPATH": str(site), "HOTLINE_PORT": str(port), "HOTLINE_AGI_PORT": "0"}
    start = [sys.executable, "-P", "-c", "import hotline, sys; from hotline.cli import main; main()", "serve", "--demo"]
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(start, cwd=work, env=environment, stderr=log) as process,
    ):
        try:
            until = time.monotonic() + 60
            while not _ready(port):
                assert process.poll() is None and time.monotonic() < until, (tmp_path / "log").read_text()
                time.sleep(0.1)
            page = urllib.request.urlopen(f"http://127.0.0.1:{port}/phone", timeout=5).read().decode()
            assert "12329" in page
        finally:
            process.terminate()
    assert process.returncode == 0
    loaded = subprocess.run(
        [sys.executable, "-P", "-c", "import hotline; print(hotline.__file__)"], env=environment, cwd=work,
        capture_output=True, text=True,
    )  # fmt: skip
    assert loaded.stdout.startswith(str(site))


def _ready(port: int) -> bool:
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2).status == 200
    except OSError:
        return False


def test_what_asterisk_says_by_itself_is_said_in_the_people_s_words() -> None:
    spec = importlib.util.spec_from_file_location("make_sounds", HERE / "deploy/asterisk/sounds/make.py")
    assert spec and spec.loader
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    for name, words in made.WORDS.items():
        assert "坐席" not in words
        seconds = audio.seconds(audio.unwav((made.HERE / f"{name}.wav").read_bytes()))
        assert len(words) * 0.15 < seconds < len(words) * 0.6 + 0.5, f"{name}.wav is not made of: {words}"
