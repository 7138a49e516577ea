"""Backends for the tests of inference."""

from collections.abc import Iterator

import pytest

from siteproject.stack.folder import Folder
from siteproject.stack.llama import LlamaServer

KEY = "a-key-for-tests-only-0123456789abcdef"


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaServer]:
    """A real llama.cpp server with the default weights."""
    folder = Folder(tmp_path_factory.mktemp("llama"))
    folder.make()
    with LlamaServer(folder, key=KEY).running() as server:
        yield server
