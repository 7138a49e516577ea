"""One site with a scripted model server for the contract, and a customer for each thing that may stop a call."""

from collections.abc import Iterator

import pytest

from tests.api.door import CHAT, Door, ScriptedDoor, customers
from tests.customers import question
from tests.live import Site, running_site, wait_for
from tests.scripted import ScriptedServer

# Short enough to wait for, long enough for a busy machine.
PERIODS = {"CHAT_KEEP_ALIVE_S": "0.3", "LLM_FIRST_TOKEN_S": "3", "LLM_IDLE_S": "2", "LLM_TOTAL_S": "8"}
CUSTOMERS = {
    "carol": {},
    "free": {"customer": {"plan": "free"}},
    "usage": {"scopes": ["usage"]},
    "chat": {"scopes": ["chat"]},
    "large": {"allowed_models": ["wagmi-large"]},
    "elsewhere": {"address_ranges": ["10.0.0.0/8", "2001:db8::/32"]},
    "here": {"address_ranges": ["127.0.0.0/8", "::1/128"]},
    "expired": {"expires_in_s": -1},
    "leaving": {},
    "suspended": {"customer": {"suspended": True}},
    "poor_key": {"day_limit_microusd": 1},
    "poor_account": {"customer": {"month_limit_microusd": 1}},
    "few_requests": {"requests_per_minute": 2},
    "few_tokens": {"tokens_per_minute": 300},
    "one_at_a_time": {"parallel_calls": 1},
}


@pytest.fixture(scope="package")
def scripted_door() -> Iterator[ScriptedDoor]:
    """A site in front of a scripted model server, shared by the tests that leave it whole."""
    with ScriptedServer() as server:
        # Nothing is warmed: every request the server sees is somebody's call.
        overrides = PERIODS | {"LLM_CPU_URL": server.url, "LLM_CPU_CACHE_MIB": "0"}
        places = {"LLM_CPU_SLOTS": "2", "LLM_CPU_QUEUE": "2"}
        with running_site(model=False, **overrides, **places) as site:
            yield ScriptedDoor(site, customers(site, CUSTOMERS), server)
            assert "Traceback" not in site.log("web"), site.log("web")[-4000:]


@pytest.fixture
def door(scripted_door: ScriptedDoor) -> Iterator[ScriptedDoor]:
    """The shared site with a model server that answers well; afterwards every place is free and all is settled."""
    scripted_door.server.reset()
    yield scripted_door
    scripted_door.server.reset()
    # Also closes the circuit that a test may have brought near its opening.
    wait_for(lambda: scripted_door.post(question(), CHAT).status == 200, 15)
    scripted_door.assert_settled()


@pytest.fixture(scope="package")
def live_door(live_site: Site) -> Door:
    """The shared site with the real model."""
    return Door(live_site, customers(live_site, {"carol": {}}))
