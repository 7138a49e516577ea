"""The server that sleeps: really starts when woken, really stops when told, idle, old or orphaned."""

import contextlib
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from siteproject.stack.children import birth_of
from siteproject.stack.folder import Folder
from siteproject.stack.on_demand import OnDemandServer

KEY, TOKEN = "a-key-for-tests-only-0123456789abcdef", "a-token-for-tests-only-0123456789abc"


@contextmanager
def a_server(**limits: Any) -> Iterator[OnDemandServer]:
    with tempfile.TemporaryDirectory(prefix="wagmi-large-") as path:
        folder = Folder(Path(path))
        folder.make()
        with OnDemandServer(folder, key=KEY, token=TOKEN, **limits).running() as server:
            yield server


@pytest.fixture(scope="module")
def shared() -> Iterator[OnDemandServer]:
    with a_server() as server:
        yield server


def post(server: OnDemandServer, path: str, fence: object = 1, token: str = TOKEN) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.post(f"{server.control_url}{path}", json={"fence": fence}, headers=headers, timeout=10)


def state(server: OnDemandServer, **query: float) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    return dict(httpx.get(f"{server.control_url}/state", params=query, headers=headers, timeout=10).json())


def models(server: OnDemandServer) -> list[str]:
    url = server.addresses()["LLM_GPU_URL"]
    answer = httpx.get(f"{url}/v1/models", headers={"Authorization": f"Bearer {KEY}"}, timeout=5)
    return [entry["id"] for entry in answer.json()["data"]]


def until(server: OnDemandServer, word: str, seconds: float = 30) -> dict[str, Any]:
    ends = time.monotonic() + seconds
    while (found := state(server))["state"] != word:
        assert time.monotonic() < ends, found
        time.sleep(0.05)
    return found


def test_it_starts_asleep_wakes_serves_its_model_and_is_gone_when_told_to_sleep(shared: OnDemandServer) -> None:
    assert state(shared)["state"] == "asleep" and not shared.pid_file.exists()

    assert post(shared, "/wake", 10).json()["state"] in ("waking", "awake")
    awake = until(shared, "awake")
    listed = models(shared)
    birth = birth_of(awake["pid"])
    in_file = int(shared.pid_file.read_text())
    asleep = post(shared, "/sleep", 10).json()

    assert listed == ["wagmi-large"] and birth is not None and in_file == awake["pid"]
    assert asleep["state"] == "asleep" and asleep["why"] == "told" and asleep["pid"] is None
    assert birth_of(awake["pid"]) != birth and not shared.pid_file.exists()


def test_billed_seconds_are_those_it_ran_since_a_moment(shared: OnDemandServer) -> None:
    since = time.time()
    before = state(shared, since=since)["billed_s"]

    post(shared, "/wake", 20)
    until(shared, "awake")
    time.sleep(1.2)
    post(shared, "/sleep", 20)

    assert before == 0
    assert 1 < state(shared, since=since)["billed_s"] <= time.time() - since + 1
    assert state(shared, since=time.time())["billed_s"] == 0


def test_waking_twice_starts_one_process_and_sleeping_twice_is_harmless(shared: OnDemandServer) -> None:
    post(shared, "/wake", 30)
    first = until(shared, "awake")["pid"]
    post(shared, "/wake", 30)

    assert until(shared, "awake")["pid"] == first
    assert [post(shared, "/sleep", 30).status_code for _ in range(2)] == [200, 200]


def test_an_older_fence_is_refused_and_changes_nothing(shared: OnDemandServer) -> None:
    post(shared, "/sleep", 1000)

    refused = post(shared, "/wake", 999)

    assert refused.status_code == 409 and state(shared)["state"] == "asleep"
    assert post(shared, "/sleep", 1000).status_code == 200


@pytest.mark.parametrize(("token", "fence", "status"), [("wrong", 5000, 401), ("x", 5000, 401), (TOKEN, "x", 400)])
def test_without_the_token_or_a_fence_nothing_happens(
    shared: OnDemandServer, token: str, fence: object, status: int
) -> None:
    assert post(shared, "/wake", fence, token).status_code == status
    assert state(shared)["state"] == "asleep"


def test_it_stops_by_itself_when_nobody_uses_it_and_being_looked_at_is_no_use() -> None:
    with a_server(idle_s=2.0) as server:
        post(server, "/wake")
        until(server, "awake")
        began = time.monotonic()

        while state(server)["state"] != "asleep" and time.monotonic() - began < 20:
            with contextlib.suppress(httpx.HTTPError):  # it may just have ended
                models(server)
            time.sleep(0.1)

        assert state(server)["why"] == "idle" and time.monotonic() - began < 10


def test_it_stops_at_the_end_of_its_lifetime_however_busy() -> None:
    with a_server(lifetime_s=2.0) as server:
        post(server, "/wake")

        assert until(server, "asleep", 10)["why"] == "lifetime"


def test_a_model_that_dies_is_asleep_and_can_be_woken_again() -> None:
    with a_server() as server:
        post(server, "/wake", 1)
        os.kill(until(server, "awake")["pid"], signal.SIGKILL)

        assert until(server, "asleep", 5)["why"] == "died"
        post(server, "/wake", 1)
        assert until(server, "awake")["pid"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_model_ends_with_its_control_process(number: signal.Signals) -> None:
    with a_server() as server:
        post(server, "/wake")
        pid = until(server, "awake")["pid"]
        birth = birth_of(pid)
        assert server.pid is not None

        os.kill(server.pid, number)

        ends = time.monotonic() + 5
        while birth_of(pid) == birth:
            assert time.monotonic() < ends
            time.sleep(0.05)
