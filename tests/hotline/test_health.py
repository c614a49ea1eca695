"""`/readyz` says whether texts can be taken."""

import asyncio
from pathlib import Path

import aiohttp

from tests.service import service


async def test_a_database_that_answers_but_cannot_write_is_not_ready(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    async with service(folder) as hotline, aiohttp.ClientSession(f"http://127.0.0.1:{hotline.port}") as client:
        async with client.get("/readyz") as answer:
            assert (answer.status, (await answer.json())["database"]) == (200, "ok")
        folder.rename(tmp_path / "away")  # as a full disk does, this leaves what is open open, and lets nothing begin
        told: dict[str, str] = {}
        async with asyncio.timeout(20):
            while told.get("database") != "cannot write":  # "away" while others use all connections that are open
                async with client.get("/readyz") as answer:
                    assert answer.status == 503
                    told = await answer.json()
        assert told["status"] == "unavailable"
        (tmp_path / "away").rename(folder)
