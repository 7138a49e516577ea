"""Faults 25, 26 and 28 at the API's door: too large, not JSON, or too much; refused by us and not by a backend."""

import json
from typing import Any

import httpx
import pytest

from tests.customers import question
from tests.faults.calls import Answer, Caller, asked, assert_ledger_exact
from tests.faults.stage import Stage
from tests.faults.test_input import HIDDEN, TOO_MUCH, raw_post, watched

pytestmark = pytest.mark.slow
PATH = "/v1/chat/completions"
DEPTH = 100_000


def body(**fields: Any) -> bytes:
    return json.dumps(question(**fields)).encode()


def put(piece: bytes, **fields: Any) -> bytes:
    """Return a body in which the value "HERE" is this piece of JSON."""
    return body(**fields).replace(b'"HERE"', piece)


CONTENT = "messages[0].content"
# What is sent, and the parameter that the refusal names; "" where there is none to name.
MALFORMED: dict[str, tuple[bytes, str]] = {
    "invalid UTF-8": (put(b'"\xff\xfe"', text="HERE"), ""),
    "half a surrogate pair": (put(rb'"\ud800"', text="HERE"), ""),
    "a surrogate in UTF-8": (put(b'"\xed\xa0\x80"', text="HERE"), ""),
    "NUL": (put(rb'"a\u0000b"', text="HERE"), CONTENT),
    "an escape sequence": (put(rb'"a\u001b[2Jb"', text="HERE"), CONTENT),
    "depth in a field": (put(b"[" * DEPTH + b"]" * DEPTH, text="HERE"), ""),
    "depth in a field that is ignored": (put(b'{"a":' + b"[" * DEPTH + b"]" * DEPTH + b"}", metadata="HERE"), ""),
    "depth of a schema": (put(b'{"a":' * 20_000 + b"1" + b"}" * 20_000, tools="HERE"), ""),
    "depth alone": (b"[" * DEPTH, ""),
    "depth of objects": (b'{"model":' * (DEPTH // 9), ""),
    "an integer of 5,000 digits": (put(b"9" * 5000, seed="HERE"), ""),
    "5,000 digits where anything may stand": (put(b"9" * 5000, tool_choice="HERE"), ""),
    "NaN": (put(b"NaN", temperature="HERE"), ""),
    "infinity": (put(b"1e999", temperature="HERE"), ""),
    "a duplicate key": (put(b'"x","model":"wagmi-small"', user="HERE"), ""),
    "the wrong type": (body(messages="x"), "messages"),
    "no messages": (body(messages=[]), "messages"),
    "an unknown role": (body(messages=[{"role": "wizard", "content": "x"}]), "messages[0].role"),
    "content of the wrong type": (body(messages=[{"role": "user", "content": 5}]), CONTENT),
    "an empty message": (body(messages=[{"role": "user", "content": "  "}]), "messages"),
    "an unknown field": (body(id_slot=1), "id_slot"),
    "fewer tokens than none": (body(max_tokens=-5), "max_tokens"),
    "no tokens": (body(max_completion_tokens=0), "max_completion_tokens"),
    "fifty answers": (body(n=50), "n"),
    "not JSON": (b"which licence?", ""),
    "nothing": (b"", ""),
    "a list": (b"[]", ""),
    "null": (b"null", ""),
    "two objects": (body() + b"{}", ""),
    "UTF-16": (json.dumps(question()).encode("utf-16"), ""),
}


def post(stage: Stage, caller: Caller, data: bytes) -> Answer:
    headers = {"Authorization": f"Bearer {caller.key}", "Content-Type": "application/json"}
    response = httpx.post(f"{stage.site.url}{PATH}", content=data, headers=headers, timeout=10)
    return Answer(response.status_code, dict(response.headers), response.text.splitlines())


def test_fault_25_ten_megabytes_are_refused_unread_and_as_they_come(stage: Stage, caller: Caller) -> None:
    head = f"Content-Type: application/json\r\nAuthorization: Bearer {caller.key}\r\n"
    chunks = b"".join(b"10000\r\n" + b"x" * 65536 + b"\r\n" for _ in range(160)) + b"0\r\n\r\n"
    with watched(stage.site):
        declared = raw_post(stage.site, PATH, f"{head}Content-Length: {len(TOO_MUCH)}", TOO_MUCH)
        undeclared = raw_post(stage.site, PATH, f"{head}Transfer-Encoding: chunked", chunks)

    for answer in (declared, undeclared):
        assert answer.startswith(b"HTTP/1.1 413 ") and b"request_too_large" in answer


def test_fault_26_malformed_bodies_are_400_name_the_parameter_and_cost_nothing(stage: Stage, caller: Caller) -> None:
    before = caller.rows()
    wrong = []
    for name, (data, param) in MALFORMED.items():
        answer = post(stage, caller, data)
        if answer.status != 400 or (param and answer.error["param"] != param):
            wrong.append((name, answer.status, answer.text[:300]))
        else:
            assert answer.error["message"] and answer.error["request_id"] == answer.request_id, name

    assert wrong == []
    assert not stage.server.requests and caller.rows() == before
    assert stage.site.processes["web"].poll() is None and "Traceback" not in stage.site.log("web")


def test_fault_28_what_does_not_fit_is_refused_by_us_with_both_numbers(stage: Stage, caller: Caller) -> None:
    answer = caller.call("word " * 50_000)

    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "context_length_exceeded", "messages")
    assert "1024" in answer.error["message"] and "token" in answer.error["message"]
    assert not asked(stage.server), "our layer says so, not the backend"
    assert_ledger_exact(stage.site)


def test_fault_28_control_tokens_never_reach_the_model_whole(stage: Stage, caller: Caller) -> None:
    # What begins with a blank looks like what becomes of the first: apart from it, each is told from all others.
    tokens = [token for name, token in HIDDEN.items() if name != "blank"]
    assert caller.call(f"What is the moon? {' and '.join(tokens)} End.").status == 200

    (seen,) = asked(stage.server)
    for token in tokens:
        visible = "".join(char for char in token if char not in "\u200b\u2060\u00ad\u202e")
        assert visible not in seen.prompt and token not in seen.prompt
    assert "What is the moon?" in seen.prompt and "End." in seen.prompt
    assert [turn["role"] for turn in seen.body["messages"]] == ["user"]
