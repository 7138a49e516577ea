"""Fault 29: the web process is told to end (a deploy) while twenty answers are on their way."""

import itertools
import json
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests import scripted
from tests.faults import periods
from tests.faults.periods import scaled
from tests.faults.stage import (
    QUESTION,
    Stage,
    assert_honest_error,
    assert_one_end,
    message,
    waiting_and_running,
)
from tests.live import ask, events_of, received, running_site, wait_for

pytestmark = pytest.mark.slow
DRAIN_S = scaled(30)
STREAMS, QUEUED = 20, 4


@pytest.fixture
def stage() -> Iterator[Stage]:
    with scripted.ScriptedServer() as server:
        overrides = periods.settings() | {
            "LLM_CPU_URL": server.url,
            "LLM_CPU_CACHE_MIB": "0",
            "LLM_CPU_SLOTS": str(STREAMS - QUEUED),
            "CHAT_DRAIN_S": str(DRAIN_S),
        }
        with running_site(model=False, **overrides) as site:
            yield Stage(site, server)


def test_fault_29_every_stream_ends_with_its_answer_or_a_hint_when_to_ask_again(stage: Stage) -> None:
    site, server = stage.site, stage.server
    numbers = itertools.count()
    words = tuple(f"word{number} " for number in range(100))

    async def half_in_time(wire: scripted.Wire) -> None:
        # Every second one is through before the drain is over, the others would take far longer.
        in_time = next(numbers) % 2 == 0
        await scripted.slowly(DRAIN_S / 40 if in_time else DRAIN_S / 4, words[:20] if in_time else words)(wire)

    server.behaviour = half_in_time
    found: list[list[dict[str, Any]]] = []

    def over_http() -> None:
        found.append(events_of(httpx.post(f"{site.url}/api/chat", json=ask(QUESTION), timeout=60).text))

    def over_the_socket() -> None:
        with site.socket() as socket:
            socket.send(message())
            found.append(received(socket, timeout=60))

    threads = [threading.Thread(target=(over_http, over_the_socket)[number % 2]) for number in range(STREAMS)]
    for thread in threads:
        thread.start()
    wait_for(lambda: waiting_and_running(site) == (QUEUED, STREAMS - QUEUED), 10)
    web = site.processes["web"]
    told_at = time.monotonic()
    web.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    late = httpx.post(f"{site.url}/api/chat", json=ask(QUESTION), timeout=10)
    for thread in threads:
        thread.join(60)
    status = web.wait(60)

    assert status == 0
    assert time.monotonic() - told_at < DRAIN_S + 5
    assert len(found) == STREAMS
    for events in found:
        assert_one_end(events)
        if events[-1]["type"] == "error":
            assert_honest_error(events, "restarting")
            assert events[-1]["retry_after_s"] > 0
    ends = [events[-1]["type"] for events in found]
    assert ends.count("done") >= 4 and ends.count("error") >= 4, ends
    assert late.status_code == 503 and int(late.headers["Retry-After"]) > 0
    assert late.json()["error"]["code"] == "restarting"
    counted = site.postgres.sql("SELECT sum(answers), sum(failures) FROM inference_answertally", database="wagmi")
    assert counted.split("|") == [str(ends.count("done")), str(ends.count("error"))], "nothing was lost"
    assert "Traceback" not in site.log("web")


def test_fault_29_without_answers_it_ends_at_once(stage: Stage) -> None:
    with stage.site.socket() as idle:
        idle.send(json.dumps({"type": "resume", "id": "x", "secret": "x"}))
        received(idle)
        told_at = time.monotonic()
        stage.site.processes["web"].send_signal(signal.SIGTERM)
        status = stage.site.processes["web"].wait(20)

    assert status == 0
    assert time.monotonic() - told_at < 5
