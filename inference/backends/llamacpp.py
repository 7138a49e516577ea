"""llama.cpp's server.

Quirks seen and handled: ``timings`` come with the usage; a prompt that does not fit is a 400 with both numbers in the
error; loading is a 503; idle connections are dropped after 5 s.
"""

from typing import Any

from inference.backends.base import Request
from inference.backends.openai import OpenAICompatible, Problem
from inference.errors import ContextTooLong

SAMPLING = {"repeat_penalty": 1.1, "repeat_last_n": 16}  # over 64 tokens it punishes the passage's own words


class LlamaCpp(OpenAICompatible):
    """A client of one llama.cpp server."""

    def _extras(self, request: Request) -> dict[str, Any]:
        return {"cache_prompt": request.reuse_prompt, **SAMPLING}

    def _too_long(self, problem: Problem) -> ContextTooLong | None:
        if problem.type == "exceed_context_size_error":
            return ContextTooLong(problem.n_prompt_tokens, problem.n_ctx)
        return None
