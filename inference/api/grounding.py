"""Answers from this site's own pages, for customers who ask for them.

The pages and their ranking belong to an app above this one, which registers here how it grounds a question.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from inference.backends.base import Request, Turn
from inference.registry import Served


@dataclass(frozen=True, slots=True)
class Grounded:
    """What our pages say to a question.

    ``text`` is the whole answer where no model is to write (``rung`` verified, quoted or none); else ``request`` is
    what the model is given. What it was begun with is part of the answer, and so is ``full_stop`` where the end of a
    sentence is where the server was told to stop. Each source is an object with ``n``, ``title``, ``url``, ``score``,
    ``quote``.
    """

    rung: str
    text: str | None = None
    request: Request | None = None
    full_stop: str = ""
    sources: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked: the turns, the language the caller takes, the model that is to write and its most tokens."""

    turns: tuple[Turn, ...]
    language: str
    served: Served
    max_tokens: int


Grounder = Callable[[Question], Awaitable[Grounded]]
_grounders: list[Grounder] = []


def register(grounder: Grounder) -> None:
    """Ground with this function from now on."""
    _grounders[:] = [grounder]


def grounder() -> Grounder | None:
    return _grounders[0] if _grounders else None
