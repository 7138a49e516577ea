"""vLLM's server.

Quirks handled: usage comes only when it is asked for, and without times; error codes are numbers and types are class
names; a wrong key is ``{"error": "Unauthorized"}``; a prompt that does not fit is a sentence with both numbers in it;
a begun answer has to be asked for in two fields; its prompt cache is shared by all who send the same text, unless a
salt keeps them apart.
"""

import re
import secrets
from typing import Any

import msgspec

from inference.backends.base import Request
from inference.backends.openai import OpenAICompatible, Problem
from inference.errors import ContextTooLong

CONTEXT = re.compile(r"maximum (?:context|model) length (?:is|of) (\d{1,9})")
# In the words of several versions: "(4920 in the messages", "has 4500 input tokens", "(length 5000)".
PROMPT = re.compile(r"(\d{1,9}) in the (?:messages|prompt)|(\d{1,9}) input tokens|length (\d{1,9})\)")
# Near llama.cpp's penalty over sixteen tokens; vLLM counts over the whole text, so it is weaker.
REPETITION_PENALTY = 1.05


class VLlm(OpenAICompatible):
    """A client of one vLLM server."""

    def _extras(self, request: Request) -> dict[str, Any]:
        found: dict[str, Any] = {"repetition_penalty": REPETITION_PENALTY}
        if request.begun:
            found |= {"add_generation_prompt": False, "continue_final_message": True}
        if not request.reuse_prompt:
            found["cache_salt"] = secrets.token_urlsafe(16)
        return found

    async def count(self, request: Request) -> int | None:
        """Return the tokens of a prompt, the chat template's own among them. Raises BackendError."""
        messages = [{"role": turn.role, "content": turn.text} for turn in request.turns]
        return (await self._asked("/tokenize", {"model": self._model, "messages": messages}, _counted)).count

    def _too_long(self, problem: Problem) -> ContextTooLong | None:
        context, prompt = CONTEXT.search(problem.message), PROMPT.search(problem.message)
        if context is None:
            return None
        numbers = [int(found) for found in prompt.groups() if found] if prompt else [0]
        return ContextTooLong(numbers[0], int(context[1]))


class _Counted(msgspec.Struct):
    count: int


_counted = msgspec.json.Decoder(_Counted)
