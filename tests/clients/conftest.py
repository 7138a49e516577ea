"""One site for all clients: the real small model, and a scripted one that does what a question says."""

from collections.abc import Iterator

import pytest

from tests.clients.door import PLACES, Door
from tests.clients.upstream import by_question
from tests.live import running_site
from tests.scripted import ScriptedServer


@pytest.fixture(scope="package")
def door() -> Iterator[Door]:
    """The site's ``/v1``, with few places at the scripted model and no queue before them."""
    with ScriptedServer() as server:
        server.behaviour = by_question(server)
        overrides = {
            "LLM_SLOW_URL": server.url,
            "LLM_SLOW_RUNTIME": "llamacpp",
            "LLM_SLOW_MODEL": "wagmi-small",
            "LLM_SLOW_NAME": "scripted",
            "LLM_SLOW_SLOTS": str(PLACES),
            "LLM_SLOW_QUEUE": "0",
            "CHAT_KEEP_ALIVE_S": "0.5",
        }
        with running_site(embeddings=True, **overrides) as site:
            yield Door(site, server)
            assert "Traceback" not in site.log("web")
