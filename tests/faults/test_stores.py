"""Faults 6, 8 and 9: Redis or PostgreSQL goes away and comes back; nobody has to restart anything."""

import secrets
import time
from collections.abc import Iterator

import httpx
import pytest
import redis

from siteproject.tasks import HEARTBEAT_KEY
from tests import scripted
from tests.faults import periods
from tests.faults.periods import scaled
from tests.faults.stage import QUESTION, Stage, assert_one_end, message
from tests.live import Site, received, running_site, wait_for
from tests.signed_in import enter_workbench

pytestmark = pytest.mark.slow
LIMIT = 60
CONSUMES_AGAIN_S = 30


@pytest.fixture(scope="module")
def site_with_worker() -> Iterator[Stage]:
    with scripted.ScriptedServer() as server:
        overrides = periods.settings() | {
            "LLM_CPU_URL": server.url,
            "LLM_CPU_CACHE_MIB": "0",
            "CHAT_RATE_LIMIT": f"{LIMIT * 4}/15m",
        }
        with running_site(model=False, worker=True, **overrides) as site:
            yield Stage(site, server)


@pytest.fixture
def stage(site_with_worker: Stage) -> Iterator[Stage]:
    site_with_worker.server.reset()
    yield site_with_worker
    site_with_worker.recover()


def heartbeat(site: Site) -> int | None:
    """Return the worker's last sign of life, written by a task that came through the broker."""
    client = redis.Redis.from_url(site.redis.url)
    try:
        value = client.get(f":1:{HEARTBEAT_KEY}")
    except redis.RedisError:
        return None
    finally:
        client.close()
    return int(value) if value else None


def beats_again(site: Site, seconds: float) -> None:
    before = heartbeat(site)
    wait_for(lambda: heartbeat(site) not in (None, before), seconds, site.log("worker"))


def staff_client(site: Site) -> httpx.Client:
    """Return a client that is signed in to the admin."""
    client = httpx.Client(timeout=10, headers={"Origin": site.url})
    enter_workbench(client, site.manage("make_staff", f"dana-{secrets.token_hex(4)}@example.org").strip())
    assert client.get(f"{site.url}/admin/").status_code == 200
    return client


def counted(site: Site) -> int:
    """Return how many answers the ledger counts, failures included."""
    found = site.postgres.sql(
        "SELECT coalesce(sum(answers + failures), 0) FROM inference_answertally", database="wagmi"
    )
    return int(found)


def test_fault_06_redis_goes_and_comes_back_twice_and_nobody_restarts_anything(stage: Stage) -> None:
    site = stage.site
    beats_again(site, CONSUMES_AGAIN_S)
    pids = {name: process.pid for name, process in site.processes.items()}

    for _time in (1, 2):
        with site.socket() as kept_open:
            site.redis.stop()
            gone_at = time.monotonic()
            assert site.events(QUESTION)[-1]["rung"] == "small"
            kept_open.send(message())
            assert received(kept_open, timeout=15)[-1]["rung"] == "small"
            with site.socket() as opened_meanwhile:
                opened_meanwhile.send(message())
                assert received(opened_meanwhile, timeout=15)[-1]["rung"] == "small"
            for path in ("/", "/chat/", "/live/en/status/", "/api/status", "/health", "/api/me"):
                assert httpx.get(f"{site.url}{path}", timeout=10).status_code == 200, path
            time.sleep(max(0.0, scaled(60) - (time.monotonic() - gone_at)))
        site.redis.start()
        site.redis.wait_until_ready()
        assert site.events(QUESTION)[-1]["rung"] == "small"
        beats_again(site, CONSUMES_AGAIN_S)

    assert {name: process.pid for name, process in site.processes.items() if process.poll() is None} == pids
    assert "Traceback" not in site.log("web")


def test_fault_06_without_redis_an_answer_is_not_slower_and_the_allowance_is_small(stage: Stage) -> None:
    site = stage.site
    with_redis_s = took_s(site)
    site.redis.stop()
    try:
        without_s = took_s(site)
        statuses = [site.ask(QUESTION).status_code for _ in range(LIMIT + 1)]
        refused = site.ask(QUESTION)
    finally:
        site.redis.start()
        site.redis.wait_until_ready()

    assert without_s < with_redis_s + 1, (with_redis_s, without_s)
    assert set(statuses) == {200, 429} and sorted(statuses) == statuses
    assert refused.json()["error"]["code"] == "rate_limited" and int(refused.headers["Retry-After"]) > 0


def test_fault_08_postgres_restarts_in_the_middle_of_a_stream(stage: Stage) -> None:
    site = stage.site
    wait_for(lambda: counted(site) > 0, 10)
    stage.server.behaviour = scripted.slowly(0.1, tuple(f"word{number} " for number in range(40)))
    client = staff_client(site)
    time.sleep(3)  # what was asked before is written by now
    before = counted(site)

    with site.socket() as socket:
        socket.send(message())
        first = received(socket, until=("delta",))
        site.postgres.stop()
        site.postgres.start()
        events = first + received(socket)
    site.postgres.wait_until_ready()
    time.sleep(scaled(10))

    assert_one_end(events)
    assert events[-1]["type"] == "done"
    for path in ("/", "/admin/", "/admin/inference/answertally/", "/api/me", "/live/fr/chat/"):
        assert client.get(f"{site.url}{path}").status_code == 200, path
    wait_for(lambda: counted(site) == before + 1, 10, site.log("web"))


def test_fault_09_without_postgres_visitors_are_served_and_the_admin_says_when_to_come_back(stage: Stage) -> None:
    site = stage.site
    client = staff_client(site)
    time.sleep(3)
    before = counted(site)
    site.postgres.stop()
    stopped_at = time.monotonic()
    asked = 0
    try:
        while asked < 5 or time.monotonic() - stopped_at < scaled(60):
            assert site.events(QUESTION)[-1]["rung"] == "small"
            asked += 1
            time.sleep(scaled(5))
        for path in ("/", "/fr/", "/chat/", "/live/en/chat/", "/live/en/status/", "/api/status", "/health", "/api/me"):
            assert httpx.get(f"{site.url}{path}", timeout=10).status_code == 200, path
        for path in ("/admin/", "/admin/inference/answertally/", "/admin/inference/model/"):
            started = time.monotonic()
            response = client.get(f"{site.url}{path}")
            assert response.status_code == 503, (path, response.status_code)
            assert int(response.headers["Retry-After"]) > 0
            assert time.monotonic() - started < 3
        with site.socket() as socket:
            socket.send(message())
            assert received(socket)[-1]["rung"] == "small"
            asked += 1
    finally:
        site.postgres.start()
        site.postgres.wait_until_ready()

    wait_for(lambda: client.get(f"{site.url}/admin/").status_code == 200, 5)
    wait_for(lambda: counted(site) == before + asked, 10, site.log("web"))
    assert "Traceback" not in site.log("web")


def took_s(site: Site) -> float:
    started = time.monotonic()
    assert site.events(QUESTION)[-1]["rung"] == "small"
    return time.monotonic() - started
