"""What may be asked, as types: they validate, and the OpenAPI description is made from them.

Every field is on a list: *honoured*, *ignored* because it changes nothing for us, or refused with its name. Nothing
unknown is passed on to a backend.
"""

import json
import re
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from django.utils.translation import gettext_lazy as _
from msgspec import Meta, Struct

from inference.api import json_schema
from inference.api.errors import ApiError, invalid, unsupported

MAX_MESSAGES = 512
MAX_INPUTS = 256
MAX_REASON = 200
# NUL cannot be kept, the others have no business in a text; lone surrogates are no text at all.
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
PATH = re.compile(r"`\$\.?(?P<path>[^`]*)`")
UNKNOWN = re.compile(r"unknown field `(?P<name>[^`]*)`")
MISSING = re.compile(r"missing required field `(?P<name>[^`]*)`")

Temperature = Annotated[float, Meta(ge=0, le=2)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
Positive = Annotated[int, Meta(ge=1, le=1_000_000)]


class Part(Struct):
    """A part of a message. Text is what our models read."""

    type: str
    text: str | None = None


class Message(Struct):
    """One message. ``developer`` is read as ``system``, ``tool`` and ``function`` as what the user shows."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None
    name: str | None = None
    tool_calls: list[Any] | None = None
    tool_call_id: str | None = None
    refusal: str | None = None


class StreamOptions(Struct):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class JsonSchema(Struct, rename={"definition": "schema"}):
    name: Annotated[str, Meta(max_length=64)]
    definition: dict[str, Any] | None = None
    description: str | None = None
    strict: bool | None = None


class ResponseFormat(Struct):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class _Asked(Struct, forbid_unknown_fields=True, kw_only=True):
    """Fields of a completion, of both kinds."""

    model: Annotated[str, Meta(min_length=1, max_length=200, description="One of the ids of GET /v1/models.")]
    max_tokens: Annotated[
        Positive | None, Meta(description="Most tokens of the answer; at most the model's own cap.")
    ] = None
    temperature: Temperature | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    seed: Annotated[int, Meta(ge=-(2**31), le=2**63 - 1)] | None = None
    stop: str | Annotated[list[str], Meta(max_length=4)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = None
    # Changes nothing for us.
    user: str | None = None
    metadata: dict[str, Any] | None = None
    store: bool | None = None
    service_tier: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    # Refused by name where they ask for anything.
    logit_bias: dict[str, Any] | None = None
    best_of: int | None = None


class ChatRequest(_Asked, forbid_unknown_fields=True, kw_only=True):
    """``POST /v1/chat/completions``."""

    messages: Annotated[list[Message], Meta(min_length=1, max_length=MAX_MESSAGES)]
    max_completion_tokens: Annotated[Positive | None, Meta(description="The same as max_tokens, and before it.")] = None
    response_format: ResponseFormat | None = None
    grounding: Annotated[
        bool | None, Meta(description="Answer from this site's pages; the response then has sources and rung.")
    ] = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    parallel_tool_calls: bool | None = None
    tools: list[Any] | None = None
    tool_choice: Any = None
    functions: list[Any] | None = None
    function_call: Any = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    modalities: list[str] | None = None
    audio: Any = None
    prediction: Any = None
    web_search_options: Any = None


class CompletionRequest(_Asked, forbid_unknown_fields=True, kw_only=True):
    """``POST /v1/completions``: the prompt is put to the model as one message of a user."""

    prompt: Annotated[str, Meta(min_length=1)] | Annotated[list[Any], Meta(min_length=1)]
    logprobs: int | None = None
    echo: bool | None = None
    suffix: str | None = None


class EmbeddingRequest(Struct, forbid_unknown_fields=True, kw_only=True):
    """``POST /v1/embeddings``."""

    model: Annotated[str, Meta(min_length=1, max_length=200)]
    input: Annotated[str, Meta(min_length=1)] | Annotated[list[Any], Meta(min_length=1, max_length=MAX_INPUTS)]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Positive | None = None
    user: str | None = None


T = TypeVar("T", ChatRequest, CompletionRequest, EmbeddingRequest)
chat = msgspec.json.Decoder(ChatRequest)
completion = msgspec.json.Decoder(CompletionRequest)
embedding = msgspec.json.Decoder(EmbeddingRequest)


def decode(body: bytes, decoder: "msgspec.json.Decoder[T]") -> T:
    """Return what a body asks for. Raises ApiError 400 that names the field."""
    try:
        found = decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _of_field(str(error)) from error
    except (msgspec.DecodeError, UnicodeError, RecursionError, ValueError, OverflowError) as error:
        raise invalid(None, _("The body is not valid JSON in UTF-8."), "invalid_json") from error
    _refuse_duplicates(body)
    return found


def _of_field(text: str) -> ApiError:
    path = found["path"].replace("[...]", "") if (found := PATH.search(text)) else ""
    unknown, missing = UNKNOWN.search(text), MISSING.search(text)
    name = (unknown or missing or {"name": ""})["name"]
    param = ".".join(part for part in (path, name) if part)[:200] or None
    if unknown:
        return invalid(param, _("This API has no parameter “%(name)s”."), "unknown_parameter", name=name[:80])
    if missing:
        return invalid(param, _("The parameter “%(name)s” is missing."), "missing_parameter", name=param)
    # It may quote what was sent, which can be as long as the body.
    reason = text.split(" - at `")[0][:MAX_REASON]
    return invalid(param, _("The value of “%(name)s” is not possible: %(reason)s."), name=param, reason=reason)


def _refuse_duplicates(body: bytes) -> None:
    """A name that stands twice means two things to two readers: nobody should have to know which one wins."""
    try:
        json.loads(body, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise invalid(None, _("The body is not valid JSON in UTF-8."), "invalid_json") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            text = _("“%(name)s” stands twice in one object of the body.")
            raise invalid(name[:80], text, "invalid_json", name=name[:80])
        found[name] = value
    return found


def check(asked: ChatRequest | CompletionRequest) -> None:
    """Refuse, by name, what no model of ours can do. Raises ApiError 400."""
    if asked.n not in (None, 1):
        raise unsupported("n", _("One request gives one answer: n can only be 1."))
    if asked.best_of not in (None, 1):
        raise unsupported("best_of")
    if asked.logit_bias:
        raise unsupported("logit_bias")
    if isinstance(asked, CompletionRequest):
        refused: dict[str, object] = {"logprobs": asked.logprobs, "echo": asked.echo, "suffix": asked.suffix}
    else:
        refused = {
            "tools": asked.tools,
            "functions": asked.functions,
            "logprobs": asked.logprobs,
            "top_logprobs": asked.top_logprobs,
            "audio": asked.audio,
            "prediction": asked.prediction,
            "web_search_options": asked.web_search_options,
            "modalities": [each for each in asked.modalities or [] if each != "text"],
            "tool_choice": None if asked.tool_choice in ("none", "auto") else asked.tool_choice,
            "function_call": None if asked.function_call in ("none", "auto") else asked.function_call,
        }
    for name, value in refused.items():
        if value:
            raise unsupported(name)
    if asked.stream_options is not None and not asked.stream:
        raise invalid("stream_options", _("stream_options has a meaning only with “stream”: true."))


def text_of(content: str | list[Part] | None, param: str) -> str:
    """Return the text of a message. Raises ApiError 400 for what is no text."""
    if content is None:
        return ""
    parts = [content] if isinstance(content, str) else []
    for number, part in enumerate(content if isinstance(content, list) else []):
        if part.type not in ("text", "input_text", "refusal") or part.text is None:
            raise unsupported(f"{param}[{number}]", _("This model reads text only: %(param)s is something else."))
        parts.append(part.text)
    found = "".join(parts)
    if CONTROL.search(found):
        raise invalid(param, _("“%(name)s” contains control characters."), name=param)
    return found


def stops(stop: str | list[str] | None) -> tuple[str, ...]:
    """Return where the answer should end. Raises ApiError 400."""
    found = (stop,) if isinstance(stop, str) else tuple(stop or ())
    if any(not each or len(each) > 100 or CONTROL.search(each) for each in found):
        raise invalid("stop", _("Each of “stop” is a text of 1 to 100 characters."))
    return found


def schema_of(format_: ResponseFormat | None) -> dict[str, Any] | None:
    """Return the JSON schema an answer must follow; empty for any JSON object, None for any text."""
    if format_ is None or format_.type == "text":
        return None
    if format_.type == "json_object":
        return {}
    if format_.json_schema is None or not format_.json_schema.definition:
        raise invalid("response_format.json_schema", _("A json_schema needs its schema."))
    json_schema.check(format_.json_schema.definition)
    return format_.json_schema.definition
