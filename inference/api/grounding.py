"""Answers from this site's own pages, for customers who ask for them.

The pages and their ranking belong to an app above this one, which registers here how it grounds a question.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from inference.backends.base import Request


@dataclass(frozen=True, slots=True)
class Grounded:
    """What our pages say to a question.

    ``text`` is the whole answer where no model is to write (``rung`` verified, quoted or none); else ``request`` is
    what a model of the asked tier is given. Each source is an object with ``n``, ``title``, ``url``, ``score``,
    ``quote``.
    """

    rung: str
    text: str | None = None
    request: Request | None = None
    sources: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked: the turns as (role, text), the language the caller takes, and what the model can hold."""

    turns: tuple[tuple[str, str], ...]
    language: str
    tier: str
    languages: tuple[str, ...]
    context_tokens: int
    max_tokens: int


Grounder = Callable[[Question], Awaitable[Grounded]]
_grounders: list[Grounder] = []


def register(grounder: Grounder) -> None:
    """Ground with this function from now on."""
    _grounders[:] = [grounder]


def grounder() -> Grounder | None:
    return _grounders[0] if _grounders else None
