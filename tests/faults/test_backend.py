"""Faults 12 to 15: a model server that breaks off, hangs, dribbles, babbles or talks nonsense."""

import time
from typing import Any

import httpx
import pytest

from inference.routing import FAILURES_TO_OPEN, OPEN_S
from tests import scripted
from tests.faults.periods import period, scaled
from tests.faults.stage import QUESTION, Stage, assert_honest_error, assert_one_end, assert_quoted
from tests.live import events_of, text_of, wait_for

pytestmark = pytest.mark.slow


def test_fault_12_a_backend_that_closes_after_five_chunks_is_one_error(stage: Stage) -> None:
    stage.server.behaviour = scripted.closing_after(5)

    events = stage.site.events(QUESTION)

    assert_honest_error(events, "model_cut_off")
    said = "".join(f"word{number} " for number in range(5))  # however many of them came in one piece
    assert text_of(events).endswith(said)
    assert len(stage.server.requests) == 1, "words were shown, so nobody is asked a second time"


def test_fault_12_a_backend_that_closes_before_a_chunk_leaves_the_quote(stage: Stage) -> None:
    stage.server.behaviour = scripted.closing_after(0)

    assert_quoted(stage.site.events(QUESTION))


def test_fault_13_a_backend_that_never_answers_leaves_the_quote_in_time(stage: Stage) -> None:
    stage.server.behaviour = scripted.never

    started = time.monotonic()
    events = stage.site.events(QUESTION)
    took_s = time.monotonic() - started

    assert_quoted(events)
    limit_s = period("LLM_FIRST_TOKEN_S")
    assert limit_s * 0.9 < took_s < limit_s + 2
    wait_for(lambda: stage.server.last.closed_at is not None, 1)


def test_fault_13_a_stream_without_a_first_token_leaves_the_quote(stage: Stage) -> None:
    stage.server.behaviour = scripted.silent_after_headers

    assert_quoted(stage.site.events(QUESTION))
    wait_for(lambda: stage.server.last.closed_at is not None, 1)


def test_fault_13_a_backend_that_falls_silent_after_words_is_one_error(stage: Stage) -> None:
    stage.server.behaviour = scripted.quiet_after_two

    started = time.monotonic()
    events = stage.site.events(QUESTION)

    assert_honest_error(events, "model_timeout")
    assert time.monotonic() - started < period("LLM_IDLE_S") + 2
    wait_for(lambda: stage.server.last.closed_at is not None, 1)


def test_fault_13_after_five_failures_nobody_waits_for_the_backend(stage: Stage) -> None:
    stage.server.behaviour = scripted.loading
    for _ in range(FAILURES_TO_OPEN):
        assert_quoted(stage.site.events(QUESTION))
    stage.server.requests.clear()

    events = stage.site.events(QUESTION)

    assert_quoted(events)
    assert not stage.server.requests, "the circuit is open"
    status = httpx.get(f"{stage.site.url}/api/status", timeout=5).json()
    assert status["tiers"]["small"]["ready"] is False

    # Looking at the lamp is no trial: readers who watch it do not keep the circuit open.
    stage.server.reset()
    time.sleep(OPEN_S + 0.2)
    for _ in range(3):
        httpx.get(f"{stage.site.url}/api/status", timeout=5)
    assert stage.site.events(QUESTION)[-1]["rung"] == "small"


def test_fault_14_a_byte_now_and_then_is_cut_by_the_total_limit(stage: Stage) -> None:
    stage.server.behaviour = scripted.dribbling(scaled(10))

    started = time.monotonic()
    events = stage.site.events(QUESTION)

    assert_quoted(events)
    assert time.monotonic() - started < period("LLM_TOTAL_S") + 2
    wait_for(lambda: stage.server.last.closed_at is not None, 1)


def test_fault_14_endless_words_end_at_the_cap(stage: Stage) -> None:
    stage.server.behaviour = scripted.endless

    events = stage.site.events(QUESTION)

    assert_one_end(events)
    assert events[-1]["finish_reason"] == "length"
    cap = stage.server.last.body["max_tokens"]
    assert events[-1]["receipt"]["completion_tokens"] <= cap + 1
    wait_for(lambda: stage.server.last.closed_at is not None, 1)


def test_fault_14_an_end_without_a_reason_is_one_error(stage: Stage) -> None:
    stage.server.behaviour = scripted.without_finish

    assert_honest_error(stage.site.events(QUESTION), "model_cut_off")


NONSENSE = {
    "bad UTF-8": b'data: {"choices": [{"delta": {"content": "\xff\xfe raw-upstream-body-7f3a"}}]}\n\n',
    "bad JSON": b'data: {"choices": [{"delta": raw-upstream-body-7f3a\n\n',
    "a line of 1 MB": b"data: " + b"raw-upstream-body-7f3a" * 50_000 + b"\n\n",
    "not an object": b'data: ["raw-upstream-body-7f3a"]\n\n',
    "choices that are none": b'data: {"choices": "raw-upstream-body-7f3a"}\n\n',
    "a choice that is none": b'data: {"choices": ["raw-upstream-body-7f3a"]}\n\n',
    "a delta that is none": b'data: {"choices": [{"delta": "raw-upstream-body-7f3a"}]}\n\n',
    "a text that is a number": b'data: {"choices": [{"delta": {"content": 7}}]}\n\n',
    "a usage that is none": b'data: {"choices": [], "usage": "raw-upstream-body-7f3a"}\n\n',
    "a count that is none": b'data: {"choices": [], "usage": {"prompt_tokens": "raw-upstream-body-7f3a"}}\n\n',
    "endless brackets": b"data: " + b"[" * 60_000 + b"\n\n",
}


@pytest.mark.parametrize("data", NONSENSE.values(), ids=NONSENSE)
def test_fault_15_nonsense_after_words_is_one_error(stage: Stage, data: bytes) -> None:
    stage.server.behaviour = scripted.sending(data, words_first=2)

    assert_honest_error(stage.site.events(QUESTION), "model_garbled")


@pytest.mark.parametrize("data", NONSENSE.values(), ids=NONSENSE)
def test_fault_15_nonsense_from_the_start_leaves_the_quote(stage: Stage, data: bytes) -> None:
    stage.server.behaviour = scripted.sending(data)

    assert_quoted(stage.site.events(QUESTION))


def test_fault_15_an_error_event_after_words_is_one_error(stage: Stage) -> None:
    data = b'data: {"error": {"message": "raw-upstream-body-7f3a"}}\n\n'
    stage.server.behaviour = scripted.sending(data, words_first=2)

    assert_honest_error(stage.site.events(QUESTION), "model_cut_off")


def test_fault_15_a_page_in_place_of_a_stream_leaves_the_quote(stage: Stage) -> None:
    page = b"<html><body>raw-upstream-body-7f3a</body></html>"
    stage.server.behaviour = scripted.sending(page, content_type="text/html")

    assert_quoted(stage.site.events(QUESTION))


def test_fault_15_a_backend_that_is_loading_leaves_the_quote(stage: Stage) -> None:
    stage.server.behaviour = scripted.loading

    assert_quoted(stage.site.events(QUESTION))


def test_fault_15_characters_split_between_chunks_arrive_whole(stage: Stage) -> None:
    stage.server.behaviour = scripted.splitting_characters

    events = stage.site.events(QUESTION)

    assert_one_end(events)
    assert "naïve café €5 😀" in text_of(events)


def test_fault_15_bad_streams_and_good_ones_in_turn_leave_one_web_process_alive(stage: Stage) -> None:
    pid = stage.site.processes["web"].pid
    stage.server.behaviour = scripted.sending(NONSENSE["bad JSON"], words_first=1)
    found: list[list[dict[str, Any]]] = []
    for number in range(20):
        # A good one in between keeps the circuit closed, so that every bad one really arrives.
        stage.server.behaviour = (
            scripted.answer if number % 4 == 3 else scripted.sending(NONSENSE["bad JSON"], words_first=1)
        )
        found.append(events_of(stage.site.ask(QUESTION).text))

    assert [events[-1]["type"] for events in found] == ["error", "error", "error", "done"] * 5
    assert stage.site.processes["web"].poll() is None and stage.site.processes["web"].pid == pid
