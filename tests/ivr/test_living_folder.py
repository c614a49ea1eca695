"""The folder of the flows is edited in every way there is while calls go on: the last good flow stays, until a good one
comes; each fault is told once, however often the folder is looked at; and no call notices.
"""

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.typing import EventDict

from ivr.call import Switchboard
from ivr.lines.keyboard import KeyboardLine
from ivr.versions import FlowVersions
from tests.ivr.test_check import MAIN
from tests.ivr.test_parked import Kept, Nobody
from tests.ivr.test_versions import CYCLE, LOAD, LOOK_SECONDS, changed

GOOD = MAIN + "  start: {menu: {1: {say: 第一版, go: more}}}\n  more: {menu: {2: {say: 再来, go: start}}}\n"
BETTER = GOOD.replace("第一版", "第二版")
BEST = GOOD.replace("第一版", "第三版")
LOAN = "title: 贷款\nnodes:\n  start: {say: 贷款说明。, next: main/start}\n"
MANY = "".join(f"  n{n}: {{say: 第{n}句, next: n{n + 1}}}\n" for n in range(5000))


@asynccontextmanager
async def watched(folder: Path, engine: AsyncEngine) -> AsyncIterator[FlowVersions]:
    (folder / "main.yaml").write_text(GOOD)
    versions = FlowVersions(folder, LOAD, engine, look_seconds=LOOK_SECONDS)
    await versions.start()
    yield versions
    await versions.stop()


async def looked(times: int = 4) -> None:
    """So many looks at the folder go by."""
    await asyncio.sleep(times * LOOK_SECONDS)


async def refused(versions: FlowVersions, words: str) -> None:
    async with asyncio.timeout(60):
        while not (versions.faults and any(words in fault.tell() for fault in versions.faults.faults)):
            await asyncio.sleep(0.01)


def replaced(path: Path, text: str) -> None:
    """As most editors save: a new file takes the old one's place."""
    fresh = path.with_name(f".{path.name}.swp")
    fresh.write_text(text)
    os.replace(fresh, path)


class Caller:
    """Presses keys for as long as the test lasts, and remembers what was heard."""

    def __init__(self, versions: FlowVersions) -> None:
        self.heard: list[str] = []
        self.done = asyncio.Event()
        line = KeyboardLine(self._keys(), self.heard.append, self.heard.append, self._keep)
        board = Switchboard(versions, Nobody(), Kept())  # type: ignore[arg-type]
        self.call = asyncio.create_task(board.connect(line, "keyboard-1", ""))

    async def _keys(self) -> AsyncIterator[str]:
        while not self.done.is_set():
            for key in "12":
                await asyncio.sleep(0.05)
                yield key

    async def _keep(self, name: str, words: str) -> float:
        raise AssertionError("nobody records")


async def test_a_folder_is_edited_while_calls_go_on(tmp_path: Path, engine: AsyncEngine, logs: list[EventDict]) -> None:
    main, loan = tmp_path / "main.yaml", tmp_path / "loan.yaml"
    async with watched(tmp_path, engine) as versions:
        caller, first = Caller(versions), versions.current.version

        main.write_text(BETTER[:120])  # half-written, and left so for a while
        await refused(versions, "main.yaml")
        await looked()
        os.utime(main)  # saved again, as bad as it was
        await looked()
        main.write_text("")  # truncated
        await refused(versions, "文件是空的")
        replaced(main, CYCLE)
        await refused(versions, "死循环")
        main.unlink()
        await refused(versions, "缺少 main.yaml")
        await looked()
        assert versions.current.version == first
        told = [log["faults"] for log in logs if log["event"] == "flows_refused"]
        assert len(told) == 4, "each fault once, not at each look"

        (tmp_path / ".main.yaml.swp").write_bytes(b"b0VIM 9.0\0\xff")  # vim, Emacs and the Finder at work
        os.symlink("nobody@nowhere.1:2", tmp_path / ".#main.yaml")
        (tmp_path / "main.yaml~").write_text(CYCLE)
        (tmp_path / "._main.yaml").write_bytes(b"\0\x05\x16\x07")
        replaced(main, BETTER)
        await changed(versions, first)
        second = versions.current.version
        assert versions.faults is None

        replaced(loan, LOAN)  # two files that belong together, one after the other
        await refused(versions, "走不到")
        replaced(main, BEST.replace("go: start", "go: loan/start"))
        await changed(versions, second)
        third = versions.current.version
        loan.rename(tmp_path / "loan.old")
        await refused(versions, "loan/start")
        (tmp_path / "loan.old").rename(loan)
        await looked(6)
        assert (versions.current.version, versions.faults) == (third, None)

        main.write_text(MAIN + "  start: {menu: {1: {say: 全部, go: n0}}}\n" + MANY)  # and the last leads nowhere
        await refused(versions, "n5000")
        assert versions.current.version == third

        caller.done.set()
        call = await asyncio.wait_for(caller.call, 20)
        assert call.state.version == first, "a call keeps the version it started on"
        assert call.state.outcome == "hung_up" and "第一版，请按1。" in caller.heard[-6:]
    assert not [log for log in logs if log["event"] in ("call_failed", "flows_not_read")]


@pytest.mark.parametrize("name", [".#main.yaml", "._main.yaml", ".main.yaml"])
async def test_what_editors_hide_is_not_read(tmp_path: Path, engine: AsyncEngine, name: str) -> None:
    os.symlink("nowhere", tmp_path / name) if "#" in name else (tmp_path / name).write_bytes(b"\0")
    async with watched(tmp_path, engine) as versions:
        (tmp_path / "main.yaml").write_text(BETTER)
        await changed(versions, versions.current.version)
        assert versions.faults is None


async def test_a_file_that_could_not_be_read_is_tried_again(
    tmp_path: Path, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new file that only its writer may read is made readable without being changed."""

    def denied(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied")

    async with watched(tmp_path, engine) as versions:
        first = versions.current.version
        with monkeypatch.context() as for_now:
            for_now.setattr(Path, "read_bytes", denied)
            replaced(tmp_path / "main.yaml", BETTER)
            await refused(versions, "main.yaml:1: 读不了这个文件，请检查它的权限：Permission denied")
        await changed(versions, first)
        assert versions.faults is None
