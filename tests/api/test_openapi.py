"""The description of the API: complete, true to what is answered, and the same everywhere."""

import ast
import json
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import msgspec
import pytest

from inference.api import descriptions, openapi, responses, schemas
from inference.api.streams import COMMENT
from tests.customers import api, new_key, question
from tests.live import Site

API = Path(openapi.__file__).parent
NOT_FOR_CLIENTS = {"x-content-type-options", "x-accel-buffering"}  # for browsers and for proxies
DIALECT = "https://json-schema.org/draft/2020-12/schema"


@pytest.fixture(scope="module")
def key(live_site: Site) -> str:
    return new_key(live_site)


def resolved(description: dict[str, Any], value: Any) -> Any:
    """Return a part of the description with its references followed."""
    while "$ref" in value:
        found: Any = description
        for name in value["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        value = found
    return value


def references(value: Any) -> list[str]:
    if isinstance(value, list):
        return [each for item in value for each in references(item)]
    if not isinstance(value, dict):
        return []
    own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
    return own + [each for item in value.values() for each in references(item)]


def test_the_description_is_whole() -> None:
    description = openapi.describe()

    assert all(resolved(description, {"$ref": each}) for each in references(description))
    for schema in description["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    names = [each["operationId"] for methods in description["paths"].values() for each in methods.values()]
    assert len(names) == len(set(names)) == len(openapi.ENDPOINTS)


@pytest.mark.parametrize("type_", [schemas.ChatRequest, schemas.CompletionRequest, schemas.EmbeddingRequest])
def test_every_field_that_may_be_asked_has_words_and_no_words_are_left_over(type_: Any) -> None:
    named = {field.encode_name for field in msgspec.structs.fields(type_)}

    assert named == set(descriptions.FIELDS[type_.__name__])


def test_words_are_only_about_fields_that_there_are() -> None:
    found = openapi.describe()["components"]["schemas"]

    assert set(descriptions.SCHEMAS) <= set(found)
    assert {
        (schema, name)
        for schema, fields in descriptions.FIELDS.items()
        for name in fields
        if name not in found[schema]["properties"]
    } == set()


def test_examples_are_what_they_show() -> None:
    description = openapi.describe()
    store = {"$schema": DIALECT, **description}

    for methods in description["paths"].values():
        for body in [each["requestBody"] for each in methods.values() if "requestBody" in each]:
            content = body["content"][openapi.JSON]
            for example in content["examples"].values():
                jsonschema.Draft202012Validator({**store, **content["schema"]}).validate(example["value"])
    msgspec.convert(openapi.ERROR, responses.Error)


def test_every_code_of_a_refusal_is_in_the_table_of_errors() -> None:
    refusing = {"ApiError": 1, "invalid": 2, "away": 1}
    found = set()
    for file in API.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in refusing:
                code = node.args[refusing[node.func.id] :][:1]
                found |= {each.value for each in code if isinstance(each, ast.Constant) and isinstance(each.value, str)}
    known = {each.code for each in descriptions.CODES}

    assert len(found) > 12
    assert found <= known
    assert {each.status for each in descriptions.CODES} == set(descriptions.STATUSES)


def test_a_language_changes_words_and_nothing_else() -> None:
    def shape(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                name: None if name in ("description", "summary") and isinstance(each, str) else shape(each)
                for name, each in value.items()
            }
        return [shape(each) for each in value] if isinstance(value, list) else value

    assert shape(openapi.describe("fr")) == shape(openapi.describe("en"))


def test_anybody_may_read_the_description_and_keep_it_for_an_hour(live_site: Site) -> None:
    answer = httpx.get(f"{live_site.url}/v1/openapi.json")

    assert answer.status_code == 200
    assert answer.headers.get_list("cache-control") == ["public, max-age=3600"]
    assert answer.json()["servers"] == [{"url": live_site.url}]
    assert answer.json()["paths"].keys() == openapi.describe()["paths"].keys()


def exactly(value: Any, type_: Any) -> None:
    """Hold an answer against its type: nothing missing, nothing wrong, nothing that the description does not name."""
    assert msgspec.to_builtins(msgspec.convert(value, type_)) == value


@pytest.mark.parametrize(
    ("path", "type_"),
    [
        ("models", responses.ModelList),
        ("models/wagmi-small", responses.Model),
        ("key", responses.Key),
        ("usage", responses.UsageReport),
        ("models/nobody", responses.Error),
    ],
)
def test_what_is_read_is_as_described(live_site: Site, key: str, path: str, type_: Any) -> None:
    with api(live_site, key) as client:
        client.post("/chat/completions", json=question(max_tokens=2))  # so that there is some usage
        answer = client.get(f"/{path}")

    exactly(answer.json(), type_)
    documented(answer)


@pytest.mark.parametrize("fields", [{"max_tokens": 4}, {"grounding": True}])
def test_an_answer_and_its_stream_are_as_described(live_site: Site, key: str, fields: dict[str, Any]) -> None:
    with api(live_site, key) as client:
        whole = client.post("/chat/completions", json=question(**fields))
        options = {"stream": True, "stream_options": {"include_usage": True}}
        stream = client.post("/chat/completions", json=question(**fields, **options))

    exactly(whole.json(), responses.ChatCompletion)
    documented(whole)
    documented(stream)
    events = [line.removeprefix("data: ") for line in stream.text.splitlines() if line.startswith("data: ")]
    assert stream.text.startswith(COMMENT.decode()) and events[-1] == "[DONE]"
    for event in events[:-1]:
        exactly(json.loads(event), responses.ChatCompletionChunk)
    if "grounding" in fields:
        assert whole.json()["sources"] and json.loads(events[-3])["sources"]


def test_a_completion_and_its_stream_are_as_described(live_site: Site, key: str) -> None:
    asked = {"model": "wagmi-small", "prompt": "Which licence?", "max_tokens": 4}
    with api(live_site, key) as client:
        whole = client.post("/completions", json=asked)
        stream = client.post("/completions", json=asked | {"stream": True})

    exactly(whole.json(), responses.Completion)
    documented(whole)
    for line in stream.text.splitlines():
        if line.startswith("data: {"):
            exactly(json.loads(line.removeprefix("data: ")), responses.Completion)


def documented(answer: httpx.Response) -> None:
    """Hold status, media type and headers of an answer against the description."""
    description = openapi.describe()
    path = answer.request.url.path
    methods = description["paths"].get(path) or description["paths"]["/v1/models/{model}"]
    told = resolved(description, methods[answer.request.method.lower()]["responses"][str(answer.status_code)])
    assert answer.headers["content-type"].partition(";")[0] in told["content"]
    ours = {name for name in answer.headers if name.startswith("x-")} - NOT_FOR_CLIENTS
    assert ours <= set(told["headers"]), ours
