"""Faults 12 to 15 at the API's door: a model server that breaks off, hangs, dribbles, babbles or talks nonsense."""

import time

import pytest

from tests import scripted
from tests.faults.calls import (
    Answer,
    Caller,
    asked,
    assert_broke_off,
    assert_complete,
    assert_ledger_exact,
    assert_refused,
    at_once,
)
from tests.faults.periods import period, scaled
from tests.faults.stage import Stage
from tests.faults.test_backend import NONSENSE
from tests.live import wait_for

pytestmark = pytest.mark.slow


def test_fault_12_a_backend_that_breaks_off_is_one_error_and_only_what_was_sent_is_billed(
    stage: Stage, caller: Caller
) -> None:
    stage.server.behaviour = scripted.closing_after(5)
    stream, whole = caller.call(stream=True), caller.call()
    stage.server.behaviour = scripted.closing_after(0)
    empty, nothing = caller.call(stream=True), caller.call()

    assert_broke_off(stream, "model_cut_off")
    assert "".join(stream.words).split() == [f"word{number}" for number in range(5)]
    line = caller.row(stream)
    assert (line["outcome"], line["completion_tokens"], line["counted"]) == ("failed", 5, False)
    assert line["prompt_tokens"] > 0 and line["cost_microusd"] > 0
    assert_broke_off(empty, "model_cut_off")
    for answer in (whole, nothing):
        assert_refused(answer, 502, "model_cut_off")
    for answer in (whole, empty, nothing):
        line = caller.row(answer)
        assert (line["outcome"], line["cost_microusd"], line["completion_tokens"]) == ("failed", 0, 0)
    assert len(asked(stage.server)) == 4, "nobody was asked a second time"
    assert_ledger_exact(stage.site)


def test_fault_13_and_14_a_backend_that_hangs_or_dribbles_is_cut_by_its_limit(stage: Stage, caller: Caller) -> None:
    hung = {
        "never, streamed": (scripted.never, True, "LLM_FIRST_TOKEN_S"),
        "never": (scripted.never, False, "LLM_FIRST_TOKEN_S"),
        "silent after two words": (scripted.quiet_after_two, True, "LLM_IDLE_S"),
        "a byte now and then": (scripted.dribbling(scaled(10)), True, "LLM_TOTAL_S"),
    }
    stage.server.hung = True
    with at_once() as submit:
        calls = {}
        for number, (name, (behaviour, stream, limit)) in enumerate(hung.items()):
            stage.server.behaviour = behaviour
            calls[name] = submit(timed_call, caller, stream), limit
            wait_for(lambda number=number: len(asked(stage.server)) == number + 1, 5)
    answers = {name: call.result()[0] for name, (call, _limit) in calls.items()}

    for name, (call, limit) in calls.items():
        assert call.result()[1] < period(limit) + 2, name
    assert_refused(answers["never"], 504, "model_timeout")
    for name in ("never, streamed", "silent after two words", "a byte now and then"):
        assert_broke_off(answers[name], "model_timeout")
        assert ": waiting" in answers[name].lines, "there were signs of life"
    billed = {name: caller.row(answer)["completion_tokens"] for name, answer in answers.items()}
    assert billed == {"never": 0, "never, streamed": 0, "silent after two words": 2, "a byte now and then": 0}
    assert all(caller.row(answer)["outcome"] == "failed" for answer in answers.values())
    wait_for(lambda: all(seen.closed_at for seen in asked(stage.server)), 1)
    stage.server.behaviour = scripted.answer
    assert timed_call(caller, True)[1] < 1, "every place is free"
    assert_ledger_exact(stage.site)


def test_fault_14_endless_words_end_at_the_cap_and_cost_no_more_than_was_reserved(stage: Stage, caller: Caller) -> None:
    stage.server.behaviour = scripted.endless
    stream, whole = caller.call(stream=True, max_tokens=50), caller.call(max_tokens=50)
    closed = [seen.closed_at for seen in asked(stage.server)]
    stage.server.behaviour = scripted.without_finish
    endless = caller.call(stream=True)

    assert_complete(stream, "length")
    assert whole.status == 200 and whole.body["choices"][0]["finish_reason"] == "length"
    for answer in (stream, whole):
        line = caller.row(answer)
        assert line["outcome"] == "done" and line["completion_tokens"] <= 51 and not line["counted"]
    assert all(closed), "the server was told to stop before the answer went out"
    assert_broke_off(endless, "model_cut_off")
    assert_ledger_exact(stage.site)


def test_fault_15_nonsense_is_one_error_and_never_shown(stage: Stage, caller: Caller) -> None:
    for number, (name, data) in enumerate(NONSENSE.items()):
        if number % 2:
            # A good one in between keeps the circuit closed, so that every bad one really arrives.
            stage.server.behaviour = scripted.answer
            assert caller.call().status == 200
        stage.server.behaviour = scripted.sending(data, words_first=2)
        stream = caller.call(stream=True)
        stage.server.behaviour = scripted.sending(data)
        whole = caller.call()

        assert_broke_off(stream, "model_garbled")
        assert_refused(whole, 502, "model_garbled")
        assert (caller.row(stream)["completion_tokens"], caller.row(whole)["cost_microusd"]) == (2, 0), name
    stage.server.behaviour = scripted.answer
    assert caller.call().status == 200
    stage.server.behaviour = scripted.splitting_characters
    assert "naïve café €5 😀" in "".join(caller.call(stream=True).words)
    stage.server.behaviour = scripted.sending(b"<html>raw-upstream-body-7f3a</html>", content_type="text/html")
    assert_refused(caller.call(), 502, "model_garbled")
    assert_ledger_exact(stage.site)


def timed_call(caller: Caller, stream: bool) -> tuple[Answer, float]:
    """Make a call; return the answer and the seconds it took."""
    began = time.monotonic()
    answer = caller.call(stream=stream)
    return answer, time.monotonic() - began
