"""Keep the indexes current, and the passages people ask about in the model server's memory.

After a start, after a change of content and after a restart of the model server, each passage is read
once in the background, only while nobody waits. What a passage costs in memory is known, so no more are
warmed than ``LLM_CPU_CACHE_MIB`` holds: the most used first, then knowledge, then pages and posts. With all of
them warm, the time to a first word does not tell either which passages others have asked about.
"""

import asyncio
import logging
from collections import Counter
from pathlib import Path

from django.conf import settings

from chat import grounding, prompts
from compliance.database import in_thread
from content.library import content_digest
from content.passages import Passage
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
    """Keep indexes, corrections and the model server's memory current, for as long as the process runs."""
    await asyncio.gather(_keep_corrected(), _keep_warmed())


async def _keep_corrected() -> None:
    """Take over the corrections that staff approved or withdrew. Beside the warming, which may wait for long."""
    while True:
        try:
            await in_thread(grounding.renew_corrections)
        except Exception:
            logger.exception("corrections not renewed")
        await asyncio.sleep(min(LOOK_EVERY_S, settings.CORRECTIONS_RENEW_S))


async def _keep_warmed() -> None:
    """Take over the content that changed and warm it, again when the model server changed."""
    warmed: tuple[str, str] | None = None
    while True:
        try:
            await asyncio.to_thread(grounding.renew)
            now = await _now()
            if now != warmed and await _warm_all(now):
                warmed = now
        except InferenceError:
            pass  # the model is away; the next look may find it
        except Exception:
            # A document somebody is editing, say. Nothing of it may end the loop.
            logger.exception("warming failed")
        await asyncio.sleep(LOOK_EVERY_S)


async def _warm_all(now: tuple[str, str]) -> bool:
    """Warm as many passages as fit. Returns whether the round came to its end: False where ``now`` is over."""
    served = (await engine.candidates("small"))[0]
    for passage in _wanted(served):
        while not engine.queue(served).idle:  # people first; nobody is told when they are through
            await asyncio.sleep(0.2)
            if await _now() != now:
                return False
        if await _now() != now:
            return False
        await _warm(served, passage)
    logger.info("%d passages warmed", len(_public_tokens))
    return True


def _wanted(served: Served) -> list[Passage]:
    """Return the passages that ``served`` may be asked to write from, as many as its memory holds, best first."""
    indexes = [grounding.index_for(language) for language in served.languages]
    found = [passage for each in indexes for passage in each.knowledge.passages]
    found += [passage for each in indexes for passage in each.pages.passages]
    found.sort(key=lambda passage: -_used[_key(passage)])
    return found[: int(settings.LLM_CPU_CACHE_MIB / MIB_PER_PASSAGE)]


async def _warm(served: Served, passage: Passage) -> None:
    request = prompts.warm_up(settings.SITE_NAME, passage)
    async for step in engine.generate(request, candidates=[served], priority=Priority.BACKGROUND):
        if isinstance(step, Completed):
            _public_tokens[_key(passage)] = max(0, step.usage.prompt_tokens - TEMPLATE_TOKENS)


def _key(passage: Passage) -> str:
    return f"{passage.language}:{passage.id}"


async def _now() -> tuple[str, str]:
    """Return what changes when the content or the model server does."""
    return await asyncio.to_thread(content_digest), _server()


def _server() -> str:
    """Return what changes when our model server is started anew."""
    try:
        return Path(settings.LLM_CPU_PID_FILE).read_text()
    except OSError:
        return ""
