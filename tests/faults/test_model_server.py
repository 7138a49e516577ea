"""Fault 13, with the real thing: the model server is killed in the middle of an answer."""

import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.faults.stage import QUESTION, assert_honest_error, assert_quoted
from tests.live import Site, ask, running_site

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with running_site(LLM_CPU_CACHE_MIB="0") as site:
        yield site


def test_fault_13_a_killed_model_server_is_one_honest_error_and_its_restart_is_noticed(site: Site) -> None:
    assert site.llama is not None and site.llama.pid is not None
    assert site.events(QUESTION)[-1]["rung"] == "small"
    web = site.processes["web"].pid

    events: list[dict[str, Any]] = []
    with httpx.stream("POST", f"{site.url}/api/chat", json=ask(QUESTION), timeout=30) as response:
        for line in response.iter_lines():
            if not line.startswith("data: "):
                continue
            events.append(json.loads(line[6:]))
            if events[-1]["type"] == "delta" and events[-1]["seq"] == 0:
                os.kill(site.llama.pid, signal.SIGKILL)
    while_away = site.events(QUESTION)
    site.llama.start()
    site.llama.wait_until_ready()
    afterwards = site.events(QUESTION)

    assert_honest_error(events, "model_cut_off")
    assert_quoted(while_away)
    assert afterwards[-1]["rung"] == "small" and afterwards[-1]["receipt"]["completion_tokens"] > 0
    assert site.processes["web"].poll() is None and site.processes["web"].pid == web
    assert "Traceback" not in site.log("web")
