"""The edge that these tests share, and a model server behind it that says what a test tells it to."""

from collections.abc import Iterator

import pytest

from tests.edge.stage import Edge, nginx_is_here, running_edge
from tests.scripted import ScriptedServer


@pytest.fixture(scope="package", autouse=True)
def _nginx() -> None:
    if not nginx_is_here():
        pytest.skip("NO NGINX on this machine: the edge is not tested. apt-get install nginx-light openssl")


@pytest.fixture(scope="package")
def model() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


@pytest.fixture(scope="package")
def edge(model: ScriptedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    folder = tmp_path_factory.mktemp("edge")
    with running_edge(folder, LLM_CPU_URL=model.url, LLM_CPU_CACHE_MIB="0", LLM_IDLE_S="20") as running:
        yield running


@pytest.fixture(scope="package")
def edge_apart(model: ScriptedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """An edge whose chat and API have hosts of their own."""
    folder = tmp_path_factory.mktemp("apart")
    with running_edge(folder, apart=True, LLM_CPU_URL=model.url, LLM_CPU_CACHE_MIB="0") as running:
        yield running
