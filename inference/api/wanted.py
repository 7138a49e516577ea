"""What a request for a completion asks for, of either endpoint, read from its body."""

from dataclasses import dataclass
from typing import Any, Literal

from django.utils.translation import gettext_lazy as _

from inference.api import schemas
from inference.api.errors import invalid, unsupported
from inference.backends.base import Request, Turn
from inference.backends.tokens import neutralise

ROLES: dict[str, Literal["system", "user", "assistant"]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "user",
    "function": "user",
}
# What a chat template adds, at most: to each message, and once by itself (a system turn of its own, the opening).
MESSAGE_TOKENS, PROMPT_TOKENS = 12, 48


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for. ``max_tokens`` is None where the client left it to us; ``body`` is what was sent."""

    endpoint: str
    model: str
    request: Request
    max_tokens: int | None
    stream: bool
    include_usage: bool
    grounding: bool
    body: bytes


def most_tokens(request: Request) -> int:
    """Return an upper bound of a prompt's tokens, read from nothing but its size: no token is less than a byte."""
    texts = sum(len(turn.text.encode()) + MESSAGE_TOKENS for turn in request.turns)
    return texts + len(request.begun.encode()) + PROMPT_TOKENS


def of_chat(body: bytes) -> Wanted:
    """Read a body of ``/v1/chat/completions``. Raises ApiError 400."""
    asked = schemas.decode(body, schemas.chat)
    schemas.check(asked)
    turns = []
    for number, message in enumerate(asked.messages):
        text = neutralise(schemas.text_of(message.content, f"messages[{number}].content"))
        if text or message.role in ("user", "system", "developer"):
            turns.append(Turn(ROLES[message.role], text))
    if not any(turn.text.strip() for turn in turns):
        raise invalid("messages", _("No message has a text."))
    request = _request(asked, tuple(turns), schemas.schema_of(asked.response_format))
    if asked.grounding and request.schema is not None:
        raise unsupported("response_format", _("An answer from our pages is text: leave out “%(param)s”."))
    limit = asked.max_tokens if asked.max_completion_tokens is None else asked.max_completion_tokens
    return _wanted("chat", asked, request, limit, bool(asked.grounding), body)


def of_completion(body: bytes) -> Wanted:
    """Read a body of ``/v1/completions``. Raises ApiError 400."""
    asked = schemas.decode(body, schemas.completion)
    schemas.check(asked)
    prompts = [asked.prompt] if isinstance(asked.prompt, str) else asked.prompt
    if len(prompts) != 1 or not isinstance(prompts[0], str):
        raise unsupported("prompt", _("One request takes one prompt, as text."))
    text = neutralise(schemas.text_of(prompts[0], "prompt"))
    if not text.strip():
        raise invalid("prompt", _("No message has a text."))
    return _wanted("completion", asked, _request(asked, (Turn("user", text),), None), asked.max_tokens, False, body)


def _request(
    asked: schemas.ChatRequest | schemas.CompletionRequest, turns: tuple[Turn, ...], schema: dict[str, Any] | None
) -> Request:
    names = ("top_p", "frequency_penalty", "presence_penalty", "seed")
    return Request(
        turns=turns,
        temperature=asked.temperature,
        stop=schemas.stops(asked.stop),
        # What one customer asks is never in a cache that another one's question could find by its speed.
        reuse_prompt=False,
        sampling={name: value for name in names if (value := getattr(asked, name)) is not None},
        schema=schema,
    )


def _wanted(
    endpoint: str,
    asked: schemas.ChatRequest | schemas.CompletionRequest,
    request: Request,
    max_tokens: int | None,
    grounding: bool,
    body: bytes,
) -> Wanted:
    options = asked.stream_options
    return Wanted(
        endpoint=endpoint,
        model=asked.model,
        request=request,
        max_tokens=max_tokens,
        stream=bool(asked.stream),
        include_usage=bool(options and options.include_usage),
        grounding=grounding,
        body=body,
    )
