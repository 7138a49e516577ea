"""What may be asked: the table of what is refused, with the field that is named, and what is let through."""

import json
from typing import Any

import pytest

from chat.asks import MAX_ASK_BYTES, MAX_MESSAGE_BYTES, MAX_MESSAGES, Ask, Resume, Stop, parse, parse_ask
from chat.errors import AskRefused

ID = "3f2b8c1e-8c1f-4f57-9a55-0a8f0f1e2d3c"
SECRET = "s" * 43
QUESTION = {"role": "user", "content": "What is a quota?"}
ANSWER = {"role": "assistant", "content": "A limit.", "seal": "x"}


def body(**changes: Any) -> bytes:
    """Return a sound ask with some fields changed; a value of None leaves the field out."""
    whole = {"id": ID, "secret": SECRET, "messages": [QUESTION], "language": "en", **changes}
    return json.dumps({name: value for name, value in whole.items() if value is not None}).encode()


def field_refused(data: bytes) -> str:
    with pytest.raises(AskRefused) as refused:
        parse_ask(data)
    assert refused.value.problem
    return refused.value.field


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"id": None}, "id"),
        ({"id": 5}, "id"),
        ({"id": "no uuid"}, "id"),
        ({"id": "aac3b5ee-e5d7-11f1-ad1c-02fc00000001"}, "id"),  # of version 1
        ({"id": "{" + ID + "}"}, "id"),
        ({"id": ID.replace("-", "")}, "id"),
        ({"messages": None}, "messages"),
        ({"messages": "text"}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [QUESTION] * (MAX_MESSAGES + 1)}, "messages"),
        ({"messages": [QUESTION, ANSWER]}, "messages"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages[0].role"),
        ({"messages": [QUESTION, {"role": "tool", "content": "x"}]}, "messages[1].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": " \n "}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "a\x00b"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "a\x7fb"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "x" * (MAX_MESSAGE_BYTES + 1)}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "é" * (MAX_MESSAGE_BYTES // 2 + 1)}]}, "messages[0].content"),
        ({"messages": [{**QUESTION, "name": "x"}]}, "messages[0].name"),
        ({"messages": [{**QUESTION, "seal": 5}]}, "messages[0].seal"),
        ({"language": "de"}, "language"),
        ({"language": "en\n"}, "language"),
        ({"language": 5}, "language"),
        ({"secret": "short"}, "secret"),
        ({"secret": "ü" * 43}, "secret"),
        ({"secret": SECRET + "\n"}, "secret"),
        ({"secret": "s" * 65}, "secret"),
        ({"conversation": "mine"}, "conversation"),
        ({"temperature": 2}, "temperature"),
        ({"logit_bias": {}}, "logit_bias"),
        ({"type": "forget"}, "type"),
    ],
    ids=repr,
)
def test_a_wrong_field_is_named(changes: dict[str, Any], field: str) -> None:
    assert field_refused(body(**changes)) == field


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (b"", ""),
        (b"{}", "id"),
        (b"[]", ""),
        (b"null", ""),
        (b"nonsense", ""),
        (b"\xff", ""),
        (body() + b"{}", ""),
        (b"\xef\xbb\xbf" + body(), ""),
        (body().decode().encode("utf-16"), ""),
        (body(language="HERE").replace(b'"HERE"', b"NaN"), ""),
        (body(language="HERE").replace(b'"HERE"', b"1e999"), "language"),
        (body(language="HERE").replace(b'"HERE"', b"9" * 5000), "language"),
        (body(language="HERE").replace(b"HERE", rb"\ud800"), ""),
        (body(language="HERE").replace(b"HERE", b"\xed\xa0\x80"), ""),
        (b'{"a":' * 20_000, "a"),
        (b"[" * 100_000 + b"]" * 100_000, ""),
        (body(language="HERE").replace(b'"HERE"', b'"en","language":"en"'), "language"),
        (b" " * (MAX_ASK_BYTES + 1), ""),
    ],
)
def test_what_is_no_ask_at_all_is_refused_and_never_a_fault(data: bytes, field: str) -> None:
    assert field_refused(data) == field


def test_the_sizes_named_are_possible() -> None:
    largest = {"role": "user", "content": "x" * MAX_MESSAGE_BYTES}

    assert parse_ask(body(messages=[largest])).question == largest["content"]
    assert len(parse_ask(body(messages=[QUESTION, ANSWER] * (MAX_MESSAGES // 2 - 1) + [QUESTION])).messages) == 63


def test_tabs_and_line_ends_are_text() -> None:
    assert parse_ask(body(messages=[{"role": "user", "content": "a\tb\r\nc"}])).question == "a\tb\r\nc"


def test_the_type_may_be_left_out_where_only_questions_come() -> None:
    assert parse_ask(body()) == parse_ask(body(type="ask"))
    assert parse_ask(b"  " + body() + b"\n").id == ID
    with pytest.raises(AskRefused) as refused:
        parse(body())
    assert refused.value.field == "type"


def test_stop_and_resume_are_told_apart_and_are_no_questions() -> None:
    stop = json.dumps({"type": "stop", "id": ID, "secret": SECRET}).encode()
    resume = json.dumps({"type": "resume", "id": ID, "secret": SECRET, "after_seq": 3}).encode()

    assert isinstance(parse(body(type="ask")), Ask)
    assert parse(stop) == Stop(ID, SECRET)
    assert parse(resume) == Resume(ID, SECRET, 3)
    assert field_refused(stop) == "type"


def test_the_digest_knows_the_question_and_not_the_secret() -> None:
    asked = parse_ask(body())

    assert asked.digest() == parse_ask(body(secret="t" * 43)).digest()
    assert asked.digest() != parse_ask(body(language="fr")).digest()
    assert asked.digest() != parse_ask(body(messages=[{"role": "user", "content": "Another?"}])).digest()
