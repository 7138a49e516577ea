"""What the fields and refusals of the API mean, in words for its documentation. A test finds each that is missing."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

IGNORED: Any = _("Accepted and without effect: it changes nothing here.")
REFUSED: Any = _("Refused by name with 400 where it asks for anything: no model here can do it.")

SCHEMAS: dict[str, Any] = {
    "ChatRequest": _("What `POST /v1/chat/completions` takes. A field that is not listed is refused by name."),
    "CompletionRequest": _(
        "What `POST /v1/completions` takes. The prompt is put to the model as one message of a user."
    ),
    "EmbeddingRequest": _("What `POST /v1/embeddings` takes."),
    "Message": _("One message. `developer` is read as `system`, `tool` and `function` as what the user shows."),
    "Part": _("A part of a message. Only text can be read."),
    "StreamOptions": _("What a stream tells besides the text."),
    "ResponseFormat": _("The form that the answer has to have."),
    "JsonSchema": _("A JSON schema that the answer is held to while it is written."),
    "Error": _("Every refusal, whatever its status."),
    "ErrorBody": _("Why a request was refused. Fields after `request_id` are there where they say something."),
    "Receipt": _("Which model wrote, on which hardware, how long it took and what it cost. No text is in it."),
    "EnergyEstimate": _("Joules, modelled from processor time that was counted: no meter was read."),
    "ChatCompletion": _("A whole answer."),
    "ChatCompletionChunk": _("One event of a streamed answer."),
    "Completion": _("A whole answer as plain text; streamed events have the same form."),
    "EmbeddingList": _("One vector for each input, in the order of the inputs."),
    "Model": _("A model that this key may use."),
    "Key": _("The key that asks, with its limits and what is left of them."),
    "UsageReport": _("What the whole account used, by day, model and key. Days are UTC."),
}

ASKED: dict[str, Any] = {
    "model": _("One of the ids of `GET /v1/models`."),
    "max_tokens": _("Most tokens of the answer; at most what the model may write."),
    "temperature": _("How freely words are chosen, 0 to 2."),
    "top_p": _("Only the likeliest words that together have this probability."),
    "frequency_penalty": _("Against words that were used often, −2 to 2."),
    "presence_penalty": _("Against words that were used at all, −2 to 2."),
    "seed": _("For answers that repeat themselves as well as the model can."),
    "stop": _("Up to four texts of 1 to 100 characters at which the answer ends."),
    "stream": _("Whether the answer comes as server-sent events while it is written."),
    "stream_options": _("Only with `stream`."),
    "n": _("Only 1: one request gives one answer."),
    "user": IGNORED,
    "metadata": IGNORED,
    "store": _("Accepted and without effect: nothing is ever stored."),
    "service_tier": IGNORED,
    "safety_identifier": IGNORED,
    "prompt_cache_key": IGNORED,
    "prompt_cache_retention": IGNORED,
    "logit_bias": REFUSED,
    "best_of": _("Only 1: one request gives one answer."),
}

FIELDS: dict[str, dict[str, Any]] = {
    "ChatRequest": {
        **ASKED,
        "messages": _("The conversation so far, oldest first."),
        "max_completion_tokens": _("The same as `max_tokens`, and before it."),
        "response_format": _("JSON instead of prose, where the model’s capabilities name `json_schema`."),
        "grounding": _("Answer from this site’s pages. The response then has `rung` and `sources`."),
        "reasoning_effort": IGNORED,
        "verbosity": IGNORED,
        "parallel_tool_calls": IGNORED,
        "tools": REFUSED,
        "tool_choice": _("Only `none` and `auto`: there are no tools."),
        "functions": REFUSED,
        "function_call": _("Only `none` and `auto`: there are no tools."),
        "logprobs": REFUSED,
        "top_logprobs": REFUSED,
        "modalities": _("Only `text`."),
        "audio": REFUSED,
        "prediction": REFUSED,
        "web_search_options": REFUSED,
    },
    "CompletionRequest": {
        **ASKED,
        "prompt": _("One text, or a list with one text."),
        "logprobs": REFUSED,
        "echo": REFUSED,
        "suffix": REFUSED,
    },
    "EmbeddingRequest": {
        "model": _("One of the ids of `GET /v1/models` whose capabilities name `embeddings`."),
        "input": _("One text, or a list of up to 256 texts. Lists of token ids are refused: send text."),
        "encoding_format": _("`float` by default, or `base64`: little-endian 32-bit floats."),
        "dimensions": _("Only the dimensions that the model has."),
        "user": IGNORED,
    },
    "Message": {
        "role": _("Who speaks."),
        "content": _("The text, or a list of parts of type `text`."),
        "name": IGNORED,
        "tool_calls": IGNORED,
        "tool_call_id": IGNORED,
        "refusal": IGNORED,
    },
    "Part": {"type": _("`text`. Pictures, sound and files are refused."), "text": _("The text of the part.")},
    "StreamOptions": {
        "include_usage": _("Whether the last event before the end tells the usage; its `choices` are empty."),
        "include_obfuscation": IGNORED,
    },
    "ResponseFormat": {
        "type": _("`text`, `json_object` for any JSON object, or `json_schema`."),
        "json_schema": _("The schema, with `json_schema`."),
    },
    "JsonSchema": {
        "name": _("A name for the schema."),
        "schema": _(
            "The JSON schema itself, at most 16 KiB, without patterns or recursion; each `$ref` begins with `#/`."
        ),
        "description": IGNORED,
        "strict": _("Accepted and without effect: a schema is always kept to."),
    },
    "ErrorBody": {
        "message": _("A sentence, in English or in French as `Accept-Language` prefers."),
        "type": _("The family of the refusal."),
        "param": _("The field that the refusal is about, if it is about one."),
        "code": _("What happened, for programs: the table of errors lists every code."),
        "request_id": _("The same as the header `x-request-id`. Name it when you report a problem."),
        "limit": _("Which limit of the minute (`requests`, `tokens`, `parallel`), or the value of a quota."),
        "limit_source": _("Whose quota is used up, and whether it is that of the day or the month."),
        "limit_unit": _("The unit of `limit`, `used` and `reserved`: US dollars or GPU seconds."),
        "used": _("How much of the quota is used."),
        "reserved": _("How much of it is reserved by calls that still run."),
        "resets_at": _("When the quota begins anew, in UTC."),
        "resets_in_s": _("The same in seconds from now."),
        "first_request_id": _("The request that came first with this `Idempotency-Key`."),
        "usage": _("What the first request used."),
        "outcome": _("How the first request ended."),
    },
    "Receipt": {
        "model": _("The id of the model; null where a page answered and no model wrote."),
        "model_name": _("The name of the weights."),
        "tier": _("`small` or `large`."),
        "hardware": _("What it really ran on: `cpu` or `gpu`."),
        "stand_in": _("Whether small weights stand in the place of a large model."),
        "weights_sha256": _("The fingerprint of the file of weights, where it is known."),
        "usage_counted": _("Whether the model server counted the tokens; else we did."),
        "first_token_ms": _("From the request to the first token."),
        "duration_ms": _("From the request to the last token."),
        "cost_usd": _("What this call cost, rounded up to a millionth of a dollar."),
        "energy_j": _("Low, middle and high estimate."),
        "method": _("How the energy was estimated."),
        "ai_generated": _("True wherever a model wrote."),
        "watermark_key": _("The name of the key that marks the model’s words; absent where none does."),
    },
    "Model": {
        "id": _("What to send as `model`."),
        "name": _("The name of the weights."),
        "tier": _("`small`, `large` or `embed`."),
        "hardware": _("`cpu` or `gpu`."),
        "stand_in": _("Whether small weights stand in the place of a large model."),
        "languages": _("The languages it is registered to write."),
        "capabilities": _("`chat`, `completions`, `stream`, `json_schema`, `embeddings`."),
        "context_window": _("Most tokens of the messages and the answer together."),
        "max_output_tokens": _("Most tokens of an answer; 0 where it writes none."),
        "weights_sha256": _("The fingerprint of the file of weights, where it is known."),
        "prices_usd_per_million_tokens": _("US dollars for a million tokens read and written."),
    },
}

STATUSES: dict[int, Any] = {
    400: _("The request is not possible. `param` names the field."),
    401: _("There is no working API key in the request."),
    402: _("A quota is used up, or the account is suspended. Asking again does not help before `resets_at`."),
    403: _("This key may not do that."),
    404: _("There is no such endpoint, or no such model for this key."),
    405: _("This address takes another method: the header `Allow` names it."),
    409: _("An earlier call has the same `Idempotency-Key`."),
    413: _("The body is larger than 256 KiB."),
    415: _("The body is not sent as `application/json`."),
    422: _("An earlier call had the same `Idempotency-Key` and another body."),
    429: _("A limit of the minute is reached. `Retry-After` holds the real seconds."),
    500: _("A fault of ours. It is in our log under the request id."),
    502: _("The model’s answer broke off."),
    503: _("The model or a part of the service cannot answer now. `Retry-After` says when to ask again."),
    504: _("The model did not answer in time."),
}

YES, NO, LATER = "yes", "no", "later"


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """One code. ``again``: whether asking again can help, at once, never, or after something has changed."""

    status: int
    code: str
    meaning: Any
    again: str


CODES: tuple[ErrorCode, ...] = (
    ErrorCode(400, "invalid_json", _("The body is no JSON in UTF-8, or a name stands twice in it."), NO),
    ErrorCode(400, "invalid_value", _("A field has a value that is not possible."), NO),
    ErrorCode(400, "missing_parameter", _("A field that is needed is missing."), NO),
    ErrorCode(400, "unknown_parameter", _("A field that this API does not have."), NO),
    ErrorCode(400, "unsupported_parameter", _("A field that this model, or this API, cannot honour."), NO),
    ErrorCode(400, "context_length_exceeded", _("Messages and answer do not fit; both numbers are given."), NO),
    ErrorCode(401, "invalid_api_key", _("The key is missing, wrong, revoked or expired."), NO),
    ErrorCode(402, "insufficient_quota", _("A quota of day or month is used up: `limit_source` says which."), LATER),
    ErrorCode(402, "account_suspended", _("The account is suspended; its billing page says why."), LATER),
    ErrorCode(403, "not_permitted", _("The key is not meant for this endpoint or this address."), NO),
    ErrorCode(404, "model_not_found", _("No such model, or this key may not use it."), NO),
    ErrorCode(404, "unknown_url", _("No such endpoint."), NO),
    ErrorCode(405, "method_not_allowed", _("The address takes another method."), NO),
    ErrorCode(409, "idempotency_in_flight", _("The first call with this `Idempotency-Key` still runs."), YES),
    ErrorCode(409, "already_completed", _("That call was made and counted; its answer is not kept."), NO),
    ErrorCode(413, "request_too_large", _("The body is larger than 256 KiB."), NO),
    ErrorCode(415, "unsupported_media_type", _("The body is not sent as `application/json`."), NO),
    ErrorCode(422, "idempotency_key_reused", _("This `Idempotency-Key` came with another body."), NO),
    ErrorCode(429, "rate_limit_exceeded", _("Too many requests, tokens or parallel calls: `limit` says which."), YES),
    ErrorCode(429, "request_over_rate_limit", _("One request alone is more than a minute allows."), NO),
    ErrorCode(500, "internal_error", _("A fault of ours."), YES),
    ErrorCode(502, "model_cut_off", _("The model’s answer broke off."), YES),
    ErrorCode(502, "model_garbled", _("The model server said something that cannot be read."), YES),
    ErrorCode(503, "busy", _("Every place in the queue is taken."), YES),
    ErrorCode(503, "restarting", _("This process stops, another one answers in a moment."), YES),
    ErrorCode(503, "model_unavailable", _("The model cannot answer now."), YES),
    ErrorCode(503, "model_asleep", _("The large model cannot be woken now."), YES),
    ErrorCode(503, "model_switched_off", _("An operator switched the model off."), YES),
    ErrorCode(503, "model_unpriced", _("The model has no price yet, so it is not sold."), YES),
    ErrorCode(503, "budget_spent", _("The operator’s budget for the large model is used up for now."), YES),
    ErrorCode(503, "limits_away", _("The large model is closed while limits cannot be counted."), YES),
    ErrorCode(503, "temporarily_unavailable", _("A part of the service is away."), YES),
    ErrorCode(504, "model_timeout", _("The model did not answer in time."), YES),
)
