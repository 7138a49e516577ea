"""Lets the small model write the answers of a question set as the product does, and judges every text by rules."""

import asyncio
import secrets
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

from django.conf import settings

from chat import prompts
from chat.grounding import Grounded, ground
from chat.numbers import date_spans, numbers
from chat.support import check
from content.passages import Passage
from inference.backends.base import Finished, Request, Text, Turn
from inference.backends.llamacpp import LlamaCpp
from inference.backends.tokens import neutralise
from siteproject.stack.folder import Folder
from siteproject.stack.llama import ALIAS, LlamaServer, settings_from_environment


@dataclass(frozen=True, slots=True)
class Written:
    """One text by the model, begun words included. ``reasons`` are those of its check, empty when it passed.

    ``new_figure``: it has a number or a date that its passage lacks, whatever its check says. ``copied``: from first
    to last letter it is part of its passage.
    """

    text: str
    reasons: tuple[str, ...]
    new_figure: bool
    copied: bool
    finish: str
    completion_tokens: int
    first_token_ms: float
    duration_ms: float


@dataclass(frozen=True, slots=True)
class Totals:
    """What a list of texts came to; times and tokens as said in the names. ``fails`` counts each reason."""

    passed: int
    copied: int
    loops: int
    ended: int
    mean_tokens: float
    first_token_p50_ms: float
    duration_p50_ms: float
    fails: dict[str, int]


class Writer:
    """A client of one model server with an event loop of its own, for callers that are not asynchronous."""

    def __init__(self, client: LlamaCpp) -> None:
        self._client = client
        self._runner = asyncio.Runner()

    def close(self) -> None:
        self._runner.run(self._client.close())
        self._runner.close()

    def write(self, request: Request, passage: Passage, question: str, language: str) -> Written:
        """Complete ``request`` and judge the text as the product does, against its passage and question."""
        return self._runner.run(_written(self._client, request, passage, question, language))


async def _written(client: LlamaCpp, request: Request, passage: Passage, question: str, language: str) -> Written:
    text, finished, first = request.begun, None, 0.0
    started = time.perf_counter()
    async with aclosing(client.stream(request)) as pieces:
        async for piece in pieces:
            if isinstance(piece, Finished):
                finished = piece
            elif isinstance(piece, Text):
                first = first or time.perf_counter()
                text += piece.text
    ended = time.perf_counter()
    assert finished is not None  # promise 1 of the backends
    if finished.reason == "stop" and text and text[-1] not in ".!?":
        text += "."  # the stop took it away
    return Written(
        text=text,
        reasons=check(text, [passage.text], language).reasons,
        new_figure=not figures(text, language) <= figures(passage.text, language),
        copied=text in passage.text,
        finish=finished.reason,
        completion_tokens=finished.usage.completion_tokens,
        first_token_ms=((first or ended) - started) * 1000,
        duration_ms=(ended - started) * 1000,
    )


def figures(text: str, language: str) -> set[object]:
    """Return every number and date of ``text``."""
    return {*numbers(text, language), *(date for _span, date in date_spans(text, language))}


def product_request(question: str, found: Grounded, history: tuple[Turn, ...] = ()) -> Request:
    """Return the request that the product would send for ``question``."""
    best = found.sources[0]
    return prompts.prompt(
        name=settings.SITE_NAME,
        passages=[best.passage],
        best_sentence=best.best_sentence,
        question=question,
        history=history,
        max_tokens=max_tokens(),
    )


def max_tokens() -> int:
    """Return what the small tier's answers are held to."""
    return min(settings.CHAT_MAX_TOKENS["small"], settings.LLM_CPU["max_output_tokens"])


def history_of(before: str | None, language: str) -> tuple[Turn, ...]:
    """Return the turns of the question before: with its approved answer, or its quote where it has none."""
    if before is None:
        return ()
    found = ground(before, language=language)
    answer = found.verified.answer if found.verified else found.sources[0].quote if found.sources else ""
    return (Turn("user", neutralise(before)), Turn("assistant", neutralise(answer))) if answer else ()


def totals(texts: Sequence[Written]) -> Totals:
    """Return the sums and middles of at least one text."""
    return Totals(
        passed=sum(not each.reasons for each in texts),
        copied=sum(each.copied for each in texts),
        loops=sum("loop" in each.reasons for each in texts),
        ended=sum(each.finish == "stop" for each in texts),
        mean_tokens=fmean(each.completion_tokens for each in texts),
        first_token_p50_ms=median(each.first_token_ms for each in texts),
        duration_p50_ms=median(each.duration_ms for each in texts),
        fails=dict(Counter(reason for each in texts for reason in each.reasons)),
    )


@contextmanager
def model_server() -> Iterator[tuple[str, str]]:
    """Give address and key of a llama.cpp server with the default weights, in a folder of its own."""
    key = secrets.token_urlsafe(30)
    with tempfile.TemporaryDirectory(prefix="wagmi-answers-") as path:
        folder = Folder(Path(path))
        folder.make()
        with LlamaServer(folder, key=key, settings=settings_from_environment()).running() as server:
            yield server.url, key


@contextmanager
def product_writer() -> Iterator[Writer]:
    """Give a writer with the product's own client and sampling, and the server behind it."""
    with model_server() as (url, key):
        writer = Writer(LlamaCpp(url, key, ALIAS))
        try:
            yield writer
        finally:
            writer.close()
