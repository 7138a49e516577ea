"""Faults with signed-in people: lost nudges, a Redis that forgets, guessed codes, a worker killed during a wake."""

import json
import os
import re
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
import pytest
import redis

from tests.faults.stage import QUESTION, assert_one_end
from tests.live import Site, ask, events_of, received, running_site, wait_for
from tests.scripted import ScriptedServer, slowly

pytestmark = pytest.mark.slow
ALICE, BOB = "alice@example.org", "bob@example.org"
ALLOWED = 5
CHATS = 50
SOON_S = 40
WRONG_AT_ONCE = 60
REQUEST_EXPORT = """
from accounts import export
from accounts.models import User
export.request(User.objects.get(email="alice@example.org"))
"""


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A site with a worker whose sweeper comes often, and a model that writes slowly."""
    with ScriptedServer() as server:
        server.behaviour = slowly(0.2)
        overrides = {
            "LLM_CPU_URL": server.url,
            "LLM_CPU_CACHE_MIB": "0",
            "LLM_CPU_SLOTS": "16",
            "LLM_CPU_QUEUE": "64",
            "JOB_SWEEP_S": "1",
            "CHAT_RATE_LIMIT_SIGNED_IN": f"{ALLOWED}/15m",
        }
        with running_site(model=False, worker=True, **overrides) as site:
            yield site


def one(site: Site, statement: str) -> Any:
    with psycopg.connect(site.postgres.url, autocommit=True) as connection:
        row = connection.execute(statement).fetchone()  # type: ignore[call-overload]
        return row[0] if row else None


def flush(site: Site) -> None:
    client = redis.Redis.from_url(site.redis.url)
    client.flushall()
    client.close()


def test_fault_03_a_row_whose_nudge_was_never_sent_is_done_once(site: Site) -> None:
    site.sign_in(ALICE)

    site.manage("shell", "-v", "0", "-c", REQUEST_EXPORT)  # committed, and the process is gone without a task

    wait_for(lambda: one(site, "SELECT state FROM accounts_dataexport") == "ready", SOON_S, site.log("worker"))
    assert one(site, "SELECT tries FROM accounts_dataexport") == 1
    assert one(site, "SELECT count(*) FROM accounts_dataexport") == 1


def test_fault_05_a_redis_that_forgets_everything_costs_no_answer_no_session_no_job_and_grants_nothing(
    site: Site,
) -> None:
    session = site.sign_in(BOB)[BOB]
    bob = httpx.Client(base_url=site.url, cookies={"session": session}, headers={"Origin": site.url}, timeout=30)
    asked = [bob.post("/api/chat", json=ask(QUESTION)).status_code for _ in range(ALLOWED)]
    assert asked == [200] * ALLOWED

    with ThreadPoolExecutor(CHATS) as pool:
        chats = [pool.submit(site.ask, QUESTION) for _ in range(CHATS)]
        site.manage("shell", "-v", "0", "-c", REQUEST_EXPORT.replace(ALICE, BOB))
        flush(site)
        answers = [chat.result() for chat in chats]

    for response in answers:
        assert response.status_code == 200, response.text
        assert_one_end(events_of(response.text))
    me = bob.get("/api/me").json()
    assert me["signed_in"], "the session lives in PostgreSQL"
    refused = bob.post("/api/chat", json=ask(QUESTION))
    assert refused.status_code == 429 and int(refused.headers["Retry-After"]) > 600
    exports = f"FROM accounts_dataexport JOIN accounts_user u ON u.id = user_id WHERE u.email = '{BOB}'"
    wait_for(lambda: one(site, f"SELECT state {exports}") == "ready", SOON_S, site.log("worker"))
    assert one(site, f"SELECT count(*) {exports}") == 1


def test_fault_19_of_sixty_wrong_codes_at_once_three_are_compared_and_then_the_right_one_is_refused(site: Site) -> None:
    visitor = httpx.Client(base_url=site.url, timeout=60, follow_redirects=True)
    page = visitor.get("/accounts/enter/?language=en").text
    page = visitor.post("/accounts/enter/", data={**form(page), "email": "carol@example.org"}).text
    code = mailed_code(site)
    wrong = [f"{(int(code) + offset) % 1_000_000:06}" for offset in range(1, WRONG_AT_ONCE + 1)]

    def guess(number: str) -> int:
        with httpx.Client(base_url=site.url, timeout=60, cookies=visitor.cookies) as guesser:
            return guesser.post("/accounts/code/", data={**form(page), "code": number}).status_code

    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(guess, wrong))
    right = visitor.post("/accounts/code/", data={**form(page), "code": code})

    assert max(statuses) < 500 and one(site, "SELECT max(compared) FROM accounts_signincode") == 3
    assert one(site, "SELECT count(*) FROM accounts_failedsignin") == 3
    assert not visitor.get("/api/me").json()["signed_in"], right.url
    assert site.log("web").count("void after 3 wrong tries") == 1


def form(page: str) -> dict[str, str]:
    """Return the hidden fields of the page's first form that has a token."""
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page))


def mailed_code(site: Site) -> str:
    folder = site.folder.path / "mail"
    wait_for(lambda: any(folder.glob("*")), 10)
    newest = max(folder.glob("*"), key=lambda path: path.stat().st_mtime)
    found = re.search(r"^\s*(\d{6})\s*$|\b(\d{6})\b", newest.read_text().split("\n\n", 1)[1])
    assert found
    return found.group(1) or found.group(2)


def test_a_worker_killed_during_a_wake_costs_the_second_version_at_most_and_no_ledger_stays_open() -> None:
    periods = {"LLM_GPU_HEARTBEAT_S": "1", "LLM_GPU_SWITCH_S": "12", "LLM_GPU_IDLE_S": "4", "LLM_GPU_TEND_S": "0.5"}
    with running_site(worker=True, large=True, **periods) as site:
        session = site.sign_in(ALICE)[ALICE]
        with site.socket(Cookie=f"session={session}") as socket:
            socket.send(json.dumps({"type": "ask", **ask(QUESTION)}))
            first = received(socket)
            kill(site, "worker")
            site.start_worker()
            second = received(socket, timeout=90)

        assert first[-1]["rung"] == "small" and first[-1]["upgrading"]
        assert_one_end(second)
        assert second[-1].get("rung") == "large" or second[-1]["code"] == "large_away"
        closed = "SELECT count(*) FROM inference_wake WHERE state NOT IN ('asleep', 'failed')"
        wait_for(lambda: one(site, closed) == 0, 60, site.log("switch"))
        assert one(site, "SELECT count(*) FROM inference_wake") == 1
        assert one(site, "SELECT sum(seconds) FROM inference_gpuledgerentry") == one(
            site, "SELECT billed_s FROM inference_wake"
        )


def kill(site: Site, name: str) -> None:
    process = site.processes[name]
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
