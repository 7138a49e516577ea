"""The pipeline: one question in, events out, exactly one ``done`` or ``error`` at the end.

Reads from top to bottom like the ladder: verified, quoted, small, none.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.utils import translation

from chat import prompts, warming, wording
from chat.asks import Ask
from chat.errors import ChatError, Impolite
from chat.grounding import Grounded, Source, ground
from chat.history import kept_turns, previous_question
from chat.language import language_of
from chat.profanity import is_profane
from chat.seals import seal
from chat.support import check
from chat.tree import tree
from inference import receipts, tally
from inference.admission import Priority
from inference.backends.base import Text
from inference.engine import Completed, Started, Waiting, engine
from inference.errors import BackendError, ContextTooLong, InferenceError, NoModel
from inference.models import Rung
from inference.receipts import Receipt
from inference.registry import Served
from inference.stopping import StopSignal

logger = logging.getLogger(__name__)
# What somebody asks stands in the beginning; the rest of 16 KiB only costs time.
MAX_GROUNDED_CHARS = 2_000
# Two, so that a crowd of askers does not hold the interpreter against the loop that tells them so.
_threads = ThreadPoolExecutor(2, "ground")
Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, as far as an answer depends on it. The tier comes from the server's session, never from a client."""

    tier: str = "small"
    priority: Priority = Priority.ANONYMOUS


@dataclass(slots=True)
class Answer:
    """One version of an answer in the making."""

    ask: Ask
    request_id: str
    language: str = "en"
    public_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    started: float = field(default_factory=time.monotonic)
    text: str = ""
    seq: int = 0

    def event(self, type: str, **fields: Any) -> Event:
        return {"type": type, "id": self.ask.id, "answer": self.public_id, **fields}

    def delta(self, text: str) -> Event:
        self.text += text
        self.seq += 1
        return self.event("delta", seq=self.seq - 1, text=text)

    @property
    def elapsed_ms(self) -> int:
        return round((time.monotonic() - self.started) * 1000)


async def reply(ask: Ask, asker: Asker, *, stop: StopSignal, request_id: str) -> AsyncGenerator[Event, None]:
    """Answer ``ask``. Every failure becomes the ``error`` event; only a cancellation passes through."""
    answer = Answer(ask, request_id, language=ask.language)
    try:
        async with aclosing(_answer(answer, asker, stop)) as events:
            async for event in events:
                yield event
    except (ChatError, InferenceError) as error:
        if isinstance(error, InferenceError):
            tally.record_failure(rung=asker.tier, language=answer.language)
        logger.info("%s ended in %s after %d ms", answer.request_id, error.code, answer.elapsed_ms)
        yield failure(answer, error)
    except Exception:
        tally.record_failure(rung=asker.tier, language=answer.language)
        logger.exception("%s failed after %d ms", answer.request_id, answer.elapsed_ms)
        yield failure(answer, ChatError())


def failure(answer: Answer, error: ChatError | InferenceError) -> Event:
    """Return the ``error`` event in the language of the page."""
    with translation.override(answer.ask.language):
        return error_event(answer.ask.id, error, request_id=answer.request_id)


def error_event(ask_id: str | None, error: ChatError | InferenceError, *, request_id: str) -> Event:
    """Return the one shape errors have, in the language that is active."""
    return {
        "type": "error",
        "id": ask_id,
        "code": error.code,
        "message": wording.explain(error),
        "field": getattr(error, "field", None),
        "retry_after_s": wording.retry_after_s(error),
        "request_id": request_id,
    }


async def _answer(answer: Answer, asker: Asker, stop: StopSignal) -> AsyncGenerator[Event, None]:
    yield answer.event("status", stage="grounding", tier=None, model=None, hardware=None, wait_s=None, place=None)
    found = await asyncio.get_running_loop().run_in_executor(_threads, _understand, answer.ask)
    answer.language = found.language
    logger.info("%s in %s, score %.2f, %d sources", answer.request_id, found.language, found.score, len(found.sources))

    if found.verified is not None:
        yield _sources(answer, found.sources[:1], with_quotes=False)
        yield answer.delta(found.verified.answer)
        yield _done_without_model(answer, Rung.VERIFIED, found.sources[:1])
        return
    if found.contact or not found.answerable:
        with translation.override(answer.language):
            text = wording.contact() if found.contact else wording.abstention()
        yield answer.delta(text)
        yield _done_without_model(answer, Rung.VERIFIED if found.contact else Rung.NONE, ())
        return

    yield _sources(answer, found.sources)
    best = found.sources[0]
    try:
        candidates = [one for one in await engine.candidates(asker.tier) if one.writes(found.language)]
    except NoModel:
        yield answer.delta(best.quote)
        yield _done_without_model(answer, Rung.QUOTED, found.sources, notice=wording.MODEL_AWAY)
        return
    if not candidates:
        yield answer.delta(best.quote)
        yield _done_without_model(answer, Rung.QUOTED, found.sources)
        return
    async with aclosing(_written(answer, asker, found, candidates, stop)) as events:
        async for event in events:
            yield event


def _understand(ask: Ask) -> Grounded:
    """Everything that needs a thread: language, politeness, passages."""
    language = language_of(ask.question, ask.language)
    if is_profane(ask.question, language):
        raise Impolite
    previous = previous_question(ask.messages)
    return ground(_beginning(ask.question), previous=_beginning(previous) if previous else None, language=language)


def _beginning(text: str) -> str:
    """Return the first ``MAX_GROUNDED_CHARS`` of a text, cut between words."""
    return text if len(text) <= MAX_GROUNDED_CHARS else text[:MAX_GROUNDED_CHARS].rpartition(" ")[0]


async def _written(
    answer: Answer, asker: Asker, found: Grounded, candidates: list[Served], stop: StopSignal
) -> AsyncGenerator[Event, None]:
    """Let a model write, begun with the passage's own words, and check what it wrote."""
    best = found.sources[0]
    cap = min(settings.CHAT_MAX_TOKENS[asker.tier], candidates[0].max_output_tokens)
    request = prompts.prompt(
        name=settings.SITE_NAME,
        passage=best.passage,
        best_sentence=best.best_sentence,
        question=answer.ask.question,
        history=kept_turns(answer.ask.messages, budget_tokens=_room_for_history(candidates[0], cap)),
        max_tokens=cap,
    )
    completed: Completed | None = None
    steps = engine.generate(request, candidates=candidates, priority=asker.priority, stop=stop)
    try:
        async with aclosing(steps):
            async for step in steps:
                match step:
                    case Waiting(place, wait_s):
                        yield _status(answer, "queued", candidates[0], place=place, wait_s=wait_s)
                    case Started(served):
                        yield _status(answer, "generating", served)
                    case Text(text):
                        # The words put into the model's mouth are part of the answer, shown with its first own one.
                        yield answer.delta(text if answer.text else request.begun + text)
                    case Completed():
                        completed = step
    except ContextTooLong:
        raise
    except BackendError as error:
        if answer.text:
            raise  # words are on the page: a broken answer is an error, not a shorter answer
        logger.info("%s: model away (%s), the quote is the answer", answer.request_id, error.code)
        yield answer.delta(best.quote)
        yield _done_without_model(answer, Rung.QUOTED, found.sources, notice=wording.MODEL_AWAY)
        return
    if completed is None or not answer.text:
        # Stopped before the first word: what the reader has is the quote.
        reason = "stopped" if stop.asked else "stop"
        yield answer.delta(best.quote)
        yield _done_without_model(answer, Rung.QUOTED, found.sources, reason=reason)
        return
    if completed.reason == "stop" and answer.text[-1] not in ".!?":
        yield answer.delta(".")  # the end of the sentence is where the server was told to stop
    yield await _done_written(answer, found, completed)


async def _done_written(answer: Answer, found: Grounded, completed: Completed) -> Event:
    best = found.sources[0]
    verdict = await asyncio.to_thread(check, answer.text, [best.passage.text], found.language)
    receipt = receipts.of_completion(
        completed,
        language=found.language,
        request_id=answer.request_id,
        passages=[best.passage.id],
        public_tokens=warming.public_tokens(best.passage),
        check_reasons=verdict.reasons,
    )
    return _done(answer, completed.reason, receipt)


def _done_without_model(
    answer: Answer, rung: str, sources: tuple[Source, ...], *, reason: str = "stop", notice: str | None = None
) -> Event:
    receipt = receipts.without_model(
        rung=rung,
        language=answer.language,
        request_id=answer.request_id,
        passages=[source.passage.id for source in sources[:1]],
        duration_ms=answer.elapsed_ms,
    )
    return _done(answer, reason, receipt, notice=notice)


def _done(answer: Answer, reason: str, receipt: Receipt, *, notice: str | None = None) -> Event:
    event = answer.event(
        "done",
        finish_reason=reason,
        rung=receipt.rung,
        receipt=receipt.as_dict(),
        seal=seal(
            answer=answer.public_id,
            question=answer.ask.question,
            text=answer.text,
            passages=receipt.passages,
            receipt=receipt,
        ),
        tree=tree(answer.text),
    )
    if notice:
        with translation.override(answer.ask.language):
            event["notice"] = {"code": notice, "message": wording.sentence(notice)}
    # Counted last: whatever failed before this line is counted as a failure, and nothing twice.
    tally.record(receipt)
    logger.info(
        "%s on rung %s in %d ms, %d tokens",
        answer.request_id,
        receipt.rung,
        answer.elapsed_ms,
        receipt.completion_tokens,
    )
    return event


def _status(
    answer: Answer, stage: str, served: Served, *, place: int | None = None, wait_s: int | None = None
) -> Event:
    return answer.event(
        "status",
        stage=stage,
        tier=served.tier,
        model=served.name,
        hardware=served.hardware,
        place=place,
        wait_s=wait_s,
    )


def _sources(answer: Answer, sources: tuple[Source, ...], *, with_quotes: bool = True) -> Event:
    """A verified answer cites its passage; the others quote it."""
    listed = [
        {
            "n": source.n,
            "title": f"{source.passage.title} · {source.passage.heading}",
            "url": source.passage.url,
            "score": round(source.score, 3),
            "quote": source.quote if with_quotes else "",
        }
        for source in sources
    ]
    return answer.event("sources", sources=listed)


def _room_for_history(served: Served, cap: int) -> int:
    """Tokens left for earlier turns beside the answer, the passage (200 at most) and a question of ordinary length."""
    return max(0, served.context_tokens - cap - 200 - 250)
