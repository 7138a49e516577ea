"""Line 5 of the contract with a real grammar: answers that follow a schema, and schemas that nobody can follow."""

import json
from functools import reduce
from typing import Any

import pytest

from tests.api.door import Door, ScriptedDoor

pytestmark = pytest.mark.slow
LICENCE = {
    "type": "object",
    "properties": {"licence": {"type": "string", "maxLength": 20}, "year": {"type": "integer", "maximum": 2026}},
    "required": ["licence", "year"],
    "additionalProperties": False,
}
# The real server makes no grammar of these, and says so in a status.
IMPOSSIBLE: dict[str, Any] = {
    "unknown type": {"type": "banana"},
    "reference to nowhere": {"$ref": "#/$defs/nowhere"},
    "reference to elsewhere": {"$ref": "http://127.0.0.1:1/schema.json"},
    "number too large": {"type": "integer", "minimum": -(10**30), "maximum": 10**40},
    "properties of text": {"type": "object", "properties": "x"},
}


# Over some of these the real server stands still, for everybody: it never sees them.
UNSAFE: dict[str, Any] = {
    "pattern": {"type": "string", "pattern": "^((a?){1,50}){1,50}$"},
    "pattern of properties": {"type": "object", "patternProperties": {"^((a?){1,50}){1,50}$": {"type": "string"}}},
    "many properties": {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(65)}},
    "many items": {"type": "array", "items": {"type": "string"}, "minItems": 10**6},
    "deep": {"type": "array", "items": reduce(lambda inner, _: {"items": inner}, range(40), {"type": "string"})},
}


def format_of(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}


@pytest.mark.parametrize("stream", [False, True])
def test_line_05_an_answer_follows_its_schema(live_door: Door, stream: bool) -> None:
    answered = live_door.ask("Name a licence and a year.", response_format=format_of(LICENCE), stream=stream)

    assert answered.status == 200, answered.raw
    text = answered.text if stream else answered.body["choices"][0]["message"]["content"]
    found = json.loads(text)
    assert found.keys() == {"licence", "year"} and isinstance(found["year"], int)


def test_line_05_any_object_in_json(live_door: Door) -> None:
    answered = live_door.ask("Say hello in JSON.", response_format={"type": "json_object"}, max_tokens=60)

    choice = answered.body["choices"][0]
    assert choice["message"]["content"].lstrip().startswith("{")
    if choice["finish_reason"] == "stop":
        json.loads(choice["message"]["content"])


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_line_05_a_schema_without_a_grammar_is_400_also_where_a_stream_was_asked_for(
    live_door: Door, name: str
) -> None:
    for stream in (False, True):
        refused = live_door.ask(response_format=format_of(IMPOSSIBLE[name]), stream=stream)

        assert (refused.status, refused.error["code"]) == (400, "invalid_value"), refused.raw[-300:]
        assert refused.error["param"] == "response_format"
        assert live_door.settled(refused.request_id)["cost_microusd"] == 0


def test_line_05_no_number_of_bad_schemas_closes_the_model_to_others(live_door: Door) -> None:
    for _ in range(6):
        assert live_door.ask(response_format=format_of({"type": "banana"})).status == 400

    assert live_door.ask(max_tokens=3).status == 200


@pytest.mark.parametrize("name", UNSAFE)
def test_line_05_a_schema_that_could_stop_the_model_never_reaches_it(door: ScriptedDoor, name: str) -> None:
    refused = door.ask(response_format=format_of(UNSAFE[name]))

    assert (refused.status, refused.error["param"]) == (400, "response_format.json_schema.schema")
    assert door.server.requests == []


def test_line_05_a_property_may_be_called_pattern(door: ScriptedDoor) -> None:
    schema = {"type": "object", "properties": {"pattern": {"type": "string"}}}

    assert door.ask(response_format=format_of(schema)).status == 200
