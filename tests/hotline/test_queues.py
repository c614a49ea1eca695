"""The queues of the flows are those of the exchange, and what they are now is there for a centre's own software."""

import configparser
from pathlib import Path

import aiohttp
import yaml

from ivr.transferring import CHOICES
from tests.service import service

ASTERISK = Path("deploy/asterisk")


def test_every_queue_of_the_flows_is_in_the_exchange() -> None:
    named = yaml.safe_load(Path("flows/queues.yaml").read_text())["queues"]
    lines = (ASTERISK / "queues.conf").read_text().splitlines()
    there = {line[len("[hotline-") :].partition("]")[0] for line in lines if line.startswith("[hotline-")}
    assert set(named) == there


def test_the_keys_while_waiting_are_those_before_it() -> None:
    dialplan = (ASTERISK / "extensions.conf").read_text()
    keys = "".join(CHOICES)
    assert f"exten => _[{keys[0]}-{keys[-1]}],1" in dialplan.partition("[waiting-keys]")[2]
    assert "context = waiting-keys" in (ASTERISK / "queues.conf").read_text()


def test_sounds_the_exchange_names_are_there() -> None:
    parser = configparser.ConfigParser(strict=False, inline_comment_prefixes=(";",), comment_prefixes=(";",))
    parser.read_string((ASTERISK / "queues.conf").read_text())
    people = next(parser[name] for name in parser if name.startswith("people"))
    for name, value in people.items():
        if name.startswith("queue-"):
            assert (ASTERISK / "sounds" / f"{value.removeprefix('hotline/')}.wav").exists(), name


async def test_the_board_without_an_exchange(tmp_path: Path) -> None:
    async with service(tmp_path) as hotline, aiohttp.ClientSession(f"http://127.0.0.1:{hotline.port}") as client:
        key = (tmp_path / "keys" / "demo_api_key").read_text().strip()
        async with client.get("/v1/queues", headers={"Authorization": f"Bearer {key}"}) as answer:
            assert answer.status == 200
            assert await answer.json() == {"exchange": "none", "queues": [], "agents": [], "waiting": []}
        async with client.get("/v1/queues") as answer:
            assert answer.status == 401
