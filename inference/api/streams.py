"""A completion in OpenAI's words: as one body, or as a stream of events."""

import time
from typing import Any

import msgspec

ROLE = b'{"role":"assistant","content":""}'
DONE = b"data: [DONE]\n\n"
# Headers and this comment go out at once, and it is repeated: clients measure silence, not waiting.
COMMENT = b": waiting\n\n"


class Shape:
    """The fixed parts of one completion: every chunk has the same id, time and model."""

    def __init__(self, *, kind: str, request_id: str, model: str, include_usage: bool) -> None:
        self.is_chat = kind == "chat"
        self.id = f"{'chatcmpl' if self.is_chat else 'cmpl'}-{request_id}"
        self.created = int(time.time())
        self.model = model
        self.include_usage = include_usage
        named = "chat.completion.chunk" if self.is_chat else "text_completion"
        head = {"id": self.id, "object": named, "created": self.created, "model": self.model}
        self._head = b"data: " + msgspec.json.encode(head)[:-1]
        self._usage = b',"usage":null' if include_usage else b""
        opening = b',"choices":[{"index":0,"delta":{"content":' if self.is_chat else b',"choices":[{"index":0,"text":'
        self._before = self._head + opening
        self._after = (
            (b"}" if self.is_chat else b"") + b',"logprobs":null,"finish_reason":null}]' + self._usage + b"}\n\n"
        )

    def role(self) -> bytes:
        """Return the chunk that says who speaks; completions have none."""
        if not self.is_chat:
            return b""
        return (
            self._head
            + b',"choices":[{"index":0,"delta":'
            + ROLE
            + b',"logprobs":null,"finish_reason":null}]'
            + (self._usage + b"}\n\n")
        )

    def delta(self, text: str) -> bytes:
        """Return a chunk of text."""
        return self._before + msgspec.json.encode(text) + self._after

    def end(self, reason: str, usage: dict[str, Any], more: dict[str, Any]) -> bytes:
        """Return the last chunks: the reason, what else there is to say, the usage if it was asked for, the end."""
        choice: dict[str, Any] = {"index": 0, "logprobs": None, "finish_reason": reason}
        if self.is_chat:
            choice["delta"] = {}
        else:
            choice["text"] = ""
        last: dict[str, Any] = {"choices": [choice], **more}
        if self.include_usage:
            last["usage"] = None
        found = self._chunk(last)
        if self.include_usage:
            found += self._chunk({"choices": [], "usage": usage})
        return found + DONE

    def _chunk(self, fields: dict[str, Any]) -> bytes:
        return self._head + b"," + msgspec.json.encode(fields)[1:] + b"\n\n"

    def whole(self, text: str, reason: str, usage: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
        """Return the body of a completion that is not streamed."""
        choice: dict[str, Any] = {"index": 0, "logprobs": None, "finish_reason": reason}
        if self.is_chat:
            choice["message"] = {"role": "assistant", "content": text, "refusal": None}
        else:
            choice["text"] = text
        return {
            "id": self.id,
            "object": "chat.completion" if self.is_chat else "text_completion",
            "created": self.created,
            "model": self.model,
            "choices": [choice],
            "usage": usage,
            **more,
        }


def usage_of(prompt_tokens: int, cached_tokens: int, completion_tokens: int) -> dict[str, Any]:
    """Return OpenAI's usage object."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": cached_tokens},
    }
