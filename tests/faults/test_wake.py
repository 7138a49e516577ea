"""Faults of waking, with real processes: a worker, the dead man's switch, a model that really starts and stops."""

import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from siteproject.stack.children import birth_of
from tests.faults.periods import scaled
from tests.live import Site, running_site, wait_for

pytestmark = pytest.mark.slow
PERIODS = {
    "LLM_GPU_IDLE_S": 120.0,
    "LLM_GPU_WAKE_TIMEOUT_S": 300.0,
    "LLM_GPU_ANSWER_MAX_S": 120.0,
    "LLM_GPU_SWITCH_S": 60.0,
    "LLM_GPU_HEARTBEAT_S": 10.0,
    "LLM_GPU_TEND_S": 2.0,
    "LLM_GPU_COOL_DOWN_S": 60.0,
}
# A wake for a person of their own, from as many threads as there may be connections.
ASK = """
import uuid
from concurrent.futures import ThreadPoolExecutor
from django.db import connection
from inference import budget, wake
def ask(_):
    try:
        return wake.request("gpu", asker_class="signed_in", subject=uuid.uuid4(), reserve=budget.reserve).pk
    finally:
        connection.close()
with ThreadPoolExecutor(6) as pool:
    print("wakes", sorted(set(pool.map(ask, range({times})))))
"""


@pytest.fixture
def site() -> Iterator[Site]:
    """A site whose large tier sleeps; the small model is away, it has no part in this."""
    overrides = {name: str(scaled(seconds)) for name, seconds in PERIODS.items()}
    # The server's own limit is left long: what is tested here must not be its work.
    overrides |= {"LLM_CPU_URL": "http://127.0.0.1:9", "LLM_GPU_PROVIDER_LIMIT_S": "600"}
    with running_site(model=False, worker=True, large=True, **overrides) as site:
        yield site


def period(name: str) -> float:
    return scaled(PERIODS[name])


def rows(site: Site, sql: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(site.postgres.url) as connection:
        return connection.execute(sql).fetchall()  # type: ignore[call-overload,no-any-return]


def states(site: Site) -> list[str]:
    return [row[0] for row in rows(site, "SELECT state FROM inference_wake ORDER BY id")]


def control(site: Site, path: str = "/state") -> dict[str, Any]:
    assert site.large is not None
    headers = {"Authorization": f"Bearer {site.large.token}"}
    return dict(httpx.get(f"{site.large.control_url}{path}", headers=headers, timeout=5).json())


def wake_up(site: Site, times: int = 1) -> int:
    """Ask for a wake so often, wait until the model is awake, return its process."""
    site.manage("shell", "-v", "0", "-c", ASK.format(times=times))
    wait_for(lambda: states(site)[-1:] == ["ready"], 30, site.log("worker"))
    return int(control(site)["pid"])


def assert_closed(site: Site) -> None:
    """Every wake is over, and what the ledger holds for it is what was billed."""
    for state, billed_s, held_s in rows(
        site,
        "SELECT w.state, w.billed_s, coalesce(sum(l.seconds), 0) FROM inference_wake w"
        " LEFT JOIN inference_gpuledgerentry l ON l.wake_id = w.id GROUP BY w.id",
    ):
        assert state in ("asleep", "failed") and held_s == billed_s, (state, billed_s, held_s)


def test_fault_17_a_hundred_concurrent_askers_make_one_wake_which_sleeps_when_idle(site: Site) -> None:
    command = [sys.executable, "manage.py", "shell", "-v", "0", "-c", ASK.format(times=25)]
    askers = [
        subprocess.Popen(command, cwd=site.root, env=site.env, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    said = {asker.communicate(timeout=60)[0].strip() for asker in askers}
    wait_for(lambda: states(site) == ["ready"], 30, site.log("worker"))
    pid = control(site)["pid"]
    birth = birth_of(pid)

    wait_for(lambda: states(site) == ["asleep"], period("LLM_GPU_IDLE_S") + 8, site.log("worker"))

    assert len(said) == 1 and birth_of(pid) != birth
    assert control(site)["state"] == "asleep"
    ((attempts, failure, idle_s),) = rows(
        site, "SELECT attempts, failure, extract(epoch FROM ended_at - used_at) FROM inference_wake"
    )
    assert (attempts, failure) == (1, "") and idle_s >= period("LLM_GPU_IDLE_S")
    assert_closed(site)


def test_worker_and_web_killed_while_awake_it_is_asleep_within_the_switchs_time_and_the_ledger_closed(
    site: Site,
) -> None:
    pid = wake_up(site)
    birth = birth_of(pid)

    for name in ("worker", "web"):
        site.processes[name].kill()
    killed_at = time.monotonic()

    wait_for(lambda: birth_of(pid) != birth, period("LLM_GPU_SWITCH_S") + 2, site.log("switch"))
    assert time.monotonic() - killed_at <= period("LLM_GPU_SWITCH_S") + 2
    wait_for(lambda: states(site) == ["asleep"], 3, site.log("switch"))
    assert rows(site, "SELECT failure FROM inference_wake") == [("switch",)]
    assert_closed(site)
    assert "Traceback" not in site.log("switch")


def test_a_worker_whose_threads_are_all_busy_with_something_else_still_wakes_and_puts_to_sleep(site: Site) -> None:
    busy = "from accounts.tasks import make_export\nfor number in range(100): make_export.delay(number)"
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'accounts_dataexport'::regclass"

    with psycopg.connect(site.postgres.url) as connection:
        # Each export waits for this as long as the database lets it; four are at it at any time, for two minutes.
        connection.execute("LOCK TABLE accounts_dataexport IN ACCESS EXCLUSIVE MODE")
        site.manage("shell", "-v", "0", "-c", busy)
        wait_for(lambda: rows(site, waiting)[0][0] >= 4, 10, site.log("worker"))
        wake_up(site)
        wait_for(lambda: states(site) == ["asleep"], period("LLM_GPU_IDLE_S") + 8, site.log("worker"))
        wait_for(lambda: rows(site, waiting)[0][0] >= 4, 3, site.log("worker"))

    assert rows(site, "SELECT failure FROM inference_wake") == [("",)]
    assert_closed(site)


def test_the_database_gone_while_awake_it_is_put_to_sleep_and_closed_when_the_database_is_back(site: Site) -> None:
    pid = wake_up(site)
    birth = birth_of(pid)

    site.postgres.stop()
    wait_for(lambda: birth_of(pid) != birth, period("LLM_GPU_SWITCH_S") + 6, site.log("switch"))
    site.postgres.start()
    site.postgres.wait_until_ready()

    wait_for(lambda: states(site)[0] in ("asleep", "failed"), 15, site.log("switch") + site.log("worker"))
    assert_closed(site)
    assert wake_up(site) != pid, "the next wake's fence is newer than all before"


def test_the_providers_interface_down_nothing_new_is_woken_and_it_is_closed_when_it_is_back(site: Site) -> None:
    assert site.large is not None
    pid = wake_up(site)
    site.large.stop()  # with it goes the model, and every answer about it

    wait_for(lambda: states(site) == ["sleeping"], period("LLM_GPU_IDLE_S") + 8, site.log("worker"))
    refused = subprocess.run(
        [sys.executable, "manage.py", "shell", "-v", "0", "-c", ASK.format(times=1)],
        cwd=site.root, env=site.env, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    time.sleep(period("LLM_GPU_SWITCH_S"))
    alarms = site.manage(
        "shell", "-v", "0", "-c", "from compliance import alarms; print([a.id for a in alarms.active()])"
    )
    site.large.start()
    site.large.wait_until_ready()

    assert "WakeRefused: sleeping" in refused.stderr and "gpu-awake" in alarms and pid
    wait_for(lambda: states(site) == ["asleep"], 10, site.log("worker"))
    assert_closed(site)
