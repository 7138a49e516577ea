"""Faults 5, 6, 8, 9, 13, 21 and 29 at the API's door: what it stands on goes away, and its own processes die."""

import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future

import httpx
import pytest
import redis

from bench import ledger
from inference.api.limits import BEGINNING_MS, LOCAL_SHARE
from inference.routing import FAILURES_TO_OPEN
from tests import scripted
from tests.customers import sql
from tests.faults import periods
from tests.faults.calls import (
    Answer,
    Caller,
    asked,
    assert_broke_off,
    assert_complete,
    assert_ledger_exact,
    assert_refused,
    at_once,
    new_caller,
    second_web,
)
from tests.faults.periods import scaled
from tests.faults.stage import Stage
from tests.live import running_site, wait_for

pytestmark = pytest.mark.slow
ORPHAN_S, DRAIN_S = scaled(60), scaled(30)
STREAMS = 20
REFUSED_WITHIN_S = 2.5  # two seconds, and something for a busy machine
REVOKED_WITHIN_S = 5.0


@pytest.fixture(scope="module")
def ours() -> Iterator[Stage]:
    """A site with a worker that sweeps often, for the tests of this file, which take parts of it away."""
    with scripted.ScriptedServer() as server:
        overrides = periods.settings() | {
            "LLM_CPU_URL": server.url,
            "LLM_CPU_CACHE_MIB": "0",
            "LLM_CPU_SLOTS": str(STREAMS),
            "API_ORPHAN_S": str(ORPHAN_S),
            "BILLING_SWEEP_S": "0.5",
            "CHAT_DRAIN_S": str(DRAIN_S),
        }
        with running_site(model=False, worker=True, **overrides) as site:
            yield Stage(site, server)


@pytest.fixture(scope="module")
def caller(ours: Stage) -> Caller:
    return new_caller(ours.site)


@pytest.fixture
def stage(ours: Stage, caller: Caller) -> Iterator[Stage]:
    """The site with everything running; afterwards it answers again, and its ledger is exact."""
    ours.server.reset()
    yield ours
    ours.server.reset()
    if ours.site.healthy():
        wait_for(lambda: caller.call().status == 200, 10, ours.site.log("web"))
        assert_ledger_exact(ours.site, within_s=ORPHAN_S + 10)


def for_seconds(seconds: float, pieces: int = 40) -> scripted.Behaviour:
    """Return a behaviour that says ``pieces`` words in about so many seconds."""
    return scripted.slowly(seconds / pieces, tuple(f"word{number} " for number in range(pieces)))


def begun(stage: Stage, calls: "list[Future[Answer]]", number: int) -> None:
    """Wait until so many calls have reached the model server."""
    wait_for(lambda: len(asked(stage.server)) >= number, 15, str([call for call in calls if call.done()]))


def test_fault_08_and_09_postgres_stops_in_mid_stream_and_nothing_is_lost_or_free(stage: Stage, caller: Caller) -> None:
    site = stage.site
    stage.server.behaviour = for_seconds(2)
    with at_once() as submit:
        calls = [submit(caller.call, stream=bool(number % 2)) for number in range(6)]
        begun(stage, calls, 6)
        site.postgres.stop()
        refused: list[Answer] = []
        worst_s = 0.0
        ends = time.monotonic() + scaled(60) / 2
        while time.monotonic() < ends:
            began = time.monotonic()
            refused.append(caller.call(stream=bool(len(refused) % 2)))
            worst_s = max(worst_s, time.monotonic() - began)
            time.sleep(scaled(2))
        answers = [call.result() for call in calls]
        assert httpx.get(f"{site.url}/health", timeout=5).status_code == 200
        site.postgres.start()
        site.postgres.wait_until_ready()
    back_at = time.monotonic()
    wait_for(lambda: caller.call().status == 200, scaled(100), site.log("web"))
    stage.server.behaviour = for_seconds(2)
    with at_once() as submit:
        over_the_restart = submit(caller.call, stream=True)
        begun(stage, [over_the_restart], len(asked(stage.server)) + 1)
        site.postgres.stop()
        site.postgres.start()
        site.postgres.wait_until_ready()

    for answer in refused:
        assert answer.status == 503 and int(answer.headers["retry-after"]) > 0, answer.text
    assert worst_s <= REFUSED_WITHIN_S and len(refused) >= 5
    for answer in [*answers[1::2], over_the_restart.result()]:
        assert_complete(answer)
    assert {answer.status for answer in answers} == {200}
    assert_ledger_exact(site, within_s=10)
    for answer in [*answers, over_the_restart.result()]:
        line = caller.row(answer)
        assert (line["outcome"], line["completion_tokens"]) == ("done", 40), line
    assert time.monotonic() - back_at < 30
    assert "Traceback" not in site.log("web")


def test_fault_05_a_redis_that_forgets_everything_grants_no_second_quota(stage: Stage, caller: Caller) -> None:
    site, a_minute = stage.site, 60
    limited = caller.another(requests_per_minute=a_minute)
    before = until_refused(limited, a_minute + 10)
    with at_once() as submit:
        stage.server.behaviour = for_seconds(1)
        running = [submit(caller.call, stream=True) for _ in range(5)]
        begun(stage, running, 5)
        with redis.Redis.from_url(site.redis.url) as client:
            client.flushall()
        stage.server.behaviour = scripted.answer
        began = time.monotonic()
        after = until_refused(limited, a_minute + 10)
        took_s = time.monotonic() - began
        for call in running:
            assert_complete(call.result())

    assert before >= 10
    assert after <= a_minute * (BEGINNING_MS / 60_000) + took_s * a_minute / 60 + 2
    assert sql(site, "SELECT sum(spent_microusd) > 0 FROM billing_quota WHERE key = %s", limited.key_id) == [(True,)]


def test_fault_06_without_redis_each_process_grants_a_quarter_and_recovers_alone(stage: Stage, caller: Caller) -> None:
    site, a_minute = stage.site, 40
    limited = caller.another(requests_per_minute=a_minute)
    site.redis.stop()
    try:
        began = time.monotonic()
        served = until_refused(limited, a_minute)
        took_s = time.monotonic() - began
        refused = limited.call()
        assert caller.call(stream=True).status == 200, "the large allowance of its customer is not touched by it"
    finally:
        site.redis.start()
        site.redis.wait_until_ready()

    assert_refused(refused, 429, "rate_limit_exceeded")
    assert 0 < float(refused.headers["retry-after-ms"]) <= 60_000
    assert served <= (a_minute / LOCAL_SHARE) * (1 + took_s / 60) + 1
    wait_for(lambda: "x-ratelimit-limit-requests" in caller.call().headers, 5, site.log("web"))


def until_refused(caller: Caller, most: int) -> int:
    """Call until a limit of the minute says no; return how many calls it took."""
    for number in range(most):
        answer = caller.call()
        if answer.status == 429:
            return number
        assert answer.status == 200, answer.text
    raise AssertionError(f"{most} calls and no limit")


def test_fault_21_after_a_crash_what_was_delivered_is_billed_once_and_the_rest_may_be_asked_again(
    stage: Stage, caller: Caller
) -> None:
    site = stage.site
    stage.server.behaviour = for_seconds(20, 200)
    with at_once() as submit:
        streams = [submit(caller.call, headers=named("stream", number), stream=True) for number in range(4)]
        begun(stage, streams, 4)
        time.sleep(2.5)  # what a long answer has delivered is written every two seconds
        stage.server.behaviour = scripted.never
        silent = submit(silently, caller, named("silent", 0))
        begun(stage, [silent], 5)
        for name in ("worker", "web"):
            site.processes[name].kill()
            site.processes[name].wait()
        answers = [call.result() for call in streams]
        assert silent.result() is None
    stage.server.behaviour = scripted.answer
    site.start_web()
    at_the_door = caller.call(headers=named("stream", 0), stream=True)
    site.start_worker()
    assert_ledger_exact(site, within_s=ORPHAN_S + 15)
    again = [caller.call(headers=named("stream", number), stream=True) for number in range(4)]
    anew = caller.call(headers=named("silent", 0))

    assert all(answer.broken for answer in answers)
    assert_refused(at_the_door, 409, "idempotency_in_flight")
    for first, second in zip(answers, again, strict=True):
        line = caller.row(first)
        assert (line["state"], line["outcome"], line["error_code"]) == ("swept", "lost", "process_died")
        assert 0 < line["completion_tokens"] <= len(" ".join(first.words).split()) and line["cost_microusd"] > 0
        assert_refused(second, 409, "already_completed")
        assert second.error["first_request_id"] == first.request_id and second.error["outcome"] == "lost"
    assert anew.status == 200, "nothing of it had been delivered"
    lost = "SELECT cost_microusd FROM billing_usagerecord WHERE state = 'swept' AND completion_tokens = 0"
    assert sql(site, lost) == [(0,)]


def named(kind: str, number: int) -> dict[str, str]:
    return {"Idempotency-Key": f"{kind}-{number}"}


def silently(caller: Caller, headers: dict[str, str]) -> Answer | None:
    """Make a call whose process will die before it has said anything."""
    try:
        return caller.call(headers=headers)
    except httpx.HTTPError:
        return None


def test_fault_13_and_21_two_web_processes_agree_on_keys_and_calls_and_each_finds_out_about_a_backend(
    stage: Stage, caller: Caller
) -> None:
    with second_web(stage.site) as beside:
        doors = (stage.site, beside)
        revoked = caller.another()
        assert {revoked.call(url=door.url).status for door in doors} == {200}
        sql(stage.site, "UPDATE billing_apikey SET revoked_at = now() WHERE id = %s", revoked.key_id)
        revoked_at = time.monotonic()
        for door in doors:
            wait_for(lambda door=door: revoked.call(url=door.url).status == 401, REVOKED_WITHIN_S)
        refused_after_s = time.monotonic() - revoked_at

        stage.server.reset()
        stage.server.behaviour = for_seconds(0.6)
        with at_once() as submit:
            calls = [
                submit(caller.call, url=doors[number % 2].url, stream=True, headers=named("both", 0))
                for number in range(10)
            ]
        statuses = sorted(call.result().status for call in calls)

        stage.server.reset()
        stage.server.behaviour = scripted.loading
        failed = [caller.call(url=beside.url, stream=bool(number % 2)) for number in range(FAILURES_TO_OPEN)]
        tried = len(asked(stage.server))
        stage.server.behaviour = scripted.answer
        refused = caller.call(url=beside.url, stream=True)
        tried_after = len(asked(stage.server))
        here = caller.call()

    assert refused_after_s < REVOKED_WITHIN_S
    assert statuses == [200] + [409] * 9
    for answer in failed[::2]:
        assert_refused(answer, 503, "model_unavailable")
    for answer in failed[1::2]:
        assert_broke_off(answer, "model_unavailable")
    assert_refused(refused, 503, "model_unavailable")
    assert tried == tried_after == FAILURES_TO_OPEN, "the circuit is open"
    assert here.status == 200, "the other process has no quarrel with it"


def test_five_hundred_calls_with_kills_among_them_leave_an_exact_ledger(stage: Stage, caller: Caller) -> None:
    stage.server.behaviour = scripted.slowly(0.002)
    with second_web(stage.site) as beside:
        run = ledger.Run(stage.site, beside, caller.key, caller.key_id, calls=500)
        ledger.make_calls(run)

    assert [result for result in ledger.results(run) if result.met is False] == []
    assert run.seen.ended == 500 and run.seen.aborted and run.seen.asked_again


def test_fault_29_a_deploy_during_twenty_streams_ends_each_and_bills_what_was_sent(
    stage: Stage, caller: Caller
) -> None:
    site = stage.site
    wait_for(lambda: sql(site, "SELECT count(*) FROM billing_usagerecord WHERE state = 'reserved'") == [(0,)], 10)
    half = STREAMS // 2
    with at_once() as submit:
        stage.server.behaviour = for_seconds(DRAIN_S * 0.6)
        calls = [submit(caller.call, stream=True) for _ in range(half)]
        begun(stage, calls, half)
        stage.server.behaviour = for_seconds(DRAIN_S * 10, 100)
        calls += [submit(caller.call, stream=True) for _ in range(STREAMS - half - 2)]
        calls += [submit(caller.call) for _ in range(2)]
        begun(stage, calls, STREAMS)
        told_at = time.monotonic()
        site.processes["web"].send_signal(signal.SIGTERM)
        time.sleep(0.3)
        late = caller.call(stream=True)
        answers = [call.result() for call in calls]
        status = site.processes["web"].wait(30)

    assert status == 0 and time.monotonic() - told_at < DRAIN_S + 5
    assert_refused(late, 503, "restarting")
    for answer in answers[:half]:
        assert_complete(answer)
        assert caller.row(answer)["completion_tokens"] == 40
    for answer in answers[half:-2]:
        assert_broke_off(answer, "restarting")
        line = caller.row(answer)
        assert (line["outcome"], line["error_code"]) == ("failed", "restarting")
        assert line["completion_tokens"] == len("".join(answer.words).split()) > 0
        assert "2" in answer.error["message"], "it says when to ask again"
    for answer in answers[-2:]:
        assert_refused(answer, 503, "restarting")
        assert caller.row(answer)["cost_microusd"] == 0
    assert_ledger_exact(site, within_s=0.5)
    assert "Traceback" not in site.log("web")
