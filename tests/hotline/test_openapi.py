"""/v1 against its own description: schemathesis makes requests of every sort, valid and not, over real HTTP.

Whatever comes, the answer is one the document names: never a 500, never an undescribed body, and what the document
forbids is refused. The document itself is valid OpenAPI 3.1.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi import checks as rules

from tests.service import service

load_all_checks()
CHECKS = [
    not_a_server_error,
    rules.status_code_conformance,
    rules.content_type_conformance,
    rules.response_schema_conformance,
    rules.negative_data_rejection,
    rules.ignored_auth,
    rules.unsupported_method,
]


@dataclass
class Served:
    """Where the API is, and a key with every scope."""

    url: str
    key: str


@contextmanager
def serving(home: Path) -> Iterator[Served]:
    """The whole service in a thread of its own: schemathesis waits for its answers."""
    ready: list[Served] = []
    there, stop = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def run() -> None:
        async with service(home) as hotline:
            key = (home / "keys" / "demo_api_key").read_text().strip()
            ready.append(Served(f"http://127.0.0.1:{hotline.port}", key))
            there.set()
            await stop.wait()

    def main() -> None:
        try:
            loop.run_until_complete(run())
        finally:
            there.set()

    thread = threading.Thread(target=main)
    thread.start()
    there.wait(60)
    try:
        yield ready[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        loop.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("openapi")) as it:
        yield it


@pytest.mark.timeout(170)
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_every_request_gets_an_answer_the_document_names(served: Served, mode: GenerationMode) -> None:
    headers = {"Authorization": f"Bearer {served.key}"}
    faults = []
    for found in schemathesis.openapi.from_url(f"{served.url}/v1/openapi.json").get_all_operations():
        operation = found.ok()
        if fault := tried(operation, mode, headers):
            faults.append(f"{operation.label}: {fault}")
    assert not faults, "\n\n".join(faults)


def tried(operation: Any, mode: GenerationMode, headers: dict[str, str]) -> str:
    """A few requests of an operation; what was wrong, or nothing."""

    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    @given(case=operation.as_strategy(generation_mode=mode))
    def run(case: Any) -> None:
        case.call_and_validate(checks=CHECKS, headers=headers)

    try:
        run()
    except Unsatisfiable:  # nothing can be wrong with a request that has no parameters
        return ""
    except FailureGroup as group:
        return "\n".join(str(each) for each in group.exceptions)
    return ""


def test_the_document_is_valid(served: Served) -> None:
    document = requests.get(f"{served.url}/v1/openapi.json", timeout=10).json()
    assert document["openapi"].startswith("3.1")
    for name, model in document["components"]["schemas"].items():
        assert jsonschema_rs.meta.is_valid(model | {"$schema": "https://json-schema.org/draft/2020-12/schema"}), name
