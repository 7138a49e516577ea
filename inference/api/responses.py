"""What the API answers, as types: the description is made from them, and a test holds real answers against them.

Answers themselves are written by hand, byte by byte where they are streamed: these types are never in their way.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Count = Annotated[int, Meta(ge=0)]


class ErrorBody(Struct, kw_only=True):
    message: str
    type: Literal["invalid_request_error", "permission_error", "rate_limit_error", "insufficient_quota", "server_error"]
    param: str | None
    code: str
    request_id: str
    limit: str | float | UnsetType = UNSET
    limit_source: Literal["account_day", "account_month", "key_day", "key_month"] | UnsetType = UNSET
    limit_unit: Literal["usd", "gpu_s"] | UnsetType = UNSET
    used: float | UnsetType = UNSET
    reserved: float | UnsetType = UNSET
    resets_at: str | UnsetType = UNSET
    resets_in_s: Count | UnsetType = UNSET
    first_request_id: str | UnsetType = UNSET
    usage: "TokenCounts | UnsetType" = UNSET
    outcome: str | UnsetType = UNSET


class TokenCounts(Struct, kw_only=True):
    prompt_tokens: Count
    completion_tokens: Count
    total_tokens: Count


class Error(Struct, kw_only=True):
    error: ErrorBody


class ModelPrices(Struct, kw_only=True):
    input: Annotated[float, Meta(ge=0)]
    output: Annotated[float, Meta(ge=0)]


class Model(Struct, kw_only=True):
    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    name: str
    tier: str
    hardware: str
    stand_in: bool
    languages: list[str]
    capabilities: list[str]
    context_window: Count
    max_output_tokens: Count
    weights_sha256: str | None
    prices_usd_per_million_tokens: ModelPrices | None


class ModelList(Struct, kw_only=True):
    object: Literal["list"]
    data: list[Model]


class CachedTokens(Struct, kw_only=True):
    cached_tokens: Count


class Usage(TokenCounts, kw_only=True):
    prompt_tokens_details: CachedTokens


class EnergyEstimate(Struct, kw_only=True):
    low: float
    mid: float
    high: float


class Receipt(Struct, kw_only=True):
    model: str | None
    cost_usd: Annotated[float, Meta(ge=0)]
    model_name: str | UnsetType = UNSET
    tier: str | UnsetType = UNSET
    hardware: str | UnsetType = UNSET
    stand_in: bool | UnsetType = UNSET
    weights_sha256: str | UnsetType | None = UNSET
    usage_counted: bool | UnsetType = UNSET
    first_token_ms: Count | UnsetType | None = UNSET
    duration_ms: Count | UnsetType = UNSET
    energy_j: EnergyEstimate | UnsetType = UNSET
    method: str | UnsetType = UNSET
    ai_generated: bool | UnsetType = UNSET
    watermark_key: str | UnsetType = UNSET


class Source(Struct, kw_only=True):
    n: int
    title: str
    url: str
    score: float
    quote: str


FinishReason = Literal["stop", "length"]


class AnswerMessage(Struct, kw_only=True):
    role: Literal["assistant"]
    content: str
    refusal: None


class ChatChoice(Struct, kw_only=True):
    index: Literal[0]
    message: AnswerMessage
    logprobs: None
    finish_reason: FinishReason


class ChatCompletion(Struct, kw_only=True):
    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    usage: Usage
    receipt: Receipt
    rung: Literal["verified", "quoted", "small", "large", "none"] | UnsetType = UNSET
    sources: list[Source] | UnsetType = UNSET


class Delta(Struct, kw_only=True):
    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType = UNSET


class ChunkChoice(Struct, kw_only=True):
    index: Literal[0]
    delta: Delta
    logprobs: None
    finish_reason: FinishReason | None


class ChatCompletionChunk(Struct, kw_only=True):
    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: Usage | UnsetType | None = UNSET
    receipt: Receipt | UnsetType = UNSET
    rung: Literal["verified", "quoted", "small", "large", "none"] | UnsetType = UNSET
    sources: list[Source] | UnsetType = UNSET


class TextChoice(Struct, kw_only=True):
    index: Literal[0]
    text: str
    logprobs: None
    finish_reason: FinishReason | None


class Completion(Struct, kw_only=True):
    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[TextChoice]
    usage: Usage | UnsetType | None = UNSET
    receipt: Receipt | UnsetType = UNSET


class EmbeddingUsage(Struct, kw_only=True):
    prompt_tokens: Count
    total_tokens: Count


class Embedding(Struct, kw_only=True):
    object: Literal["embedding"]
    index: Count
    embedding: list[float] | str


class EmbeddingList(Struct, kw_only=True):
    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: EmbeddingUsage
    receipt: Receipt | UnsetType = UNSET


class KeyRates(Struct, kw_only=True):
    source: Literal["account", "key"]
    requests_per_minute: Count
    tokens_per_minute: Count
    parallel_calls: Count


class KeyLimit(Struct, kw_only=True):
    source: Literal["account", "key"]
    window: Literal["day", "month"]
    limit_usd: float | None
    used_usd: float
    reserved_usd: float
    limit_gpu_s: Count | None
    used_gpu_s: float
    resets_at: str


class Key(Struct, kw_only=True):
    object: Literal["key"]
    id: str
    name: str
    prefix: str
    scopes: list[str]
    models: list[str] | None
    expires_at: str | None
    plan: str
    rates: list[KeyRates]
    limits: list[KeyLimit]


class UsageRow(Struct, kw_only=True):
    day: str
    model: str
    key: str | None
    requests: Count
    prompt_tokens: Count
    completion_tokens: Count
    cost_usd: float
    gpu_s: float
    energy_j: float


class UsageReport(Struct, rename={"first": "from", "last": "to"}, kw_only=True):
    object: Literal["list"]
    first: str
    last: str
    data: list[UsageRow]
    total_usd: float


RESPONSES: tuple[Any, ...] = (
    Error,
    ModelList,
    Model,
    ChatCompletion,
    ChatCompletionChunk,
    Completion,
    EmbeddingList,
    Key,
    UsageReport,
)
