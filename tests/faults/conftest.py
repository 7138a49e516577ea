"""Sites to break: real processes in front of a model server that misbehaves on command."""

from collections.abc import Iterator

import pytest

from tests.faults import periods
from tests.faults.calls import Caller, new_caller
from tests.faults.stage import Stage
from tests.live import running_site
from tests.scripted import ScriptedServer

# What uvicorn calls an error of its own when a client breaks the websocket protocol.
CLIENTS = "Invalid UTF-8 sequence received from client"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """At full length every fault test is a long one: ``bin/test --soak`` selects it, the plain run does not."""
    if periods.SCALE < 1:
        return
    for item in items:
        if "/tests/faults/" in item.path.as_posix():
            item.add_marker(pytest.mark.soak)


@pytest.fixture(scope="package")
def scripted_site() -> Iterator[Stage]:
    """A site whose model server is scripted, shared by the tests that leave it whole."""
    with ScriptedServer() as server:
        # Nothing is warmed: every request the server sees is somebody's question.
        overrides = periods.settings() | {"LLM_CPU_URL": server.url, "LLM_CPU_CACHE_MIB": "0"}
        with running_site(model=False, **overrides) as site:
            yield Stage(site, server)
            lines = site.log("web").splitlines()
            assert not [line for line in lines if "Traceback" in line or (" ERROR " in line and CLIENTS not in line)]


@pytest.fixture
def stage(scripted_site: Stage) -> Iterator[Stage]:
    """The shared site with a model server that answers well, and its circuit closed."""
    scripted_site.server.reset()
    yield scripted_site
    scripted_site.recover()


@pytest.fixture(scope="package")
def caller(scripted_site: Stage) -> Caller:
    """A customer's program at the shared site."""
    return new_caller(scripted_site.site)
