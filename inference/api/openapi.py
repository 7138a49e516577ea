"""The OpenAPI 3.1 description of ``/v1``, made from the types that validate and from those of the answers."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgspec
from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from inference.api import descriptions, responses, schemas

VERSION = "1.0.0"
JSON, STREAM = "application/json", "text/event-stream"
ASKED = (400, 413, 415)
SERVED = (404, 409, 422, 429, 502, 503, 504)
EVERYWHERE = (401, 402, 403, 405, 500, 503)

QUESTION = {"model": "wagmi-small", "messages": [{"role": "user", "content": "What is a quota?"}]}
ERROR = {
    "error": {
        "message": "The parameter “model” is missing.",
        "type": "invalid_request_error",
        "param": "model",
        "code": "missing_parameter",
        "request_id": "3f1f2f0e-6f0b-4b57-9d52-0d1c9d1b7c55",
    }
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method at one address."""

    path: str
    method: str
    name: str
    summary: Any
    answers: Any
    asks: Any = None
    streams: Any = None
    examples: dict[str, Any] = field(default_factory=dict)
    parameters: tuple[dict[str, Any], ...] = ()
    statuses: tuple[int, ...] = ()
    headers: tuple[str, ...] = ()
    public: bool = False


def _query(name: str, words: Any) -> dict[str, Any]:
    day = {"type": "string", "format": "date"}
    return {"name": name, "in": "query", "description": words, "schema": day}


# The letters of Go's ParseDuration; what a header may hold besides is nobody's to decide here.
LIMITS = tuple(
    f"x-ratelimit-{what}-{unit}" for what in ("limit", "remaining", "reset") for unit in ("requests", "tokens")
)
WRITTEN = ("x-served-model", "x-tier", "x-ai-generated", *LIMITS)

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        "/v1/chat/completions",
        "post",
        "createChatCompletion",
        _("Answer a conversation"),
        responses.ChatCompletion,
        asks=schemas.ChatRequest,
        streams=responses.ChatCompletionChunk,
        examples={
            "question": QUESTION,
            "stream": {**QUESTION, "stream": True, "stream_options": {"include_usage": True}},
            "grounding": {**QUESTION, "grounding": True},
            "json_schema": {
                **QUESTION,
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {
                        "name": "answer",
                        "schema": {"type": "object", "properties": {"answer": {"type": "string"}}},
                    },
                },
            },
        },
        statuses=(*ASKED, *SERVED),
        headers=WRITTEN,
    ),
    Endpoint(
        "/v1/completions",
        "post",
        "createCompletion",
        _("Answer one text"),
        responses.Completion,
        asks=schemas.CompletionRequest,
        streams=responses.Completion,
        examples={"prompt": {"model": "wagmi-small", "prompt": "What is a quota?", "max_tokens": 50}},
        statuses=(*ASKED, *SERVED),
        headers=WRITTEN,
    ),
    Endpoint(
        "/v1/embeddings",
        "post",
        "createEmbedding",
        _("Turn texts into vectors"),
        responses.EmbeddingList,
        asks=schemas.EmbeddingRequest,
        examples={"texts": {"model": "wagmi-embed", "input": ["What is a quota?", "How do I get a key?"]}},
        statuses=(*ASKED, *SERVED),
        headers=LIMITS,
    ),
    Endpoint("/v1/models", "get", "listModels", _("List the models this key may use"), responses.ModelList),
    Endpoint(
        "/v1/models/{model}",
        "get",
        "retrieveModel",
        _("Describe one model"),
        responses.Model,
        parameters=(
            {
                "name": "model",
                "in": "path",
                "required": True,
                "description": descriptions.FIELDS["Model"]["id"],
                "schema": {"type": "string", "minLength": 1},
                "example": "wagmi-small",
            },
        ),
        statuses=(404,),
    ),
    Endpoint("/v1/key", "get", "retrieveKey", _("Describe the key that asks, and what is left of it"), responses.Key),
    Endpoint(
        "/v1/usage",
        "get",
        "listUsage",
        _("List what the account used"),
        responses.UsageReport,
        parameters=(
            _query("from", _("The first UTC day; 29 days before the last by default.")),
            _query("to", _("The last UTC day, included; today by default.")),
        ),
        statuses=(400,),
    ),
    Endpoint("/v1/openapi.json", "get", "describeApi", _("This description"), None, public=True),
)

REQUEST_HEADERS = {
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": _("A name for this call, good for 24 hours: the same name never runs or costs twice."),
        "schema": {"type": "string", "maxLength": 255, "pattern": "^[!-~]+$"},
    },
    "AcceptLanguage": {
        "name": "Accept-Language",
        "in": "header",
        "description": _("`en` or `fr`: the language of error messages, and of pages an answer is grounded on."),
        "schema": {"type": "string", "pattern": "^[!-~]*$"},
        "example": "fr",
    },
}

HEADERS: dict[str, dict[str, Any]] = {
    "x-request-id": {"description": _("On every response. Name it when you report a problem.")},
    "x-served-model": {"description": _("The id of the model that answers.")},
    "x-tier": {"description": _("The tier of that model.")},
    "x-ai-generated": {"description": _("`true`: the text is a machine’s.")},
    "x-ratelimit-limit-requests": {"description": _("Requests in a minute.")},
    "x-ratelimit-limit-tokens": {"description": _("Tokens in a minute.")},
    "x-ratelimit-remaining-requests": {"description": _("How many of the requests are left.")},
    "x-ratelimit-remaining-tokens": {"description": _("How many of the tokens are left.")},
    "x-ratelimit-reset-requests": {"description": _("When they are all back, such as `12ms`, `1s` or `6m0s`.")},
    "x-ratelimit-reset-tokens": {"description": _("When they are all back, such as `12ms`, `1s` or `6m0s`.")},
    "retry-after": {"description": _("Seconds until asking again can help.")},
    "x-should-retry": {"description": _("`false` where asking again cannot help: clients of OpenAI then stop.")},
    "www-authenticate": {"description": _("`Bearer`.")},
    "allow": {"description": _("The methods of this address.")},
}
COUNTED = ("limit-requests", "limit-tokens", "remaining-requests", "remaining-tokens")
HEADERS_OF = {
    401: ("www-authenticate",),
    405: ("allow",),
    409: ("retry-after", "x-should-retry"),
    429: (*LIMITS, "retry-after", "x-should-retry"),
    502: ("retry-after",),
    503: ("retry-after",),
    504: ("retry-after",),
}


def describe(language: str = "en") -> dict[str, Any]:
    """Return the description with its words in a language. Names, and everything else, are the same in all."""
    with translation.override(language):
        return {
            "openapi": "3.1.0",
            "info": {
                "title": f"{settings.SITE_NAME} API",
                "version": VERSION,
                "description": str(_("The API of this site, in the words that OpenAI’s clients speak.")),
                "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
            },
            "servers": [{"url": settings.API_URL}],
            "security": [{"key": []}],
            "paths": _paths(),
            "components": {
                "securitySchemes": {
                    "key": {
                        "type": "http",
                        "scheme": "bearer",
                        "description": str(_("An API key of your account: `Authorization: Bearer wag_…`.")),
                    }
                },
                "parameters": _spoken(REQUEST_HEADERS),
                "headers": {name: _header(name) for name in HEADERS},
                "responses": {str(status): _refusal(status) for status in descriptions.STATUSES},
                "schemas": _schemas(),
            },
        }


@lru_cache(maxsize=4)
def served(_api_url: str, _site_name: str) -> bytes:
    """Return the description as it is served; named for what it depends on."""
    return msgspec.json.encode(describe())


def current() -> bytes:
    """Return ``GET /v1/openapi.json``."""
    return served(settings.API_URL, settings.SITE_NAME)


def _paths() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in ENDPOINTS:
        found.setdefault(each.path, {})[each.method] = _operation(each)
    return found


def _operation(each: Endpoint) -> dict[str, Any]:
    answers = {"200": _answer(each)}
    statuses = () if each.public else sorted({*EVERYWHERE, *each.statuses})
    answers |= {str(status): {"$ref": f"#/components/responses/{status}"} for status in statuses}
    parameters = [_spoken(parameter) for parameter in each.parameters]
    found: dict[str, Any] = {"operationId": each.name, "summary": str(each.summary), "responses": answers}
    if each.asks is not None:
        parameters.append({"$ref": "#/components/parameters/IdempotencyKey"})
        examples = {name: {"value": value} for name, value in each.examples.items()}
        body = {"schema": _ref(each.asks), "examples": examples}
        found["requestBody"] = {"required": True, "content": {JSON: body}}
    if each.public:
        found["security"] = []
    else:
        parameters.append({"$ref": "#/components/parameters/AcceptLanguage"})
    if parameters:
        found["parameters"] = parameters
    return found


def _answer(each: Endpoint) -> dict[str, Any]:
    schema = {"type": "object"} if each.answers is None else _ref(each.answers)
    content: dict[str, Any] = {JSON: {"schema": schema}}
    words = str(_("The answer."))
    if each.streams is not None:
        words = str(
            _(
                "The answer. With `stream` it is a row of server-sent events, each `data: ` and one JSON object: the "
                "words as they are written, then the finish reason, then the usage if it was asked for, then "
                "`data: [DONE]`. Lines that begin with a colon keep the connection open. A failure after the first "
                "event is one event with `error`, and then the stream ends."
            )
        )
        content[STREAM] = {
            # Neither a text nor an object to every reader: some take the stream whole, some event by event.
            "schema": {},
            # The word for it in OpenAPI 3.2; readers of 3.1 pass over it.
            "x-itemSchema": {"oneOf": [_ref(each.streams), _ref(responses.Error)]},
        }
    return {"description": words, "headers": _headers("x-request-id", *each.headers), "content": content}


def _refusal(status: int) -> dict[str, Any]:
    return {
        "description": str(descriptions.STATUSES[status]),
        "headers": _headers("x-request-id", *HEADERS_OF.get(status, ())),
        "content": {JSON: {"schema": _ref(responses.Error), "example": ERROR}},
    }


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _header(name: str) -> dict[str, Any]:
    counts = name.removeprefix("x-ratelimit-") in COUNTED or name == "retry-after"
    schema = {"type": "integer", "minimum": 0} if counts else {"type": "string"}
    return {**_spoken(HEADERS[name]), "schema": schema}


def _ref(type_: Any) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{type_.__name__}"}


def _schemas() -> dict[str, Any]:
    """Return every type, each of its fields with our words where it has some."""
    types = [type_ for each in ENDPOINTS for type_ in (each.asks, each.answers, each.streams) if type_ is not None]
    _refs, found = msgspec.json.schema_components([*types, responses.Error], ref_template="#/components/schemas/{name}")
    for name, schema in found.items():
        schema.pop("title", None)
        schema.pop("description", None)
        if name in descriptions.SCHEMAS:
            schema["description"] = str(descriptions.SCHEMAS[name])
        for field_name, words in _fields(name, schema):
            schema["properties"][field_name]["description"] = str(words)
        for prop in schema.get("properties", {}).values():
            if prop.get("default", "") is None:
                del prop["default"]  # an absent field and null are the same, which the type says
    return found


def _fields(name: str, schema: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    words = descriptions.FIELDS.get(name, {})
    return ((field_name, words[field_name]) for field_name in schema.get("properties", {}) if field_name in words)


def _spoken(value: Any) -> Any:
    """Return ``value`` with its words in the language that is active."""
    if isinstance(value, dict):
        return {name: _spoken(each) for name, each in value.items()}
    return value if isinstance(value, (str, int, float, bool, list)) else str(value)
