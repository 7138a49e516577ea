"""Lines 9 to 14 and 25 of the contract: the bytes of a stream, what keeps it alive, and how it ends."""

import json
import time
from itertools import pairwise

import httpx
import pytest

from tests import scripted
from tests.api.door import CHAT, ScriptedDoor, asked, connection, left_at
from tests.customers import question, sql
from tests.live import wait_for
from tests.scripted import WORDS, Wire

pytestmark = pytest.mark.slow
SAID = "".join(WORDS)
MANY = tuple(f"word{number} " for number in range(150))


def first_text(response: httpx.Response) -> None:
    """Read a stream up to its first word."""
    for line in response.iter_lines():
        if '"content":"' in line and '"content":""' not in line:
            return
    raise AssertionError("no word came")


@pytest.mark.parametrize("with_usage", [False, True])
def test_line_09_the_chunks_of_a_stream_and_their_order(door: ScriptedDoor, with_usage: bool) -> None:
    door.server.behaviour = scripted.slowly(0.02)
    options = {"stream_options": {"include_usage": True}} if with_usage else {}

    answered = door.ask(stream=True, **options)

    assert answered.status == 200
    assert answered.headers["content-type"].startswith("text/event-stream")
    assert (answered.headers["cache-control"], answered.headers["x-accel-buffering"]) == ("no-store", "no")
    lines = answered.lines
    assert lines[0].startswith(": ") and lines[-1] == "data: [DONE]"
    assert all(line.startswith((": ", "data: ")) and "\n" not in line for line in lines)
    chunks = answered.chunks
    assert len({(chunk["id"], chunk["created"], chunk["model"], chunk["object"]) for chunk in chunks}) == 1
    assert chunks[0]["object"] == "chat.completion.chunk" and chunks[0]["id"].startswith("chatcmpl-")
    chosen = [chunk["choices"][0] for chunk in chunks if chunk["choices"]]
    assert chosen[0]["delta"] == {"role": "assistant", "content": ""}
    assert [each["delta"].keys() for each in chosen[1:-1]] == [{"content"}] * (len(chosen) - 2)
    assert (chosen[-1]["delta"], chosen[-1]["finish_reason"]) == ({}, "stop")
    assert [each["finish_reason"] for each in chosen[:-1]] == [None] * (len(chosen) - 1)
    assert answered.text == SAID
    if with_usage:
        assert chunks[-1]["choices"] == [] and chunks[-1]["usage"]["total_tokens"] == 45
        assert [chunk["usage"] for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    else:
        assert all(chunk["choices"] and "usage" not in chunk for chunk in chunks)


def test_line_10_usage_is_asked_of_the_backend_for_all_and_counted_where_it_is_missing(
    door: ScriptedDoor,
) -> None:
    with_usage = door.ask(stream=True)
    assert door.server.last.body["stream_options"] == {"include_usage": True}
    assert door.settled(with_usage.request_id) == {
        "state": "settled",
        "outcome": "done",
        "error_code": "",
        "prompt_tokens": 40,
        "completion_tokens": 5,
        "cost_microusd": 6,
        "counted": True,
        "streamed": True,
    }

    async def without_usage(wire: Wire) -> None:
        await wire.head()
        for word in WORDS:
            await wire.say(word)
        await wire.event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        await wire.chunk(b"data: [DONE]\n\n")
        await wire.end()

    door.server.behaviour = without_usage
    answered = door.ask(stream=True, stream_options={"include_usage": True})
    line = door.settled(answered.request_id)
    assert (line["counted"], line["completion_tokens"]) == (False, 5)
    # A template of four words around each message, by the scripted tokeniser.
    assert line["prompt_tokens"] == 6 and answered.chunks[-1]["usage"]["prompt_tokens"] == 6


def test_line_11_headers_and_a_comment_come_at_once_and_comments_while_the_model_is_silent(door: ScriptedDoor) -> None:
    door.server.behaviour = scripted.slowly(1.1, ("one ", "two"))
    began = time.monotonic()
    arrived: list[tuple[float, bytes]] = []

    with door.client() as client, client.stream("POST", CHAT, json=question(stream=True)) as response:
        for data in response.iter_raw():
            arrived.append((time.monotonic() - began, data))

    assert arrived[0][1].startswith(b": ") and arrived[0][0] < 0.9
    lines = b"".join(data for _at, data in arrived).decode().split("\n\n")
    first_word = next(number for number, line in enumerate(lines) if '"role"' in line)
    last_word = next(number for number, line in enumerate(lines) if '"two"' in line)
    before, between = lines[:first_word], lines[first_word + 2 : last_word]
    assert all(line.startswith(":") for line in before + between)
    assert len(before) >= 3 and len(between) >= 2
    assert max(late - early for (early, _), (late, _) in pairwise(arrived)) < 1


@pytest.mark.parametrize(
    ("behaviour", "code", "words"),
    [
        (scripted.closing_after(3), "model_cut_off", 3),
        (scripted.without_finish, "model_cut_off", 1),
        (scripted.sending(b"data: {bad\n\n", words_first=2), "model_garbled", 2),
        (scripted.sending(b'data: {"error": {"message": "x"}}\n\n', words_first=2), "model_cut_off", 2),
        (scripted.quiet_after_two, "model_timeout", 2),
        (scripted.closing_after(0), "model_cut_off", 0),
    ],
    ids=["cut", "no finish reason", "garbled", "error event", "idle", "cut at once"],
)
def test_line_12_and_13_a_failure_after_the_first_byte_is_one_error_event_and_the_end(
    door: ScriptedDoor, behaviour: scripted.Behaviour, code: str, words: int
) -> None:
    door.server.behaviour = behaviour

    answered = door.ask(stream=True, stream_options={"include_usage": True})

    assert answered.status == 200
    failure = json.loads(answered.lines[-1].removeprefix("data: "))
    assert failure.keys() == {"error"}
    assert (failure["error"]["code"], failure["error"]["type"]) == (code, "server_error")
    assert {"message", "param", "request_id"} <= failure["error"].keys()
    assert "event:" not in answered.raw.decode() and "[DONE]" not in answered.raw.decode()
    assert not [each for each in answered.chunks[:-1] if each["choices"][0]["finish_reason"]]
    assert scripted.SECRET_BODY not in answered.raw.decode()
    line = door.settled(answered.request_id)
    assert (line["outcome"], line["error_code"], line["completion_tokens"]) == ("failed", code, words)
    assert (line["cost_microusd"] > 0) == (words > 0)
    if words:
        assert (line["prompt_tokens"], line["counted"]) == (6, False)


def test_line_12_what_fails_before_the_first_byte_has_a_status(door: ScriptedDoor) -> None:
    door.server.behaviour = scripted.loading

    refused = door.ask()

    assert (refused.status, refused.error["code"]) == (503, "model_unavailable")
    assert refused.headers["retry-after"] == "10"
    assert scripted.SECRET_BODY not in refused.raw.decode()
    assert door.settled(refused.request_id)["cost_microusd"] == 0

    door.server.behaviour = scripted.closing_after(2)
    broken = door.ask()
    assert (broken.status, broken.error["code"]) == (502, "model_cut_off")
    assert door.settled(broken.request_id)["cost_microusd"] == 0


def test_line_13_endless_words_end_at_the_cap(door: ScriptedDoor) -> None:
    door.server.behaviour = scripted.endless

    answered = door.ask(stream=True, max_tokens=20)

    assert answered.lines[-1] == "data: [DONE]"
    assert answered.chunks[-1]["choices"][0]["finish_reason"] == "length"
    assert door.settled(answered.request_id)["outcome"] == "done"


def test_line_14_leaving_a_stream_stops_the_model_and_pays_for_what_was_delivered(door: ScriptedDoor) -> None:
    door.server.behaviour = scripted.slowly(0.05, MANY)
    with door.client() as client, client.stream("POST", CHAT, json=question(stream=True)) as response:
        first_text(response)
        request_id = response.headers["x-request-id"]
    moment = time.monotonic()

    door.closed_upstream(moment)
    line = door.settled(request_id)
    assert (line["outcome"], line["error_code"], line["counted"]) == ("aborted", "client_left", False)
    assert 1 <= line["completion_tokens"] < 40 and line["prompt_tokens"] == 6 and line["cost_microusd"] > 0


def test_line_14_leaving_a_stream_before_its_first_word_costs_nothing(door: ScriptedDoor) -> None:
    door.server.behaviour = scripted.never
    with connection(door) as sock:
        sock.sendall(asked(door, question(stream=True)))
        wait_for(lambda: bool(door.server.requests), 3)
        moment = left_at(sock)

    door.closed_upstream(moment)
    line = door.last_line()
    assert (line["outcome"], line["completion_tokens"], line["cost_microusd"]) == ("aborted", 0, 0)


def test_line_14_leaving_an_answer_in_one_body_stops_the_model_and_costs_nothing(door: ScriptedDoor) -> None:
    door.server.behaviour = scripted.slowly(0.05, MANY)
    with connection(door) as sock:
        sock.sendall(asked(door, question()))
        wait_for(lambda: bool(door.server.requests), 3)
        time.sleep(0.2)
        moment = left_at(sock)

    door.closed_upstream(moment)
    line = door.last_line()
    assert (line["outcome"], line["completion_tokens"], line["cost_microusd"]) == ("aborted", 0, 0)


def test_line_14_leaving_the_queue_gives_the_place_to_the_next(door: ScriptedDoor) -> None:
    door.server.behaviour = scripted.never
    with connection(door) as one, connection(door) as two, connection(door) as three:
        for sock in (one, two):
            sock.sendall(asked(door, question(stream=True)))
        wait_for(lambda: len(door.server.requests) == 2, 3)
        three.sendall(asked(door, question(stream=True)))
        assert b"200 OK" in three.recv(4096)
        left_at(three)
        wait_for(lambda: door.last_line()["outcome"] == "aborted", 3)
        door.server.behaviour = scripted.answer
        left_at(one)
        assert door.ask().status == 200

    assert len(door.server.requests) == 3, "the one who left the queue never reached the model"


def test_line_14_a_client_who_does_not_read_holds_no_place(door: ScriptedDoor) -> None:
    door.server.behaviour = scripted.slowly(0, tuple("x" * 20_000 for _ in range(190)))
    with connection(door, receive_bytes=2048) as sock:
        sock.sendall(asked(door, question(stream=True)))
        wait_for(lambda: bool(door.server.requests), 3)
        stalled = "SELECT count(*) FROM billing_usagerecord WHERE error_code = 'client_stalled'"
        wait_for(lambda: sql(door.site, stalled) == [(1,)], 8)

        line = door.last_line()
        assert (line["outcome"], line["error_code"]) == ("aborted", "client_stalled")
        assert 0 < line["completion_tokens"] < 190


def test_line_25_reasoning_in_either_spelling_is_not_taken_for_the_answer(door: ScriptedDoor) -> None:
    async def reasoning(wire: Wire) -> None:
        await wire.head()
        await wire.event(
            {"choices": [{"index": 0, "delta": {"role": "assistant", "content": None}}], "system_fingerprint": "b1"}
        )
        await wire.event({"choices": [{"index": 0, "delta": {"reasoning_content": "hm"}, "finish_reason": None}]})
        await wire.event({"choices": [{"index": 0, "delta": {"reasoning": "hm"}, "finish_reason": None}]})
        await wire.say("Apache")
        await wire.finish(3)

    door.server.behaviour = reasoning

    answered = door.ask(stream=True)

    assert answered.text == "Apache" and "hm" not in answered.raw.decode()
    assert "system_fingerprint" not in answered.raw.decode() and "timings" not in answered.chunks[-1]
