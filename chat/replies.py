"""The pipeline: one question in, events out, exactly one ``done`` or ``error`` at the end of each version.

Reads from top to bottom like the ladder: verified, quoted, small, none; then, for signed-in people, the large model's
version beside the first (``chat.upgrade``).
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass

from django.conf import settings
from django.utils import translation

from chat import upgrade, wording
from chat.askers import Asker
from chat.asks import Ask
from chat.contact import offers
from chat.contact.intents import Intent, classify
from chat.errors import ChatError, Impolite
from chat.events import Answer, Event
from chat.grounding import Grounded, ground
from chat.history import previous_question, sealed_turns, stored_turns
from chat.keeping import Keeper
from chat.language import language_of
from chat.models import TeamMessage
from chat.profanity import is_profane
from chat.writing import Draft, Written, write
from inference import tally
from inference.backends.base import Turn
from inference.engine import engine
from inference.errors import BackendError, ContextTooLong, InferenceError, NoModel
from inference.models import Rung, Tier
from inference.registry import Served
from inference.stopping import StopSignal

logger = logging.getLogger(__name__)
# What somebody asks stands in the beginning; the rest of 16 KiB only costs time.
MAX_GROUNDED_CHARS = 2_000
# Two, so that a crowd of askers does not hold the interpreter against the loop that tells them so.
threads = ThreadPoolExecutor(2, "ground")
Pairs = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Question:
    """A question that was understood: what grounds it, what came before it, and what its asker wants from the team."""

    found: Grounded
    history: tuple[Turn, ...]
    intent: Intent | None = None


async def reply(ask: Ask, asker: Asker, *, stop: StopSignal, request_id: str) -> AsyncGenerator[Event, None]:
    """Answer ``ask``. Every failure becomes the ``error`` event; only a cancellation passes through."""
    answer = Answer(ask, request_id, language=ask.language)
    keeper = Keeper(ask, asker)
    events = _versions(answer, asker, keeper, stop)
    async with aclosing(events):
        async for event in events:
            await keeper.note(event)
            yield event


async def _versions(answer: Answer, asker: Asker, keeper: Keeper, stop: StopSignal) -> AsyncGenerator[Event, None]:
    """Yield the events of the first version, then those of the one beside it, if there is to be one."""
    chance = upgrade.Chance(asker)
    question: Question | None = None
    try:
        yield answer.status("grounding")
        question = await _understood(answer.ask, await keeper.earlier())
        answer.language = question.found.language
        async with aclosing(_first(answer, asker, question, chance, stop)) as events:
            async for event in events:
                if event["type"] == "done" and chance.wakes is not None and not stop.asked:
                    event["upgrading"] = True  # whoever follows stays for the second version
                yield event
    except (ChatError, InferenceError) as error:
        if isinstance(error, InferenceError):
            tally.record_failure(rung=Tier.SMALL, language=answer.language)
        logger.info("%s ended in %s after %d ms", answer.request_id, error.code, answer.elapsed_ms)
        yield answer.failed(error)
        return
    except Exception:
        tally.record_failure(rung=Tier.SMALL, language=answer.language)
        logger.exception("%s failed after %d ms", answer.request_id, answer.elapsed_ms)
        yield answer.failed(ChatError())
        return
    if chance.wakes is not None and not stop.asked:
        second = Answer(answer.ask, answer.request_id, language=answer.language, upgrades=answer.public_id)
        draft = _draft(question, [chance.wakes], asker, Tier.LARGE)
        async with aclosing(upgrade.second_version(second, draft, chance, stop)) as events:
            async for event in events:
                yield event


async def _understood(ask: Ask, earlier: Pairs | None) -> Question:
    """Return the question with its passages. Raises Impolite."""
    found, intent = await asyncio.get_running_loop().run_in_executor(threads, _ground, ask, earlier)
    history = sealed_turns(ask.messages) if earlier is None else stored_turns(earlier)
    return Question(found, history, intent)


def _ground(ask: Ask, earlier: Pairs | None) -> tuple[Grounded, Intent | None]:
    """Everything that needs a thread: language, politeness, passages, what is wanted from the team."""
    language = language_of(ask.question, ask.language)
    if is_profane(ask.question, language):
        raise Impolite
    previous = (earlier[-1][0] if earlier else None) or previous_question(ask.messages)
    question = beginning(ask.question)
    found = ground(question, previous=beginning(previous) if previous else None, language=language)
    return found, classify(question, language)


def beginning(text: str) -> str:
    """Return the first ``MAX_GROUNDED_CHARS`` of a text, cut between words."""
    return text if len(text) <= MAX_GROUNDED_CHARS else text[:MAX_GROUNDED_CHARS].rpartition(" ")[0]


async def _first(
    answer: Answer, asker: Asker, question: Question, chance: upgrade.Chance, stop: StopSignal
) -> AsyncGenerator[Event, None]:
    found = question.found
    logger.info("%s in %s, score %.2f, %d sources", answer.request_id, found.language, found.score, len(found.sources))
    if question.intent is not None:
        answer.contact = question.intent.kind
    if found.verified is not None:
        yield answer.sources(found.sources[:1], with_quotes=False)
        yield answer.delta(found.verified.answer)
        yield answer.done_without_model(Rung.VERIFIED, found.sources[:1])
        return
    if question.intent is not None:
        with translation.override(answer.language):
            yield answer.delta(offers.opening(question.intent.kind))
        yield answer.done_without_model(Rung.VERIFIED, ())
        return
    if not found.answerable:
        with translation.override(answer.language):
            yield answer.delta(wording.abstention())
        # A wish that nobody recognised ends here more often than not, so the way to the team is offered all the same.
        answer.contact = TeamMessage.Kind.OTHER
        yield answer.done_without_model(Rung.NONE, ())
        return

    yield answer.sources(found.sources)
    async with aclosing(chance.take(answer, stop)) as waiting:
        async for event in waiting:
            yield event
    large = chance.ready
    try:
        small: list[Served] | None = [one for one in await engine.candidates(Tier.SMALL) if one.writes(found.language)]
    except NoModel:
        small = None
    if not large and not small:
        # No model at all where one should write is worth a word; a language it does not write is not.
        notice = chance.notice or (wording.MODEL_AWAY if small is None else None)
        yield answer.delta(found.sources[0].quote)
        yield answer.done_without_model(Rung.QUOTED, found.sources, notice=notice)
        return
    draft = _draft(question, [*large, *(small or [])], asker, Tier.LARGE if large else Tier.SMALL, chance.shorter)
    async with aclosing(_written(answer, draft, chance, stop)) as events:
        async for event in events:
            yield event


def _draft(question: Question, candidates: list[Served], asker: Asker, tier: str, shorter: bool = False) -> Draft:
    cap = settings.CHAT_MAX_TOKENS[tier]
    return Draft(
        found=question.found,
        history=question.history,
        candidates=candidates,
        priority=asker.priority,
        max_tokens=cap // 2 if shorter else cap,
    )


async def _written(
    answer: Answer, draft: Draft, chance: upgrade.Chance, stop: StopSignal
) -> AsyncGenerator[Event, None]:
    """Yield the first version by a model; where none can write, the quote is the answer."""
    sources = draft.found.sources
    end = Written()
    try:
        async with aclosing(write(answer, draft, stop, end)) as events:
            async for event in events:
                yield event
    except ContextTooLong:
        raise
    except BackendError as error:
        if answer.text:
            raise  # words are on the page: a broken answer is an error, not a shorter answer
        logger.info("%s: model away (%s), the quote is the answer", answer.request_id, error.code)
        yield answer.delta(sources[0].quote)
        yield answer.done_without_model(Rung.QUOTED, sources, notice=wording.MODEL_AWAY)
        return
    if end.receipt is None:
        # Stopped before the first word: what the reader has is the quote.
        yield answer.delta(sources[0].quote)
        yield answer.done_without_model(Rung.QUOTED, sources, reason=end.reason)
        return
    yield answer.done(end.reason, end.receipt, notice=chance.notice)
