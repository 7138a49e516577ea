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
    "number too large": {"type": "integer", "minimum": -(10**30), "maximum": 10**40},
    "properties of text": {"type": "object", "properties": "x"},
}


def held(definitions: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a schema of one property, whose value is the definition called ``name``."""
    return {
        "$defs": definitions,
        "type": "object",
        "properties": {"x": {"$ref": f"#/$defs/{name}"}},
        "required": ["x"],
        "additionalProperties": False,
    }


def pairs_with(name: str) -> dict[str, Any]:
    """Return twelve ways to begin a list alike, each of them with the definition called ``name``."""
    ways = [{"type": "array", "prefixItems": [{"$ref": f"#/$defs/{name}"}, {"const": n}]} for n in range(12)]
    return {"anyOf": ways}


# Over some of these the real server stands still, for everybody: it never sees them.
UNSAFE: dict[str, Any] = {
    "pattern": {"type": "string", "pattern": "^((a?){1,50}){1,50}$"},
    "pattern of properties": {"type": "object", "patternProperties": {"^((a?){1,50}){1,50}$": {"type": "string"}}},
    "many properties": {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(65)}},
    "many items": {"type": "array", "items": {"type": "string"}, "minItems": 10**6},
    "deep": {"type": "array", "items": reduce(lambda inner, _: {"items": inner}, range(40), {"type": "string"})},
    "ways that multiply in themselves": held({"a": pairs_with("a")}, "a"),
    "ways that multiply in a chain": held(
        {f"a{n}": pairs_with(f"a{n + 1}") for n in range(9)} | {"a9": {"type": "string"}}, "a0"
    ),
    "numbers between bounds": {
        "anyOf": [{"type": "integer", "minimum": n, "maximum": 10**15 + n} for n in range(120)],
    },
    "reference to itself": {"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
    "list without end": held({"a": {"properties": {"next": {"$ref": "#/$defs/a"}}}}, "a"),
    "reference to the whole": {"type": "object", "properties": {"child": {"$ref": "#"}}},
    "reference to nowhere": {"$ref": "#/$defs/nowhere"},
    "reference to elsewhere": {"$ref": "http://127.0.0.1:1/schema.json"},
    "reference that two read in two ways": {"$defs": {"a~1b": {"type": "null"}}, "$ref": "#/$defs/a~1b"},
    "reference into a list": {"anyOf": [{"type": "null"}], "$ref": "#/anyOf/99999"},
    "many values of a list, many times": held(
        {"a": {"enum": list(range(300))}} | {"b": {"anyOf": [{"$ref": "#/$defs/a"}] * 50}}, "b"
    ),
}
ADDRESS: dict[str, Any] = {
    "type": "object",
    "title": "Address",
    "properties": {
        "street": {"type": "string", "title": "Street"},
        "zip": {"anyOf": [{"type": "string", "maxLength": 12}, {"type": "null"}], "default": None},
        "country": {"$ref": "#/$defs/Country"},
    },
    "required": ["street", "country"],
}
# As pydantic and its like make them.
ORDINARY: dict[str, Any] = {
    "five properties": LICENCE,
    "two of one definition, in a list too": {
        "$defs": {"Address": ADDRESS, "Country": {"type": "string", "enum": [f"C{n}" for n in range(40)]}},
        "type": "object",
        "properties": {
            "home": {"$ref": "#/$defs/Address"},
            "work": {"anyOf": [{"$ref": "#/$defs/Address"}, {"type": "null"}]},
            "others": {"type": "array", "items": {"$ref": "#/$defs/Address"}, "maxItems": 5},
        },
        "required": ["home", "work", "others"],
    },
    "fifty properties that may be null": {
        "type": "object",
        "properties": {
            f"field_{n}": {"anyOf": [{"type": "string"}, {"type": "null"}], "title": f"Field {n}"} for n in range(50)
        },
        "required": [f"field_{n}" for n in range(50)],
        "additionalProperties": False,
    },
    "the countries of the world": {"type": "object", "properties": {"in": {"enum": [f"c{n}" for n in range(250)]}}},
    "forty numbers between bounds": {
        "type": "object",
        "properties": {f"mark_{n}": {"type": "integer", "minimum": 0, "maximum": 100} for n in range(40)},
        "required": [f"mark_{n}" for n in range(40)],
    },
    "a list by its place": {
        "type": "object",
        "properties": {"a": {"prefixItems": [{"type": "null"}]}, "b": {"$ref": "#/properties/a/prefixItems/0"}},
    },
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


@pytest.mark.parametrize("name", ORDINARY)
def test_line_05_an_ordinary_schema_is_followed(live_door: Door, name: str) -> None:
    answered = live_door.ask("Make one up.", response_format=format_of(ORDINARY[name]), max_tokens=12)

    assert answered.status == 200, answered.raw[-300:]


def test_line_05_a_property_may_be_called_pattern(door: ScriptedDoor) -> None:
    schema = {"type": "object", "properties": {"pattern": {"type": "string"}}}

    assert door.ask(response_format=format_of(schema)).status == 200
