"""The supervisors' guide is true: its samples load, its commands exist, the messages it explains are ours."""

import re
import shutil
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner

from fund.hours import read_hours
from fund.yaml_source import parse
from hotline.cli import main
from ivr.flow import FactsFile, FlowTest
from ivr.loader import load, read_folder
from ivr.nodes import KINDS, kind_of
from sms import templates
from sms.keyword_file import TextTest
from tests.ivr.golden import PHRASES

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "docs" / "supervisor.zh-CN.md").read_text("utf-8")
SAMPLES = re.findall(r"```yaml\n(.*?)```", GUIDE, re.S)
COMMANDS = re.findall(r"^(hotline .*)$", "\n".join(re.findall(r"```sh\n(.*?)```", GUIDE, re.S)), re.M)
MESSAGES = re.findall(r"^\| `([^`]+)` \|", GUIDE.partition("## 九")[2], re.M)
OTHERS = {
    name: raw
    for name, raw in read_folder(ROOT / "flows").items()
    if name in ("facts.yaml", "hours.yaml", "queues.yaml")
}
TARGET = re.compile(r"(?:go|next|failed|unset|unavailable|nothing|open|closed|full|after|then|senior|bound|unknown"
                    r"|callback|message): ([a-z_]+(?:/[a-z_]+)?)")  # fmt: skip


def flow_around(sample: str) -> dict[str, bytes]:
    """A whole flow in which the sample stands, behind who is calling; what it leads to besides itself is made up."""
    nodes: dict[str, Any] = yaml.load(sample, yaml.BaseLoader)["nodes"]
    names = [name for name in nodes if kind_of(nodes[name])]
    stubs = {target for target in TARGET.findall(sample) if target not in nodes} | {"agent"}
    files: dict[str, str] = {}
    for target in sorted(stubs):
        file, _, node = target.rpartition("/")
        body = f"  {node}: {{transfer: general}}\n"
        files[file or "main"] = files.get(file or "main", "title: 样例\nnodes:\n" if file else "") + body
    keys = "".join(
        f"      {key}: {{say: 样例, go: {name}}}\n" for key, name in enumerate([*names, *stubs], 1) if key < 10
    )
    head = (
        "title: 样例\nstart: first\neverywhere: {'0': agent, '*': back, '#': repeat}\ndeepest_menu: 9\n"
        "patience: {wait: 5s, tries: 3, then: agent}\nnodes:\n"
        "  first: {identify: employee, next: list_all, failed: agent}\n  list_all:\n    menu:\n" + keys
    )
    body = sample.partition("nodes:\n")[2]
    return (
        OTHERS
        | {f"{name}.yaml": text.encode() for name, text in files.items()}
        | {"main.yaml": (head + files["main"] + body).encode()}
    )


@pytest.mark.parametrize("sample", SAMPLES, ids=[sample.strip().splitlines()[1].strip() for sample in SAMPLES])
def test_a_sample_loads(sample: str) -> None:
    source = parse(sample.encode(), "sample")
    assert not source.faults, [fault.tell() for fault in source.faults]
    match next(iter(source.data)):
        case "nodes":
            loaded = load(flow_around(sample), PHRASES, texts=set(templates.load(ROOT / "prompts" / "sms.yaml")))
            assert loaded.flow, [fault.tell() for fault in loaded.faults]
        case "timetables":
            made, faults = read_hours(source)
            assert made and not faults, [fault.tell() for fault in faults]
        case "facts":
            FactsFile.model_validate(source.data)
        case "keywords":
            names = set(templates.load(ROOT / "prompts" / "sms.yaml"))
            assert {keyword["say"] for keyword in source.data["keywords"].values()} <= names
        case "tests" if "from" in source.data["tests"][0]:
            assert [TextTest.model_validate(test) for test in source.data["tests"]]
        case "tests":
            assert [FlowTest.model_validate(test) for test in source.data["tests"]]
        case other:
            pytest.fail(f"a sample of {other}?")


def test_every_node_kind_has_a_sample() -> None:
    nodes = [body for sample in SAMPLES for body in (yaml.load(sample, yaml.BaseLoader).get("nodes") or {}).values()]
    assert set(KINDS) == {kind_of(body) for body in nodes}


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_exists(line: str) -> None:
    words = line.partition(" #")[0].split()[1:]
    command: click.Command = main
    while isinstance(command, click.Group):
        command = command.commands[words.pop(0)]
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


@pytest.mark.parametrize("message", MESSAGES)
def test_an_explained_message_is_one_of_ours(message: str) -> None:
    sources = [
        path.read_text("utf-8")
        for package in ("fund", "ivr", "sms", "hotline")
        for path in (ROOT / package).rglob("*.py")
    ]
    assert any(message in source for source in sources)


def test_the_morning_walk_works(tmp_path: Path) -> None:
    """Section two, done as it says: the line and the node are written, checked, and its test is green."""
    flows = shutil.copytree(ROOT / "flows", tmp_path / "flows")
    menu, test = SAMPLES[0], SAMPLES[1].partition("tests:\n")[2]
    option = next(line for line in menu.splitlines() if "illness}" in line)
    node = menu[menu.index("  illness:") :]
    text = (flows / "withdrawal.yaml").read_text("utf-8")
    text = text.replace("\n  rent:\n", f"{option}\n\n{node}\n  rent:\n", 1)
    (flows / "withdrawal.yaml").write_text(text.rstrip() + "\n" + test, "utf-8")
    result = CliRunner().invoke(main, ["test", str(flows)])
    assert result.exit_code == 0, result.output
    broken = text.replace("go: illness", "go: ilness")
    (flows / "withdrawal.yaml").write_text(broken, "utf-8")
    (told,) = re.findall(r"```text\nflows(.*?)\n```", GUIDE)
    assert told in CliRunner().invoke(main, ["check", str(flows)]).output
