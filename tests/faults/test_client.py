"""Faults 16 and 18: readers who leave, come back, stop, click twice and send again."""

import contextlib
import json
import time

import httpx
import pytest

from tests import scripted
from tests.faults.periods import period
from tests.faults.stage import QUESTION, Stage, assert_one_end, message, waiting_and_running
from tests.live import Site, ask, received, text_of, wait_for

pytestmark = pytest.mark.slow
GONE_S = 1.0
MANY_WORDS = tuple(f"word{number} " for number in range(150))


def leave_stream_at(site: Site, event_type: str) -> float:
    """Ask over HTTP, leave at the first event of a type, and return the moment of leaving."""
    with httpx.stream("POST", f"{site.url}/api/chat", json=ask(QUESTION), timeout=20) as response:
        for line in response.iter_lines():
            if line.startswith("data: ") and json.loads(line[6:])["type"] == event_type:
                break
    return time.monotonic()


def closed_in(stage: Stage, left_at: float, seconds: float = GONE_S) -> float:
    """Return the seconds until the last request upstream was closed; fail after ``seconds``."""
    wait_for(lambda: stage.server.last.closed_at is not None, seconds + 1)
    closed_at = stage.server.last.closed_at
    assert closed_at is not None and closed_at - left_at < seconds
    return closed_at - left_at


def test_fault_16_leaving_a_stream_after_words_closes_upstream(stage: Stage) -> None:
    stage.server.behaviour = scripted.slowly(0.05, MANY_WORDS)

    left_at = leave_stream_at(stage.site, "delta")

    closed_in(stage, left_at)


def test_fault_16_leaving_a_stream_before_the_first_token_closes_upstream(stage: Stage) -> None:
    stage.server.behaviour = scripted.never

    left_at = leave_stream_at(stage.site, "sources")
    wait_for(lambda: bool(stage.server.requests), 1)

    closed_in(stage, left_at)


def test_fault_16_leaving_before_any_byte_leaves_nothing_running(stage: Stage) -> None:
    stage.server.behaviour = scripted.never
    for wait_s in (0.0, 0.001, 0.003, 0.006, 0.009, 0.012, 0.015, 0.02, 0.025, 0.03, 0.04, 0.08) * 3:
        with contextlib.suppress(httpx.TimeoutException):
            httpx.post(f"{stage.site.url}/api/chat", json=ask(QUESTION), timeout=httpx.Timeout(5, read=wait_s + 0.001))

    time.sleep(GONE_S)
    assert [seen.closed_at is None for seen in stage.server.requests].count(True) == 0
    assert waiting_and_running(stage.site) == (0, 0)


@pytest.mark.parametrize("behaviour", [scripted.slowly(0.05, MANY_WORDS), scripted.never], ids=["words", "silence"])
def test_fault_16_stop_on_the_socket_closes_upstream_and_ends_with_done(
    stage: Stage, behaviour: scripted.Behaviour
) -> None:
    stage.server.behaviour = behaviour
    asked = ask(QUESTION)
    with stage.site.socket() as socket:
        socket.send(json.dumps({"type": "ask", **asked}))
        before = received(socket, until=("delta",) if behaviour is not scripted.never else ("sources",))
        wait_for(lambda: bool(stage.server.requests), 2)
        stopped_at = time.monotonic()
        socket.send(json.dumps({"type": "stop", "id": asked["id"], "secret": asked["secret"]}))
        after = received(socket, timeout=5)

    closed_in(stage, stopped_at)
    assert_one_end(before + after)
    assert after[-1]["finish_reason"] == "stopped"


def test_fault_16_a_closed_socket_keeps_the_answer_for_its_grace(stage: Stage) -> None:
    stage.server.behaviour = scripted.never
    with stage.site.socket() as socket:
        socket.send(message())
        received(socket, until=("sources",))
        wait_for(lambda: bool(stage.server.requests), 2)
        left_at = time.monotonic()

    grace_s = period("CHAT_RESUME_GRACE_S")
    took_s = closed_in(stage, left_at, grace_s + GONE_S)
    assert took_s > grace_s - 0.2


def test_fault_16_who_comes_back_within_the_grace_loses_nothing(stage: Stage) -> None:
    stage.server.behaviour = scripted.slowly(0.1, MANY_WORDS[:30])
    asked = ask(QUESTION)
    with stage.site.socket() as socket:
        socket.send(json.dumps({"type": "ask", **asked}))
        received(socket, until=("delta",))
    time.sleep(period("CHAT_RESUME_GRACE_S") / 2)
    with stage.site.socket() as socket:
        socket.send(json.dumps({"type": "resume", "id": asked["id"], "secret": asked["secret"], "after_seq": -1}))
        events = received(socket)

    assert events[-1]["type"] == "done" and stage.server.last.closed_at is None
    assert all(word.strip() in text_of(events) for word in MANY_WORDS[:30])


def test_fault_16_closing_a_socket_that_waits_in_the_queue_cancels_at_once(stage: Stage) -> None:
    stage.server.behaviour = scripted.never
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(stage.site.socket()) for _ in range(5)]
        for socket in sockets[:4]:
            socket.send(message())
            received(socket, until=("sources",))
        wait_for(lambda: len(stage.server.requests) == 4, 2)
        sockets[4].send(message())
        queued = received(sockets[4], until=("status",))[-1]
        while queued["stage"] != "queued":
            queued = received(sockets[4], until=("status",))[-1]
        assert queued["place"] == 1 and queued["wait_s"] >= 1
        assert waiting_and_running(stage.site) == (1, 4)

        sockets[4].close()

        wait_for(lambda: waiting_and_running(stage.site) == (0, 4), GONE_S)
    wait_for(lambda: waiting_and_running(stage.site) == (0, 0), period("CHAT_RESUME_GRACE_S") + 2)
    assert len(stage.server.requests) == 4, "the fifth never reached the model"


def test_fault_16_with_the_real_model_the_next_reader_does_not_wait_for_those_who_left(live_site: Site) -> None:
    alone_s = first_token_s(live_site)
    for _slot in range(6):  # more than the model server has slots
        leave_stream_at(live_site, "delta")

    after_s = first_token_s(live_site)

    assert after_s < 3 * alone_s + 1, (alone_s, after_s)


def test_fault_18_two_tabs_a_double_click_and_a_replay_are_one_answer(stage: Stage) -> None:
    stage.server.behaviour = scripted.slowly(0.05)
    frame = message()
    with stage.site.socket() as one, stage.site.socket() as other:
        one.send(frame)
        one.send(frame)
        other.send(frame)
        first, second = received(one), received(other)
        one.send(frame)
        replayed = received(one)

    assert len(stage.server.requests) == 1
    for events in (first, second, replayed):
        assert events[-1]["type"] == "done"
        assert events[-1]["answer"] == first[-1]["answer"]
        assert by_seq(events) == by_seq(first) != {}


def test_fault_18_twenty_at_the_same_moment_are_one_answer(stage: Stage) -> None:
    stage.server.behaviour = scripted.slowly(0.02)
    frame = message()
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(stage.site.socket()) for _ in range(10)]
        for socket in sockets:
            socket.send(frame)
        ends = [received(socket)[-1] for socket in sockets]

    assert len(stage.server.requests) == 1
    assert {end["type"] for end in ends} == {"done"} and len({end["answer"] for end in ends}) == 1


def test_fault_18_a_repeated_request_over_http_is_a_conflict_and_no_second_answer(stage: Stage) -> None:
    asked = ask(QUESTION)

    first = httpx.post(f"{stage.site.url}/api/chat", json=asked, timeout=20)
    second = httpx.post(f"{stage.site.url}/api/chat", json=asked, timeout=20)

    assert (first.status_code, second.status_code) == (200, 409)
    assert second.json()["error"]["code"] == "id_reused"
    assert len(stage.server.requests) == 1


def first_token_s(site: Site) -> float:
    started = time.monotonic()
    leave_stream_at(site, "delta")
    return time.monotonic() - started


def by_seq(events: list[dict]) -> dict[int, str]:  # type: ignore[type-arg]
    """A second request on one socket replaces the first, so a piece may come twice; its number tells."""
    return {event["seq"]: event["text"] for event in events if event["type"] == "delta"}
