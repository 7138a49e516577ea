"""Lines 16 to 19 and 21 of the contract: limits, budgets, keys that may not, and calls that are asked twice."""

import contextlib
import re
import time

import pytest

from tests import scripted
from tests.api.door import CHAT, ScriptedDoor, asked, connection
from tests.customers import question, sql
from tests.live import wait_for

pytestmark = pytest.mark.slow
RATES = [f"x-ratelimit-{what}-{unit}" for what in ("limit", "remaining", "reset") for unit in ("requests", "tokens")]
DURATION = re.compile(r"(\d+ms|(\d+m)?\d+s)")
# What OpenAI's clients ask again by themselves.
RETRIED = {408, 409, 429, *range(500, 600)}


def test_line_16_asking_again_is_left_to_what_may_succeed(door: ScriptedDoor) -> None:
    refused = {
        400: door.post(b"{"),
        401: door.ask(who="expired"),
        402: door.ask(who="poor_key"),
        403: door.ask(who="usage"),
        404: door.get("/nowhere"),
    }

    for status, answered in refused.items():
        assert answered.status == status and status not in RETRIED
        assert isinstance(answered.error["code"], str)
    door.server.behaviour = scripted.loading
    assert door.ask().status in RETRIED


def test_line_17_and_21_the_limit_of_requests_says_the_real_seconds_that_are_left(door: ScriptedDoor) -> None:
    answered = [door.ask(who="few_requests") for _ in range(3)]

    assert [each.status for each in answered] == [200, 200, 429]
    first, refused = answered[0], answered[2]
    assert refused.error["code"] == "rate_limit_exceeded" and refused.error["limit"] == "requests"
    assert refused.error["type"] == "rate_limit_error"
    # Two in a minute: the next one comes back in half a minute, less what has passed since the first.
    left_s, left_ms = int(refused.headers["retry-after"]), int(refused.headers["retry-after-ms"])
    assert 20 <= left_s <= 30 and left_s - 1 <= left_ms / 1000 <= left_s
    for headers in (first.headers, refused.headers):
        assert all(name in headers for name in RATES)
        assert all(DURATION.fullmatch(headers[name]) for name in RATES if "reset" in name)
    # A key's own limits stand beside the account's, whose are shown.
    assert (first.headers["x-ratelimit-limit-requests"], first.headers["x-ratelimit-limit-tokens"]) == (
        "600",
        "1000000",
    )
    assert int(first.headers["x-ratelimit-remaining-requests"]) >= 598


def test_line_17_the_limit_of_tokens_counts_what_was_used(door: ScriptedDoor) -> None:
    # 300 in a minute: a call is taken for its prompt and 100 tokens, and 45 are what it used.
    statuses = [door.ask(who="few_tokens", max_tokens=100).status for _ in range(4)]
    refused = door.ask(who="few_tokens", max_tokens=200)

    assert statuses == [200] * 4
    assert (refused.status, refused.error["limit"]) == (429, "tokens")
    assert int(refused.headers["retry-after"]) >= 10

    never = door.ask("word " * 200, who="few_tokens")
    assert (never.status, never.error["code"]) == (429, "request_over_rate_limit")
    assert never.headers["x-should-retry"] == "false" and "300" in never.error["message"]


def test_line_17_calls_at_a_time(door: ScriptedDoor) -> None:
    door.server.behaviour = scripted.never
    with connection(door) as sock:
        sock.sendall(asked(door, question(stream=True), "one_at_a_time"))
        wait_for(lambda: bool(door.server.requests), 3)

        refused = door.ask(who="one_at_a_time")
        assert (refused.status, refused.error["limit"]) == (429, "parallel")
        assert refused.headers["retry-after"] == "1"

    door.server.behaviour = scripted.answer
    wait_for(lambda: door.ask(who="one_at_a_time").status == 200, 3)


def test_line_17_a_full_queue_is_503_with_seconds_to_wait(door: ScriptedDoor) -> None:
    door.server.behaviour = scripted.never
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(connection(door)) for _ in range(4)]
        for sock in socks[:2]:
            sock.sendall(asked(door, question(stream=True)))
        wait_for(lambda: len(door.server.requests) == 2, 3)
        for sock in socks[2:]:
            sock.sendall(asked(door, question(stream=True)))
            assert b"200 OK" in sock.recv(4096)

        for stream in (False, True):
            refused = door.ask(stream=stream)
            assert (refused.status, refused.error["code"]) == (503, "busy")
            assert int(refused.headers["retry-after"]) >= 1
            assert door.settled(refused.request_id)["cost_microusd"] == 0


def test_line_17_a_paying_call_takes_the_place_of_a_free_one_which_is_told(door: ScriptedDoor) -> None:
    door.server.behaviour = scripted.never
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(connection(door)) for _ in range(5)]
        for sock in socks[:2]:
            sock.sendall(asked(door, question(stream=True)))
        wait_for(lambda: len(door.server.requests) == 2, 3)
        free, *paying = socks[2:]
        free.sendall(asked(door, question(stream=True), "free"))
        assert b"200 OK" in free.recv(4096)
        for sock, who in zip(paying, ("carol", "chat"), strict=True):
            sock.sendall(asked(door, question(stream=True), who))
            assert b"200 OK" in sock.recv(4096)

        told = b""
        while b"0\r\n\r\n" not in told:
            told += free.recv(4096)
        assert b'"code":"busy"' in told


@pytest.mark.parametrize(("who", "source"), [("poor_key", "key_day"), ("poor_account", "account_month")])
def test_line_18_a_budget_that_is_used_up_is_402_and_says_which(door: ScriptedDoor, who: str, source: str) -> None:
    refused = door.ask(who=who)

    error = refused.error
    assert (refused.status, error["code"], error["type"]) == (402, "insufficient_quota", "insufficient_quota")
    assert (error["limit_source"], error["limit_unit"], error["limit"]) == (source, "usd", 0.000001)
    assert error["used"] == 0 and error["resets_in_s"] > 0 and error["resets_at"].endswith("T00:00:00Z")
    assert "1e-06" not in error["message"]
    assert door.server.requests == []


def test_line_18_a_suspended_customer_is_told_so(door: ScriptedDoor) -> None:
    refused = door.ask(who="suspended")

    assert (refused.status, refused.error["code"]) == (402, "account_suspended")
    assert door.get("/models", "suspended").status == 200


def test_line_19_the_same_idempotency_key_is_executed_once(door: ScriptedDoor) -> None:
    door.server.behaviour = scripted.never
    key = {"Idempotency-Key": "k-1"}
    body = question(stream=True)
    with connection(door) as sock:
        first = asked(door, body).replace(b"\r\n\r\n", b"\r\nIdempotency-Key: k-1\r\n\r\n", 1)
        sock.sendall(first)
        wait_for(lambda: bool(door.server.requests), 3)

        running = door.post(body, **key)
        assert (running.status, running.error["code"]) == (409, "idempotency_in_flight")
        assert running.headers["retry-after"] == "1" and "x-should-retry" not in running.headers

    # It brought nothing, so it may be asked again, and then it counts.
    wait_for(lambda: door.last_line()["outcome"] == "aborted", 3)
    door.server.behaviour = scripted.answer
    done = door.post(body, **key)
    assert done.status == 200 and done.text

    for again in (door.post(body, **key), door.post(body, **key)):
        assert (again.status, again.error["code"]) == (409, "already_completed")
        assert again.headers["x-should-retry"] == "false"
        assert (again.error["first_request_id"], again.error["outcome"]) == (done.request_id, "done")
        assert again.error["usage"] == {"prompt_tokens": 40, "completion_tokens": 5, "total_tokens": 45}
    other = door.post(question(), **key)
    assert (other.status, other.error["code"]) == (422, "idempotency_key_reused")
    assert other.error["param"] == "Idempotency-Key"
    assert len(door.server.requests) == 2


def test_line_19_after_a_failure_or_by_another_customer_the_same_key_may_be_used(door: ScriptedDoor) -> None:
    key = {"Idempotency-Key": "k-2"}
    door.server.behaviour = scripted.closing_after(0)
    assert door.post(question(), **key).status == 502

    door.server.behaviour = scripted.answer
    assert door.post(question(), **key).status == 200
    assert door.post(question(), who="here", **key).status == 200
    assert door.post(question(), **key).status == 409


def test_line_19_an_idempotency_key_has_at_most_255_characters(door: ScriptedDoor) -> None:
    assert door.post(question(), **{"Idempotency-Key": "x" * 255}).status == 200
    refused = door.post(question(), **{"Idempotency-Key": "x" * 256})

    assert (refused.status, refused.error["param"]) == (400, "Idempotency-Key")


@pytest.mark.parametrize(
    ("who", "path", "status"),
    [
        ("usage", CHAT, 403),
        ("chat", "/usage", 403),
        ("elsewhere", CHAT, 403),
        ("elsewhere", "/models", 403),
        ("here", CHAT, 200),
        ("here", "/usage", 200),
        ("usage", "/usage", 200),
        ("chat", "/key", 200),
        ("expired", CHAT, 401),
    ],
)
def test_line_03_a_key_opens_what_it_is_for_and_where_it_may_be_used(
    door: ScriptedDoor, who: str, path: str, status: int
) -> None:
    answered = door.ask(who=who) if path == CHAT else door.get(path, who)

    assert answered.status == status
    if status == 403:
        assert answered.error["code"] == "not_permitted" and answered.error["type"] == "permission_error"


def test_line_03_an_address_that_a_client_makes_up_opens_nothing(door: ScriptedDoor) -> None:
    assert door.get("/models", "elsewhere", **{"X-Forwarded-For": "10.1.2.3"}).status == 403


def test_line_03_a_revoked_key_is_refused_within_five_seconds(door: ScriptedDoor) -> None:
    assert door.ask(who="leaving").status == 200
    sql(door.site, "UPDATE billing_apikey SET revoked_at = now() WHERE name = 'leaving'")
    revoked_at = time.monotonic()

    # What costs something is refused by the ledger at once, whatever a process still believes.
    assert door.ask(who="leaving").error["code"] == "invalid_api_key"
    wait_for(lambda: door.get("/models", "leaving").status == 401, 5)
    assert time.monotonic() - revoked_at < 5


def test_key_and_usage_tell_a_program_what_is_left(door: ScriptedDoor) -> None:
    door.ask(who="here")

    key, usage = door.get("/key", "here").body, door.get("/usage", "here").body

    assert (key["object"], key["plan"], key["name"]) == ("key", "scale", "here")
    assert door.keys["here"] not in str(key) and door.keys["here"].startswith(key["prefix"])
    account = next(each for each in key["limits"] if (each["source"], each["window"]) == ("account", "month"))
    assert account["limit_usd"] == 500 and account["used_usd"] == usage["total_usd"] > 0
    assert usage["data"][-1]["key"] == key["id"] and usage["data"][-1]["model"] == "wagmi-small"
    for query, param in (("from=x", "from"), ("to=2026-13-01", "to"), ("day=1", "day"), ("from=2030-01-01", "from")):
        refused = door.get(f"/usage?{query}", "here")
        assert (refused.status, refused.error["param"]) == (400, param)
