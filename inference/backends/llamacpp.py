"""llama.cpp's server.

Quirks seen and handled: ``timings`` come with the usage; a prompt that does not fit is a 400 with both numbers in the
error; loading is a 503; idle connections are dropped after 5 s.
"""

from typing import Any

import msgspec

from inference.backends.base import Request
from inference.backends.openai import OpenAICompatible, Problem
from inference.errors import ContextTooLong

SAMPLING = {"repeat_penalty": 1.1, "repeat_last_n": 16}  # over 64 tokens it punishes the passage's own words


class LlamaCpp(OpenAICompatible):
    """A client of one llama.cpp server."""

    def _extras(self, request: Request) -> dict[str, Any]:
        return {"cache_prompt": request.reuse_prompt, **SAMPLING}

    async def count(self, request: Request) -> int | None:
        """Return the tokens of a prompt, the chat template's own among them. Raises BackendError."""
        messages = [{"role": turn.role, "content": turn.text} for turn in request.turns]
        formatted = await self._asked("/apply-template", {"messages": messages}, _formatted)
        body = {"content": formatted.prompt, "add_special": True, "parse_special": True}
        return len((await self._asked("/tokenize", body, _tokens)).tokens)

    def _too_long(self, problem: Problem) -> ContextTooLong | None:
        if problem.type == "exceed_context_size_error":
            return ContextTooLong(problem.n_prompt_tokens, problem.n_ctx)
        return None


class _Formatted(msgspec.Struct):
    prompt: str


class _Tokens(msgspec.Struct):
    tokens: list[int]


_formatted = msgspec.json.Decoder(_Formatted)
_tokens = msgspec.json.Decoder(_Tokens)
