"""Lines 4, 5, 6 and 22 of the contract: what may be asked, what is refused by name, and what a backend gets of it."""

from typing import Any

import pytest

from tests.api.door import ScriptedDoor
from tests.customers import question

MESSAGES = [
    {"role": "developer", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "Which "}, {"type": "text", "text": "licence?"}]},
    {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function"}]},
    {"role": "tool", "content": "Apache", "tool_call_id": "1"},
    {"role": "user", "content": "So?", "name": "carol", "cache_control": {"type": "ephemeral"}},
]
IGNORED: dict[str, Any] = {
    "user": "u-1",
    "metadata": {"a": {"b": 1}},
    "store": True,
    "service_tier": "auto",
    "safety_identifier": "x",
    "prompt_cache_key": "x",
    "prompt_cache_retention": "24h",
    "reasoning_effort": "low",
    "verbosity": "low",
    "parallel_tool_calls": True,
    "tools": [],
    "tool_choice": "auto",
    "function_call": "none",
    "logit_bias": {},
    "logprobs": False,
    "modalities": ["text"],
    "n": 1,
    "response_format": {"type": "text"},
    "stream_options": None,
    "stop": None,
    "seed": None,
}
REFUSED: dict[str, Any] = {
    "n": 2,
    "tools": [{"type": "function", "function": {"name": "f"}}],
    "tool_choice": "required",
    "functions": [{"name": "f"}],
    "function_call": {"name": "f"},
    "logit_bias": {"42": 5},
    "logprobs": True,
    "top_logprobs": 3,
    "modalities": ["text", "audio"],
    "audio": {"voice": "x"},
    "prediction": {"type": "content", "content": "x"},
    "web_search_options": {"a": 1},
}
WRONG: dict[str, Any] = {
    "max_tokens": -5,
    "max_completion_tokens": 0,
    "temperature": 2.5,
    "top_p": 0,
    "frequency_penalty": 3,
    "presence_penalty": "1",
    "seed": 1.5,
    "stop": ["a", "b", "c", "d", "e"],
    "stream": "yes",
    "stream_options": {"include_usage": True},
    "response_format": {"type": "json_schema"},
    "messages": [],
    "model": "",
    "grounding": "yes",
}
BACKEND_ONLY = ("watermarking", "grammar", "id_slot", "cache_prompt", "n_predict", "top_k", "chat_template_kwargs")
# What may go to the backend, and nothing else.
SENT = {
    "model", "messages", "stream", "stream_options", "max_tokens", "temperature", "stop", "cache_prompt",
    "repeat_penalty", "repeat_last_n", "top_p", "seed", "frequency_penalty", "presence_penalty", "response_format",
}  # fmt: skip


def test_line_04_what_clients_send_is_taken(door: ScriptedDoor) -> None:
    wishes = {"temperature": 0.5, "top_p": 0.9, "seed": 7, "frequency_penalty": 0.1, "presence_penalty": -0.1}

    body = {"model": "wagmi-small", "messages": MESSAGES, "max_tokens": 7, "stop": "END"}
    answered = door.post(IGNORED | body | wishes)

    assert answered.status == 200, answered.raw
    seen = door.server.last.body
    assert [(each["role"], each["content"]) for each in seen["messages"]] == [
        ("system", "Be brief."),
        ("user", "Which licence?"),
        ("user", "Apache"),
        ("user", "So?"),
    ]
    assert {name: seen[name] for name in wishes} == wishes
    assert (seen["max_tokens"], seen["stop"], seen["cache_prompt"]) == (7, ["END"], False)
    assert seen["stream_options"] == {"include_usage": True}
    assert seen.keys() <= SENT


def test_line_04_both_names_of_the_cap_hold_within_the_models_own(door: ScriptedDoor) -> None:
    for fields, cap in (
        ({"max_completion_tokens": 9}, 9),
        ({"max_tokens": 50, "max_completion_tokens": 9}, 9),
        ({"max_tokens": 100_000}, 200),
        ({}, 200),
        ({"max_tokens": None}, 200),
    ):
        door.ask(**fields)
        assert door.server.last.body["max_tokens"] == cap


@pytest.mark.parametrize("name", REFUSED)
def test_line_04_what_no_model_can_do_is_refused_by_name(door: ScriptedDoor, name: str) -> None:
    refused = door.ask(**{name: REFUSED[name]})

    assert (refused.status, refused.error["code"], refused.error["param"]) == (400, "unsupported_parameter", name)
    assert door.server.requests == []


@pytest.mark.parametrize("name", WRONG)
def test_line_04_a_wrong_value_is_refused_with_its_field(door: ScriptedDoor, name: str) -> None:
    refused = door.ask(**{name: WRONG[name]})

    assert (refused.status, refused.error["type"]) == (400, "invalid_request_error")
    assert refused.error["param"].startswith(name)
    assert door.server.requests == []


@pytest.mark.parametrize("name", BACKEND_ONLY)
def test_line_04_what_only_a_backend_knows_is_unknown_here(door: ScriptedDoor, name: str) -> None:
    refused = door.ask(**{name: 1})

    assert (refused.status, refused.error["code"], refused.error["param"]) == (400, "unknown_parameter", name)


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "wizard", "content": "x"}, "messages[0].role"),
        ({"content": "x"}, "messages[0].role"),
        ({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}, "messages[0].content[0]"),
        ({"role": "user", "content": {"text": "x"}}, "messages[0].content"),
        ({"role": "user", "content": "  "}, "messages"),
        ({"role": "user"}, "messages"),
        ("x", "messages[0]"),
    ],
)
def test_line_04_a_message_that_is_none_is_refused_with_its_place(
    door: ScriptedDoor, message: object, param: str
) -> None:
    refused = door.post(question() | {"messages": [message]})

    assert (refused.status, refused.error["param"]) == (400, param)


def test_line_04_one_word_of_sampling_that_is_missing_is_left_to_the_model(door: ScriptedDoor) -> None:
    door.ask(seed=None)

    assert {"seed", "top_p"}.isdisjoint(door.server.last.body)


def test_line_05_a_schema_reaches_a_backend_with_grammars(door: ScriptedDoor) -> None:
    schema = {"type": "object", "properties": {"licence": {"type": "string"}}, "required": ["licence"]}
    named = {"name": "answer", "schema": schema, "strict": True, "description": "An answer."}

    door.ask(response_format={"type": "json_schema", "json_schema": named})
    assert door.server.last.body["response_format"]["json_schema"]["schema"] == schema
    door.ask(response_format={"type": "json_object"})
    assert door.server.last.body["response_format"] == {"type": "json_object"}

    large = named | {"schema": {"type": "object", "description": "x" * 20_000}}
    refused = door.ask(response_format={"type": "json_schema", "json_schema": large})
    assert (refused.status, refused.error["param"]) == (400, "response_format.json_schema.schema")


def test_line_06_a_conversation_that_used_tools_goes_on_and_tools_themselves_are_refused(door: ScriptedDoor) -> None:
    refused = door.ask(tools=REFUSED["tools"], tool_choice="auto", stream=True)

    assert (refused.status, refused.error["param"]) == (400, "tools")
    assert door.post({"model": "wagmi-small", "messages": MESSAGES}).status == 200


def test_line_22_what_does_not_fit_is_refused_with_both_numbers_before_a_stream_begins(door: ScriptedDoor) -> None:
    for stream in (False, True):
        refused = door.ask("word " * 1100, stream=stream)
        assert (refused.status, refused.error["code"]) == (400, "context_length_exceeded")
        assert refused.error["param"] == "messages"
        assert "1024" in refused.error["message"] and "1104" in refused.error["message"]

    # Too much only with the answer that was asked for; without such a wish it is as long as there is room.
    assert "150" in door.ask("word " * 900, max_tokens=150).error["message"]
    assert door.ask("word " * 900).status == 200
    assert door.server.last.body["max_tokens"] == 1024 - 904
    assert len(door.server.requests) == 1


def test_line_22_a_prompt_of_60_000_tokens_is_too_long_on_the_smallest_plan_too(
    door: ScriptedDoor,
) -> None:
    refused = door.ask("word " * 50_000, who="free")

    assert (refused.status, refused.error["code"]) == (400, "context_length_exceeded")


def test_line_22_where_the_backend_counts_nothing_its_own_refusal_has_the_last_word(door: ScriptedDoor) -> None:
    async def refusing(wire: Any) -> None:
        await wire.head("400 Bad Request", "application/json")
        error = b'{"error":{"code":400,"type":"exceed_context_size_error","n_prompt_tokens":1105,"n_ctx":1024}}'
        await wire.chunk(error)
        await wire.end()

    door.server.tokenises = False
    door.server.behaviour = refusing

    refused = door.ask("word " * 600)

    assert (refused.status, refused.error["code"]) == (400, "context_length_exceeded")
    assert "1105" in refused.error["message"]
    assert door.settled(refused.request_id)["cost_microusd"] == 0
