"""Lines 1, 2, 3, 20, 23 and 26 of the contract: addresses, keys, and what every response has."""

import uuid

import pytest

from tests.api.door import CHAT, ScriptedDoor
from tests.customers import question

ENTRY = {"id", "object", "created", "owned_by"}


def test_line_01_models_are_listed_as_clients_read_them(door: ScriptedDoor) -> None:
    listed = door.get("/models").body
    alone = door.get("/models/wagmi-small").body

    assert listed["object"] == "list" and listed["data"] == [alone]
    assert alone.keys() >= ENTRY
    assert (alone["object"], type(alone["created"])) == ("model", int)
    assert alone["capabilities"] == ["chat", "completions", "stream", "json_schema"]
    assert alone["prices_usd_per_million_tokens"] == {"input": 0.1, "output": 0.4}
    assert "url" not in alone and door.server.url not in str(listed)


@pytest.mark.parametrize(
    ("path", "name"), [("org%2Fm:1", "org/m:1"), ("org/m:1", "org/m:1"), ("a%252Fb", "a%2Fb"), ("%F0%9F%92%A9", "💩")]
)
def test_line_01_a_model_id_may_hold_a_slash_and_an_unknown_one_is_404(
    door: ScriptedDoor, path: str, name: str
) -> None:
    refused = door.get(f"/models/{path}")

    assert (refused.status, refused.error["code"]) == (404, "model_not_found")
    assert f"“{name}”" in refused.error["message"]


def test_line_01_a_key_for_other_models_sees_none_and_can_use_none(door: ScriptedDoor) -> None:
    assert door.get("/models", "large").body["data"] == []
    assert door.get("/models/wagmi-small", "large").error["code"] == "model_not_found"

    refused = door.ask(who="large")

    assert (refused.status, refused.error["code"], refused.error["param"]) == (404, "model_not_found", "model")
    assert door.server.requests == []


def test_line_02_completions_are_answered_too(door: ScriptedDoor) -> None:
    body = {"model": "wagmi-small", "prompt": "user: Which licence?\nassistant: ", "temperature": 0.1}

    whole = door.post(body, "/completions")
    streamed = door.post(body | {"stream": True, "stream_options": {"include_usage": True}}, "/completions")

    assert whole.body["object"] == "text_completion" and whole.body["id"].startswith("cmpl-")
    assert whole.body["choices"] == [
        {"index": 0, "text": "the Apache licence, version two", "logprobs": None, "finish_reason": "stop"}
    ]
    assert whole.body["usage"]["total_tokens"] == 45
    chunks = streamed.chunks
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks[:-1]) == "the Apache licence, version two"
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop" and chunks[-1]["choices"] == []
    assert streamed.lines[-1] == "data: [DONE]"
    assert door.server.last.prompt == body["prompt"] and door.server.last.body["temperature"] == 0.1


@pytest.mark.parametrize("prompt", [["one", "two"], [1, 2, 3], [[1, 2]], []])
def test_line_02_one_request_takes_one_prompt(door: ScriptedDoor, prompt: object) -> None:
    refused = door.post({"model": "wagmi-small", "prompt": prompt}, "/completions")

    assert (refused.status, refused.error["param"]) == (400, "prompt")


@pytest.mark.parametrize("header", [None, "", "Bearer", "Basic abc", "Bearer wag_short", "Bearer sk-123"])
def test_line_03_without_a_key_401_with_its_fields(door: ScriptedDoor, header: str | None) -> None:
    refused = door.post(question(), who=None, **({} if header is None else {"Authorization": header}))

    error = refused.error
    assert (refused.status, error["code"], error["param"]) == (401, "invalid_api_key", None)
    assert error["type"] == "invalid_request_error"
    assert refused.headers["www-authenticate"] == "Bearer"


def test_line_03_the_scheme_is_read_in_any_case_and_a_wrong_key_is_401(door: ScriptedDoor) -> None:
    key = door.keys["carol"]
    other = key[:-1] + ("a" if key[-1] != "a" else "b")

    for scheme in ("bearer", "BEARER"):
        assert door.get("/models", None, Authorization=f"{scheme} {key}").status == 200
    assert door.get("/models", None, Authorization=f"Bearer {other}").error["code"] == "invalid_api_key"
    assert door.get("/models?key=" + key, None).status == 401


def test_line_20_every_response_has_an_id_of_ours_and_a_sane_one_of_theirs(door: ScriptedDoor) -> None:
    seen = set()
    for answered in (
        door.get("/models"),
        door.get("/models", "expired"),
        door.get("/nowhere"),
        door.get("/models", method="DELETE"),
        door.ask(),
        door.ask(stream=True),
        door.ask(temperature=9),
        door.post(b"{"),
        door.get("/openapi.json", None),
    ):
        assert str(uuid.UUID(answered.request_id)) == answered.request_id
        assert "x-client-request-id" not in answered.headers
        seen.add(answered.request_id)
    assert len(seen) == 9
    assert door.ask().body["id"].startswith("chatcmpl-")

    assert door.get("/models", **{"X-Request-ID": "trace-1.a:b"}).headers["x-client-request-id"] == "trace-1.a:b"
    for insane in ("a b", "x" * 101, "ü", "<script>"):
        with door.client() as client:
            response = client.get("/models", headers=[(b"X-Request-ID", insane.encode())])
        assert "x-client-request-id" not in response.headers


def test_line_23_and_26_whatever_is_wrong_is_said_in_json(door: ScriptedDoor) -> None:
    for path in ("/nowhere", "/", "", "/chat", "/chat/completions/", "/engines/wagmi-small/completions"):
        refused = door.get(path)
        assert (refused.status, refused.error["code"]) == (404, "unknown_url"), path

    for method, path, allowed in (
        ("GET", CHAT, "POST"),
        ("DELETE", CHAT, "POST"),
        ("POST", "/models", "GET, HEAD"),
        ("OPTIONS", CHAT, "POST"),
    ):
        refused = door.get(path, method=method)
        assert (refused.status, refused.error["code"], refused.headers["allow"]) == (405, "method_not_allowed", allowed)

    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        refused = door.post(question(), Content_Type=content_type)
        assert (refused.status, refused.error["code"]) == (415, "unsupported_media_type")
    assert door.post(question(), Content_Type="Application/JSON; charset=utf-8").status == 200


def test_line_26_head_has_the_headers_of_get_and_nothing_is_for_browsers_of_other_origins(door: ScriptedDoor) -> None:
    got, head = door.get("/models"), door.get("/models", method="HEAD")
    preflight = door.get(
        CHAT, method="OPTIONS", Origin="https://example.org", **{"Access-Control-Request-Method": "POST"}
    )

    assert head.raw == b"" and head.headers["content-length"] == str(len(got.raw))
    assert preflight.status == 405
    for answered in (got, preflight, door.ask(stream=True)):
        assert not [name for name in answered.headers if name.startswith("access-control")]
        assert answered.headers["x-content-type-options"] == "nosniff"
        assert "set-cookie" not in answered.headers
    assert got.headers["cache-control"] == "no-store"


def test_line_26_refusals_are_in_the_callers_language(door: ScriptedDoor) -> None:
    french = door.get("/nowhere", **{"Accept-Language": "fr-CH, en;q=0.5"})
    other = door.get("/nowhere", **{"Accept-Language": "xx, *;q=0.1"})

    assert "adresse" in french.error["message"] and french.error["code"] == "unknown_url"
    assert "address" in other.error["message"]
