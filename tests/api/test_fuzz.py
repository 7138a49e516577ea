"""The API asked by a machine, from its own description: no fault of ours, and no answer that was not described.

A few dozen requests to each endpoint in the plain run, hundreds with ``bin/test -m clients``.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from inference.api import openapi
from tests.customers import new_key, sql
from tests.live import Site, running_site
from tests.scripted import ScriptedServer

PLAIN, DEEP = 12, 400
PROMISES = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
OPERATIONS = [(each.path, each.method.upper()) for each in openapi.ENDPOINTS]
load_all_checks()


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A site whose model answers at once and for whose customer a minute holds everything."""
    with ScriptedServer() as server:
        with running_site(model=False, LLM_CPU_URL=server.url, LLM_CPU_CACHE_MIB="0") as found:
            sql(found, "UPDATE billing_plan SET requests_per_minute = 1000000, tokens_per_minute = 1000000000")
            yield found
            assert "Traceback" not in found.log("web"), found.log("web")[-4000:]


@pytest.fixture(scope="module")
def key(site: Site) -> str:
    return new_key(site)


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_whatever_is_asked_is_answered_as_described(site: Site, key: str, path: str, method: str) -> None:
    ask(site, key, path, method, examples=PLAIN)


@pytest.mark.clients
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_hundreds_of_requests_are_answered_as_described(site: Site, key: str, path: str, method: str) -> None:
    ask(site, key, path, method, examples=DEEP)


def ask(site: Site, key: str, path: str, method: str, *, examples: int) -> None:
    """Ask one endpoint what its description allows, and what it does not."""
    operation = schemathesis.openapi.from_dict(openapi.describe())[path][method]
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        if mode == GenerationMode.POSITIVE or "parameters" in operation.definition.raw or operation.body:
            _ask(site, key, operation, mode, examples)


def _ask(
    site: Site, key: str, operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode, examples: int
) -> None:
    strategy = operation.as_strategy(generation_mode=mode)

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=examples == PLAIN,  # the same requests at every plain run: what it finds, it finds for everybody
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(case=strategy)
    def asked(case: Any) -> None:
        if isinstance(case.body, dict) and isinstance(case.body.get("model"), str) and len(case.body["model"]) % 4:
            case.body["model"] = "wagmi-small"  # three of four get further than to a model that nobody has
        headers = {"Authorization": f"Bearer {key}"}
        case.call_and_validate(base_url=site.url, headers=headers, checks=PROMISES, timeout=20)

    asked()
