"""Every golden call of `tests/calls/` plays as written, and every node kind has one."""

from pathlib import Path

import pytest
import yaml

from ivr.nodes import KINDS
from tests.ivr.golden import CALLS, flow_of, play


@pytest.mark.parametrize("path", sorted(CALLS.glob("*.yaml")), ids=lambda path: path.stem)
def test_golden_call(path: Path, pytestconfig: pytest.Config) -> None:
    text = path.read_text()
    script = yaml.load(text, yaml.BaseLoader)
    heard = list(play(flow_of(script["flow"]), script["call"]))
    if pytestconfig.getoption("--update"):
        path.write_text(_rewritten(text, script["call"], heard))
    else:
        assert heard == [turn.get("out") or [] for turn in script["call"]]


def _rewritten(text: str, turns: list[dict[str, str]], heard: list[list[str]]) -> str:
    lines = [text[: text.index("\ncall:")].rstrip(), "", "call:"]
    for turn, actions in zip(turns, heard, strict=True):
        lines.append(f"  - in: {_quoted(turn['in'])}")
        if "after" in turn:
            lines.append(f"    after: {turn['after']}")
        lines.append("    out:" if actions else "    out: []")
        lines += [f"      - {_quoted(action)}" for action in actions]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return yaml.dump(text, allow_unicode=True, width=10_000).splitlines()[0]


def test_every_node_kind_has_a_golden_call() -> None:
    assert set(KINDS) <= {path.stem.partition("-")[0] for path in CALLS.glob("*.yaml")}
