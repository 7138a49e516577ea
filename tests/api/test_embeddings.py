"""``POST /v1/embeddings`` with the real model: vectors, lists, refusals, and what is billed."""

import base64
import os
import signal
import struct
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.door import customers
from tests.customers import api, question, sql
from tests.live import Site, running_site, wait_for

PATH = "/embeddings"
CAT, KITTEN, TAXES = "A cat sleeps in the sun.", "The kitten is napping outside.", "Taxes rose again in March."
CUSTOMERS: dict[str, dict[str, Any]] = {
    "carol": {},
    "bob": {},
    "chat": {"scopes": ["chat"]},
    "small": {"allowed_models": ["wagmi-small"]},
    "few_tokens": {"tokens_per_minute": 300},
}


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A site whose only model is the one for embeddings."""
    with running_site(model=False, embeddings=True, LLM_CPU_URL="http://127.0.0.1:9", SWITCH_CHECK_S="0.3") as site:
        yield site
        assert "Traceback" not in site.log("web"), site.log("web")[-4000:]
        assert "kitten" not in site.log("web") + (site.folder.log / "embeddings.log").read_text()


@pytest.fixture(scope="module")
def keys(site: Site) -> dict[str, str]:
    return customers(site, CUSTOMERS)


@pytest.fixture
def client(site: Site, keys: dict[str, str]) -> Iterator[httpx.Client]:
    """Carol's program; afterwards nothing of it is reserved any more."""
    with api(site, keys["carol"]) as client:
        yield client
    wait_for(lambda: not sql(site, "SELECT 1 FROM billing_usagerecord WHERE state = 'reserved'"), 10)


def asked(texts: object, **fields: object) -> dict[str, object]:
    return {"model": "wagmi-embed", "input": texts, **fields}


def vectors(client: httpx.Client, texts: object, **fields: object) -> list[list[float]]:
    answer = client.post(PATH, json=asked(texts, **fields))
    assert answer.status_code == 200, answer.text
    entries = answer.json()["data"]
    assert [entry["index"] for entry in entries] == list(range(len(entries)))
    return [entry["embedding"] for entry in entries]


def record(site: Site, request_id: str) -> tuple[Any, ...]:
    return sql(
        site,
        "SELECT endpoint, model, state, outcome, prompt_tokens, completion_tokens, counted, cost_microusd"
        " FROM billing_usagerecord WHERE request_id = %s",
        request_id,
    )[0]


def dot(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_near_texts_are_near_and_the_answer_says_what_it_took(site: Site, client: httpx.Client) -> None:
    answer = client.post(PATH, json=asked([CAT, KITTEN, TAXES]))
    body = answer.json()
    cat, kitten, taxes = (entry["embedding"] for entry in body["data"])

    assert dot(cat, kitten) > 0.5 > 0.2 > dot(cat, taxes)
    assert dot(cat, cat) == pytest.approx(1, abs=1e-5) and len(cat) == 384
    assert body["object"] == "list" and body["model"] == "wagmi-embed" and body["truncated"] == []
    assert {entry["object"] for entry in body["data"]} == {"embedding"}
    tokens = body["usage"]["prompt_tokens"]
    assert body["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens} and tokens == 3 * 2 + 7 + 7 + 6
    assert body["receipt"]["model"] == "wagmi-embed" and body["receipt"]["energy_j"]["low"] >= 0
    assert answer.headers["x-served-model"] == "wagmi-embed"
    endpoint, model, state, outcome, counted_tokens, completion, counted, cost = record(
        site, answer.headers["x-request-id"]
    )
    assert (endpoint, model, state, outcome, counted) == ("embedding", "wagmi-embed", "settled", "done", True)
    assert (counted_tokens, completion, cost) == (tokens, 0, 1)
    assert body["receipt"]["cost_usd"] == cost / 1_000_000


def test_base64_holds_the_same_numbers(client: httpx.Client) -> None:
    texts = [CAT, TAXES]
    numbers = vectors(client, texts, encoding_format="float")
    encoded: list[Any] = vectors(client, texts, encoding_format="base64", dimensions=384, user="someone")

    assert [list(struct.unpack("<384f", base64.b64decode(each))) for each in encoded] == numbers
    assert vectors(client, texts, encoding_format=None) == numbers


def test_a_text_of_ten_thousand_characters_is_cut_and_named(client: httpx.Client) -> None:
    long = ("The mayor opened the new library by the river. " * 250)[:10_000]
    answer = client.post(PATH, json=asked(["short", long, "also short"])).json()

    assert answer["truncated"] == [1]
    assert answer["usage"]["prompt_tokens"] == 3 + 256 + 4
    assert answer["data"][1]["embedding"] == client.post(PATH, json=asked(long[:2_000])).json()["data"][0]["embedding"]


def test_256_texts_are_answered_in_order_and_257_are_refused(site: Site, client: httpx.Client) -> None:
    texts = [f"number {number}" for number in range(256)]
    found = vectors(client, texts)
    refused = client.post(PATH, json=asked([*texts, "one more"]))

    assert len(found) == 256
    for place in (0, 15, 16, 17, 255):
        assert dot(found[place], vectors(client, texts[place])[0]) > 0.9999
    assert refused.status_code == 400 and refused.json()["error"]["param"] == "input"


def test_eight_at_a_time_each_get_their_own(site: Site, keys: dict[str, str]) -> None:
    texts = [f"text number {number} about {CAT}" for number in range(8)]

    def one(text: str) -> list[float]:
        with api(site, keys["bob"]) as client:
            return vectors(client, [text] * 3)[2]

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(one, texts))

    for text, found in zip(texts, together, strict=True):
        assert dot(found, one(text)) > 0.9999


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        (asked([464, 3797]), 400, "unsupported_parameter", "input"),
        (asked([[464, 3797], [1]]), 400, "unsupported_parameter", "input"),
        (asked(["text", 464]), 400, "unsupported_parameter", "input"),
        (asked(""), 400, "invalid_value", "input"),
        (asked(["text", ""]), 400, "invalid_value", "input[1]"),
        (asked([]), 400, "invalid_value", "input"),
        (asked([None]), 400, "invalid_value", "input[0]"),
        (asked({"text": "a"}), 400, "invalid_value", "input"),
        (asked("text", dimensions=256), 400, "invalid_value", "dimensions"),
        (asked("text", encoding_format="hex"), 400, "invalid_value", "encoding_format"),
        (asked("text", pooling="cls"), 400, "unknown_parameter", "pooling"),
        ({"input": "text"}, 400, "missing_parameter", "model"),
        (asked("text", model="wagmi-small"), 400, "unsupported_parameter", "model"),
        (asked("text", model="text-embedding-3-small"), 404, "model_not_found", "model"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    client: httpx.Client, body: dict[str, Any], status: int, code: str, param: str
) -> None:
    answer = client.post(PATH, json=body)
    error = answer.json()["error"]

    assert (answer.status_code, error["code"], error["param"]) == (status, code, param), error
    if "holds token ids" in error["message"]:
        assert "check_embedding_ctx_length=False" in error["message"]


def test_a_model_that_makes_embeddings_does_not_chat_and_is_listed_as_what_it_is(client: httpx.Client) -> None:
    refused = client.post("/chat/completions", json=question(model="wagmi-embed"))
    listed = client.get("/models/wagmi-embed").json()

    assert refused.status_code == 400 and refused.json()["error"]["param"] == "model"
    assert listed["capabilities"] == ["embeddings"] and listed["context_window"] == 256
    assert listed["prices_usd_per_million_tokens"] == {"input": 0.02, "output": 0}


def test_scope_model_and_tokens_of_a_key_hold_here_too(site: Site, keys: dict[str, str]) -> None:
    answers = {}
    for name, texts in (("chat", "text"), ("small", "text"), ("few_tokens", ["long text " * 100] * 2)):
        with api(site, keys[name]) as client:
            answers[name] = client.post(PATH, json=asked(texts))

    assert [answer.status_code for answer in answers.values()] == [403, 404, 429]
    assert answers["few_tokens"].json()["error"]["code"] == "request_over_rate_limit"


def test_a_request_with_an_idempotency_key_is_made_and_billed_once(site: Site, client: httpx.Client) -> None:
    key = {"Idempotency-Key": f"embeddings-{time.time_ns()}"}
    first = client.post(PATH, json=asked(CAT), headers=key)
    again = client.post(PATH, json=asked(CAT), headers=key)
    other = client.post(PATH, json=asked(TAXES), headers=key)

    assert (first.status_code, again.status_code, other.status_code) == (200, 409, 422)
    assert again.json()["error"]["first_request_id"] == first.headers["x-request-id"]
    assert again.json()["error"]["usage"]["prompt_tokens"] == first.json()["usage"]["prompt_tokens"]


def test_a_server_that_hangs_holds_nobody_who_leaves_and_bills_nothing(site: Site, keys: dict[str, str]) -> None:
    pid = int(Path(site.env["LLM_EMBED_PID_FILE"]).read_text())
    before = sql(site, "SELECT count(*) FROM billing_usagerecord WHERE outcome = 'aborted'")[0][0]
    os.kill(pid, signal.SIGSTOP)
    try:
        with api(site, keys["bob"]) as client, pytest.raises(httpx.TimeoutException):
            client.post(PATH, json=asked(CAT), timeout=1)
        query = "SELECT cost_microusd, prompt_tokens, error_code FROM billing_usagerecord WHERE outcome = 'aborted'"
        wait_for(lambda: len(sql(site, query)) == before + 1, 10)
        queue = httpx.get(f"{site.url}/api/status", timeout=5).json()["tiers"]["embed"]
    finally:
        os.kill(pid, signal.SIGCONT)

    assert set(sql(site, query)) == {(0, 0, "client_left")}
    assert (queue["running"], queue["waiting"]) == (0, 0)


def test_switched_off_and_gone_it_refuses_and_the_pages_go_on(site: Site, client: httpx.Client) -> None:
    switch = "UPDATE inference_backend SET enabled = %s WHERE name = 'embed'"
    sql(site, switch, False)
    wait_for(lambda: client.post(PATH, json=asked(CAT)).status_code == 503, 5)
    sql(site, switch, True)
    wait_for(lambda: client.post(PATH, json=asked(CAT)).status_code == 200, 5)
    page = httpx.get(f"{site.url}/live/en/status/", timeout=10)
    os.kill(int(Path(site.env["LLM_EMBED_PID_FILE"]).read_text()), signal.SIGKILL)
    gone = client.post(PATH, json=asked(CAT))

    assert page.status_code == 200 and "wagmi-embed" in page.text
    assert gone.status_code == 503 and gone.json()["error"]["code"] == "model_unavailable"
    assert int(gone.headers["retry-after"]) > 0
    assert record(site, gone.headers["x-request-id"])[3:6] == ("failed", 0, 0)
    assert httpx.get(f"{site.url}/live/en/status/", timeout=10).status_code == 200
