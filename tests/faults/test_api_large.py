"""Fault 17 at the API's door: the large model sleeps, fails to wake, has no budget left, or no limits count."""

import datetime
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.customers import sql
from tests.faults.calls import (
    Answer,
    Caller,
    assert_broke_off,
    assert_complete,
    assert_ledger_exact,
    assert_refused,
    at_once,
    new_caller,
)
from tests.faults.periods import scaled
from tests.faults.test_wake import PERIODS
from tests.live import Site, running_site, wait_for

pytestmark = pytest.mark.slow
CALLERS = 20
COOL_DOWN_S = 4.0


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A site whose large model sleeps; the small one has no part in this."""
    overrides = {name: str(scaled(seconds)) for name, seconds in PERIODS.items()} | {
        "LLM_CPU_URL": "http://127.0.0.1:9",
        "LLM_GPU_PROVIDER_LIMIT_S": "600",
        "LLM_GPU_COOL_DOWN_S": str(COOL_DOWN_S),
        "LLM_GPU_ANSWER_MAX_S": "30",  # twenty at two a time, on whatever machine this is
        "LLM_GPU_QUEUE": str(CALLERS),
        "CHAT_KEEP_ALIVE_S": "0.3",
    }
    with running_site(model=False, worker=True, large=True, **overrides) as site:
        yield site


@pytest.fixture(scope="module")
def caller(site: Site) -> Caller:
    return new_caller(site)


def call(caller: Caller, **fields: Any) -> Answer:
    return caller.call("Say a word.", model="wagmi-large", **{"max_tokens": 4, **fields})


def wakes(site: Site) -> list[str]:
    return [state for (state,) in sql(site, "SELECT state FROM inference_wake ORDER BY id")]


class Refuses(BaseHTTPRequestHandler):
    """A provider that starts nothing and knows that nothing runs."""

    def do_GET(self) -> None:
        self.say(200)

    def do_POST(self) -> None:
        self.say(500 if self.path == "/wake" else 200)

    def say(self, status: int) -> None:
        body = b'{"state": "asleep", "billed_seconds": 0}'
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_values: object) -> None:
        return


@contextmanager
def refusing_provider(port: int) -> Iterator[None]:
    with ThreadingHTTPServer(("127.0.0.1", port), Refuses) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()


def test_fault_17_a_wake_that_fails_is_an_error_event_and_costs_nothing(site: Site, caller: Caller) -> None:
    assert site.large is not None
    site.large.stop()
    try:
        with refusing_provider(site.large.control_port):
            with at_once() as submit:
                stream, whole = submit(call, caller, stream=True), submit(call, caller)
            wait_for(lambda: wakes(site)[-1:] == ["failed"], 10, site.log("worker"))
            soon_after = call(caller)
    finally:
        site.large.start()
        site.large.wait_until_ready()

    assert_broke_off(stream.result(), "model_unavailable")
    assert ": waiting" in stream.result().lines, "there were signs of life meanwhile"
    assert_refused(whole.result(), 503, "model_unavailable")
    assert_refused(soon_after, 503, "model_asleep")
    assert_ledger_exact(site)
    for answer in (stream.result(), whole.result(), soon_after):
        line = caller.row(answer)
        assert (line["outcome"], line["cost_microusd"], line["gpu_ms"]) == ("failed", 0, 0)


def test_fault_17_twenty_callers_wake_it_once_and_pay_for_its_seconds(site: Site, caller: Caller) -> None:
    cooled = "SELECT coalesce(max(ended_at) < now() - make_interval(secs => %s), true) FROM inference_wake"
    wait_for(lambda: sql(site, cooled, COOL_DOWN_S) == [(True,)], 30, site.log("worker"))
    before = len(wakes(site))

    with at_once() as submit:
        calls = [submit(call, caller, stream=bool(number % 4)) for number in range(CALLERS)]
    answers = [each.result() for each in calls]

    assert wakes(site)[before:] == ["ready"], "one wake for all of them"
    assert {answer.status for answer in answers} == {200}
    for number, answer in enumerate(answers):
        if number % 4:
            assert_complete(answer, "length" if answer.reason == "length" else "stop")
            assert ": waiting" in answer.lines
        line = caller.row(answer)
        assert (line["outcome"], line["model"]) == ("done", "wagmi-large")
        assert line["gpu_ms"] > 0 and line["cost_microusd"] > 0
    assert_ledger_exact(site)
    spent = "SELECT spent_gpu_ms = (SELECT sum(gpu_ms) FROM billing_usagerecord) FROM billing_quota WHERE key = %s"
    assert sql(site, spent, caller.key_id) == [(True,), (True,)]


def test_fault_17_without_budget_or_limits_it_is_closed_and_says_until_when(site: Site, caller: Caller) -> None:
    wait_for(lambda: call(caller).status == 200, 30, site.log("worker"))
    poor = call(caller.another(day_gpu_s=1), stream=True)
    site.redis.stop()
    try:
        uncounted = call(caller, stream=True)
    finally:
        site.redis.start()
        site.redis.wait_until_ready()
    sql(
        site,
        "UPDATE inference_gpulimit SET seconds = 0, edited_at = now() WHERE scope = 'paying' AND \"window\" = 'day'",
    )
    # What was reserved for a long wake has been used up: the next answer needs more.
    sql(site, "UPDATE inference_wake SET covered_until = now() + interval '30 s' WHERE state = 'ready'")
    whole, stream = call(caller), call(caller, stream=True)
    now = datetime.datetime.now(datetime.UTC)

    assert_refused(poor, 402, "insufficient_quota")
    assert (poor.error["limit_source"], poor.error["limit_unit"], poor.error["limit"]) == ("key_day", "gpu_s", 1)
    assert_refused(uncounted, 503, "limits_away")
    assert_refused(whole, 503, whole.error["code"])
    assert_broke_off(stream, whole.error["code"])
    tomorrow = now.replace(hour=0, minute=0, second=0, microsecond=0) + datetime.timedelta(days=1)
    assert abs(int(whole.headers["retry-after"]) - (tomorrow - now).total_seconds()) < 60
    assert_ledger_exact(site)
    for answer in (whole, stream):
        line = caller.row(answer)
        assert (line["outcome"], line["cost_microusd"], line["gpu_ms"]) == ("failed", 0, 0)
    assert "Traceback" not in site.log("web")
