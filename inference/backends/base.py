"""What every backend promises, whatever runtime it speaks to.

1. ``stream`` yields text pieces in order and ends with exactly one ``Finished``; anything else is an error
   of ``inference.errors``. It never ends silently.
2. Closing the generator closes the connection upstream, which frees the slot there.
3. ``Finished.usage`` is what the runtime counted; ``counted`` says whether it did or we had to.
4. No text of a prompt or an answer is in an exception or a log line.
5. ``models`` never wakes anything and never keeps anything awake.
6. What arrives in one piece is yielded in one piece: ``Text.deltas`` says how many the runtime made of it.
"""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a prompt. ``text`` has no control tokens left in it (``inference.backends.tokens``)."""

    role: Literal["system", "user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Request:
    """What to complete. ``begun`` are words already put into the model's mouth; they are not repeated in the stream.

    ``reuse_prompt`` lets the server keep the prompt in memory for the next one that starts alike. ``sampling`` holds
    further fields under OpenAI's names (``top_p``, ``seed``, penalties); ``schema`` is a JSON schema that the answer
    must follow, where the runtime has grammars, and an empty one asks for any JSON object.
    """

    turns: tuple[Turn, ...]
    begun: str = ""
    max_tokens: int = 200
    temperature: float | None = 0.0
    stop: tuple[str, ...] = ()
    reuse_prompt: bool = True
    sampling: Mapping[str, Any] = field(default_factory=dict)
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens and times of one completion. ``prompt_ms`` and ``completion_ms`` are the runtime's own, 0 if unknown."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    prompt_ms: float = 0.0
    completion_ms: float = 0.0
    counted: bool = True


@dataclass(frozen=True, slots=True)
class Text:
    text: str
    deltas: int = 1


@dataclass(frozen=True, slots=True)
class Finished:
    reason: Literal["stop", "length", "stopped"]
    usage: Usage = field(default_factory=Usage)


Piece = Text | Finished


class BackendClient(Protocol):
    """The seam to one runtime."""

    def stream(self, request: Request) -> AsyncGenerator[Piece, None]:
        """Complete ``request``. Raises BackendError."""
        ...

    async def models(self) -> list[str]:
        """Return the names the backend lists now. Raises BackendError."""
        ...

    async def count(self, request: Request) -> int | None:
        """Return the tokens of a prompt by the backend's own tokeniser, None where it has none to ask.

        Raises BackendError.
        """
        ...

    async def close(self) -> None:
        """Close pooled connections."""
        ...
