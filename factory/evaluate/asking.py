"""Asks one question as the chat does: the same rungs, the same prompt, the same engine. Temperature 0.

Two things differ from a visitor's question, so that a run can be repeated: the random line of the prompt is made of
the item's id, and nobody else's question is remembered.
"""

import hashlib
import time
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import cache

from django.conf import settings
from django.utils import translation
from msgspec.structs import replace as altered

from chat import prompts, wording
from chat.contact.intents import classify
from chat.contact.offers import opening
from chat.grounding import Grounded, Indexes, build_index, ground, rank
from chat.language import language_of
from chat.profanity import is_profane
from chat.quotes import quote
from chat.replies import beginning
from chat.words import terms, wants_figure
from content.passages import Passage
from factory.evaluate.answers import REFUSAL, SUPPORTED, Answer, judged, states
from factory.evaluate.suite import Item
from inference.admission import Priority
from inference.backends.base import Request, Text, Turn
from inference.backends.tokens import neutralise
from inference.engine import Completed, Engine
from inference.errors import InferenceError, TimedOut
from inference.registry import Served

SEED = 1


@dataclass(frozen=True, slots=True)
class Writer:
    """What writes in a run: a model behind an engine, on the rung it stands on."""

    engine: Engine
    served: Served

    @property
    def rung(self) -> str:
        return self.served.tier


class Apart(Engine):
    """An engine for a model that is judged before anybody registered it: no switch of ours belongs to it."""

    async def _still_on(self, served: Served) -> bool:
        return True


async def ask(item: Item, writer: Writer | None) -> Answer:
    """Return the answer to ``item``; without a writer, what a reader gets whose language no model writes.

    A failure of the model is an answer on the rung *failed*.
    """
    index = index_for(item)
    started = time.monotonic()
    blank = Answer(
        item=item.id,
        kind=item.kind,
        language=item.language,
        question=item.question,
        previous=item.previous,
        answerable=item.answerable,
        knows_facts=bool(item.facts),
    )
    if is_profane(item.question, language_of(item.question, item.language)):
        return _timed(altered(blank, rung=REFUSAL), started)
    found = ground(
        beginning(item.question),
        previous=beginning(item.previous) if item.previous else None,
        language=item.language,
        index=index,
    )
    intent = classify(beginning(item.question), item.language)
    if found.verified is None and (intent is not None or not found.answerable):
        with translation.override(item.language):
            text = opening(intent.kind) if intent is not None else wording.abstention()
        return _timed(altered(blank, contact=intent is not None, text=text), started)
    here = _with_sources(blank, item, found, index)
    if found.verified is not None or writer is None:
        text = found.verified.answer if found.verified else found.sources[0].quote
        rung = "verified" if found.verified else "quoted"
        cited = tuple(source.passage.id for source in found.sources[: 1 if found.verified else None])
        given = _timed(altered(here, rung=rung, text=text, cited=cited), started)
        return _finished(given, item, found, index)
    return await _written(here, item, found, index, writer)


def index_for(item: Item) -> Indexes:
    """Return what ``item`` is asked of: for one that has no answer, everything but what says it.

    That is its document, every passage that states one of its facts, and, where nobody wrote the facts down, every
    passage with most words of the sentence that would have been quoted.
    """
    if item.kind != "unanswerable":
        return _whole(item.language)
    return _without(item.language, item.document or "", item.section or "", item.question, item.facts)


@cache
def _whole(language: str) -> Indexes:
    return build_index(language)


def _without(language: str, document: str, section: str, question: str, facts: tuple[str, ...]) -> Indexes:
    sentence = frozenset() if facts else frozenset(_best_sentence(language, f"{document}#{section}", question))

    def says_it(passage: Passage) -> bool:
        if passage.id.partition("#")[0] == document or states(facts, passage.text):
            return True
        return bool(sentence) and len(sentence & _terms(passage.text, language)) >= SUPPORTED * len(sentence)

    return build_index(language, omit=says_it)


def _best_sentence(language: str, id: str, question: str) -> list[str]:
    """Return the words of the sentence of a passage that answers ``question`` best."""
    indexes = _whole(language)
    for index in (indexes.knowledge, indexes.pages):
        for passage in index.passages:
            if passage.id == id:
                asked = rank(question, None, index).asked
                picked = quote(passage.text, asked, index, wants_figure=wants_figure(question, language))
                return terms(picked.best_sentence, language)
    return []


@cache
def _terms(text: str, language: str) -> frozenset[str]:
    return frozenset(terms(text, language))


def _with_sources(answer: Answer, item: Item, found: Grounded, index: Indexes) -> Answer:
    right = [source.n for source in found.sources if is_right(source.passage, item)]
    shown = [source.quote for source in found.sources]
    if found.verified:
        shown = [found.verified.answer]
    return altered(
        answer,
        sources=tuple(source.passage.id for source in found.sources),
        quote=found.sources[0].quote if found.sources else "",
        right_place=right[0] if right else 0,
        fact_shown=states(item.facts, " ".join(shown)),
        wrong_approved=_is_wrong(found, item),
    )


def is_right(passage: Passage, item: Item) -> bool:
    """Return whether ``passage`` answers ``item``: it is the one, or states the fact.

    Of a question whose section nobody named, any passage of its document does where no facts are known.
    """
    if not item.answerable:
        return False
    document = passage.id.partition("#")[0]
    if item.section is None and not item.facts:
        return document == item.document
    return passage.id.partition("~")[0] == item.passage.partition("~")[0] or states(item.facts, passage.text)


def _is_wrong(found: Grounded, item: Item) -> bool:
    """Return whether an approved answer was given that is not one to this question.

    Pages say again what knowledge says, so an answer of knowledge to a page's question counts as none of ours to judge.
    """
    if found.verified is None:
        return False
    if not item.answerable or item.document is None:
        return True
    if item.facts:
        return not states(item.facts, found.verified.answer) and found.verified.document != item.document
    return "/" not in item.document and found.verified.document != item.document


async def _written(here: Answer, item: Item, found: Grounded, index: Indexes, writer: Writer) -> Answer:
    """Let the model write below the quote, as ``chat.writing`` does."""
    served = writer.served
    room = prompts.room_for(served)
    passages = [source.passage for source in found.sources[: room.passages]]
    cap = min(settings.CHAT_MAX_TOKENS[served.tier], served.max_output_tokens)
    request = _repeatable(
        prompts.prompt(
            name=settings.SITE_NAME,
            passages=passages,
            best_sentence=found.sources[0].best_sentence if room.begun else "",
            question=item.question,
            history=prompts.fitting(_history(item), budget_tokens=prompts.room_for_history(served, cap)),
            max_tokens=cap,
        ),
        item.id,
    )
    text, completed = request.begun, None
    steps = writer.engine.generate(request, candidates=[served], priority=Priority.ANONYMOUS)
    try:
        async with aclosing(steps):
            async for step in steps:
                if isinstance(step, Text):
                    text += step.text
                elif isinstance(step, Completed):
                    completed = step
    except InferenceError as error:
        finish = f"{error.code}:{error.which}" if isinstance(error, TimedOut) else error.code
        return altered(here, rung="failed", finish=finish)
    if completed is None or text == request.begun:
        # Nothing was written: the quote is the answer, as it is on the site.
        return _finished(altered(here, rung="quoted", text=here.quote), item, found, index)
    if completed.reason == "stop" and text[-1] not in ".!?":
        text += "."  # where the server was told to stop
    energy = completed.effort.energy_j
    written = altered(
        here,
        rung=writer.rung,
        text=text,
        begun=request.begun,
        cited=tuple(each.id for each in passages),
        fact_shown=here.fact_shown or states(item.facts, text),
        finish=completed.reason,
        prompt_tokens=completed.usage.prompt_tokens,
        completion_tokens=completed.usage.completion_tokens,
        first_token_ms=completed.first_token_ms,
        duration_ms=completed.duration_ms,
        energy_mj=tuple(round(energy[name] * 1000) for name in ("low", "mid", "high")),
    )
    return _finished(written, item, found, index)


def _finished(answer: Answer, item: Item, found: Grounded, index: Indexes) -> Answer:
    """Judge the text against the passages that it cites, all of which must have been there to be found."""
    there = {passage.id: passage.text for each in (index.knowledge, index.pages) for passage in each.passages}
    retrieved = {source.passage.id for source in found.sources}
    valid = all(id in there and id in retrieved for id in answer.cited)
    texts = [there[id] for id in answer.cited if id in there]
    return judged(altered(answer, citations_valid=valid), item, texts)


def _history(item: Item) -> tuple[Turn, ...]:
    """Return the turns before a follow-up: the question and what the site shows for it without a model."""
    if item.previous is None:
        return ()
    found = ground(item.previous, language=item.language, index=_whole(item.language))
    said = found.verified.answer if found.verified else found.sources[0].quote if found.sources else ""
    return (Turn("user", neutralise(item.previous)), Turn("assistant", neutralise(said))) if said else ()


def _repeatable(request: Request, id: str) -> Request:
    """Return the request with a line made of ``id`` where the prompt has a random one."""
    system, *rest = request.turns
    public, line, _ = system.text.rpartition("\nConversation ")
    fixed = Turn("system", f"{public}{line}{hashlib.sha256(id.encode()).hexdigest()[:8]}")
    return replace(request, turns=(fixed, *rest), sampling={**request.sampling, "seed": SEED})


def _timed(answer: Answer, started: float) -> Answer:
    """Return an answer that no model wrote, all of it there at once, with its time since ``started``."""
    ms = round((time.monotonic() - started) * 1000)
    return altered(answer, first_token_ms=ms, duration_ms=ms)
