"""One version of an answer by a model: begun with the passage's own words, counted, and checked when it ends."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from django.conf import settings

from chat import prompts, warming
from chat.events import Answer, Event
from chat.grounding import Grounded
from chat.support import check
from inference import receipts
from inference.admission import Priority
from inference.backends.base import Text, Turn
from inference.engine import Completed, Started, Waiting, engine
from inference.receipts import Receipt
from inference.registry import Served
from inference.stopping import StopSignal

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Written:
    """How the writing ended; ``receipt`` is None when no word was written."""

    receipt: Receipt | None = None
    reason: str = "stop"


@dataclass(frozen=True, slots=True)
class Draft:
    """What a model is given: where it may stand, what it may read, how much it may write."""

    found: Grounded
    history: tuple[Turn, ...]
    candidates: list[Served]
    priority: Priority
    max_tokens: int


async def write(answer: Answer, draft: Draft, stop: StopSignal, into: Written) -> AsyncGenerator[Event, None]:
    """Yield the events of a model's version and leave its receipt in ``into``. Raises InferenceError."""
    first = draft.candidates[0]
    cap = min(draft.max_tokens, first.max_output_tokens)
    room = prompts.room_for(first)
    passages = [source.passage for source in draft.found.sources[: room.passages]]
    request = prompts.prompt(
        name=settings.SITE_NAME,
        passages=passages,
        best_sentence=draft.found.sources[0].best_sentence if room.begun else "",
        question=answer.ask.question,
        history=prompts.fitting(draft.history, budget_tokens=prompts.room_for_history(first, cap)),
        max_tokens=cap,
    )
    completed: Completed | None = None
    steps = engine.generate(request, candidates=draft.candidates, priority=draft.priority, stop=stop)
    async with aclosing(steps):
        async for step in steps:
            match step:
                case Waiting(place, wait_s):
                    yield answer.status("queued", first, place=place, wait_s=wait_s)
                case Started(served):
                    yield answer.status("generating", served)
                case Text(text):
                    # The words put into the model's mouth are part of the answer, shown with its first own one.
                    yield answer.delta(text if answer.text else request.begun + text)
                case Completed():
                    completed = step
    if completed is None or not answer.text:
        into.reason = "stopped" if stop.asked else "stop"
        return
    if completed.reason == "stop" and answer.text[-1] not in ".!?":
        yield answer.delta(".")  # the end of the sentence is where the server was told to stop
    into.reason = completed.reason
    verdict = await asyncio.to_thread(check, answer.text, [each.text for each in passages], draft.found.language)
    into.receipt = receipts.of_completion(
        completed,
        language=draft.found.language,
        request_id=answer.request_id,
        passages=[each.id for each in passages],
        public_tokens=warming.public_tokens(passages[0]) if len(passages) == 1 else 0,
        check_reasons=verdict.reasons,
    )
