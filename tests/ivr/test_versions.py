"""A changed folder is taken up by itself; a bad or half-written one changes nothing; a call keeps its version."""

import asyncio
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from hotline.database import open_database
from ivr.loader import load
from ivr.versions import FlowVersions, NoFlow
from tests.ivr.golden import PHRASES
from tests.ivr.test_check import HOURS, MAIN

GOOD = MAIN + "  start: {menu: {1: {say: 第一版, go: agent}}}\n"
BETTER = GOOD.replace("第一版", "第二版")
CYCLE = MAIN + "  start: {say: 您好, next: again}\n  again: {say: 再说一遍, next: start}\n"
LOAD = partial(load, phrases=PHRASES)
LOOK_SECONDS = 0.05  # how often these look at their folder


def versions_of(folder: Path, engine: AsyncEngine) -> FlowVersions:
    return FlowVersions(folder, LOAD, engine, look_seconds=LOOK_SECONDS)


async def changed(versions: FlowVersions, version: str) -> None:
    async with asyncio.timeout(10):
        while versions.current.version == version:
            await asyncio.sleep(0.01)


async def refused(versions: FlowVersions) -> None:
    async with asyncio.timeout(10):
        while versions.faults is None:
            await asyncio.sleep(0.01)


async def test_a_good_change_is_taken_up_and_the_old_stays_for_its_calls(tmp_path: Path, engine: AsyncEngine) -> None:
    (tmp_path / "main.yaml").write_text(GOOD)
    versions = versions_of(tmp_path, engine)
    await versions.start()
    first = versions.current.version
    (tmp_path / "main.yaml").write_text(BETTER)
    await changed(versions, first)
    await versions.stop()

    other = versions_of(tmp_path, engine)  # another node, or this one after a restart
    await other.start()
    old = await other.version(first)
    assert old and old.nodes["main/start"].menu["1"].say == {"zh": "第一版"}
    assert other.current.nodes["main/start"].menu["1"].say == {"zh": "第二版"}
    assert await other.version("000000000000") is None
    await other.stop()


@pytest.mark.parametrize(
    "bad", [b"", b"title: ", BETTER[: len(BETTER) // 2].encode(), b"\xff\xfe", b"- 1\n", CYCLE.encode()]
)
async def test_a_fault_changes_nothing(tmp_path: Path, engine: AsyncEngine, bad: bytes) -> None:
    (tmp_path / "main.yaml").write_text(GOOD)
    versions = versions_of(tmp_path, engine)
    await versions.start()
    first = versions.current.version
    (tmp_path / "main.yaml").write_bytes(bad)
    await refused(versions)
    assert versions.current.version == first
    (tmp_path / "main.yaml").unlink()
    (tmp_path / "main.yaml").write_text(BETTER)
    await changed(versions, first)
    assert versions.faults is None
    await versions.stop()


async def test_an_emptied_folder_changes_nothing(tmp_path: Path, engine: AsyncEngine) -> None:
    (tmp_path / "main.yaml").write_text(GOOD)
    versions = versions_of(tmp_path, engine)
    await versions.start()
    first = versions.current.version
    (tmp_path / "main.yaml").unlink()
    await refused(versions)
    assert versions.current.version == first and versions.faults
    assert any("main.yaml" in fault.tell() for fault in versions.faults.faults)
    await versions.stop()


async def test_five_thousand_nodes_are_taken_up(tmp_path: Path, engine: AsyncEngine) -> None:
    after = [*(f"n{n}" for n in range(1, 5000)), "start"]
    many = "".join(f"  n{n}: {{say: 第{n}句, next: {target}}}\n" for n, target in enumerate(after))
    (tmp_path / "main.yaml").write_text(MAIN + "  start: {menu: {1: {say: 全部, go: n0}}}\n" + many)
    versions = versions_of(tmp_path, engine)
    await versions.start()
    assert len(versions.current.nodes) == 5002
    await versions.stop()


async def test_nothing_starts_without_a_good_flow(tmp_path: Path, engine: AsyncEngine) -> None:
    versions = versions_of(tmp_path, engine)
    with pytest.raises(NoFlow, match=r"main.yaml"):
        await versions.start()


async def test_hours_are_taken_up_with_the_flows_or_refused_with_them(tmp_path: Path, engine: AsyncEngine) -> None:
    (tmp_path / "main.yaml").write_text(GOOD)
    (tmp_path / "hours.yaml").write_text(HOURS)
    versions = versions_of(tmp_path, engine)
    await versions.start()
    first = versions.current.version
    (tmp_path / "hours.yaml").write_text(HOURS.replace("9:00-12:00", "9:00-25:00"))
    await refused(versions)
    assert versions.current.version == first and versions.current.hours.timetables["people"]
    (tmp_path / "hours.yaml").write_text(HOURS.replace("9:00-12:00", "8:30-12:00"))
    await changed(versions, first)
    assert versions.current.hours.timetables["people"].spans["working_days"][0] == (510, 720)
    old = await versions.version(first)
    assert old and old.hours.timetables["people"].spans["working_days"][0] == (540, 720)
    await versions.stop()


async def test_a_caller_does_not_wait_for_an_old_version(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_database(postgres_url)
    (tmp_path / "main.yaml").write_text(GOOD)
    versions = versions_of(tmp_path, engine)
    await versions.start()
    first = versions.current.version
    await versions.stop()
    other = versions_of(tmp_path, engine)
    monkeypatch.setattr("ivr.versions.LIMIT_SECONDS", 0.05)
    async with engine.begin() as connection, asyncio.timeout(10):
        await connection.execute(text("LOCK TABLE flow_versions"))  # somebody changes it, and takes their time
        assert await other.version(first) is None
    monkeypatch.undo()
    assert (old := await other.version(first)) and old.version == first
    await engine.dispose()
