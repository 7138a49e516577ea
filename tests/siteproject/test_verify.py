"""Verifying: an answer by its seal, a text by nothing, a head by the chain. Nothing that is brought is kept."""

import json
import logging
import secrets
from typing import Any

import msgspec
import pytest
import redis
from django.conf import settings as current
from django.core import signing
from django.db import connection
from django.test import Client

from chat import seals
from chat.seals import SALT, seal
from compliance import evidence, heads
from compliance.chain import CHAINS
from compliance.chain import head as head_of
from compliance.models import EvidenceRecord
from inference.receipts import Receipt, without_model
from siteproject.public import verify_views

QUESTION = "How long are chats kept?"
ANSWER = "Seven days.\n\nThen they are deleted."
PAGE = "/live/en/verify/"


@pytest.fixture
def client() -> Client:
    """Somebody at an address of their own, for the limit counts by address."""
    return Client(REMOTE_ADDR=f"2001:db8:{secrets.randbelow(65_536):x}:{secrets.randbelow(65_536):x}::1")


@pytest.fixture
def receipt() -> Receipt:
    return without_model(rung="quoted", language="en", request_id="r" * 32, passages=["privacy#kept"], duration_ms=12)


@pytest.fixture
def proof(receipt: Receipt) -> dict[str, Any]:
    token = seal(
        answer="8f9a2f3e-5f0e-4a42-9a0c-9d4b8b8f3c11",
        question=QUESTION,
        text=ANSWER,
        passages=receipt.passages,
        receipt=receipt,
    )
    return {"question": QUESTION, "answer": ANSWER, "seal": token, "receipt": receipt.as_dict()}


def ask(client: Client, **brought: Any) -> dict[str, Any]:
    response = client.post("/api/verify", json.dumps(brought), content_type="application/json")
    assert response.headers["Cache-Control"] == "no-store" or response.status_code != 200
    found: dict[str, Any] = response.json() | {"status": response.status_code}
    return found


def test_an_answer_of_ours_is_vouched_for_with_its_receipt(client: Client, proof: dict[str, Any]) -> None:
    said = ask(client, **proof)

    assert (said["asked"], said["result"], said["receipt"]) == ("answer", "unchanged", "unchanged")
    assert said["answer"] == "8f9a2f3e-5f0e-4a42-9a0c-9d4b8b8f3c11"
    assert (said["rung"], said["ai_generated"]) == ("quoted", False)
    assert said["given_at"] and "seal" in said["decided_by"]


@pytest.mark.parametrize(
    "change",
    [
        {"answer": ANSWER.replace("Seven", "Nine")},
        {"question": "How long are chats sold?"},
        {"seal": "x"},
        {"seal": "a:b:c"},
        {"seal": signing.dumps({"v": 1}, key="another key" * 8, salt=SALT)},
    ],
)
def test_one_letter_more_or_another_key_is_not_vouched_for(
    client: Client, proof: dict[str, Any], change: dict[str, str]
) -> None:
    said = ask(client, **(proof | change))

    assert said["result"] == "not_vouched"
    assert said["answer"] is said["given_at"] is None


@pytest.mark.parametrize("change", [{"rung": "verified"}, {"passages": ["other#page"]}, {"praise": "from experts"}])
def test_a_changed_receipt_is_told_from_an_unchanged_answer(
    client: Client, proof: dict[str, Any], change: dict[str, Any]
) -> None:
    said = ask(client, **(proof | {"receipt": proof["receipt"] | change}))

    assert (said["result"], said["receipt"], said["rung"]) == ("unchanged", "not_vouched", None)


def test_a_proof_outlasts_the_time_in_which_its_seal_may_be_used(proof: dict[str, Any], settings: Any) -> None:
    settings.SEAL_MAX_AGE_DAYS = -1
    parts = {"question": QUESTION, "text": ANSWER}

    assert not seals.holds(proof["seal"], **parts)
    assert seals.vouches(proof["seal"], **parts)


def test_receipts_from_before_a_field_existed_are_sealed_as_they_were(receipt: Receipt) -> None:
    older = json.loads(receipt.canonical())
    del older["ai_generated"]

    again = msgspec.convert(older, Receipt).canonical().decode()
    assert again == json.dumps(older, sort_keys=True, separators=(",", ":"))


def test_the_form_takes_fields_or_the_whole_proof_whatever_the_line_ends(client: Client, proof: dict[str, Any]) -> None:
    by_hand = {"question": f" {QUESTION}", "answer": ANSWER.replace("\n", "\r\n") + "\r\n", "seal": proof["seal"]}

    for fields in (by_hand, {"answer": json.dumps(proof)}):
        html = client.post(PAGE, fields).content.decode()
        assert "Ours, and unchanged" in html
    assert "No model wrote the answer" in html


def test_a_text_alone_is_inconclusive_with_its_count_and_the_reason(client: Client) -> None:
    short, long = ask(client, text="A few words."), ask(client, text="word " * 400)

    assert (short["result"], short["reasons"]) == ("inconclusive", ["too_short", "no_watermark"])
    assert (long["result"], long["reasons"]) == ("inconclusive", ["no_watermark"])
    assert short["tokens_about"] < 200 < long["tokens_about"]
    assert long["score"] is None and long["watermark_keys"] == []
    assert "neither that a model wrote it" in client.post(PAGE, {"text": "A few words."}).content.decode()


def test_a_key_in_the_registry_does_not_make_up_a_detector(client: Client, settings: Any) -> None:
    settings.LLM_GPU = settings.LLM_GPU | {"url": "https://gpu.example.org", "watermark_key": "2026-a"}

    said = ask(client, text="word " * 400)

    assert (said["reasons"], said["watermark_keys"]) == (["no_detector"], ["2026-a"])


@pytest.mark.django_db(transaction=True)
def test_a_head_is_held_by_its_chain_or_by_none(client: Client) -> None:
    evidence.record("retention", {"deleted_messages": 1})
    heads.check_now()
    kept = str(head_of(CHAINS["evidence"]))

    held = ask(client, head=f" {kept.upper()} ")
    forged = ask(client, head=f"1:{'0' * 64}")
    beyond = ask(client, head=f"999:{kept.partition(':')[2]}")

    assert (held["result"], held["chain"], held["number"], held["intact"]) == ("held", "evidence", 2, True)
    assert (forged["result"], beyond["result"]) == ("not_held", "not_held")
    assert "The chain still holds it" in client.post(PAGE, {"head": kept}).content.decode()


@pytest.mark.parametrize(
    ("brought", "field"),
    [
        ({}, "answer"),
        ({"answer": "x"}, "seal"),
        ({"head": "one:two"}, "head"),
        ({"text": "x" * 66_000}, "text"),
        ({"text": "  "}, "text"),
        ({"answer": "x", "seal": "x" * 1_001}, "seal"),
        ({"unknown": "x"}, None),
    ],
)
def test_what_cannot_be_read_is_named(client: Client, brought: dict[str, str], field: str | None) -> None:
    said = ask(client, **brought)

    assert (said["status"], said["error"]["field"]) == (400, field)


@pytest.mark.parametrize("opened", ['{"receipt":', '{"question":"x","seal":"x","receipt":'])
def test_json_that_is_nested_too_deep_cannot_be_read_either(client: Client, opened: str) -> None:
    deep = opened + '{"a":' * 20_000 + "1" + "}" * 20_001

    assert client.post("/api/verify", deep, content_type="application/json").status_code == 400
    assert client.post(PAGE, {"answer": deep}).status_code == 400


def test_the_page_says_what_is_wrong_beside_the_form(client: Client) -> None:
    response = client.post(PAGE, {"head": "one:two"})

    assert response.status_code == 400
    assert "That is not a head" in response.content.decode()
    assert 'aria-invalid="true"' in response.content.decode()


def test_pages_of_others_are_refused_and_partners_are_not(client: Client, settings: Any) -> None:
    settings.ALLOWED_ORIGINS = ["https://partner.example.org"]
    refused = client.post(PAGE, {"text": "x"}, headers={"origin": "https://evil.example.org"})
    allowed = client.post(PAGE, {"text": "x"}, headers={"origin": "https://partner.example.org"})

    assert (refused.status_code, allowed.status_code) == (403, 200)
    assert client.post("/api/verify", "{}", content_type="application/json",
                       headers={"origin": "https://evil.example.org"}).status_code == 403  # fmt: skip


def test_an_address_may_check_so_often_and_is_told_when_again(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_views, "RATE_LIMIT", "1/15m")

    first, second = (client.post(PAGE, {"text": "x"}) for _ in range(2))

    assert (first.status_code, second.status_code) == (200, 429)
    assert int(second.headers["Retry-After"]) > 0
    assert "Too many requests" in second.content.decode()


@pytest.mark.django_db
def test_what_is_pasted_is_in_no_table_no_log_and_not_in_redis(
    client: Client, proof: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    canary = "xylophone-4711-canary"

    with caplog.at_level(logging.DEBUG):
        ask(client, text=f"{canary} " * 30)
        ask(client, **(proof | {"answer": canary}))
        client.post(PAGE, {"text": canary})
        client.post(PAGE, {"head": canary})

    assert canary not in caplog.text
    assert not EvidenceRecord.objects.exists()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM compliance_auditentry")
        assert cursor.fetchone() == (0,)
    with redis.Redis.from_url(current.REDIS_URL) as memory:
        assert all(canary.encode() not in key + (memory.dump(key) or b"") for key in memory.scan_iter("*"))


def test_getting_the_page_counts_nothing_and_is_kept_by_nobody(client: Client) -> None:
    response = client.get("/live/fr/verify/")

    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Content-Language"] == "fr"
    assert not response.cookies
