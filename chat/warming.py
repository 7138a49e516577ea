"""Keep the passages people ask about in the model server's memory.

After a start, after a change of content and after a restart of the model server, each passage is read
once in the background, only while nobody waits. What a passage costs in memory is known, so no more are
warmed than ``LLM_CPU_CACHE_MIB`` holds; the most used come first. With all of them warm, the time to a first
word does not tell either which passages others have asked about.
"""

import asyncio
import logging
from collections import Counter
from pathlib import Path

from django.conf import settings

from chat import prompts
from content.library import content_digest
from content.passages import Passage, passages
from inference.admission import Priority
from inference.engine import Completed, engine
from inference.errors import InferenceError
from inference.registry import Served

logger = logging.getLogger(__name__)
MIB_PER_PASSAGE = 1.75  # 135 tokens at 12 KiB: 30 layers, 3 heads of 64, keys and values in 8 bits
LOOK_EVERY_S = 5.0
TEMPLATE_TOKENS = 8  # what the chat template adds after the public part; never counted as public

_public_tokens: dict[str, int] = {}
_used: Counter[str] = Counter()


def public_tokens(passage: Passage) -> int:
    """Return how many tokens of a prompt on ``passage`` anyone could know; 0 until it was warmed. Counts the use."""
    _used[_key(passage)] += 1
    return _public_tokens.get(_key(passage), 0)


async def keep_warm() -> None:
    """Warm again whenever content or the model server changed, for as long as the process runs."""
    warmed: tuple[str, str] | None = None
    while True:
        try:
            now = (await asyncio.to_thread(content_digest), _server())
            if now != warmed and await _warm_all():
                warmed = now
        except InferenceError:
            pass  # the model is away; the next look may find it
        except Exception:
            # A document somebody is editing, say. Nothing of it may end the loop.
            logger.exception("warming failed")
        await asyncio.sleep(LOOK_EVERY_S)


async def _warm_all() -> bool:
    """Warm as many passages as fit. Returns whether the round came to its end."""
    served = (await engine.candidates("small"))[0]
    found = [passage for language in served.languages for passage in passages(language)]
    found.sort(key=lambda passage: -_used[_key(passage)])
    for passage in found[: int(settings.LLM_CPU_CACHE_MIB / MIB_PER_PASSAGE)]:
        while not engine.queue(served).idle:  # noqa: ASYNC110 - people first; nobody is told when they are through
            await asyncio.sleep(0.2)
        await _warm(served, passage)
    logger.info("%d passages warmed", len(_public_tokens))
    return True


async def _warm(served: Served, passage: Passage) -> None:
    request = prompts.warm_up(settings.SITE_NAME, passage)
    async for step in engine.generate(request, candidates=[served], priority=Priority.BACKGROUND):
        if isinstance(step, Completed):
            _public_tokens[_key(passage)] = max(0, step.usage.prompt_tokens - TEMPLATE_TOKENS)


def _key(passage: Passage) -> str:
    return f"{passage.language}:{passage.id}"


def _server() -> str:
    """Return what changes when our model server is started anew."""
    try:
        return Path(settings.LLM_CPU_PID_FILE).read_text()
    except OSError:
        return ""
