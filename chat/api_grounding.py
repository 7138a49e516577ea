"""``"grounding": true`` of the API: what the website's assistant would be given for a customer's question.

The same ladder as ``chat.replies``: verified, quoted, written by a model, none. Two things differ: the conversation is
the customer's own, and where the model is away the call is refused, for a customer asked for that model's answer.
"""

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from typing import Any
from urllib.parse import urljoin

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from chat import prompts, wording
from chat.grounding import Source, ground
from chat.language import language_of
from chat.replies import beginning, threads
from inference.api.errors import invalid
from inference.api.grounding import Grounded, Question
from inference.backends.base import Turn
from inference.models import Rung


async def grounded(asked: Question) -> Grounded:
    """Return what our pages say to the last message. Raises ApiError 400 where that is nobody's question.

    The instructions are the site's own: system messages of the customer stay out.
    """
    if asked.turns[-1].role != "user" or not asked.turns[-1].text.strip():
        raise invalid("messages", _("The last message must be the question."))
    return await asyncio.get_running_loop().run_in_executor(threads, _grounded, asked)


def _grounded(asked: Question) -> Grounded:
    question = asked.turns[-1].text
    earlier = [turn.text for turn in asked.turns[:-1] if turn.role == "user"]
    found = ground(
        beginning(question),
        previous=beginning(earlier[-1]) if earlier else None,
        language=language_of(question, asked.language),
    )
    if found.verified is not None:
        return Grounded(Rung.VERIFIED, text=found.verified.answer, sources=_listed(found.sources[:1], quotes=False))
    if found.contact or not found.answerable:
        with translation.override(found.language):
            text = wording.contact() if found.contact else wording.abstention()
        return Grounded(Rung.VERIFIED if found.contact else Rung.NONE, text=text)
    if not asked.served.writes(found.language):
        return Grounded(Rung.QUOTED, text=found.sources[0].quote, sources=_listed(found.sources))
    room = prompts.room_for(asked.served)
    request = prompts.prompt(
        name=settings.SITE_NAME,
        passages=[source.passage for source in found.sources[: room.passages]],
        best_sentence=found.sources[0].best_sentence if room.begun else "",
        question=question,
        history=prompts.fitting(
            _pairs(asked.turns), budget_tokens=prompts.room_for_history(asked.served, asked.max_tokens)
        ),
        max_tokens=asked.max_tokens,
    )
    return Grounded(
        asked.served.tier,
        request=request,
        full_stop="." if request.begun else "",
        sources=_listed(found.sources),
    )


def _pairs(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """Return the questions before the last one that have an answer, each with its answer, oldest first."""
    pairs = pairwise(turns[:-1])
    return tuple(turn for pair in pairs if (pair[0].role, pair[1].role) == ("user", "assistant") for turn in pair)


def _listed(sources: Sequence[Source], *, quotes: bool = True) -> list[dict[str, Any]]:
    """Return the sources for somebody elsewhere: with whole addresses. A verified answer cites its passage unquoted."""
    return [
        {
            "n": source.n,
            "title": f"{source.passage.title} · {source.passage.heading}",
            "url": urljoin(settings.SITE_URL, source.passage.url),
            "score": round(source.score, 3),
            "quote": source.quote if quotes else "",
        }
        for source in sources
    ]
