"""What every client of OpenAI's makes of this API, with nothing changed but its base URL and key.

The clients of the development environment are tried in the plain run, the others by ``bin/test -m clients``.
"""

import math
from typing import Any

import pytest

from billing.prices import cost
from tests.clients.door import Door, Row, Told
from tests.clients.environments import NotInstalled
from tests.clients.known import APART, BUSY, PLAIN, REFUSALS, Client
from tests.clients.upstream import LATE_S, PACE_S

ANSWER = "the Apache licence, version two"
USAGE = [40, 5, 45]
PRICE = (100_000, 400_000)  # wagmi-slow: a million tokens, in millionths of a dollar
STATUS = {"tools": 400, "unauthorized": 401, "spent": 402, "missing": 404}
CODE = {
    "tools": "unsupported_parameter",
    "unauthorized": "invalid_api_key",
    "spent": "insufficient_quota",
    "missing": "model_not_found",
}
SENTENCE = {
    "tools": "does not support tools",
    "unauthorized": "no working API key",
    "spent": "limit for today is reached",
    "missing": "wagmi-none",
}


def clients(step: str) -> Any:
    """Run a test with each client that can take a step."""
    able = [client for client in (*PLAIN, *APART) if step not in client.lacks]
    return pytest.mark.parametrize(
        "client",
        [pytest.param(one, id=one.name, marks=[] if one in PLAIN else pytest.mark.clients) for one in able],
    )


@pytest.fixture
def told(door: Door, client: Client) -> Told:
    """What came of a client's steps; the first test of a client takes them all."""
    try:
        return door.told(client)
    except NotInstalled as missing:
        pytest.skip(f"CLIENT NOT TRIED: {client.name}: {missing}")


@clients("models")
def test_the_models_are_listed_and_one_is_found_by_its_id(told: Told) -> None:
    found = told["models"]

    assert {"wagmi-small", "wagmi-slow"} <= set(found["ids"])
    assert found.get("one") in (None, "wagmi-slow")


@clients("chat")
def test_an_answer_has_its_text_its_reason_and_its_usage(told: Told) -> None:
    found = told["chat"]

    assert found["text"] == ANSWER
    assert found["usage"] == USAGE[: len(found["usage"])]
    assert found.get("reason", "stop") == "stop" and found.get("role", "assistant") == "assistant"
    assert found.get("model", "wagmi-slow") == "wagmi-slow"


@clients("real")
def test_the_real_model_answers(told: Told) -> None:
    assert told["real"]["text"].strip()
    assert [row.completion_tokens for row in told.rows if row.model == "wagmi-small"] == [8]


@clients("completion")
def test_a_client_that_asks_for_completions_is_answered(told: Told) -> None:
    assert told["completion"]["text"] == ANSWER
    assert [row.outcome for row in told.rows if row.endpoint == "completion"] == ["done"]


@clients("stream")
def test_a_stream_is_the_same_answer_in_pieces_and_has_no_usage_unless_asked(told: Told) -> None:
    found = told["stream"]

    assert found["text"] == ANSWER
    assert found.get("reason", "stop") == "stop" and found.get("usages", 0) == 0 and found.get("ids", 1) == 1


@clients("usage")
def test_a_stream_that_is_asked_for_its_usage_ends_with_it(told: Told) -> None:
    found = told["usage"]

    assert found["usage"] == USAGE[: len(found["usage"])]
    assert found.get("usages", 1) == 1 and found.get("choices", 0) == 0


@clients("embeddings")
def test_embeddings_come_in_order_and_mean_the_same_in_both_encodings(told: Told) -> None:
    found = told["embeddings"]

    assert found.get("lengths") == [384, 384], found
    assert math.isclose(found["norm"], 1, abs_tol=1e-3)
    assert found.get("apart", 0) < 1e-6 and found.get("order", [0, 1]) == [0, 1]


def refusals() -> Any:
    """Run a test with each client and each refusal that it can be given."""
    return pytest.mark.parametrize(
        ("client", "step"),
        [
            pytest.param(one, step, id=f"{one.name}-{step}", marks=[] if one in PLAIN else pytest.mark.clients)
            for one in (*PLAIN, *APART)
            for step in REFUSALS
            if step not in one.lacks
        ],
    )


@refusals()
def test_what_waiting_cannot_mend_is_the_clients_own_error_and_asked_once(
    told: Told, client: Client, step: str
) -> None:
    found, refusal = told[step], (STATUS[step], CODE[step])

    assert SENTENCE[step] in found["message"]
    if client.errors:
        assert (found["raised"], found["status_code"], found["code"]) == (client.errors[step], *refusal)
        assert found["request_id"] and found["param"] == {"tools": "tools", "missing": "model"}.get(step)
    # What drains the limit of the minute asks for that model, too.
    let_in = told.facts.get("limited", {}).get("let_in", 0) if step == "missing" else 0
    assert told.refused[refusal] == 1 + let_in


@clients("limited")
def test_at_the_limit_of_the_minute_a_client_waits_as_long_as_it_is_told(told: Told, client: Client) -> None:
    found = told["limited"]

    assert found["text"] == ANSWER
    if client.errors:
        assert (found["raised"], found["code"]) == (client.errors["limited"], "rate_limit_exceeded")
        assert found["retry_after"] in ("1", "2")
        # One ends the draining, one is told so, and one attempt is made too early: the next is let in.
        assert told.refused[429, "rate_limit_exceeded"] == 3
        assert 0.2 < found["waited"] < 3
    else:
        assert told.refused[429, "rate_limit_exceeded"] >= 2


@clients("late")
def test_a_first_token_after_twice_the_clients_timeout_is_waited_for_in_one_attempt(told: Told) -> None:
    assert told["late"]["text"] == ANSWER and told["late"]["seconds"] >= LATE_S
    assert len([seen for seen in told.upstream if "late" in seen.prompt]) == 1


@clients("timeout")
def test_a_client_that_gives_up_and_asks_again_pays_for_neither(told: Told, client: Client) -> None:
    asked = [seen for seen in told.upstream if "never" in seen.prompt]
    rows = [row for row in told.rows if row.outcome == "aborted" and not row.streamed]

    assert told["timeout"]["raised"] == client.errors["timeout"]
    assert len(asked) == client.attempts and all(seen.closed_at for seen in asked)
    assert [(row.completion_tokens, row.cost_microusd) for row in rows] == [(0, 0)] * client.attempts


@clients("broken")
def test_a_stream_that_breaks_off_is_an_error_after_the_words_that_came(told: Told, client: Client) -> None:
    found = told["broken"]
    rows = [row for row in told.rows if row.outcome == "failed" and row.streamed]

    assert found["pieces"] == "word0 word1 " and "broke off" in found["message"]
    if client.errors:
        assert (found["raised"], found["code"]) == (client.errors["broken"], "model_cut_off")
    assert [row.completion_tokens for row in rows] == [2] and all(costs(row) for row in rows)


@clients("broken_whole")
def test_an_answer_that_breaks_off_whole_is_an_error_and_free(told: Told, client: Client) -> None:
    found = told["broken_whole"]
    rows = [row for row in told.rows if row.outcome == "failed" and not row.streamed]

    assert (found["raised"], found["status_code"]) == (client.errors["broken_whole"], 502)
    assert [row.cost_microusd for row in rows] == [0]


@clients("abort")
def test_a_client_that_stops_reading_stops_the_model_and_pays_for_what_it_was_handed(told: Told) -> None:
    found = told["abort"]
    (asked,) = [seen for seen in told.upstream if "for ever" in seen.prompt]
    (row,) = [row for row in told.rows if row.outcome == "aborted" and row.streamed]

    # Both read one clock. It takes no second, but this machine may be busy with eight clients.
    assert asked.closed_at is not None and asked.closed_at - found["left_at"] < 3
    most = (asked.closed_at - asked.began_at) / PACE_S + 1
    assert found["pieces"] <= row.completion_tokens <= most
    assert costs(row)


@pytest.mark.clients
@pytest.mark.parametrize("client", [PLAIN[0], *APART], ids=lambda client: client.name)
def test_a_full_queue_is_asked_again_after_the_wait_it_names(door: Door, client: Client) -> None:
    try:
        with door.busy():
            told = door.run(client, BUSY)
    except NotInstalled as missing:
        pytest.skip(f"CLIENT NOT TRIED: {client.name}: {missing}")

    found = told[BUSY]
    assert "Every place in the queue is taken" in found["message"]
    if client.errors:
        assert (found["status_code"], found["code"]) == (503, "busy")
        assert found["seconds"] >= (client.attempts - 1) * int(found["retry_after"]) * 0.9
    assert told.refused == {(503, "busy"): client.attempts}
    assert len(told.rows) == client.attempts and not any(row.cost_microusd for row in told.rows)


def costs(row: Row) -> bool:
    """Whether a line of the ledger costs what its tokens cost."""
    return 0 < row.cost_microusd == cost(PRICE, row.prompt_tokens, row.completion_tokens)
