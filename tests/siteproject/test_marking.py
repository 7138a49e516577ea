"""Machine-readable marks: in headers, receipts and what pages say to machines, and in no client's power to remove."""

import asyncio
import json
import uuid
from typing import Any

import pytest
from django.test import AsyncClient, Client

from compliance import evidence
from compliance.gates import Failed, Passed
from content.library import library
from content.structured_data import BY_MODEL, BY_PERSON_AND_MODEL, digital_source_type
from inference.backends.base import Request, Turn
from inference.backends.vllm import VLlm
from inference.gates import watermark_gate
from inference.models import Hardware, Model, Tier
from inference.receipts import Receipt, without_model

KEY, WEIGHTS = "2026-a", "a" * 64


@pytest.fixture
def long_writer(db: None) -> Model:
    """A model that may write more than 200 tokens, under a key whose mark nobody has shown."""
    return Model.objects.create(
        public_id="wagmi-large", name="large", tier=Tier.LARGE, hardware=Hardware.GPU, languages=["en"],
        context_tokens=4096, max_output_tokens=800, weights_sha256=WEIGHTS, watermark_key=KEY,
    )  # fmt: skip


def detection(*, found_ppm: int = 960_000, of: int = 50, wrong_ppm: int = 0, human: int = 200, **more: Any) -> None:
    """Put a test of the mark on record."""
    metrics = [
        {"name": "watermark_detected", "value_ppm": found_ppm, "n": of, "verdict": "pass"},
        {"name": "watermark_false", "value_ppm": wrong_ppm, "n": human, "verdict": "pass"},
    ]
    about = {"model": "wagmi-large", "weights_sha256": WEIGHTS, "watermark_key": KEY, "rung": "large", "language": "en"}
    digests = {"suite_sha256": "1" * 64, "thresholds_sha256": "2" * 64, "raw_sha256": "3" * 64}
    evidence.record("evaluation", about | digests | {"n": of, "metrics": metrics} | more)


def test_a_long_answer_needs_a_mark_that_was_shown_to_be_found(long_writer: Model) -> None:
    assert watermark_gate() == Failed("wagmi-large may write 800")

    detection()

    assert watermark_gate() == Passed("wagmi-large 800 (record 1)", record=1)


@pytest.mark.parametrize(
    "short",
    [
        {"found_ppm": 949_999},
        {"of": 49},
        {"wrong_ppm": 1},
        {"human": 199},
        {"watermark_key": "2025-z"},
        {"weights_sha256": "b" * 64},
        {"model": "wagmi-small"},
    ],
)
def test_a_test_that_shows_less_or_of_something_else_does_not_count(long_writer: Model, short: dict[str, Any]) -> None:
    detection(**short)

    assert watermark_gate() == Failed("wagmi-large may write 800")


def test_a_short_model_passes_and_one_without_a_key_cannot_be_shown(long_writer: Model) -> None:
    detection()
    Model.objects.update(watermark_key="")
    assert isinstance(watermark_gate(), Failed)

    Model.objects.update(max_output_tokens=200)

    assert watermark_gate() == Passed("wagmi-large 200")


def test_a_receipt_says_whether_a_model_wrote_and_an_older_one_says_nothing_new() -> None:
    quoted = without_model(rung="quoted", language="en", request_id="r", passages=[], duration_ms=1)
    older = Receipt(rung="small", language="en", request_id="r")

    assert quoted.as_dict()["ai_generated"] is False
    assert "watermark_key" not in quoted.as_dict()
    assert not {"ai_generated", "watermark_key"} & json.loads(older.canonical()).keys()


def test_the_plain_form_says_in_its_header_whether_a_model_wrote(client: Client, db: None) -> None:
    response = client.post("/live/en/chat/", {"question": "What is a zorblax?"})

    assert response.headers["X-AI-Generated"] == "false"
    assert "X-AI-Generated" not in client.get("/live/en/chat/").headers


def test_what_a_stream_may_hold_stands_in_its_header_and_what_it_held_in_its_receipt() -> None:
    async def ask() -> tuple[str, bytes]:
        asked = {"id": str(uuid.uuid4()), "messages": [{"role": "user", "content": "What is a zorblax?"}]}
        response = await AsyncClient().post("/api/chat", json.dumps(asked), content_type="application/json")
        parts = [part async for part in response.streaming_content]  # type: ignore[attr-defined]
        return response.headers["X-AI-Generated"], b"".join(parts)

    header, stream = asyncio.run(ask())

    done = json.loads(stream.decode().strip().rpartition("data: ")[2])
    assert header == "maybe"
    assert done["type"] == "done" and done["receipt"]["ai_generated"] is False


def test_what_our_client_sends_to_vllm_leaves_the_servers_watermark_alone() -> None:
    request = Request(turns=(Turn("user", "Hello"),), max_tokens=20)

    sent = VLlm._extras(object.__new__(VLlm), request)

    assert not {"watermarking", "watermark", "logit_bias"} & sent.keys()


def test_every_text_that_an_ai_helped_with_says_so_to_machines() -> None:
    assisted = [document for document in library().documents if document.meta.ai_assisted]

    assert assisted
    assert {digital_source_type(document) for document in assisted} <= {BY_MODEL, BY_PERSON_AND_MODEL}
